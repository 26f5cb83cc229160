//! The log of the fake: every call, with the names that it changed.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::record::{Action, Change};

/// The operations that the fake distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum Operation {
    ChangeResourceRecordSets,
    ListResourceRecordSets,
    ListHostedZones,
    ListHostedZonesByName,
    GetHostedZone,
    CreateHostedZone,
    DeleteHostedZone,
    GetChange,
    AssumeRole,
    AssumeRoleWithWebIdentity,
    Other,
}

/// One changed set of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// CREATE, DELETE or UPSERT.
    pub action: Action,
    /// Normalised, or as sent where it is no name.
    pub name: String,
    /// Record type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Of a routed set.
    pub set_identifier: Option<String>,
}

impl From<&Change> for Edit {
    fn from(change: &Change) -> Self {
        let set = &change.set;
        Self {
            action: change.action,
            name: super::name::normalise(&set.name).unwrap_or_else(|_| set.name.clone()),
            kind: set.kind.clone(),
            set_identifier: set.set_identifier.clone(),
        }
    }
}

/// One call.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// When it arrived.
    #[serde(skip)]
    pub at: Instant,
    /// When it arrived, after the fake's start.
    #[serde(rename = "at_seconds", serialize_with = "seconds")]
    pub since_start: Duration,
    /// Until the answer was ready.
    #[serde(rename = "took_seconds", serialize_with = "seconds")]
    pub took: Duration,
    /// Of the API.
    pub operation: Operation,
    /// Without `/hostedzone/`.
    pub zone: Option<String>,
    /// Access key id, empty when unsigned.
    pub key: String,
    /// What a batch asks for.
    pub edits: Vec<Edit>,
    /// Whether the zone was changed, even if the response said otherwise.
    pub applied: bool,
    /// Status of the answer; 0 when there was none.
    pub status: u16,
    /// Error code and message.
    pub error: Option<(String, String)>,
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// A point in the log, to ask what came after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub(super) usize);
