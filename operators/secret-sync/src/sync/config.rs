//! The spec of a SecretSync, checked and in the form that the other modules use.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hearth_reconciler::duration;
use hearth_reconciler::labels::glob;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Problem;
use crate::crd::source::{AllowRule, ClusterSecretSourceSpec, KvVersion};
use crate::crd::{MANAGED, OWNER, SecretSyncSpec};
use crate::provider::{Form, ObjectKey, key_vault, vault};

/// The shortest time between two reads.
pub const SHORTEST_REFRESH: Duration = Duration::from_mins(1);
/// Where neither the SecretSync nor its source says anything.
const DEFAULT_REFRESH: Duration = Duration::from_hours(1);
/// A key of a Secret, as the API server checks it.
const LONGEST_KEY: usize = 253;
/// The longest path of an object that a spec may name, in bytes.
const LONGEST_PATH: usize = 512;
/// What controllers of Kubernetes turn into rights of their own.
const FORBIDDEN_TYPES: [&str; 2] = ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"];
/// The fields of the long form of an entry of `spec.keys`.
const KNOWN: [&str; 5] = ["from", "property", "version", "decode", "optional"];
/// The type of a Secret with a certificate.
pub const TLS: &str = "kubernetes.io/tls";

/// What the spec says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The values of single keys.
    pub rows: Vec<Row>,
    /// Objects of which each property becomes a key.
    pub extract: Vec<ObjectKey>,
    /// The object that becomes `tls.crt` and `tls.key`.
    pub certificate: Option<ObjectKey>,
    /// The Secret's name.
    pub secret: String,
    /// The Secret's type.
    pub type_: String,
    /// Labels and annotations, without ours.
    pub labels: BTreeMap<String, String>,
    /// Annotations, without ours.
    pub annotations: BTreeMap<String, String>,
    /// Whether to take over a Secret that belongs to no SecretSync.
    pub adopt: bool,
    /// How often it is read again; None: never after the first success.
    pub refresh: Option<Duration>,
}

/// Where the value of one key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key of the Secret.
    pub key: String,
    /// The object at the provider.
    pub object: ObjectKey,
    /// The property of the object; None: the whole object.
    pub property: Option<String>,
    /// Whether the value is base64 of what is meant.
    pub decode: bool,
    /// Whether the object may be missing.
    pub optional: bool,
}

