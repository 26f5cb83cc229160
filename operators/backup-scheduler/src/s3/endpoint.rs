//! Where a bucket is: settings of a `BackupRepository`, checked, and the addresses of its objects.
use std::fmt;

use url::{Host, Url};
use zeroize::Zeroizing;

/// The longest prefix in bytes: with it, 500 keys of restic are well below the largest answer that is read.
const LONGEST_PREFIX: usize = 256;
/// The longest key of S3 in bytes.
const LONGEST_KEY: usize = 1024;
/// What servers that have no regions expect, and the default of restic.
const DEFAULT_REGION: &str = "us-east-1";

/// How a bucket is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `https://host`, with a port if it is not the default one. Also `http://`.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// The region. None: that of the host's name (`s3.eu-west-1.…`), else `us-east-1`.
    pub region: Option<String>,
    /// Whether the bucket is in the path or in the host's name. None: as restic does it, in the path except at AWS and Alibaba.
    pub path_style: Option<bool>,
    /// PEM certificates to trust instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// The key.
    pub credentials: Credentials,
}

/// An S3 key. The secret parts are overwritten in memory when they are dropped, and `Debug` does not show them.
#[derive(Clone)]
pub struct Credentials {
    /// Its id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Zeroizing<String>,
    /// The session, for temporary keys.
    pub session_token: Option<Zeroizing<String>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credentials(…)")
    }
}

impl Credentials {
    /// The key of a Secret's values.
    pub fn new(access_key_id: &str, secret_access_key: &str, session_token: Option<&str>) -> Self {
        let secret = |text: &str| Zeroizing::new(text.to_owned());
        Self {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: secret(secret_access_key),
            session_token: session_token.map(secret),
        }
    }

    /// A line break at the end of a value is the usual mistake, and restic would send it, too.
    fn check(&self) -> Result<(), String> {
        let token = self
            .session_token
            .as_ref()
            .map(|token| ("session-token", token.as_str()));
        let parts = [
            ("access-key-id", self.access_key_id.as_str()),
            ("secret-access-key", self.secret_access_key.as_str()),
        ];
        for (name, value) in parts.into_iter().chain(token) {
            if value.is_empty() {
                return Err(format!("secretRef: {name} is empty"));
            }
            if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(format!(
                    "secretRef: {name} has a space, a line break or another character that no key has; write it \
                     without a line break (`printf %s`, not `echo`)"
                ));
            }
        }
        Ok(())
    }
}

/// A bucket at a server.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// Whether with TLS.
    pub(super) tls: bool,
    /// The host that is connected to: with the bucket's name in front, if it is not in the path.
    pub(super) host: Host<String>,
    /// Its port.
    pub(super) port: u16,
    /// The bucket.
    pub(super) bucket: String,
    /// The region, given or derived.
    pub(super) region: String,
    /// Whether the bucket is in the path.
    pub(super) path_style: bool,
}

impl Endpoint {
    /// Fails with a sentence that names the field.
    pub(super) fn new(settings: &Settings) -> Result<Self, String> {
        settings.credentials.check()?;
        let (tls, host, port) = parse(&settings.endpoint)?;
        check_bucket(&settings.bucket)?;
        let path_style = settings
            .path_style
            .unwrap_or_else(|| !bucket_in_host(&host, &settings.bucket));
        let region = match settings.region.as_deref() {
            Some(region) if is_region(region) => region.to_owned(),
            Some(_) => return Err("region: it has lowercase letters, digits and hyphens, at most 32".to_owned()),
            None => region_of(&host).unwrap_or(DEFAULT_REGION).to_owned(),
        };
        let host = match host {
            host if path_style => host,
            Host::Domain(name) => Host::parse(&format!("{}.{name}", settings.bucket))
                .map_err(|_| "bucket: its name cannot be a part of a host's name; set `forcePathStyle`".to_owned())?,
            _ => return Err("forcePathStyle: must be true, because `endpoint` has an address and no name".to_owned()),
        };
        Ok(Self {
            tls,
            host,
            port,
            bucket: settings.bucket.clone(),
            region,
            path_style,
        })
    }

