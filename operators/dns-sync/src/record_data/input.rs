//! What users write as values. Strict: a slip must not be published.
use std::net::{Ipv4Addr, Ipv6Addr};

use super::text::{numbers_and_last, read_caa, strings};
use super::{Host, RecordData, RecordType, Strings};
use crate::name::Name;

/// Reads a value. The error says what is wrong with it and what is expected.
pub(super) fn read(record_type: RecordType, text: &str) -> Result<RecordData, String> {
    match record_type {
        RecordType::A => ipv4(text).map(RecordData::A),
        RecordType::Aaaa => ipv6(text).map(RecordData::Aaaa),
        RecordType::Cname | RecordType::Ns => host(text).map(RecordData::Host),
        RecordType::Txt => txt(text).map(|strings| RecordData::Txt(Strings::new(&strings))),
        RecordType::Mx => mx(text),
        RecordType::Srv => srv(text),
        RecordType::Caa => caa(text),
    }
}

fn ipv4(text: &str) -> Result<Ipv4Addr, String> {
    text.parse::<Ipv4Addr>().map_err(|_| match RecordType::of_target(text) {
        RecordType::Aaaa => format!("`{text}` is an IPv6 address; it belongs in a record of type AAAA"),
        _ if text
            .strip_suffix('.')
            .is_some_and(|bare| bare.parse::<Ipv4Addr>().is_ok()) =>
        {
            format!("`{text}` ends in a dot; write the address without it")
        }
        _ => format!("`{text}` is not an IPv4 address such as 192.0.2.1, which a record of type A holds"),
    })
}

fn ipv6(text: &str) -> Result<Ipv6Addr, String> {
    text.parse::<Ipv6Addr>().map_err(|_| match RecordType::of_target(text) {
        RecordType::A => format!("`{text}` is an IPv4 address; it belongs in a record of type A"),
        RecordType::Aaaa => {
            format!("`{text}` names an interface after `%`, which means nothing outside its own host")
        }
        _ => format!("`{text}` is not an IPv6 address such as 2001:db8::1, which a record of type AAAA holds"),
    })
}

/// A host name. One without a dot is nearly always a slip (`localhost`); who means it writes a final dot. A number at the end
/// is what is left of an address: no such top-level domain exists (RFC 3696 section 2).
fn host(text: &str) -> Result<Host, String> {
    let is_address = |text: &str| RecordType::of_target(text) != RecordType::Cname;
    let name = match Name::parse(text) {
        _ if is_address(text) => {
            return Err(format!(
                "`{text}` is an address; a host name such as host.example.org is expected"
            ));
        }
        Ok(name) if is_address(name.as_str()) => {
            return Err(format!("`{text}` is an address with a final dot, not a host name"));
        }
        Ok(name) => name,
        Err(error) => return Err(error.to_string()),
    };
    let last = name.labels().next_back().unwrap_or_default();
    if last.bytes().all(|octet| octet.is_ascii_digit()) {
        Err(format!(
            "`{text}` ends in a number and is neither an address nor a host name such as host.example.org"
        ))
    } else if last.len() < name.as_str().len() || text.ends_with('.') {
        Ok(Host::Name(name))
    } else {
        Err(format!(
            "`{text}` has no dot and means nothing outside its own network; write the whole name, such as \
             {name}.example.org, or `{name}.` if there is such a top-level domain"
        ))
    }
}

/// A host, or `.` which says that there is none (RFC 2782, RFC 7505).
fn host_or_root(text: &str) -> Result<Host, String> {
    if text == "." { Ok(Host::Root) } else { host(text) }
}

fn mx(text: &str) -> Result<RecordData, String> {
    let ([preference], last) = numbers_and_last(text).ok_or_else(|| {
        format!("`{text}` is not a mail exchanger: write a preference and a host, as in `10 mail.example.org`")
    })?;
    let host = host_or_root(last)?;
    Ok(RecordData::Mx { preference, host })
}

fn srv(text: &str) -> Result<RecordData, String> {
    let ([priority, weight, port], last) = numbers_and_last(text).ok_or_else(|| {
        format!("`{text}` is not a service: write priority, weight, port and host, as in `0 50 5060 sip.example.org`")
    })?;
    let host = host_or_root(last)?;
    Ok(RecordData::Srv {
        priority,
        weight,
        port,
        host,
    })
}

fn caa(text: &str) -> Result<RecordData, String> {
    read_caa(text).ok_or_else(|| {
        format!(
            "`{text}` is not a CAA value: write flags (0 or 128), tag and value, as in `0 issue \"ca.example.org\"`"
        )
    })
}

/// Text in quotes keeps its strings; any other text is taken literally, unless it is what people copy from a zone file or a
/// provider's page.
fn txt(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let found = if text.starts_with('"') {
        strings(text).ok_or_else(|| {
            format!(
                "`{text}` begins with a quote but is not one or more texts in quotes; close the quotes and write a quote \
                 inside as \\\", or leave out the quotes altogether"
            )
        })?
    } else if let Some(found) = copied_strings(text) {
        found
    } else if text.contains(['\n', '\r']) {
        return Err(
            "the text has several lines; put each part in quotes, or write all of it in one line (in YAML with `>-`)"
                .to_owned(),
        );
    } else if text.starts_with(['\u{201c}', '\u{201d}', '\u{201e}']) {
        return Err(format!(
            "`{text}` begins with a typographic quote; write \" instead, or leave out the quotes"
        ));
    } else if looks_like_a_zone_file(text) {
        return Err(format!(
            "`{text}` looks like a whole line of a zone file; write only the text behind TXT"
        ));
    } else {
        vec![text.as_bytes().to_vec()]
    };
    Ok(found)
}

/// The strings of a text without outer quotes (`one" "two`), or in the parentheses of a zone file with a comment behind
/// them. `None`: it is neither.
fn copied_strings(text: &str) -> Option<Vec<Vec<u8>>> {
    if let Some(inside) = text.strip_prefix('(') {
        let (inside, after) = inside
            .rsplit_once(')')
            .map(|(inside, after)| (inside, after.trim_start()))?;
        // The comment may have a parenthesis of its own.
        let (inside, after) = match inside.split_once(");").or_else(|| inside.split_once(") ;")) {
            Some((inside, _)) => (inside, ""),
            None => (inside, after),
        };
        let is_comment = after.is_empty() || after.starts_with(';');
        return strings(inside).filter(|_| is_comment);
    }
    let parts = text.split('"').collect::<Vec<_>>();
    let between = parts.iter().skip(1).take(parts.len().saturating_sub(2));
    // Two quotes with nothing but white space between them end one string and begin the next.
    let mut gaps = between.filter(|part| !part.is_empty() && part.trim().is_empty());
    gaps.next()?;
    let closed = if text.ends_with('"') { "" } else { "\"" };
    strings(&format!("\"{text}{closed}"))
}

/// Whether the text has a type, and the value behind it in quotes.
fn looks_like_a_zone_file(text: &str) -> bool {
    let Some((before, after)) = text.split_once('"') else {
        return false;
    };
    let mut words = before
        .trim_end_matches(|c: char| c == '(' || c.is_whitespace())
        .split_whitespace();
    words.next_back() == Some("TXT") && words.next().is_some() && after.contains('"')
}
