//! Values as text: that of zone files (RFC 1035 §5.1), with escapes in octal digits. Route 53 takes and writes it; see
//! "Supported DNS record types", <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html>. People
//! see it in plans and messages. Host names are written without a final dot.
use std::fmt;

use super::{Caa, Host, RecordData, RecordType, Strings};
use crate::name::{decode_octal, push_octal, unescape};

/// Reads a value. `None`: it is none of this type.
pub(super) fn read(record_type: RecordType, text: &str) -> Option<RecordData> {
    match record_type {
        RecordType::A => text.parse().ok().map(RecordData::A),
        RecordType::Aaaa => text.parse().ok().map(RecordData::Aaaa),
        RecordType::Cname | RecordType::Ns => host(text).map(RecordData::Host),
        RecordType::Txt => strings(text).map(|strings| RecordData::Txt(Strings::new(&strings))),
        RecordType::Mx => {
            let ([preference], last) = numbers_and_last(text)?;
            let host = host(last)?;
            Some(RecordData::Mx { preference, host })
        }
        RecordType::Srv => {
            let ([priority, weight, port], last) = numbers_and_last(text)?;
            let host = host(last)?;
            Some(RecordData::Srv {
                priority,
                weight,
                port,
                host,
            })
        }
        RecordType::Caa => read_caa(text),
    }
}

impl fmt::Display for RecordData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(address) => write!(f, "{address}"),
            Self::Aaaa(address) => write!(f, "{address}"),
            Self::Host(host) => write!(f, "{host}"),
            Self::Txt(strings) => {
                for (at, string) in strings.iter().enumerate() {
                    if at > 0 {
                        f.write_str(" ")?;
                    }
                    f.write_str(&quoted(string))?;
                }
                Ok(())
            }
            Self::Mx { preference, host } => write!(f, "{preference} {host}"),
            Self::Srv {
                priority,
                weight,
                port,
                host,
            } => write!(f, "{priority} {weight} {port} {host}"),
            Self::Caa(caa) => write!(f, "{} {} {}", caa.flags, caa.tag, quoted(&caa.value)),
            Self::Unreadable(text) => f.write_str(text),
        }
    }
}

/// A final dot says that a name without other dots is meant.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("."),
            Self::Name(name) if name.as_str().contains('.') => f.write_str(name.as_str()),
            Self::Name(name) => write!(f, "{name}."),
        }
    }
}

fn host(text: &str) -> Option<Host> {
    if text == "." {
        return Some(Host::Root);
    }
    decode_octal(text).ok().map(Host::Name)
}

/// `N` numbers of 16 bits and what is behind them, as in MX and SRV.
pub(super) fn numbers_and_last<const N: usize>(text: &str) -> Option<([u16; N], &str)> {
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

/// Flags, tag and value of a CAA record (RFC 8659 §4.1.1: tags are letters and digits in any case). A value without
/// quotes is taken when it is one word.
pub(super) fn read_caa(text: &str) -> Option<RecordData> {
    let (flags, rest) = text.split_once(|c: char| c.is_ascii_whitespace())?;
    let (tag, rest) = rest.trim_start().split_once(|c: char| c.is_ascii_whitespace())?;
    if tag.is_empty() || !tag.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let rest = rest.trim();
    let value = if rest.starts_with('"') {
        let mut strings = strings(rest)?;
        if strings.len() != 1 {
            return None;
        }
        strings.pop()?
    } else if rest.is_empty() || rest.contains(|c: char| c.is_ascii_whitespace() || c == '"') {
        return None;
    } else {
        rest.as_bytes().to_vec()
    };
    Some(RecordData::Caa(Box::new(Caa {
        flags: decimal(flags)?,
        tag: tag.to_ascii_lowercase().into(),
        value: value.into(),
    })))
}

/// The strings of a TXT value; None: not a sequence of quoted strings.
pub(super) fn strings(text: &str) -> Option<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    let mut rest = text.trim().as_bytes();
    while let Some((b'"', tail)) = rest.split_first() {
        let (string, after) = quoted_string(tail)?;
        all.push(string);
        rest = after.trim_ascii_start();
        // Two strings need something between them; `"a""b"` is more likely a slip.
        if !rest.is_empty() && rest.len() == after.len() {
            return None;
        }
    }
    (rest.is_empty() && !all.is_empty()).then_some(all)
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

fn quoted(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() + 2);
    text.push('"');
    for &octet in octets {
        match octet {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(octet));
            }
            b' '..=b'~' => text.push(char::from(octet)),
            other => push_octal(&mut text, other),
        }
    }
    text.push('"');
    text
}
