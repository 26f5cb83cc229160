//! How to reach and use a Vault, and the checks of that.
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use reqwest::Url;

use crate::provider::http::{self as client, check_host};

/// How to reach and use a Vault: plain values, from the source's spec and its credential.
#[derive(Clone)]
pub struct Settings {
    /// `https://vault.example.org:8200`, or `http://` where the spec allows it.
    pub server: String,
    /// PEM certificates to trust instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// `X-Vault-Namespace`.
    pub namespace: Option<String>,
    /// The mount of the KV engine, may have several segments.
    pub path: String,
    /// Whether the engine is KV version 2.
    pub version_2: bool,
    /// How to log in.
    pub login: Login,
}

/// How to log in. Never printed.
#[derive(Clone)]
pub enum Login {
    /// A token as it is.
    Token(String),
    /// `AppRole`.
    AppRole {
        /// Where the method is mounted, for example `approle`.
        mount: String,
        /// The role's id.
        role_id: String,
        /// From the credential's Secret.
        secret_id: String,
    },
    /// A token of the operator's `ServiceAccount`, by the methods kubernetes and jwt (both: `auth/<mount>/login`).
    ServiceAccount {
        /// Where the method is mounted, for example `kubernetes`.
        mount: String,
        /// The role.
        role: String,
        /// The audience of the token, for messages.
        audience: String,
        /// The file of the projected token; read anew for each login, since the kubelet replaces it.
        token_file: PathBuf,
    },
}

/// Times that tests shorten.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// How old a token must be so that a 401 or 403 is taken as a sign that it was revoked or that its policies have changed.
    /// It is also the time between two such logins.
    pub relogin_after: Duration,
    /// How long a connection may take.
    pub connect: Duration,
    /// How long a call may take in all.
    pub total: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let limits = client::Options::new(None, false);
        Self {
            relogin_after: Duration::from_mins(2),
            connect: limits.connect,
            total: limits.total,
        }
    }
}

/// The server's URL, checked. Fails with a sentence that does not repeat it, since it may contain a password.
pub(super) fn server(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim_end_matches(['\r', '\n']))
        .map_err(|_| "server: must be a URL, for example https://vault.lan:8200".to_owned())?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err("server: must begin with https:// or http://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("server: must not contain a user or a password".to_owned());
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("server: must be a scheme, a host and a port alone, without a path; a namespace goes to `namespace`, a mount to `path`".to_owned());
    }
    let host = url.host().ok_or("server: must contain a host")?;
    if let url::Host::Domain(name) = &host
        && !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    {
        return Err("server: the host has characters that no name of a host has".to_owned());
    }
    check_host(&host).map_err(|why| format!("server: {why}"))?;
    Ok(url)
}

/// A text that becomes a header, without the newline that files and Secrets end with. Fails with a sentence that does not repeat
/// the text.
pub(super) fn header(field: &str, text: &str) -> Result<String, String> {
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(format!("{field}: must not be empty"));
    }
    if !is_header(text) {
        return Err(format!(
            "{field}: must be ASCII in one line, without control characters"
        ));
    }
    Ok(text.to_owned())
}

/// Whether `vaultrs` can put it into a header: it ends the process otherwise.
pub(super) fn is_header(text: &str) -> bool {
    // `HeaderValue` takes bytes beyond ASCII, which servers read in their own ways. Longer ones are refused by servers: Go's
    // limit for all headers is 1 MiB, that of proxies is 8 to 32 KiB.
    text.is_ascii() && text.len() <= 16 * 1024 && HeaderValue::from_str(text).is_ok()
}

/// A text for the body of a login, without the newline at its end.
pub(super) fn credential(field: &str, text: &str) -> Result<String, String> {
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(format!("{field}: must not be empty"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_scheme_a_host_and_a_port() {
        for good in [
            "https://vault.lan:8200",
            "https://vault.lan/",
            "http://127.0.0.1:8200",
            "https://[::1]:8200",
            "https://vault_1.lan\n",
        ] {
            server(good).expect(good);
        }
        for bad in [
            "",
            "vault.lan",
            "vault.lan:8200",
            "ftp://vault.lan",
            "https://",
            "https://u:hunter2@vault.lan",
            "https://u@vault.lan",
            "https://vault.lan/v1",
            "https://vault.lan/?a=b",
            "https://vault.lan/#a",
            "https://va{ult.lan",
            "https://va\"ult",
            "https://169.254.169.254",
            "https://[fe80::1]",
            "data:text/plain,x",
        ] {
            let why = server(bad).expect_err(bad);
            assert!(why.starts_with("server: "), "{why}");
            assert!(!why.contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn a_header_loses_its_newline_and_is_never_repeated() {
        assert_eq!(header("token", "s.abc\n").unwrap(), "s.abc");
        assert_eq!(header("token", "s.abc\r\n").unwrap(), "s.abc");
        for bad in [
            "",
            "\n",
            "hunter2\nhunter2",
            "hunter2\0",
            "hunter2ä",
            &"hunter2".repeat(3000),
        ] {
            let why = header("token", bad).expect_err(bad);
            assert!(why.starts_with("token: ") && !why.contains("hunter2"), "{why}");
        }
    }
}
