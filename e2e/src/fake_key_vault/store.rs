//! What a vault holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::answer::Answer;

/// The content type of PKCS#12.
pub const PKCS12: &str = "application/x-pkcs12";
/// The content type of PEM.
pub(super) const PEM: &str = "application/x-pem-file";
/// Soft-deleted objects are kept for so many days.
const RECOVERABLE_DAYS: i64 = 90;

/// Attributes that a caller may set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settable {
    pub(super) enabled: Option<bool>,
    pub(super) nbf: Option<i64>,
    pub(super) exp: Option<i64>,
}

/// A plain secret, as a test plants it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Plain {
    /// The value.
    pub value: String,
    /// What it is.
    pub content_type: Option<String>,
    /// Whether it may be read; yes unless said otherwise.
    pub enabled: Option<bool>,
    /// Not before, in seconds since 1970.
    pub nbf: Option<i64>,
    /// Expires, in seconds since 1970.
    pub exp: Option<i64>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// A certificate in each form that a vault gives.
#[derive(Debug)]
pub(super) struct Bundle {
    /// Key and certificates as PEM.
    pub(super) pem: String,
    /// The same as PKCS#12 without a password, in base64.
    pub(super) pfx: String,
    /// The leaf in DER, in base64.
    pub(super) cer: String,
    /// SHA-1 of the leaf, in base64url.
    pub(super) thumbprint: String,
}

/// One version of a secret.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) id: String,
    pub(super) value: String,
    pub(super) content_type: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) enabled: bool,
    pub(super) nbf: Option<i64>,
    pub(super) exp: Option<i64>,
    pub(super) created: i64,
    pub(super) updated: i64,
    /// Of a secret that belongs to a certificate.
    pub(super) bundle: Option<Arc<Bundle>>,
}

impl Version {
    pub(super) fn new(value: String, content_type: Option<String>) -> Self {
        let now = now();
        Self {
            id: format!("{:032x}", fastrand::u128(..)),
            value,
            content_type,
            tags: BTreeMap::new(),
            enabled: true,
            nbf: None,
            exp: None,
            created: now,
            updated: now,
            bundle: None,
        }
    }

    pub(super) fn set(&mut self, attributes: Settable) {
        self.enabled = attributes.enabled.unwrap_or(self.enabled);
        self.nbf = attributes.nbf.or(self.nbf);
        self.exp = attributes.exp.or(self.exp);
    }

    pub(super) fn attributes(&self) -> Value {
        let mut attributes = Map::new();
        attributes.insert("enabled".to_owned(), json!(self.enabled));
        for (name, value) in [("nbf", self.nbf), ("exp", self.exp)] {
            if let Some(value) = value {
                attributes.insert(name.to_owned(), json!(value));
            }
        }
        attributes.insert("created".to_owned(), json!(self.created));
        attributes.insert("updated".to_owned(), json!(self.updated));
        attributes.insert("recoveryLevel".to_owned(), json!("Recoverable+Purgeable"));
        attributes.insert("recoverableDays".to_owned(), json!(RECOVERABLE_DAYS));
        Value::Object(attributes)
    }
}

/// A name with its versions, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// As it was written when it was made.
    pub(super) name: String,
    pub(super) versions: Vec<Version>,
    /// When it was deleted.
    pub(super) deleted: Option<i64>,
}

impl Entry {
    /// Whether a certificate stands behind it.
    pub(super) fn is_certificate(&self) -> bool {
        self.versions.last().is_some_and(|version| version.bundle.is_some())
    }

    pub(super) fn newest(&self) -> Option<&Version> {
        self.versions.last()
    }

    /// What an answer says of a deleted object beside its own fields.
    pub(super) fn deletion(&self, base: &str, collection: &str) -> Map<String, Value> {
        let mut fields = Map::new();
        if let Some(at) = self.deleted {
            let id = format!("{base}/deleted{collection}/{}", self.name);
            fields.insert("recoveryId".to_owned(), json!(id));
            fields.insert("deletedDate".to_owned(), json!(at));
            fields.insert(
                "scheduledPurgeDate".to_owned(),
                json!(at + RECOVERABLE_DAYS * 24 * 60 * 60),
            );
        }
        fields
    }
}

/// All names of a vault, in lower case: names do not differ by case.
#[derive(Clone, Debug, Default)]
pub(super) struct Vault {
    pub(super) entries: BTreeMap<String, Entry>,
}

impl Vault {
    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.entries
            .get(&name.to_ascii_lowercase())
            .filter(|entry| entry.deleted.is_none())
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Entry> {
        self.entries
            .get_mut(&name.to_ascii_lowercase())
            .filter(|entry| entry.deleted.is_none())
    }

    pub(super) fn get_deleted(&self, name: &str) -> Option<&Entry> {
        self.entries
            .get(&name.to_ascii_lowercase())
            .filter(|entry| entry.deleted.is_some())
    }

    /// Adds a version. The name of a deleted object cannot be used again until it is recovered or purged.
    pub(super) fn add(&mut self, name: &str, version: Version) -> Result<&Entry, Answer> {
        let entry = self.entries.entry(name.to_ascii_lowercase()).or_insert_with(|| Entry {
            name: name.to_owned(),
            versions: Vec::new(),
            deleted: None,
        });
        if entry.deleted.is_some() {
            return Err(Answer::error(
                409,
                "Conflict",
                &format!(
                    "Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this \
                     state, the secret can only be recovered or purged."
                ),
                Some("ObjectIsDeletedButRecoverable"),
            ));
        }
        entry.versions.push(version);
        Ok(entry)
    }
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
