//! As much XML as Route 53's API needs: a small tree to read requests from, and an escaping writer.

use anyhow::{Context as _, Result, bail};
use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_xml_entity};
use quick_xml::events::Event;

/// The namespace of every document of the API.
pub const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

/// An element without attributes: its name without prefix, its text, its children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Local name.
    pub name: String,
    /// Text directly within, entities resolved.
    pub text: String,
    /// Elements within, in order.
    pub children: Vec<Element>,
}

impl Element {
    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of that name.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// The element itself or its first descendant of that name, depth first.
    pub fn find(&self, name: &str) -> Option<&Element> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }

    /// Writes the element and everything within, as it was read but for spaces and attributes.
    pub fn write(&self, out: &mut String) {
        open(out, &self.name);
        out.push_str(&escape(self.text.as_str()));
        self.children.iter().for_each(|child| child.write(out));
        close(out, &self.name);
    }
}

/// Reads a document into its root element.
pub fn parse(document: &str) -> Result<Element> {
    let mut reader = Reader::from_str(document);
    let mut open: Vec<Element> = Vec::new();
    loop {
        match reader.read_event().context("not XML")? {
            Event::Start(start) => {
                open.push(Element {
                    name: start.local_name().into_inner().to_owned(),
                    ..Element::default()
                });
            }
            Event::Empty(start) => {
                let element = Element {
                    name: start.local_name().into_inner().to_owned(),
                    ..Element::default()
                };
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => return Ok(element),
                }
            }
            Event::End(_) => {
                let mut element = open.pop().context("an end without a start")?;
                if !element.children.is_empty() {
                    element.text.clear();
                }
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => return Ok(element),
                }
            }
            Event::Text(text) => append(&mut open, &text.xml10_content()),
            Event::CData(text) => append(&mut open, &text.xml10_content()),
            Event::GeneralRef(entity) => {
                if let Some(character) = entity.resolve_char_ref()? {
                    append(&mut open, character.encode_utf8(&mut [0; 4]));
                } else {
                    let name = entity.xml10_content();
                    append(
                        &mut open,
                        resolve_xml_entity(&name).with_context(|| format!("unknown entity {name}"))?,
                    );
                }
            }
            Event::Eof => bail!("the document ends early"),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn append(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// `<name>`.
pub fn open(out: &mut String, name: &str) {
    out.extend(["<", name, ">"]);
}

/// `</name>`.
pub fn close(out: &mut String, name: &str) {
    out.extend(["</", name, ">"]);
}

/// `<name>text</name>`, escaped.
pub fn leaf(out: &mut String, name: &str, text: &str) {
    open(out, name);
    out.push_str(&escape(text));
    close(out, name);
}

/// [`leaf`] when there is a text.
pub fn optional(out: &mut String, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        leaf(out, name, text);
    }
}

/// A whole document of the API with this root and content.
pub fn document(root: &str, content: &str) -> String {
    format!("<?xml version=\"1.0\"?>\n<{root} xmlns=\"{NAMESPACE}\">{content}</{root}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_entities_and_nesting() {
        let root = parse("<?xml version=\"1.0\"?><a xmlns=\"x\"> <b>&quot;1 &amp; &#50;&quot;</b><c/></a>").unwrap();
        assert_eq!(root.text_of("b"), Some("\"1 & 2\""));
        assert_eq!(
            root.child("c"),
            Some(&Element {
                name: "c".to_owned(),
                ..Element::default()
            })
        );
        let mut written = String::new();
        root.write(&mut written);
        assert_eq!(parse(&written).unwrap(), root);
        assert!(parse("<a><b></a>").is_err() && parse("<a>").is_err() && parse("").is_err());
    }
}
