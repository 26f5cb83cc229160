//! Record types and their values as fields and octets. What users and providers write is text: [`RecordType::value`] reads
//! the one, [`RecordType::read`] the other.
use std::net::{Ipv4Addr, Ipv6Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::Name;

mod input;
mod text;

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

    /// Reads what a user wrote. The error says what is wrong with it and what is expected.
    pub fn value(self, text: &str) -> Result<RecordData, String> {
        input::read(self, text.trim())
    }

    /// Reads the text of a zone file, with escapes in octal digits as Route 53 writes them. What cannot be read is kept as it
    /// is. As text (`Display`) the result has one spelling, whatever was read.
    pub fn read(self, text: &str) -> RecordData {
        let text = text.trim();
        text::read(self, text).unwrap_or_else(|| RecordData::Unreadable(text.into()))
    }
}

/// One value of a record set. Values that mean the same are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordData {
    /// Of type A.
    A(Ipv4Addr),
    /// Of type AAAA.
    Aaaa(Ipv6Addr),
    /// Of types CNAME and NS, and the target of an alias.
    Host(Host),
    /// Of type TXT.
    Txt(Strings),
    /// Of type MX.
    Mx {
        /// The lowest is tried first.
        preference: u16,
        /// The mail exchanger.
        host: Host,
    },
    /// Of type SRV.
    Srv {
        /// The lowest is tried first.
        priority: u16,
        /// The share among those of one priority.
        weight: u16,
        /// The service's port.
        port: u16,
        /// Where it is.
        host: Host,
    },
    /// Of type CAA.
    Caa(Box<Caa>),
    /// A provider's text that cannot be read.
    Unreadable(Box<str>),
}

impl RecordData {
    /// The name of a host, if that is all of the value.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Host(Host::Name(name)) => Some(name.as_str()),
            _ => None,
        }
    }
}

/// A host name in a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// `.`: there is none (RFC 2782, RFC 7505).
    Root,
    /// This one.
    Name(Name),
}

/// The character strings of a TXT value, none longer than DNS allows. One block of octets, since there is an owner record for
/// each record: each string is after its length, as on the wire (RFC 1035 §3.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Strings(Box<[u8]>);

impl Strings {
    /// Of strings of any length; those that are too long are split.
    pub fn new(strings: &[Vec<u8>]) -> Self {
        let mut octets = Vec::with_capacity(strings.iter().map(|string| string.len() + 1).sum());
        let mut add = |piece: &[u8]| {
            octets.push(u8::try_from(piece.len()).unwrap_or(u8::MAX));
            octets.extend_from_slice(piece);
        };
        for string in strings {
            // `chunks` of nothing is no piece at all, but the empty string is a string.
            if string.is_empty() {
                add(&[]);
            }
            string.chunks(MAX_STRING).for_each(&mut add);
        }
        Self(octets.into())
    }

    /// Each string.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first()?;
            let (string, next) = after.split_at_checked(usize::from(*length))?;
            rest = next;
            Some(string)
        })
    }

    /// All of them as one.
    pub fn concat(&self) -> Vec<u8> {
        self.iter().flatten().copied().collect()
    }
}

/// Which certificate authority may issue (RFC 8659).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Caa {
    /// 128: who does not know the tag must not issue.
    pub flags: u8,
    /// In lower case, for example `issue`.
    pub tag: Box<str>,
    /// What the tag says.
    pub value: Box<[u8]>,
}

#[cfg(test)]
mod tests;