impl Config {
    /// Checks the spec of a SecretSync against its source. Fails with the field's path.
    pub fn parse(
        name: &str,
        namespace: &str,
        spec: &SecretSyncSpec,
        source: &ClusterSecretSourceSpec,
    ) -> Result<Self, Problem> {
        let mut rows = Vec::new();
        for (key, value) in &spec.keys {
            check_key(key)?;
            rows.push(row(key, &value.0)?);
        }
        let extract: Vec<ObjectKey> = spec
            .extract
            .iter()
            .map(|name| object(name, None, Form::Value))
            .collect();
        let certificate = spec
            .certificate
            .as_deref()
            .map(|name| object(name, None, Form::Certificate));
        if rows.is_empty() && extract.is_empty() && certificate.is_none() {
            return Err(invalid(
                "spec: set keys, extract or certificate; nothing says what the Secret is to hold",
            ));
        }
        if certificate.is_some() {
            if source.azure_key_vault.is_none() {
                return Err(invalid(
                    "spec.certificate: only Azure Key Vault has certificates; for a Vault name the parts in spec.keys",
                ));
            }
            if let Some(row) = rows.iter().find(|row| row.key == "tls.crt" || row.key == "tls.key") {
                let key = &row.key;
                return Err(invalid(format!(
                    "spec.keys[{key}]: spec.certificate writes {key} too; remove one of them"
                )));
            }
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = spec.extract.iter().find(|name| !seen.insert(*name)) {
            return Err(invalid(format!("spec.extract: {} is named twice", quote(twice))));
        }
        let target = spec.target.clone().unwrap_or_default();
        if let Some(type_) = target.type_.as_deref().filter(|type_| FORBIDDEN_TYPES.contains(type_)) {
            return Err(invalid(format!(
                "spec.target.type: Secrets of type {type_} are credentials of the cluster itself and cannot be written"
            )));
        }
        if certificate.is_some() && target.type_.as_deref().is_some_and(|type_| type_ != TLS) {
            return Err(invalid(format!(
                "spec.target.type: a certificate makes a Secret of type {TLS}; remove it"
            )));
        }
        for (field, map) in [("labels", &target.labels), ("annotations", &target.annotations)] {
            if let Some(key) = map.keys().find(|key| *key == MANAGED || *key == OWNER) {
                return Err(invalid(format!(
                    "spec.target.{field}: {key} is set by the operator; remove it"
                )));
            }
        }
        let default_type = if certificate.is_some() { TLS } else { "Opaque" };
        let config = Self {
            rows,
            extract,
            certificate,
            secret: target.name.unwrap_or_else(|| name.to_owned()),
            type_: target.type_.unwrap_or_else(|| default_type.to_owned()),
            labels: target.labels,
            annotations: target.annotations,
            adopt: target.adopt,
            refresh: refresh(spec, source)?,
        };
        for (path, object) in config.named_objects() {
            check_object(&path, object, source)?;
            check_allowed(&path, object, namespace, &spec.source, &source.allow)?;
        }
        Ok(config)
    }

    /// Every object that is read, each once.
    pub fn objects(&self) -> BTreeSet<&ObjectKey> {
        self.named_objects().into_iter().map(|(_, object)| object).collect()
    }

    /// Where in the time between two reads this one's turn is: the same for all that read the same objects, so that they share
    /// the reads.
    pub fn seed(&self, source: &str) -> u64 {
        let mut hash = Sha256::new();
        hash.update(source);
        for object in self.objects() {
            hash.update([0]);
            hash.update(&object.name);
        }
        let digest = hash.finalize();
        digest.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
    }

    /// Every object with the path of the field that names it.
    fn named_objects(&self) -> Vec<(String, &ObjectKey)> {
        let rows = self
            .rows
            .iter()
            .map(|row| (format!("spec.keys[{}]", row.key), &row.object));
        let extract = self.extract.iter().enumerate();
        let extract = extract.map(|(index, object)| (format!("spec.extract[{index}]"), object));
        let certificate = self
            .certificate
            .iter()
            .map(|object| ("spec.certificate".to_owned(), object));
        rows.chain(extract).chain(certificate).collect()
    }
}

fn invalid(message: impl Into<String>) -> Problem {
    Problem::new("InvalidSpec", message.into())
}

/// A user's text in a message: short and without control characters.
fn quote(text: &str) -> String {
    format!("{:?}", hearth_reconciler::error::truncate(text, 80))
}

fn object(name: &str, version: Option<String>, form: Form) -> ObjectKey {
    ObjectKey {
        name: name.to_owned(),
        version,
        form,
    }
}

/// Whether it can be a key of a Secret, as the API server checks it.
pub fn is_secret_key(key: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !key.is_empty() && key.len() <= LONGEST_KEY && key.chars().all(fits) && key != "." && !key.starts_with("..")
}

fn check_key(key: &str) -> Result<(), Problem> {
    if is_secret_key(key) {
        return Ok(());
    }
    Err(invalid(format!(
        "spec.keys[{}]: not a key of a Secret; those have letters, digits, `-`, `_` and `.`, at most {LONGEST_KEY}",
        quote(key)
    )))
}

/// One entry of `spec.keys`.
fn row(key: &str, value: &Value) -> Result<Row, Problem> {
    let at = |field: &str| format!("spec.keys[{key}]{field}");
    let Value::Object(fields) = value else {
        let Value::String(text) = value else {
            return Err(invalid(format!("{}: must be a text or an object with `from`", at(""))));
        };
        let (name, property) = match text.split_once('#') {
            Some((name, property)) => (name, Some(property.to_owned())),
            None => (text.as_str(), None),
        };
        if property.as_deref() == Some("") {
            return Err(invalid(format!("{}: there is nothing after `#`", at(""))));
        }
        return Ok(Row {
            key: key.to_owned(),
            object: object(name, None, Form::Value),
            property,
            decode: false,
            optional: false,
        });
    };
    if let Some(unknown) = fields.keys().find(|field| !KNOWN.contains(&field.as_str())) {
        let known = KNOWN.join(", ");
        return Err(invalid(format!(
            "{}: unknown field {}; known are {known}",
            at(""),
            quote(unknown)
        )));
    }
    let text = |field: &'static str| match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(invalid(format!(
            "{}: must be a text that is not empty",
            at(&format!(".{field}"))
        ))),
    };
    let from = text("from")?.ok_or_else(|| invalid(format!("{}: must be set", at(".from"))))?;
    let (name, in_name) = match from.split_once('#') {
        Some((name, property)) => (name, Some(property.to_owned())),
        None => (from.as_str(), None),
    };
    let property = text("property")?;
    if property.is_some() && in_name.is_some() {
        return Err(invalid(format!(
            "{}: the property stands in `from` already",
            at(".property")
        )));
    }
    let decode = match text("decode")?.as_deref() {
        None => false,
        Some("base64") => true,
        Some(other) => {
            return Err(invalid(format!(
                "{}: {} is not known; only base64 is",
                at(".decode"),
                quote(other)
            )));
        }
    };
    let optional = match fields.get("optional") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(optional)) => *optional,
        Some(_) => return Err(invalid(format!("{}: must be true or false", at(".optional")))),
    };
    Ok(Row {
        key: key.to_owned(),
        object: object(name, text("version")?, Form::Value),
        property: property.or(in_name).filter(|property| !property.is_empty()),
        decode,
        optional,
    })
}

