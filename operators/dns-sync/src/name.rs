//! Canonical DNS names, so that two spellings of one name are one key.
//!
//! A [`Name`] is lower-case ASCII without a final dot: what people write in Unicode is mapped by UTS #46
//! (non-transitional). [`Name::parse`] takes what a person or another tool may ask for and is strict; names that are
//! already at the provider come through [`decode_octal`], which takes every name that DNS allows.
use std::{borrow::Cow, fmt, sync::Arc};

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Octets of a name in text form, without the final dot (RFC 1035 §2.3.4: 255 on the wire).
const MAX_NAME: usize = 253;
/// Octets of a label (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// A canonical DNS name; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

/// Why a text is no name; says what is wrong and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(String);

impl Name {
    /// Reads a name as a person writes it: any case, Unicode, with or without a final dot, surrounding spaces. Letters,
    /// digits, `-` and `_` are allowed, and `*` as the whole first label.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let ascii = to_ascii(text)?;
        let name = ascii.strip_suffix('.').unwrap_or(&ascii);
        for (position, label) in name.split('.').enumerate() {
            let odd = label
                .chars()
                .find(|c| !c.is_ascii_alphanumeric() && *c != '-' && *c != '_');
            match odd {
                Some('*') if position == 0 && label == "*" => {}
                Some('*') => {
                    return Err(NameError(format!(
                        "`{text}` has a `*` where none is allowed; a wildcard is the whole first label, as in \
                         `*.example.org`"
                    )));
                }
                Some(c) => {
                    return Err(NameError(format!(
                        "`{text}` contains {c:?}; allowed are letters, digits, `-`, `_` and dots between labels"
                    )));
                }
                None => {}
            }
        }
        check_lengths(text, name)?;
        Ok(Self(name.into()))
    }

    /// The text: lower-case ASCII, no final dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `*.something`.
    pub fn is_wildcard(&self) -> bool {
        self.first_label() == "*"
    }

    /// Whether the name is `zone` itself or lies below it.
    pub fn is_within(&self, zone: &Self) -> bool {
        match self.0.strip_suffix(&*zone.0) {
            Some(rest) => rest.is_empty() || rest.ends_with('.'),
            None => false,
        }
    }

    /// A name given relative to `zone`; `@` is the zone itself.
    pub fn join(relative: &str, zone: &Self) -> Result<Self, NameError> {
        let relative = relative.trim();
        match relative {
            "@" => Ok(zone.clone()),
            "" => Err(NameError("the name is empty; write `@` for the zone itself".to_owned())),
            _ => Self::parse(&format!("{relative}.{zone}")),
        }
    }

    /// What stands before the first dot.
    pub fn first_label(&self) -> &str {
        self.labels().next().unwrap_or_default()
    }

    /// The name without its first label.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, rest)| Self(rest.into()))
    }

    /// The labels, first to last.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }
}

/// Reads a name as Route 53 writes it: octets other than printable ASCII, and some that are printable, come as a
/// backslash and three octal digits, for example `\052.example.com.` for a wildcard. Everything that DNS allows is
/// taken; octets that would be ambiguous in text stay escaped.
/// See "DNS domain name format" in the Route 53 developer guide,
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html>.
pub fn decode_octal(text: &str) -> Result<Name, NameError> {
    let mut name = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        let octet = if first == b'\\' {
            let (octet, after) = unescape(tail);
            rest = after;
            octet
        } else if first == b'.' {
            name.push('.');
            continue;
        } else {
            first
        };
        match octet.to_ascii_lowercase() {
            plain @ b'!'..=b'~' if plain != b'.' && plain != b'\\' => name.push(char::from(plain)),
            other => push_octal(&mut name, other),
        }
    }
    if name.ends_with('.') {
        name.pop();
    }
    check_lengths(text, &name)?;
    Ok(Name(name.into()))
}