    /// `s3.example.com:443`: what messages name.
    pub(super) fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The value of `Host`: without the port, if it is the default one.
    pub(super) fn authority(&self) -> String {
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => self.host.to_string(),
            _ => self.host_and_port(),
        }
    }

    /// The path and query of a request for a key, or for the bucket if that is empty.
    pub(super) fn path_and_query(&self, key: &str, query: &[(&str, &str)]) -> String {
        let mut text = String::from("/");
        if self.path_style {
            text.push_str(&self.bucket);
            if !key.is_empty() {
                text.push('/');
            }
        }
        encode(&mut text, key, b"/");
        for (number, (name, value)) in query.iter().enumerate() {
            text.push(if number == 0 { '?' } else { '&' });
            encode(&mut text, name, b"");
            text.push('=');
            encode(&mut text, value, b"");
        }
        text
    }
}

fn parse(endpoint: &str) -> Result<(bool, Host<String>, u16), String> {
    let url = Url::parse(endpoint)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or("endpoint: it must be like https://s3.example.com")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("endpoint: it must have no user; the key is in `secretRef`".to_owned());
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("endpoint: it must end after the host; the rest is `bucket` and `prefix`".to_owned());
    }
    match (url.host(), url.port_or_known_default()) {
        (Some(host), Some(port)) => Ok((url.scheme() == "https", host.to_owned(), port)),
        _ => Err("endpoint: it must have a host".to_owned()),
    }
}

/// Old buckets have uppercase letters and underscores, so these are allowed.
fn check_bucket(bucket: &str) -> Result<(), String> {
    let letters = bucket
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if letters && (3..=63).contains(&bucket.len()) && !bucket.starts_with(['.', '-']) {
        return Ok(());
    }
    Err("bucket: it has 3 to 63 letters, digits, dots, hyphens and underscores".to_owned())
}

fn is_label_of_host(bucket: &str) -> bool {
    !bucket.contains(['.', '_']) && !bucket.contains(|letter: char| letter.is_ascii_uppercase())
}

fn bucket_in_host(host: &Host<String>, bucket: &str) -> bool {
    let Host::Domain(name) = host else {
        return false;
    };
    let providers = [".amazonaws.com", ".amazonaws.com.cn", ".aliyuncs.com"];
    // A dot would make a name that the provider's certificate does not cover.
    providers.iter().any(|provider| name.ends_with(provider)) && is_label_of_host(bucket)
}

/// Whether it may be the name of a region. What a server says about regions is checked with it before it is shown.
pub(super) fn is_region(text: &str) -> bool {
    let letters = text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    letters && (1..=32).contains(&text.len())
}

/// The region in the name of a host, as AWS, Backblaze, Wasabi and Scaleway write it: `s3.REGION.provider.tld`.
fn region_of(host: &Host<String>) -> Option<&str> {
    let Host::Domain(name) = host else {
        return None;
    };
    if name.ends_with(".r2.cloudflarestorage.com") {
        return Some("auto");
    }
    let rest = name.strip_prefix("s3.").or_else(|| name.strip_prefix("s3-"))?;
    let rest = rest.strip_prefix("dualstack.").unwrap_or(rest);
    let (region, provider) = rest.split_once('.')?;
    (provider.contains('.') && region.contains('-') && is_region(region)).then_some(region)
}

/// Checks a prefix: folders with `/` between them, or nothing. Fails with a sentence that names the field.
pub fn check_prefix(prefix: &str) -> Result<(), String> {
    let folder = |name: &str| !name.is_empty() && name != "." && name != ".." && !name.contains(char::is_control);
    if prefix.is_empty() || (prefix.split('/').all(folder) && prefix.len() <= LONGEST_PREFIX) {
        return Ok(());
    }
    Err(format!(
        "prefix: it is like `backups/home`, without `/` at its ends, and has at most {LONGEST_PREFIX} bytes"
    ))
}

/// The key of a name under a prefix, which may be empty.
pub fn object_key(prefix: &str, name: &str) -> String {
    match prefix {
        "" => name.to_owned(),
        prefix => format!("{prefix}/{name}"),
    }
}

/// Whether a key can be sent as it is: an HTTP path with these folders would be another one after it was normalized.
pub(super) fn is_key(key: &str) -> bool {
    (1..=LONGEST_KEY).contains(&key.len()) && key.split('/').all(|part| part != "." && part != "..")
}

/// Appends a text in the encoding of signatures: all but letters, digits, `-._~` and `kept`.
fn encode(into: &mut String, text: &str, kept: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            into.push(char::from(byte));
        } else {
            let digit = |value: u8| char::from(HEX[usize::from(value)]);
            into.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

#[cfg(test)]
#[path = "endpoint/tests.rs"]
mod tests;