/// Whether the provider can have an object of this name and version. The rules are the provider's; the path is ours.
fn check_object(path: &str, object: &ObjectKey, source: &ClusterSecretSourceSpec) -> Result<(), Problem> {
    let (name, version) = (&object.name, object.version.as_deref());
    let wrong_version = |what: &str| Err(invalid(format!("{path}.version: {what}")));
    if source.azure_key_vault.is_some() {
        if !key_vault::is_name(name) {
            return Err(invalid(format!(
                "{path}: {} is no name of Key Vault; those have 1 to 127 letters, digits and `-`",
                quote(name)
            )));
        }
        return match version {
            Some(version) if !key_vault::is_version(version) => {
                wrong_version("a version of Key Vault has 32 hexadecimal digits")
            }
            _ => Ok(()),
        };
    }
    if name.len() > LONGEST_PATH || vault::check_name(name).is_err() {
        return Err(invalid(format!(
            "{path}: {} is no path below the mount; it must not begin or end with `/` or contain `//`, `.` or `..` as a part",
            quote(name)
        )));
    }
    let is_v1 = source
        .vault
        .as_ref()
        .is_some_and(|vault| vault.version == KvVersion::V1);
    match version {
        Some(_) if is_v1 => wrong_version("an engine of version 1 has no versions"),
        Some(version) if vault::check_version(version).is_err() => {
            wrong_version("a version of Vault is a number from 1")
        }
        _ => Ok(()),
    }
}

fn check_allowed(
    path: &str,
    object: &ObjectKey,
    namespace: &str,
    source: &str,
    allow: &[AllowRule],
) -> Result<(), Problem> {
    let here = |rule: &&AllowRule| rule.namespaces.iter().any(|pattern| glob(pattern, namespace));
    let mut rules = allow.iter().filter(here).peekable();
    if rules.peek().is_none() {
        return Err(Problem::new(
            "NotAllowed",
            format!(
                "spec.source: ClusterSecretSource {source} allows nothing to namespace {namespace}; add it to spec.allow there"
            ),
        ));
    }
    if rules.any(|rule| rule.keys.is_empty() || rule.keys.iter().any(|pattern| glob(pattern, &object.name))) {
        return Ok(());
    }
    Err(Problem::new(
        "NotAllowed",
        format!(
            "{path}: ClusterSecretSource {source} does not allow {} to namespace {namespace}; see spec.allow there",
            quote(&object.name)
        ),
    ))
}

fn refresh(spec: &SecretSyncSpec, source: &ClusterSecretSourceSpec) -> Result<Option<Duration>, Problem> {
    let (path, text) = match (&spec.refresh, &source.refresh) {
        (Some(text), _) if text == "Once" => return Ok(None),
        (Some(text), _) => ("spec.refresh", text),
        (None, Some(text)) => ("spec.refresh of the ClusterSecretSource", text),
        (None, None) => return Ok(Some(DEFAULT_REFRESH)),
    };
    let refresh = duration::parse(text).map_err(|error| invalid(format!("{path}: {error}")))?;
    if refresh < SHORTEST_REFRESH {
        return Err(invalid(format!("{path}: {text} is too short; at least 1m")));
    }
    Ok(Some(refresh))
}

#[cfg(test)]
mod tests;
