//! `SecretSync`: a Secret of its namespace that is kept equal to objects of a source.
use std::collections::BTreeMap;

use hearth_reconciler::outcome::StatusFields;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AnyForm;

/// A Secret that is kept equal to objects of a source.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "secrets.hearth.home.arpa",
    version = "v1alpha1",
    kind = "SecretSync",
    plural = "secretsyncs",
    singular = "secretsync",
    shortname = "hss",
    namespaced,
    category = "hearth",
    status = "SecretSyncStatus",
    doc = "A Secret in this namespace that is kept equal to objects of a ClusterSecretSource, also while that is away.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Fresh",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Fresh\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Fresh\")].reason"
    ),
    printcolumn(name = "Keys", type_ = "integer", json_path = ".status.keyCount"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("!has(self.certificate) || !has(self.target) || !has(self.target.type) || self.target.type == 'kubernetes.io/tls'", "a certificate makes a Secret of type kubernetes.io/tls; remove target.type"))]
pub struct SecretSyncSpec {
    /// The ClusterSecretSource.
    #[schemars(length(min = 1, max = 253))]
    pub source: String,
    /// Keys of the Secret, and where their values come from: `object` or `object#property`; or an object with `from`, `property`,
    /// `version`, `decode: base64` and `optional: true`. They win over `extract`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("minProperties" = 1, "maxProperties" = 256))]
    pub keys: BTreeMap<String, AnyForm>,
    /// Objects of which each property becomes a key of the Secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 512)))]
    pub extract: Vec<String>,
    /// A certificate of Key Vault with its private key: becomes `tls.crt` and `tls.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 127))]
    pub certificate: Option<String>,
    /// The Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// How often the values are read again, e.g. `1h`, at least 1m; or `Once`. Default: as the source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(Once|([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+)$"), length(max = 32))]
    pub refresh: Option<String>,
    /// Stop: nothing is read or written. The Secret stays as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// The Secret that is written.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Its name. Default: the name of the SecretSync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
        length(min = 1, max = 253)
    )]
    pub name: Option<String>,
    /// Its type. Default: Opaque. Tokens of a ServiceAccount or of new nodes cannot be written.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = ("!(self in ['kubernetes.io/service-account-token', 'bootstrap.kubernetes.io/token'])", "Secrets of this type are credentials of the cluster itself and cannot be written"))]
    #[schemars(length(min = 1, max = 253))]
    pub type_: Option<String>,
    /// Labels for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub labels: BTreeMap<String, String>,
    /// Annotations for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: BTreeMap<String, String>,
    /// Take over a Secret of this name that exists already and belongs to no SecretSync.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopt: bool,
}

/// What the operator did.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct SecretSyncStatus {
    /// The generation that the status describes; -1 until the first reconcile.
    #[serde(default)]
    pub observed_generation: i64,
    /// The last value of the annotation `secrets.hearth.home.arpa/reconcile-at` that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The Secret that was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// How many keys were written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_count: Option<i64>,
    /// What was written: for each key of the Secret the object and its version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["key".into()]))]
    pub keys: Vec<KeyStatus>,
    /// When the certificate ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_expires: Option<String>,
    /// Ready and Fresh; Reconciling and Stalled while True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Where the value of a key came from.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct KeyStatus {
    /// The key of the Secret.
    pub key: String,
    /// The object at the provider.
    pub object: String,
    /// Its version; a KV engine of version 1 has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl StatusFields for SecretSyncStatus {
    fn conditions(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }

    fn set_observed_generation(&mut self, generation: i64) {
        self.observed_generation = generation;
    }

    fn last_handled_reconcile_at(&mut self) -> &mut Option<String> {
        &mut self.last_handled_reconcile_at
    }
}
