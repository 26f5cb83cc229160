//! What sources keep of an object of any kind: its identity, and what labels and annotations say.
use std::collections::BTreeMap;

use hearth_reconciler::labels::Pairs;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{ObjectKey, SourceKind, annotations::Annotations, endpoints::Defect};

/// What `kubectl apply` remembers: the whole object once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Longer annotations are not kept: they are configuration of other programs, can be 256 KiB, and neither a name nor a
/// sensible selection comes out of them.
const MAX_ANNOTATION: usize = 256;

/// The part of an object's facts that does not depend on its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceObject {
    /// Which object.
    pub key: ObjectKey,
    /// Its uid.
    pub uid: Box<str>,
    /// When it was created, in seconds since 1970.
    pub created: i64,
    /// The generation of its spec.
    pub generation: Option<i64>,
    /// Its labels, sorted.
    pub labels: Box<Pairs>,
    /// Its short annotations, sorted, for selection and templates.
    pub annotations: Box<Pairs>,
    /// What its annotations say about its names.
    pub dns: Annotations,
    /// What is wrong with it, whatever the zone.
    pub defects: Box<[Defect]>,
}

impl SourceObject {
    /// Of an object whose annotations say something about its names. `defects`: what is wrong with the rest of it.
    pub(super) fn annotated(kind: SourceKind, metadata: &ObjectMeta, defects: Vec<Defect>) -> Self {
        let (dns, mut all) = metadata.annotations.as_ref().map(Annotations::of).unwrap_or_default();
        all.extend(defects);
        Self::new(kind, metadata, dns, all)
    }

    /// Of an object with what its annotations say.
    pub(super) fn new(kind: SourceKind, metadata: &ObjectMeta, dns: Annotations, defects: Vec<Defect>) -> Self {
        Self {
            key: ObjectKey::new(
                kind,
                metadata.namespace.as_deref().unwrap_or_default(),
                metadata.name.as_deref().unwrap_or_default(),
            ),
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            created: metadata
                .creation_timestamp
                .as_ref()
                .map_or(0, |time| time.0.as_second()),
            generation: metadata.generation,
            labels: pairs(metadata.labels.as_ref()),
            annotations: pairs(metadata.annotations.as_ref()),
            dns,
            defects: defects.into(),
        }
    }
}

fn pairs(map: Option<&BTreeMap<String, String>>) -> Box<Pairs> {
    map.into_iter()
        .flatten()
        .filter(|(key, value)| value.len() <= MAX_ANNOTATION && *key != LAST_APPLIED)
        .map(|(key, value)| (key.as_str().into(), value.as_str().into()))
        .collect()
}
