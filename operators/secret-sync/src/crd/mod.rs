//! The CRDs of `secrets.hearth.home.arpa`. Types here are the source of `crds/*.yaml`; what a schema cannot say, CEL says.
#![allow(
    unreachable_pub,
    reason = "KubeSchema works on private copies of the structs, for which the lint fires"
)]
pub mod source;
pub mod sync;

use std::borrow::Cow;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use source::{ClusterSecretSource, ClusterSecretSourceSpec, ClusterSecretSourceStatus};
pub use sync::{SecretSync, SecretSyncSpec, SecretSyncStatus};

/// Any new value of this annotation requests a reconcile now: of a source, its login; of a sync, its values.
pub const RECONCILE_AT: &str = "secrets.hearth.home.arpa/reconcile-at";
/// On each Secret that a SecretSync writes.
pub const MANAGED: &str = "secrets.hearth.home.arpa/managed";
/// On each Secret that a SecretSync writes: the name of that SecretSync, which is in the same namespace.
pub const OWNER: &str = "secrets.hearth.home.arpa/owner";

/// A field with a short form (a text) and a long form (an object). A schema cannot say that, so the operator checks it, and one
/// wrong value does not make the others unreadable.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(transparent)]
pub struct AnyForm(pub serde_json::Value);

impl JsonSchema for AnyForm {
    fn schema_name() -> Cow<'static, str> {
        "AnyForm".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
    }
}

/// The CRDs as they are installed.
pub fn crds() -> Vec<CustomResourceDefinition> {
    [ClusterSecretSource::crd(), SecretSync::crd()]
        .into_iter()
        .map(hearth_reconciler::crd::finish)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_in_crds_are_current() {
        hearth_reconciler::testing::assert_crds(concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds"), &crds());
    }
}
