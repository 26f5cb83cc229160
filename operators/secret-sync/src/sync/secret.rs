//! The Secret that a SecretSync writes, and how its metadata show whether it is still as it was written.
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt};

use super::config::Config;
use super::values::Assembled;
use crate::MANAGER;
use crate::crd::{MANAGED, OWNER};

/// In the cache only: the keys that we wrote and own, sorted and separated by blanks. `slim` puts it there.
const OWNED_KEYS: &str = "owned-keys";

/// The Secret as it is to be. The owner's mark is added when it is written.
pub fn desired(namespace: &str, config: &Config, assembled: &Assembled) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.name = Some(config.secret.clone());
    secret.metadata.namespace = Some(namespace.to_owned());
    let mut labels = config.labels.clone();
    labels.insert(MANAGED.to_owned(), "true".to_owned());
    secret.metadata.labels = Some(labels);
    secret.metadata.annotations = Some(config.annotations.clone()).filter(|annotations| !annotations.is_empty());
    secret.type_ = Some(config.type_.clone());
    let data = assembled.data.iter();
    secret.data = Some(
        data.map(|(key, value)| (key.clone(), ByteString(value.clone())))
            .collect(),
    );
    secret
}

/// Whether a Secret that is there has all of `desired`, and we own no key that is no longer desired.
pub fn is_as_desired(existing: &Secret, desired: &Secret) -> bool {
    let covers = |has: &BTreeMap<String, String>, wanted: Option<&BTreeMap<String, String>>| {
        wanted
            .into_iter()
            .flatten()
            .all(|(key, value)| has.get(key) == Some(value))
    };
    let data = desired.data.iter().flatten();
    let keys: BTreeSet<&str> = desired.data.iter().flatten().map(|(key, _)| key.as_str()).collect();
    let owned = owned_keys(existing.managed_fields());
    existing.type_ == desired.type_
        && covers(existing.labels(), desired.metadata.labels.as_ref())
        && covers(existing.annotations(), desired.metadata.annotations.as_ref())
        && data
            .into_iter()
            .all(|(key, value)| existing.data.as_ref().and_then(|data| data.get(key)) == Some(value))
        && owned.iter().map(String::as_str).eq(keys)
}

/// The keys of `data` that we own as a field manager. Whoever changes the value of one takes it over, and it is missing here.
pub fn owned_keys(fields: &[ManagedFieldsEntry]) -> BTreeSet<String> {
    let ours = fields
        .iter()
        .filter(|entry| entry.manager.as_deref() == Some(MANAGER) && entry.subresource.is_none());
    let data = ours.filter_map(|entry| entry.fields_v1.as_ref()?.0.get("f:data")?.as_object());
    let keys = data.flatten().filter_map(|(key, _)| key.strip_prefix("f:"));
    keys.map(str::to_owned).collect()
}

/// What metadata show of a Secret with our label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The SecretSync that it names.
    pub owner: Box<str>,
    /// The keys that we wrote and still own, sorted and separated by blanks.
    pub owned_keys: Box<str>,
    /// It is being deleted.
    pub terminating: bool,
}

/// Keeps what [`marked`] reads and drops the rest.
pub fn slim(secret: &mut PartialObjectMeta<Secret>) {
    let keys: Vec<String> = owned_keys(secret.managed_fields()).into_iter().collect();
    let annotations = secret.annotations_mut();
    annotations.retain(|key, _| key == OWNER);
    annotations.insert(OWNED_KEYS.to_owned(), keys.join(" "));
    let meta = secret.meta_mut();
    (meta.labels, meta.owner_references, meta.finalizers) = (None, None, None);
}

/// What metadata show, after [`slim`].
pub fn marked(secret: &PartialObjectMeta<Secret>) -> Marked {
    let annotation = |key| secret.annotations().get(key).map(String::as_str).unwrap_or_default();
    Marked {
        owner: annotation(OWNER).into(),
        owned_keys: annotation(OWNED_KEYS).into(),
        terminating: secret.meta().deletion_timestamp.is_some(),
    }
}

/// The keys as [`Marked::owned_keys`] has them.
pub fn joined<'a>(keys: impl IntoIterator<Item = &'a str>) -> String {
    let sorted: BTreeSet<&str> = keys.into_iter().collect();
    sorted.into_iter().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