/// The octet behind a backslash (three octal digits or the character itself) and what follows it.
pub(crate) fn unescape(tail: &[u8]) -> (u8, &[u8]) {
    if let [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] = tail {
        ((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'), after)
    } else if let [plain, after @ ..] = tail {
        (*plain, after)
    } else {
        (b'\\', tail)
    }
}

/// Writes an octet as a backslash and three octal digits.
pub(crate) fn push_octal(text: &mut String, octet: u8) {
    text.push('\\');
    for shift in [6, 3, 0] {
        text.push(char::from(b'0' + (octet >> shift & 7)));
    }
}

fn to_ascii(text: &str) -> Result<Cow<'_, str>, NameError> {
    let text = text.trim();
    if text.is_ascii() {
        return Ok(Cow::Owned(text.to_ascii_lowercase()));
    }
    Uts46::new()
        .to_ascii(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore)
        .map_err(|_| {
            NameError(format!(
                "`{text}` contains characters that no internationalised domain name may have"
            ))
        })
}

fn check_lengths(text: &str, name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError(format!("`{text}` is no name: it has no label")));
    }
    let mut octets = 0;
    for label in name.split('.') {
        // An escaped octet is four characters of text and one of the name.
        let length = label.len() - 3 * label.matches('\\').count();
        if length == 0 {
            return Err(NameError(format!(
                "`{text}` has an empty label (two dots in a row or a leading dot)"
            )));
        }
        if length > MAX_LABEL {
            return Err(NameError(format!(
                "the label `{label}` of `{text}` has {length} characters; a label has at most {MAX_LABEL}"
            )));
        }
        octets += length + 1;
    }
    if octets - 1 > MAX_NAME {
        return Err(NameError(format!(
            "`{text}` has {} characters; a name has at most {MAX_NAME}",
            octets - 1
        )));
    }
    Ok(())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        decode_octal(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn canonical_names() {
        let long = format!("{}.example", "a".repeat(63));
        let cases = [
            ("example.org", "example.org"),
            ("ExAmple.com.", "example.com"),
            ("  www.example.org ", "www.example.org"),
            ("*.Example.org", "*.example.org"),
            ("_sip._tcp.example.org", "_sip._tcp.example.org"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("B\u{dc}CHER.example", "xn--bcher-kva.example"),
            ("*.b\u{fc}cher.example", "*.xn--bcher-kva.example"),
            ("fa\u{df}.example", "xn--fa-hia.example"),
            ("www\u{3002}example", "www.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("-a.b-.example", "-a.b-.example"),
            ("org", "org"),
            (&long, &long),
        ];
        for (text, canonical) in cases {
            assert_eq!(name(text).as_str(), canonical, "{text:?}");
        }
    }

    #[test]
    fn no_names() {
        let long_label = format!("{}.example.org", "a".repeat(64));
        let long_name = vec!["abcdefg"; 32].join(".");
        let cases = [
            ("", "no label"),
            (".", "no label"),
            ("a..b", "empty label"),
            (".a", "empty label"),
            ("a..", "empty label"),
            ("a b.example", "' '"),
            ("a,b", "','"),
            ("http://a", "':'"),
            ("a.*.example", "whole first label"),
            ("*a.example", "whole first label"),
            ("a*.example", "whole first label"),
            ("**.example", "whole first label"),
            ("a\\052.example", "'\\\\'"),
            (&long_label, "64 characters"),
            (&long_name, "255 characters"),
        ];
        for (text, word) in cases {
            let message = Name::parse(text).unwrap_err().to_string();
            assert!(message.contains(word), "{text:?}: {message}");
        }
    }

    #[test]
    fn within_a_zone() {
        let cases = [
            ("example.org", "example.org", true),
            ("www.example.org", "example.org", true),
            ("a.b.example.org", "example.org", true),
            ("*.example.org", "example.org", true),
            ("anexample.org", "example.org", false),
            ("example.com", "example.org", false),
            ("org", "example.org", false),
        ];
        for (text, zone, within) in cases {
            assert_eq!(name(text).is_within(&name(zone)), within, "{text} {zone}");
        }
    }

    #[test]
    fn relative_names() {
        let zone = name("example.org");
        assert_eq!(Name::join("@", &zone), Ok(zone.clone()));
        assert_eq!(Name::join("VPN", &zone), Ok(name("vpn.example.org")));
        assert_eq!(Name::join("*.apps", &zone), Ok(name("*.apps.example.org")));
        assert!(Name::join("", &zone).is_err());
        assert!(Name::join("vpn.", &zone).is_err());
    }

    #[test]
    fn parts() {
        let wildcard = name("*.apps.example.org");
        assert!(wildcard.is_wildcard());
        assert!(!name("apps.example.org").is_wildcard());
        assert_eq!(wildcard.first_label(), "*");
        assert_eq!(wildcard.parent(), Some(name("apps.example.org")));
        assert_eq!(name("org").parent(), None);
        assert_eq!(wildcard.labels().collect::<Vec<_>>(), ["*", "apps", "example", "org"]);
    }

    #[test]
    fn names_as_route53_writes_them() {
        let cases = [
            ("\\052.example.com.", "*.example.com"),
            ("a-\\052.example.com.", "a-*.example.com"),
            ("_owner.a.\\052.example.com.", "_owner.a.*.example.com"),
            ("example.com.", "example.com"),
            ("txt-\\041\\042.example.com.", "txt-!\".example.com"),
            ("\\101.example.com.", "a.example.com"),
            ("a\\056b.example.com.", "a\\056b.example.com"),
            ("\\303\\274.example.com.", "\\303\\274.example.com"),
            ("a\\134b.example.com.", "a\\134b.example.com"),
            ("a\\/b.example.com", "a/b.example.com"),
        ];
        for (text, canonical) in cases {
            let decoded = decode_octal(text).unwrap();
            assert_eq!(decoded.as_str(), canonical, "{text}");
            assert_eq!(decode_octal(canonical), Ok(decoded), "{text}");
        }
        // Escapes count as the octets they stand for.
        assert!(decode_octal(&format!("{}.example", "\\303".repeat(63))).is_ok());
        assert!(decode_octal(&format!("{}.example", "\\303".repeat(64))).is_err());
        assert!(decode_octal("").is_err() && decode_octal("a..b").is_err());
        assert!(
            !decode_octal("a\\056example.com")
                .unwrap()
                .is_within(&name("example.com"))
        );
    }

    #[test]
    fn serialised_as_a_text() {
        let text = serde_json::to_string(&name("*.Example.org.")).unwrap();
        assert_eq!(text, "\"*.example.org\"");
        assert_eq!(serde_json::from_str::<Name>(&text).unwrap(), name("*.example.org"));
        assert!(serde_json::from_str::<Name>("\"a..b\"").is_err());
    }

    #[test]
    fn accepted_names_survive_display() {
        const PIECES: [&str; 20] = [
            "a",
            "B",
            "9",
            ".",
            ".",
            "-",
            "_",
            "*",
            "*.",
            "\u{fc}",
            "\u{df}",
            "\u{3002}",
            "xn--",
            "\\052",
            "\\",
            " ",
            "/",
            "\u{1f600}",
            "\u{200d}",
            "example",
        ];
        let mut random = fastrand::Rng::with_seed(53);
        let mut accepted = 0;
        for _ in 0..15_000 {
            let text: String = (0..random.usize(..10))
                .map(|_| PIECES[random.usize(..PIECES.len())])
                .collect();
            if let Ok(read) = Name::parse(&text) {
                accepted += 1;
                assert_eq!(Name::parse(&read.to_string()), Ok(read.clone()), "{text:?}");
                assert_eq!(decode_octal(&format!("{read}.")), Ok(read), "{text:?}");
            }
            if let Ok(read) = decode_octal(&text) {
                assert_eq!(decode_octal(read.as_str()), Ok(read), "{text:?}");
            }
        }
        assert!(accepted > 100, "{accepted}");
    }
}
