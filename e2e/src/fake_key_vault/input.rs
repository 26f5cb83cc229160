//! Checks of what a request says: names, versions, API versions, queries, forms.

use hyper::body::Bytes;
use serde::de::DeserializeOwned;

use super::answer::Answer;

/// The API versions that the fake knows: those in the REST reference since 7.4. The newest is the default of the Python clients
/// of 2026.
pub(super) const API_VERSIONS: [&str; 5] = ["7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"];

/// `outContentType` came with the API version of 2025.
pub(super) fn converts(api_version: &str) -> bool {
    api_version.starts_with("20")
}

/// The pairs of a query or a form.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// The value of a pair, if there is one.
pub(super) fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(held, _)| held == name)
        .map(|(_, value)| value.as_str())
}

/// `+` and `%xx`; what is no such code stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let code = (byte == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(code) = code {
            decoded.push(code);
            at += 3;
        } else {
            decoded.push(if byte == b'+' { b' ' } else { byte });
            at += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The API version of a query.
pub(super) fn api_version(query: &[(String, String)]) -> Result<&str, Answer> {
    let Some(version) = value(query, "api-version") else {
        return Err(Answer::bad_parameter("api-version must be specified"));
    };
    if API_VERSIONS.contains(&version) {
        Ok(version)
    } else {
        Err(Answer::bad_parameter(&format!(
            "The specified version ({version}) is not recognized. Consider using the latest supported version (2025-07-01)."
        )))
    }
}

/// Names of secrets and certificates: `^[0-9A-Za-z-]{1,127}$`.
pub(super) fn check_name(name: &str) -> Result<(), Answer> {
    let fits = (1..=127).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if fits {
        Ok(())
    } else {
        Err(Answer::bad_parameter(
            "The request URI contains an invalid name: only letters, digits and '-' are allowed",
        ))
    }
}

/// Versions: 32 hexadecimal digits.
pub(super) fn check_version(version: &str) -> Result<(), Answer> {
    if version.len() == 32 && version.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(())
    } else {
        Err(Answer::bad_parameter("The request URI contains an invalid version"))
    }
}

/// A JSON body of this type.
pub(super) fn body<T: DeserializeOwned>(content_type: Option<&str>, body: &Bytes) -> Result<T, Answer> {
    let kind = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if kind != "application/json" {
        return Err(Answer::error(
            415,
            "UnsupportedMediaType",
            "Content-Type must be application/json",
            None,
        ));
    }
    serde_json::from_slice(body).map_err(|error| Answer::bad_parameter(&format!("Property has invalid value: {error}")))
}

/// How many items a page has: 25, or fewer on request.
pub(super) fn page_size(query: &[(String, String)]) -> Result<usize, Answer> {
    match value(query, "maxresults") {
        None => Ok(25),
        Some(text) => text
            .parse()
            .ok()
            .filter(|size| (1..=25).contains(size))
            .ok_or_else(|| Answer::bad_parameter("maxresults must be in the range of 1 to 25")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let form = pairs("scope=https%3A%2F%2Fvault.azure.net%2F.default&client_secret=a%2Bb+c%zz");
        assert_eq!(value(&form, "scope"), Some("https://vault.azure.net/.default"));
        assert_eq!(value(&form, "client_secret"), Some("a+b c%zz"));
        assert_eq!(value(&form, "other"), None);
    }

    #[test]
    fn names_and_versions_are_checked() {
        assert!(check_name("Db-Password-1").is_ok());
        for name in ["", "a_b", "a.b", "a/b", &"x".repeat(128)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_version("0123456789abcdef0123456789abcdef").is_ok());
        assert!(check_version("1").is_err());
    }

    #[test]
    fn the_api_version_is_required() {
        assert!(api_version(&pairs("api-version=7.5")).is_ok());
        assert!(api_version(&pairs("api-version=7.9")).is_err());
        assert!(api_version(&pairs("")).is_err());
    }
}
