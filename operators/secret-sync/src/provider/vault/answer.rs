//! What an answer means: pure functions of status and body. Messages are in our words; of the server's text only known phrases
//! are looked for, where nothing else tells two cases apart.
use std::collections::BTreeMap;
use std::fmt;

use http::StatusCode;
use reqwest::Url;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::provider::http::Answer;
use crate::provider::{Content, Failure, Object, Reason};

/// What was asked for, for messages.
pub(super) struct Place<'a> {
    pub(super) host: &'a str,
    pub(super) mount: &'a str,
    pub(super) name: &'a str,
    pub(super) version: Option<u64>,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "`{}` of the mount `{}` at {}",
            self.name, self.mount, self.host
        )?;
        match self.version {
            Some(version) => write!(formatter, " in version {version}"),
            None => Ok(()),
        }
    }
}

/// What every answer without a value may have.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Refusal {
    errors: Option<Vec<String>>,
    warnings: Option<Vec<String>>,
    data: Option<Box<RawValue>>,
}

impl Refusal {
    fn of(answer: &Answer) -> Option<Self> {
        serde_json::from_slice(&answer.body).ok()
    }

    fn has_error(&self, phrase: &str) -> bool {
        contains(self.errors.as_deref(), phrase)
    }
}

fn contains(texts: Option<&[String]>, phrase: &str) -> bool {
    texts.unwrap_or_default().iter().any(|text| text.contains(phrase))
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: Option<T>,
}

type Fields = BTreeMap<String, Box<RawValue>>;

/// `data` of KV v2.
#[derive(Deserialize)]
struct Versioned {
    data: Option<Fields>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
    #[serde(default)]
    deletion_time: Option<String>,
    #[serde(default)]
    destroyed: bool,
}

impl Metadata {
    fn is_gone(&self) -> bool {
        self.destroyed || self.deletion_time.as_deref().is_some_and(|time| !time.is_empty())
    }
}

/// An answer to a read of KV v2.
pub(super) fn kv2(answer: &Answer, place: &Place<'_>) -> Result<Object, Failure> {
    match answer.status.as_u16() {
        200 => {}
        404 => return Err(not_found(answer, place)),
        _ => return Err(refused(answer, place)),
    }
    let Ok(Envelope { data: Some(data) }) = serde_json::from_slice::<Envelope<Versioned>>(&answer.body) else {
        // KV v1 may hold something below `data/`.
        return Err(match serde_json::from_slice::<Envelope<Fields>>(&answer.body) {
            Ok(Envelope { data: Some(fields) }) if !fields.contains_key("metadata") => wrong_mount(Mounted::Kv1, place),
            _ => bad_answer(answer, place),
        });
    };
    match data.data {
        Some(fields) => Ok(Object {
            version: data.metadata.version.to_string(),
            content: Content::Fields(fields),
        }),
        None if data.metadata.is_gone() => Err(deleted(place)),
        None => Err(bad_answer(answer, place)),
    }
}

/// An answer to a read of KV v1.
pub(super) fn kv1(answer: &Answer, place: &Place<'_>) -> Result<Object, Failure> {
    match answer.status.as_u16() {
        200 => {}
        404 => return Err(not_found(answer, place)),
        _ => return Err(refused(answer, place)),
    }
    let fields = serde_json::from_slice::<Envelope<Fields>>(&answer.body).ok();
    let Some(fields) = fields.and_then(|envelope| envelope.data) else {
        return Err(bad_answer(answer, place));
    };
    // With `data/` before the name, KV v2 answers a v1 read, with two fields around what is meant.
    let metadata = fields.get("metadata").map(|metadata| metadata.get());
    if fields.contains_key("data")
        && metadata.is_some_and(|metadata| {
            metadata.contains("\"created_time\"") && serde_json::from_str::<Metadata>(metadata).is_ok()
        })
    {
        return Err(wrong_mount(Mounted::Kv2, place));
    }
    Ok(Object {
        version: String::new(),
        content: Content::Fields(fields),
    })
}

/// Five different things are 404.
fn not_found(answer: &Answer, place: &Place<'_>) -> Failure {
    let Some(refusal) = Refusal::of(answer) else {
        return bad_answer(answer, place);
    };
    if refusal.has_error("namespace not found") {
        let text = format!("{}: there is no such namespace; check `namespace`", place.host);
        return Failure::new(Reason::NamespaceMissing, text);
    }
    if refusal.has_error("no handler for route") {
        let text = format!(
            "{} has nothing mounted at `{}`; check `path` and `namespace`, and whether the engine was unmounted",
            place.host, place.mount
        );
        return Failure::new(Reason::MountMissing, text);
    }
    if refusal.has_error("unsupported path") {
        return wrong_mount(Mounted::Other, place);
    }
    if contains(refusal.warnings.as_deref(), "versioned K/V") {
        return wrong_mount(Mounted::Kv2, place);
    }
    if let Some(data) = refusal.data {
        return match serde_json::from_str::<Versioned>(data.get()) {
            Ok(data) if data.metadata.is_gone() => deleted(place),
            _ => bad_answer(answer, place),
        };
    }
    match (&refusal.errors, place.version) {
        (Some(errors), _) if !errors.is_empty() => bad_answer(answer, place),
        (None, _) => bad_answer(answer, place),
        (Some(_), None) => Failure::new(Reason::KeyMissing, format!("{place} is not there")),
        (Some(_), Some(_)) => Failure::new(Reason::VersionMissing, format!("{place} is not there")),
    }
}

