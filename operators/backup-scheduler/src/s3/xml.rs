//! As much XML as answers of S3 need.
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;

/// Answers of S3 have at most four elements within each other.
const DEEPEST: usize = 16;

/// It is no complete XML document, or one that no S3 server writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Calls `on_end` at the end of each element with its path of names from the root (`Error/Code`) and the text directly within it.
pub(super) fn read(document: &[u8], mut on_end: impl FnMut(&str, &str)) -> Result<(), Malformed> {
    let document = std::str::from_utf8(document).map_err(|_| Malformed)?;
    let mut reader = Reader::from_str(document);
    let mut path = String::new();
    // Where each open element begins in `path`, and its text.
    let mut open: Vec<(usize, String)> = Vec::new();
    loop {
        match reader.read_event().map_err(|_| Malformed)? {
            Event::Start(start) => {
                if open.len() == DEEPEST {
                    return Err(Malformed);
                }
                open.push((path.len(), String::new()));
                push(&mut path, start.local_name().into_inner());
            }
            Event::Empty(start) => {
                let begin = path.len();
                push(&mut path, start.local_name().into_inner());
                on_end(&path, "");
                path.truncate(begin);
                if open.is_empty() {
                    return Ok(());
                }
            }
            Event::End(_) => {
                let (begin, text) = open.pop().ok_or(Malformed)?;
                on_end(&path, &text);
                path.truncate(begin);
                if open.is_empty() {
                    return Ok(());
                }
            }
            Event::Text(text) => append(&mut open, &text.xml10_content())?,
            Event::CData(text) => append(&mut open, &text.xml10_content())?,
            Event::GeneralRef(entity) => match entity.resolve_char_ref().map_err(|_| Malformed)? {
                Some(character) => append(&mut open, character.encode_utf8(&mut [0; 4]))?,
                None => append(&mut open, resolve_xml_entity(&entity.xml10_content()).ok_or(Malformed)?)?,
            },
            // A document type could define entities; no server writes one.
            Event::Eof | Event::DocType(_) => return Err(Malformed),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

fn push(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('/');
    }
    path.push_str(name);
}

/// Text outside of the root may only be spaces.
fn append(open: &mut [(usize, String)], text: &str) -> Result<(), Malformed> {
    match open.last_mut() {
        Some((_, all)) => all.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(Malformed),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(document: &str) -> Result<Vec<(String, String)>, Malformed> {
        let mut all = Vec::new();
        read(document.as_bytes(), |path, text| {
            all.push((path.to_owned(), text.to_owned()));
        })?;
        Ok(all)
    }

    #[test]
    fn elements_are_told_with_path_and_text() {
        let document = "<?xml version=\"1.0\"?>\n<A xmlns=\"u\"> <b>x &amp;&#x41;&#66;<![CDATA[<]]></b><n:c/></A>";
        let expected = [("A/b", "x &AB<"), ("A/c", ""), ("A", " ")];
        let expected: Vec<_> = expected.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        assert_eq!(ends(document).unwrap(), expected);
    }

    #[test]
    fn what_is_no_complete_document_is_malformed() {
        let deep = "<a>".repeat(DEEPEST + 1);
        for document in [
            "",
            " ",
            "text",
            "<a>",
            "<a><b></a>",
            "</a>",
            "<a>&nbsp;</a>",
            "<a>&#0;</a>",
            "<!DOCTYPE html><html></html>",
            "<a",
            &deep,
        ] {
            assert_eq!(ends(document), Err(Malformed), "{document}");
        }
        assert_eq!(read(b"<a>\xff</a>", |_, _| {}), Err(Malformed));
    }
}
