//! Record types and their values: what a user writes, what Route 53 is sent, and how two spellings compare.
//!
//! The text of a value is Route 53's; see "Supported DNS record types",
//! <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html>. Host names are written without
//! a final dot.
use std::net::{Ipv4Addr, Ipv6Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{Name, decode_route53, push_octal, unescape};

/// Octets of one character string (RFC 1035 §3.3.14).
const MAX_STRING: usize = 255;

/// The record types that can be managed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    /// IPv4 addresses (RFC 1035).
    A,
    /// IPv6 addresses (RFC 3596).
    Aaaa,
    /// Another name (RFC 1035).
    Cname,
    /// Texts (RFC 1035).
    Txt,
    /// Mail exchangers (RFC 1035).
    Mx,
    /// Service locations (RFC 2782).
    Srv,
    /// Name servers of a delegated name (RFC 1035).
    Ns,
    /// Certificate authorities that may issue (RFC 8659).
    Caa,
}

impl RecordType {
    /// Every type.
    pub const ALL: [Self; 8] = [
        Self::A,
        Self::Aaaa,
        Self::Cname,
        Self::Txt,
        Self::Mx,
        Self::Srv,
        Self::Ns,
        Self::Caa,
    ];

    /// As the API and people write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Txt => "TXT",
            Self::Mx => "MX",
            Self::Srv => "SRV",
            Self::Ns => "NS",
            Self::Caa => "CAA",
        }
    }

    /// As it stands in the names of owner records.
    pub const fn lower(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::Aaaa => "aaaa",
            Self::Cname => "cname",
            Self::Txt => "txt",
            Self::Mx => "mx",
            Self::Srv => "srv",
            Self::Ns => "ns",
            Self::Caa => "caa",
        }
    }

    /// The type of that name, in any case; None: not one that can be managed.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(text))
    }

    /// The type that a target asks for: an IPv4 address A, any other address AAAA (an IPv4-mapped one too, as in
    /// external-dns), everything else CNAME.
    pub fn of_target(target: &str) -> Self {
        let address = target.split_once('%').map_or(target, |(address, _zone)| address);
        if target.parse::<Ipv4Addr>().is_ok() {
            Self::A
        } else if address.parse::<Ipv6Addr>().is_ok() {
            Self::Aaaa
        } else {
            Self::Cname
        }
    }

    /// Turns what a user wrote into the exact text that is sent to Route 53. The error says what is wrong with it and
    /// what is expected. The result is its own [`canonical`](Self::canonical) form.
    pub fn value(self, text: &str) -> Result<Box<str>, String> {
        let text = text.trim();
        match self {
            Self::A => ipv4(text),
            Self::Aaaa => ipv6(text),
            Self::Cname | Self::Ns => host(text),
            Self::Txt => txt_value(text),
            Self::Mx => mx(text),
            Self::Srv => srv(text),
            Self::Caa => caa(text),
        }
    }

    /// The form in which values are compared: spelling of addresses, case and final dots of host names, escapes, quotes
    /// and spacing no longer matter. Text that cannot be read compares as itself.
    pub fn canonical(self, provider_text: &str) -> Box<str> {
        let text = provider_text.trim();
        let read = match self {
            Self::A => text.parse::<Ipv4Addr>().ok().map(|address| address.to_string().into()),
            Self::Aaaa => text.parse::<Ipv6Addr>().ok().map(|address| address.to_string().into()),
            Self::Cname | Self::Ns => lenient_host(text),
            Self::Txt => txt_strings(text).map(|strings| quote(&strings)),
            Self::Mx => numbers_and_host::<1>(text).map(|(numbers, host)| join(&numbers, &host)),
            Self::Srv => numbers_and_host::<3>(text).map(|(numbers, host)| join(&numbers, &host)),
            Self::Caa => read_caa(text).map(|(flags, tag, value)| write_caa(flags, &tag, &value)),
        };
        read.unwrap_or_else(|| text.into())
    }
}

