//! The syntax of record values by type.
//!
//! Source: "Supported DNS record types",
//! <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html>. The wording
//! `FATAL problem: Code (text) encountered with 'value'` is the service's (boto/boto3#1462, hashicorp/terraform#18482); the
//! codes of MX, SRV and CAA are this fake's own.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::name;

/// Checks one value of a set of this type.
pub fn check(kind: &str, value: &str) -> Result<(), String> {
    let problem = |message: &str| Err(format!("{message} encountered with '{value}'"));
    match kind {
        "A" if value.parse::<Ipv4Addr>().is_err() => {
            problem("ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)")
        }
        "AAAA" if value.parse::<Ipv6Addr>().is_err() => {
            problem("AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)")
        }
        "CNAME" | "NS" | "PTR" => name::normalise(value).map(drop),
        "TXT" | "SPF" => character_strings(value),
        "MX" => {
            let fields: Vec<_> = value.split_ascii_whitespace().collect();
            let [preference, host] = fields[..] else {
                return problem("MXRRDATANotTwoFields (MX record doesn't have 2 fields)");
            };
            number(preference, u16::MAX.into(), value)?;
            name::normalise(host).map(drop)
        }
        "SRV" => {
            let fields: Vec<_> = value.split_ascii_whitespace().collect();
            let [priority, weight, port, host] = fields[..] else {
                return problem("SRVRRDATANotFourFields (SRV record doesn't have 4 fields)");
            };
            [priority, weight, port]
                .into_iter()
                .try_for_each(|field| number(field, u16::MAX.into(), value))?;
            name::normalise(host).map(drop)
        }
        "CAA" => {
            let mut fields = value.splitn(3, ' ');
            let (Some(flags), Some(tag), Some(text)) = (fields.next(), fields.next(), fields.next()) else {
                return problem("CAARRDATANotThreeFields (CAA record doesn't have 3 fields)");
            };
            number(flags, u8::MAX.into(), value)?;
            if tag.is_empty() || !tag.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return problem("CAARRDATAIllegalTag (CAA tag is not letters and digits)");
            }
            character_strings(text)
        }
        "SOA" if value.split_ascii_whitespace().count() != 7 => {
            problem("SOARRDATANotSevenFields (SOA record doesn't have 7 fields)")
        }
        _ if value.is_empty() => problem("InvalidValue (Value is empty)"),
        _ => Ok(()),
    }
}

/// A key by which two spellings of one value are the same: for finding duplicates in a set.
pub fn canonical(kind: &str, value: &str) -> String {
    match kind {
        "AAAA" => value
            .parse::<Ipv6Addr>()
            .map_or_else(|_| value.to_owned(), |address| address.to_string()),
        "TXT" | "SPF" | "CAA" => value.to_owned(),
        _ => value.trim_end_matches('.').to_ascii_lowercase(),
    }
}

fn number(text: &str, most: u32, value: &str) -> Result<(), String> {
    match text.parse::<u32>() {
        Ok(number) if number <= most => Ok(()),
        _ => Err(format!(
            "InvalidNumber (Value is not a number from 0 to {most}) encountered with '{value}'"
        )),
    }
}

/// One or more strings in quotation marks with spaces between, each of 255 bytes at most, 4000 characters in all.
/// `\"` and `\\` stand for themselves, `\ooo` for a byte.
fn character_strings(value: &str) -> Result<(), String> {
    let problem = |message: &str| Err(format!("{message} encountered with '{value}'"));
    let unquoted = "InvalidCharacterString (Value should be enclosed in quotation marks)";
    if value.chars().count() > 4000 {
        return problem("CharacterStringTooLong (Value is too long)");
    }
    let bytes = value.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'"' {
            return problem(unquoted);
        }
        at += 1;
        let mut length = 0;
        while bytes.get(at).is_some_and(|&byte| byte != b'"') {
            at += match bytes[at] {
                b'\\'
                    if bytes
                        .get(at + 1..at + 4)
                        .is_some_and(|digits| digits.iter().all(u8::is_ascii_digit)) =>
                {
                    4
                }
                b'\\' => 2,
                0..b' ' | 0x7f.. => return problem("UnsupportedCharacter (Value contains unsupported characters)"),
                _ => 1,
            };
            length += 1;
        }
        if length > 255 {
            return problem("CharacterStringTooLong (Value is too long)");
        }
        // Past the closing mark, then either the end or a space before the next string.
        match bytes.get(at..) {
            Some([b'"']) => return Ok(()),
            Some([b'"', b' ', ..]) => at += 2,
            _ => return problem(unquoted),
        }
    }
    problem(unquoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_values_pass() {
        let long = format!("\"{}\" \"{}\"", "a".repeat(255), "b".repeat(255));
        for (kind, value) in [
            ("A", "192.0.2.1"),
            ("AAAA", "2001:db8::1"),
            ("CNAME", "www.example.net"),
            ("TXT", "\"\""),
            ("TXT", "\"a \\\"quoted\\\" word\" \"\\303\\274\""),
            ("TXT", long.as_str()),
            ("MX", "10 mail.example.org."),
            ("SRV", "0 5 5060 sip.example.org"),
            ("CAA", "0 issue \"ca.example.net; account=1\""),
            ("NS", "ns-1.awsdns-1.org."),
        ] {
            assert_eq!(check(kind, value), Ok(()), "{kind} {value}");
        }
    }

    #[test]
    fn bad_values_are_told() {
        let long = format!("\"{}\"", "a".repeat(256));
        for (kind, value, message) in [
            ("A", "example.org", "ARRDATAIllegalIPv4Address"),
            ("A", "192.0.2.256", "ARRDATAIllegalIPv4Address"),
            ("AAAA", "192.0.2.1", "AAAARRDATAIllegalIPv6Address"),
            ("CNAME", "", "DomainNameEmpty"),
            ("TXT", "bare", "InvalidCharacterString"),
            ("TXT", "", "InvalidCharacterString"),
            ("TXT", "\"open", "InvalidCharacterString"),
            ("TXT", "\"\"twice\"\"", "InvalidCharacterString"),
            ("TXT", "\"ends\\\"", "InvalidCharacterString"),
            ("TXT", "\"ü\"", "UnsupportedCharacter"),
            ("TXT", long.as_str(), "CharacterStringTooLong"),
            ("MX", "mail.example.org", "MXRRDATANotTwoFields"),
            ("MX", "65536 mail.example.org", "InvalidNumber"),
            ("SRV", "0 5 sip.example.org", "SRVRRDATANotFourFields"),
            ("CAA", "0 issue ca.example.net", "InvalidCharacterString"),
            ("CAA", "256 issue \"a\"", "InvalidNumber"),
        ] {
            assert!(
                check(kind, value).is_err_and(|problem| problem.starts_with(message)),
                "{kind} {value}"
            );
        }
    }

    #[test]
    fn spellings_of_one_value_are_equal() {
        assert_eq!(canonical("AAAA", "2001:DB8:0::1"), canonical("AAAA", "2001:db8::1"));
        assert_eq!(
            canonical("CNAME", "A.example.org."),
            canonical("CNAME", "a.example.org")
        );
        assert_ne!(canonical("TXT", "\"A\""), canonical("TXT", "\"a\""));
    }
}