fn deleted(place: &Place<'_>) -> Failure {
    Failure::new(Reason::KeyDeleted, format!("{place} is deleted or destroyed"))
}

/// A status that is neither 200 nor 404.
fn refused(answer: &Answer, place: &Place<'_>) -> Failure {
    if let Some(failure) = outage(answer, place.host) {
        return failure;
    }
    match answer.status.as_u16() {
        401 | 403 => {
            let text = format!(
                "{place} may not be read with this login; give its policy `read` there (the server says the same if it is not there)"
            );
            Failure::new(Reason::Denied, text)
        }
        _ => bad_answer(answer, place),
    }
}

/// What says that the server cannot be used now, whatever was asked for.
pub(super) fn outage(answer: &Answer, host: &str) -> Option<Failure> {
    let status = answer.status.as_u16();
    let (reason, text) = match status {
        307 => (Reason::Standby, standby(answer)),
        472 | 473 => (
            Reason::Standby,
            "is a standby node; name the active one in `server`".to_owned(),
        ),
        412 => (
            Reason::Standby,
            "has not yet the newest state of its cluster (412)".to_owned(),
        ),
        429 => (
            Reason::Throttled,
            "allows no more calls now (429): a quota is used up".to_owned(),
        ),
        503 if Refusal::of(answer).is_some_and(|refusal| refusal.has_error("sealed")) => {
            (Reason::Sealed, "is sealed; unseal it".to_owned())
        }
        500.. => (Reason::ServerError, format!("has answered {status}; see its log")),
        _ => return None,
    };
    Some(Failure {
        retry_after: answer.retry_after(),
        ..Failure::new(reason, format!("{host} {text}"))
    })
}

fn standby(answer: &Answer) -> String {
    match answer
        .headers
        .get(http::header::LOCATION)
        .and_then(|value| plain_host(value.to_str().ok()?))
    {
        Some(active) => {
            format!("is a standby node and refers to {active}, which is not followed; name that one in `server`")
        }
        None => "is a standby node; name the active one in `server`".to_owned(),
    }
}

/// The host of a URL if it can be shown: letters, digits, dots and hyphens, or an address.
fn plain_host(location: &str) -> Option<String> {
    let url = Url::parse(location).ok()?;
    let host = url.host_str()?;
    let plain = host
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    (plain && host.len() <= 253).then(|| crate::provider::http::host_and_port(&url))
}

/// An answer that is none of Vault's, or none to this question.
fn bad_answer(answer: &Answer, place: &Place<'_>) -> Failure {
    Failure::new(Reason::BadAnswer, format!("{place}: {}", strange(answer)))
}

/// Describes an answer that is not understood, without a word of it.
pub(super) fn strange(answer: &Answer) -> String {
    let (status, length) = (answer.status.as_u16(), answer.body.len());
    let html = answer.body.trim_ascii_start().starts_with(b"<");
    let what = match status {
        300..=399 => "a redirect, which is not followed; name the server itself in `server`",
        400 if answer
            .body
            .starts_with(b"Client sent an HTTP request to an HTTPS server") =>
        {
            "that it speaks HTTPS; write https:// in `server`"
        }
        _ if html => "a web page; is `server` the address of Vault itself?",
        _ => "something that Vault does not answer to this",
    };
    format!("the answer is {what} (status {status}, {length} bytes)")
}

/// What is mounted, where a KV engine was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mounted {
    Kv1,
    Kv2,
    Other,
}

pub(super) fn wrong_mount(found: Mounted, place: &Place<'_>) -> Failure {
    let what = match found {
        Mounted::Kv1 => "KV version 1; set `version: v1`",
        Mounted::Kv2 => "KV version 2; set `version: v2`, and name objects without `data/`",
        Mounted::Other => "no KV engine; check `path`",
    };
    let text = format!("the mount `{}` at {} is {what}", place.mount, place.host);
    Failure::new(Reason::WrongKvVersion, text)
}

/// The answer to a [`super::call::MountRequest`]; none if it says nothing.
pub(super) fn mounted(answer: &Answer) -> Option<Mounted> {
    #[derive(Deserialize)]
    struct Mount {
        #[serde(rename = "type")]
        kind: String,
        options: Option<Options>,
    }
    #[derive(Deserialize)]
    struct Options {
        version: Option<String>,
    }
    if answer.status != StatusCode::OK {
        return None;
    }
    let mount = serde_json::from_slice::<Envelope<Mount>>(&answer.body).ok()?.data?;
    let version = mount.options.and_then(|options| options.version);
    Some(match (mount.kind.as_str(), version.as_deref()) {
        ("kv", Some("2")) => Mounted::Kv2,
        ("kv" | "generic", _) => Mounted::Kv1,
        _ => Mounted::Other,
    })
}

#[cfg(test)]
mod tests;
