//! Makes the data of a Secret of what was read: all of it, or nothing and the reason.
use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::value::RawValue;

use super::config::{Config, Row, is_secret_key};
use super::{Problem, certificate};
use crate::crd::sync::KeyStatus;
use crate::provider::{Content, Failure, Object, ObjectKey, Reason};

/// The API server takes no Secret whose values are larger together (`MaxSecretSize` of Kubernetes), in bytes.
pub const MAX_SECRET: usize = 1024 * 1024;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What was read, by object.
pub type Reads = BTreeMap<ObjectKey, Result<Arc<Object>, Failure>>;

/// The data of a Secret. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Assembled {
    /// The values, by key.
    pub data: BTreeMap<String, Vec<u8>>,
    /// Where each came from, sorted by key.
    pub keys: Vec<KeyStatus>,
    /// When the certificate ends.
    pub certificate_expires: Option<jiff::Timestamp>,
}

/// Makes the data. `present` are the keys that were written for the same spec before: none of them may be missing now, since a
/// provider's word alone removes nothing.
pub fn assemble(config: &Config, reads: &Reads, present: &[KeyStatus]) -> Result<Assembled, Problem> {
    let mut assembled = Assembled::default();
    let mut missing = Vec::new();
    for row in &config.rows {
        match value_of(row, reads) {
            Ok((value, object)) => assembled.put(&row.key, value, &row.object, object),
            Err(problem) if row.optional && is_absent(&problem) => {
                if present.iter().any(|written| written.key == row.key) {
                    missing.push(problem);
                }
            }
            Err(problem) => return Err(problem),
        }
    }
    for (index, key) in config.extract.iter().enumerate() {
        let object = get(reads, key)?;
        for (name, raw) in fields(&object.content, &key.name)? {
            let at = || format!("spec.extract[{index}]: property {:?} of {}", short(&name), key.name);
            if !is_secret_key(&name) {
                return Err(Problem::new(
                    "InvalidKey",
                    format!(
                        "{} cannot be a key of a Secret; name the wanted ones in spec.keys",
                        at()
                    ),
                ));
            }
            if config.rows.iter().any(|row| row.key == name) {
                continue;
            }
            if assembled.data.contains_key(&name) {
                return Err(Problem::new(
                    "KeyTwice",
                    format!(
                        "{} is a key already, of another object; name the wanted one in spec.keys",
                        at()
                    ),
                ));
            }
            // A null is no value.
            if let Some(value) = scalar(&raw) {
                assembled.put(&name, value, key, object);
            }
        }
    }
    if let Some(key) = &config.certificate {
        let object = get(reads, key)?;
        let Content::Text { value, content_type } = &object.content else {
            return Err(Problem::new(
                "BadCertificate",
                "spec.certificate: the provider has no certificates",
            ));
        };
        let pair = certificate::split(value, content_type.as_deref(), &key.name)?;
        assembled.put("tls.crt", pair.chain.into_bytes(), key, object);
        assembled.put("tls.key", pair.key.into_bytes(), key, object);
        assembled.certificate_expires = pair.not_after;
    }
    assembled.keys.sort();
    missing.extend(vanished(config, &assembled, present));
    if let Some(problem) = missing.into_iter().next() {
        return Err(problem);
    }
    check_size(&assembled)?;
    if assembled.data.is_empty() {
        return Err(Problem::new(
            "NoKeys",
            "nothing of what the spec names has a value; no empty Secret is written",
        ));
    }
    Ok(assembled)
}

/// A key of `extract` that was there before and is not now. (A row that is missing is a problem by itself.)
fn vanished(config: &Config, assembled: &Assembled, present: &[KeyStatus]) -> Option<Problem> {
    let gone = present.iter().find(|written| {
        let extracted = config.extract.iter().any(|object| object.name == written.object);
        extracted && !assembled.data.contains_key(&written.key) && !config.rows.iter().any(|row| row.key == written.key)
    })?;
    Some(Problem::new(
        Reason::KeyMissing.as_str(),
        format!(
            "{} has no property {} any more; the Secret keeps its last values. Put it back, or name the wanted keys in spec.keys",
            gone.object, gone.key
        ),
    ))
}