fn ipv4(text: &str) -> Result<Box<str>, String> {
    text.parse::<Ipv4Addr>()
        .map(|address| address.to_string().into())
        .map_err(|_| match RecordType::of_target(text) {
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

fn ipv6(text: &str) -> Result<Box<str>, String> {
    text.parse::<Ipv6Addr>()
        .map(|address| address.to_string().into())
        .map_err(|_| match RecordType::of_target(text) {
            RecordType::A => format!("`{text}` is an IPv4 address; it belongs in a record of type A"),
            RecordType::Aaaa => {
                format!("`{text}` names an interface after `%`, which means nothing outside its own host")
            }
            _ => format!("`{text}` is not an IPv6 address such as 2001:db8::1, which a record of type AAAA holds"),
        })
}

/// A host name. One without a dot is nearly always a slip (`localhost`); who means it writes a final dot. A number at the end
/// is what is left of an address: no such top-level domain exists (RFC 3696 section 2).
fn host(text: &str) -> Result<Box<str>, String> {
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
    } else if last.len() < name.as_str().len() {
        Ok(name.as_str().into())
    } else if text.ends_with('.') {
        Ok(format!("{name}.").into())
    } else {
        Err(format!(
            "`{text}` has no dot and means nothing outside its own network; write the whole name, such as \
             {name}.example.org, or `{name}.` if there is such a top-level domain"
        ))
    }
}

/// A host, or `.` which says that there is none (RFC 2782, RFC 7505).
fn host_or_root(text: &str) -> Result<Box<str>, String> {
    if text == "." { Ok(text.into()) } else { host(text) }
}

fn lenient_host(text: &str) -> Option<Box<str>> {
    if text == "." {
        return Some(text.into());
    }
    let name = decode_route53(text).ok()?;
    // As `host` writes it.
    Some(if name.as_str().contains('.') {
        name.as_str().into()
    } else {
        format!("{name}.").into()
    })
}

/// `N` numbers of 16 bits and a host, as in MX and SRV.
fn numbers_and_host<const N: usize>(text: &str) -> Option<([u16; N], Box<str>)> {
    let (numbers, last) = numbers_and_last(text)?;
    Some((numbers, lenient_host(last)?))
}

fn numbers_and_last<const N: usize>(text: &str) -> Option<([u16; N], &str)> {
    let mut parts = text.split_ascii_whitespace();
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = decimal(parts.next()?)?;
    }
    let last = parts.next()?;
    parts.next().is_none().then_some((numbers, last))
}

/// Digits only: `str::parse` would take a sign too.
fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

fn join(numbers: &[u16], host: &str) -> Box<str> {
    let mut text = String::new();
    for number in numbers {
        text.push_str(&number.to_string());
        text.push(' ');
    }
    text.push_str(host);
    text.into()
}

fn mx(text: &str) -> Result<Box<str>, String> {
    let (numbers, last) = numbers_and_last::<1>(text).ok_or_else(|| {
        format!("`{text}` is not a mail exchanger: write a preference and a host, as in `10 mail.example.org`")
    })?;
    Ok(join(&numbers, &host_or_root(last)?))
}

fn srv(text: &str) -> Result<Box<str>, String> {
    let (numbers, last) = numbers_and_last::<3>(text).ok_or_else(|| {
        format!("`{text}` is not a service: write priority, weight, port and host, as in `0 50 5060 sip.example.org`")
    })?;
    Ok(join(&numbers, &host_or_root(last)?))
}

fn caa(text: &str) -> Result<Box<str>, String> {
    read_caa(text)
        .map(|(flags, tag, value)| write_caa(flags, &tag, &value))
        .ok_or_else(|| {
            format!(
                "`{text}` is not a CAA value: write flags (0 or 128), tag and value, as in `0 issue \"ca.example.org\"`"
            )
        })
}

/// Flags, tag and value of a CAA record (RFC 8659 §4.1.1: tags are letters and digits in any case). A value without
/// quotes is taken when it is one word.
fn read_caa(text: &str) -> Option<(u8, String, Vec<u8>)> {
    let (flags, rest) = text.split_once(|c: char| c.is_ascii_whitespace())?;
    let (tag, rest) = rest.trim_start().split_once(|c: char| c.is_ascii_whitespace())?;
    if tag.is_empty() || !tag.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let rest = rest.trim();
    let value = if rest.starts_with('"') {
        let mut strings = txt_strings(rest)?;
        if strings.len() != 1 {
            return None;
        }
        strings.pop()?
    } else if rest.is_empty() || rest.contains(|c: char| c.is_ascii_whitespace() || c == '"') {
        return None;
    } else {
        rest.as_bytes().to_vec()
    };
    Some((decimal(flags)?, tag.to_ascii_lowercase(), value))
}

fn write_caa(flags: u8, tag: &str, value: &[u8]) -> Box<str> {
    let mut text = format!("{flags} {tag} ");
    push_quoted(&mut text, value);
    text.into()
}

/// Text in quotes keeps its strings; any other text is taken literally, unless it is what people copy from a zone file or a
/// provider's page. Strings of more than 255 octets are split.
fn txt_value(text: &str) -> Result<Box<str>, String> {
    let strings = if text.starts_with('"') {
        txt_strings(text).ok_or_else(|| {
            format!(
                "`{text}` begins with a quote but is not one or more texts in quotes; close the quotes and write a quote \
                 inside as \\\", or leave out the quotes altogether"
            )
        })?
    } else if let Some(strings) = copied_strings(text) {
        strings
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
    Ok(quote(&strings))
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
        return txt_strings(inside).filter(|_| is_comment);
    }
    let parts = text.split('"').collect::<Vec<_>>();
    let between = parts.iter().skip(1).take(parts.len().saturating_sub(2));
    // Two quotes with nothing but white space between them end one string and begin the next.
    let mut gaps = between.filter(|part| !part.is_empty() && part.trim().is_empty());
    gaps.next()?;
    let closed = if text.ends_with('"') { "" } else { "\"" };
    txt_strings(&format!("\"{text}{closed}"))
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

/// The strings of a TXT value as Route 53 writes it; None: not a sequence of quoted strings.
pub(crate) fn txt_strings(text: &str) -> Option<Vec<Vec<u8>>> {
    let mut strings = Vec::new();
    let mut rest = text.trim().as_bytes();
    while let Some((b'"', tail)) = rest.split_first() {
        let (string, after) = quoted_string(tail)?;
        strings.push(string);
        rest = after.trim_ascii_start();
        // Two strings need something between them; `"a""b"` is more likely a slip.
        if !rest.is_empty() && rest.len() == after.len() {
            return None;
        }
    }
    (rest.is_empty() && !strings.is_empty()).then_some(strings)
}

/// The octets up to the closing quote and what follows it.
fn quoted_string(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut octets = Vec::new();
    loop {
        match rest.split_first()? {
            (b'"', after) => return Some((octets, after)),
            (b'\\', []) => return None,
            (b'\\', tail) => {
                let (octet, after) = unescape(tail);
                octets.push(octet);
                rest = after;
            }
            (octet, after) => {
                octets.push(*octet);
                rest = after;
            }
        }
    }
}

/// Strings as Route 53 takes them: quoted, separated by spaces, none longer than DNS allows.
pub(crate) fn quote(strings: &[Vec<u8>]) -> Box<str> {
    let mut text = String::new();
    for string in strings {
        let pieces = string.chunks(MAX_STRING);
        // `chunks` of nothing is no piece at all, but the empty string is a string.
        let empty: &[u8] = &[];
        for piece in pieces.chain(string.is_empty().then_some(empty)) {
            if !text.is_empty() {
                text.push(' ');
            }
            push_quoted(&mut text, piece);
        }
    }
    text.into()
}

fn push_quoted(text: &mut String, octets: &[u8]) {
    text.push('"');
    for &octet in octets {
        match octet {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(octet));
            }
            b' '..=b'~' => text.push(char::from(octet)),
            other => push_octal(text, other),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests;
