//! Domain names the way Route 53 keeps them: lower case, absolute, unusual characters as octal escapes.
//!
//! Source: "DNS domain name format",
//! <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html>: names are case-insensitive;
//! a label has at most 63 bytes and a name 255; any byte other than `a-z 0-9 - _` is returned as `\ooo`; on the way in,
//! bytes up to octal 40 and from 177 must be written as an escape.

/// What Route 53 says of a name or value that it cannot read, without the leading `FATAL problem:`.
pub type Problem = String;

/// Parses a name as a client wrote it into the form Route 53 stores and answers, with a final dot.
///
/// ```
/// # use hearth_e2e::fake_route53::name;
/// assert_eq!(name::normalise("*.Example.org").unwrap(), "\\052.example.org.");
/// assert_eq!(name::normalise("\\052.example.org.").unwrap(), "\\052.example.org.");
/// ```
pub fn normalise(text: &str) -> Result<String, Problem> {
    let labels = labels(text)?;
    let length: usize = labels.iter().map(|label| label.len() + 1).sum::<usize>() + 1;
    if length > 255 {
        return Err(format!(
            "DomainNameTooLong (Domain name is too long) encountered with '{text}'"
        ));
    }
    Ok(labels
        .iter()
        .fold(String::with_capacity(length), |name, label| name + &escape(label) + "."))
}

/// The form by which sets are sorted: labels reversed, `www.example.com.` as `com.example.www.`.
///
/// Source: `ListResourceRecordSets`,
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListResourceRecordSets.html>, "Sort order".
pub fn reversed(normalised: &str) -> String {
    normalised
        .trim_end_matches('.')
        .rsplit('.')
        .fold(String::with_capacity(normalised.len()), |name, label| {
            name + label + "."
        })
}

/// Whether a normalised name is the zone's apex or below it.
pub fn lies_in(normalised: &str, apex: &str) -> bool {
    normalised
        .strip_suffix(apex)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Splits at unescaped dots and resolves escapes into the labels' bytes, in lower case.
fn labels(text: &str) -> Result<Vec<Vec<u8>>, Problem> {
    if text.is_empty() {
        return Err("DomainNameEmpty (Domain name is empty) encountered with ''".to_owned());
    }
    let bytes = text.strip_suffix('.').unwrap_or(text).as_bytes();
    let mut labels = vec![Vec::new()];
    let mut at = 0;
    while at < bytes.len() {
        let byte = match bytes[at] {
            b'.' => {
                labels.push(Vec::new());
                at += 1;
                continue;
            }
            b'\\' => {
                at += 3;
                octal(bytes.get(at - 2..=at)).ok_or_else(|| unsupported(text))?
            }
            0..=b' ' | 0x7f.. => return Err(unsupported(text)),
            byte => byte,
        };
        at += 1;
        if let Some(label) = labels.last_mut() {
            label.push(byte.to_ascii_lowercase());
        }
    }
    for label in &labels {
        let shown = String::from_utf8_lossy(label);
        match label.len() {
            0 => {
                return Err(format!(
                    "DomainLabelEmpty (Domain label is empty) encountered with '{text}'"
                ));
            }
            1..=63 => {}
            _ => {
                return Err(format!(
                    "DomainLabelTooLong (Domain label is too long) encountered with '{shown}'"
                ));
            }
        }
    }
    Ok(labels)
}

fn unsupported(text: &str) -> Problem {
    format!("UnsupportedCharacter (Value contains unsupported characters) encountered with '{text}'")
}

/// Three octal digits as a byte.
fn octal(digits: Option<&[u8]>) -> Option<u8> {
    let digits = digits.filter(|digits| digits.iter().all(|digit| (b'0'..=b'7').contains(digit)))?;
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

fn escape(label: &[u8]) -> String {
    label
        .iter()
        .fold(String::with_capacity(label.len()), |text, byte| match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => text + char::from(*byte).encode_utf8(&mut [0; 4]),
            other => text + &format!("\\{other:03o}"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_as_the_service_keeps_them() {
        for (text, kept) in [
            ("Example.ORG", "example.org."),
            ("*.example.org.", "\\052.example.org."),
            ("\\052.example.org", "\\052.example.org."),
            ("@.example.org", "\\100.example.org."),
            ("\\101.example.org", "a.example.org."),
            ("a\\056b.example.org", "a\\056b.example.org."),
            ("_sip._tcp.example.org", "_sip._tcp.example.org."),
        ] {
            assert_eq!(normalise(text).as_deref(), Ok(kept), "{text}");
        }
    }

    #[test]
    fn bad_names_are_refused_with_the_services_problem() {
        let label = "a".repeat(64);
        let long = format!("{}example.org", "abcdefghi.".repeat(25));
        for (text, problem) in [
            ("", "DomainNameEmpty"),
            ("a..example.org", "DomainLabelEmpty"),
            (label.as_str(), "DomainLabelTooLong"),
            (long.as_str(), "DomainNameTooLong"),
            ("a b.example.org", "UnsupportedCharacter"),
            ("bücher.example.org", "UnsupportedCharacter"),
            ("a\\9.example.org", "UnsupportedCharacter"),
            ("a\\05", "UnsupportedCharacter"),
        ] {
            assert!(
                normalise(text).is_err_and(|message| message.starts_with(problem)),
                "{text}"
            );
        }
        assert!(normalise(&format!("{}.example.org", "a".repeat(63))).is_ok());
    }

    #[test]
    fn order_and_membership_follow_labels() {
        assert_eq!(reversed("www.example.com."), "com.example.www.");
        assert!(lies_in("example.org.", "example.org.") && lies_in("a.example.org.", "example.org."));
        assert!(!lies_in("anexample.org.", "example.org."));
    }
}