impl Assembled {
    fn put(&mut self, key: &str, value: Vec<u8>, from: &ObjectKey, object: &Object) {
        self.data.insert(key.to_owned(), value);
        self.keys.push(KeyStatus {
            key: key.to_owned(),
            object: from.name.clone(),
            version: Some(object.version.clone()).filter(|version| !version.is_empty()),
        });
    }
}

fn get<'a>(reads: &'a Reads, key: &ObjectKey) -> Result<&'a Arc<Object>, Problem> {
    match reads.get(key) {
        Some(Ok(object)) => Ok(object),
        Some(Err(failure)) => Err(failure.into()),
        None => Err(Problem::new("NotRead", format!("{} was not read", key.name))),
    }
}

fn is_absent(problem: &Problem) -> bool {
    [Reason::KeyMissing, Reason::KeyDeleted, Reason::VersionMissing]
        .iter()
        .any(|reason| reason.as_str() == problem.reason)
}

fn value_of<'a>(row: &Row, reads: &'a Reads) -> Result<(Vec<u8>, &'a Arc<Object>), Problem> {
    let object = get(reads, &row.object)?;
    let name = &row.object.name;
    let value = match (&row.property, &object.content) {
        (None, Content::Text { value, .. }) => value.clone().into_bytes(),
        (None, Content::Fields(fields)) => {
            let text = serde_json::to_vec(fields);
            text.map_err(|_| Problem::new("BadAnswer", format!("{name} cannot be written as JSON")))?
        }
        (Some(property), content) => {
            let fields = fields(content, name)?;
            let raw = find(&fields, property);
            raw.as_deref().and_then(scalar).ok_or_else(|| {
                Problem::new(
                    Reason::KeyMissing.as_str(),
                    format!(
                        "spec.keys[{}]: {name} has no property {:?}, or it is null",
                        row.key,
                        short(property)
                    ),
                )
            })?
        }
    };
    if !row.decode {
        return Ok((value, object));
    }
    let text: Vec<u8> = value.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let decoded = BASE64.decode(text);
    let decoded = decoded.map_err(|_| {
        let message = format!("spec.keys[{}].decode: the value of {name} is not base64", row.key);
        Problem::new("NotBase64", message)
    })?;
    Ok((decoded, object))
}

/// The properties of an object: Vault's fields, or a text that is JSON.
fn fields(content: &Content, name: &str) -> Result<BTreeMap<String, Box<RawValue>>, Problem> {
    match content {
        Content::Fields(fields) => Ok(fields.clone()),
        Content::Text { value, .. } => serde_json::from_str(value).map_err(|_| {
            let message = format!("{name} has no properties: its value is not a JSON object");
            Problem::new("NotJson", message)
        }),
    }
}

/// A property by its exact name; else, with dots, through objects in objects.
fn find(fields: &BTreeMap<String, Box<RawValue>>, property: &str) -> Option<Box<RawValue>> {
    if let Some(raw) = fields.get(property) {
        return Some(raw.clone());
    }
    let dots = property.match_indices('.');
    dots.map(|(at, _)| property.split_at(at)).find_map(|(outer, inner)| {
        let inside: BTreeMap<String, Box<RawValue>> = serde_json::from_str(fields.get(outer)?.get()).ok()?;
        find(&inside, inner.strip_prefix('.')?)
    })
}

/// The bytes of a JSON value: a text without its quotes, anything else as it was sent, so that numbers keep their digits. Of a
/// null there are none.
fn scalar(raw: &RawValue) -> Option<Vec<u8>> {
    match raw.get() {
        "null" => None,
        text if text.starts_with('"') => serde_json::from_str::<String>(text).ok().map(String::into_bytes),
        text => Some(text.as_bytes().to_vec()),
    }
}

fn check_size(assembled: &Assembled) -> Result<(), Problem> {
    let total: usize = assembled.data.values().map(Vec::len).sum();
    if total <= MAX_SECRET {
        return Ok(());
    }
    let largest = assembled.data.iter().max_by_key(|(_, value)| value.len());
    let largest = largest.map_or_else(String::new, |(key, value)| {
        format!(", of which {key} has {}", value.len())
    });
    Err(Problem::new(
        Reason::TooLarge.as_str(),
        format!(
            "the values have {total} bytes together{largest}; a Secret takes {MAX_SECRET}; use several SecretSyncs"
        ),
    ))
}

fn short(text: &str) -> String {
    hearth_reconciler::error::truncate(text, 80)
}

#[cfg(test)]
mod tests;
