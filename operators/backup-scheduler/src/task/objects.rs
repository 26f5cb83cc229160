//! A restore of API objects: what the operator tells a mover, and what the mover says of it.
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// API objects that are there and differ: `Skip` (the default) leaves and lists them, `Update` sets fields, `Fail` writes nothing.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Existing {
    /// It is left as it is, and listed.
    #[default]
    Skip,
    /// It gets the fields of the backup. Fields that the backup does not have stay, and so do fields that a controller has set.
    Update,
    /// Nothing at all is written.
    Fail,
}

/// API objects that Flux, Helm or Argo CD make: `Skip` (the default) leaves and lists them, `Include` restores them.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Gitops {
    /// They are left to them, and listed.
    #[default]
    Skip,
    /// They are restored like others.
    Include,
}

/// What happens to claims that are not there, and have not been restored.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AbsentClaims {
    /// They are left out, and so are the workloads that use them.
    #[default]
    Skip,
    /// They are made, with nothing in them.
    CreateEmpty,
}

/// Which objects of a backup. An empty list selects all.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Selection {
    /// Kinds by names such as `deployments.apps`, or globs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// Kinds to leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_kinds: Vec<String>,
    /// Names of objects, or globs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Only objects with these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// A restore of API objects.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RestoreObjects {
    /// The snapshots' host: `clusterName`.
    pub host: String,
    /// The namespaces, by their names in the backup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Objects of no namespace too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cluster: bool,
    /// Only of the run with this name, `<namespace>/<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Only backups that are older than this, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Snapshots that do not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_good: Vec<String>,
    /// Where they are in snapshots: `/objects`, with a folder for each namespace, and `.cluster`.
    pub root: String,
    /// A folder for the files, which is empty or has what an earlier attempt has left. All that is in it is removed.
    pub folder: String,
    /// Which objects.
    #[serde(default)]
    pub selection: Selection,
    /// What happens to objects that are there.
    #[serde(default)]
    pub existing: Existing,
    /// What happens to objects that Flux, Helm or Argo CD make.
    #[serde(default)]
    pub gitops: Gitops,
    /// New names of namespaces, by their names in the backup.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub namespace_mapping: BTreeMap<String, String>,
    /// New storage classes of claims, by those in the backup.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub storage_class_mapping: BTreeMap<String, String>,
    /// Claims that the restore of volumes has made, as `<namespace>/<name>` with the namespace's name in the backup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
    /// Those of them whose data is not complete: workloads that use them are not made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incomplete_claims: Vec<String>,
    /// What happens to claims that are neither there nor in `claims`.
    #[serde(default)]
    pub absent_claims: AbsentClaims,
    /// Namespaces whose backup has no volumes: claims there that are absent are left out in any case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_volumes: Vec<String>,
    /// The run is one of a tenant: it may not write what limits the namespace, or who may do what in it, and nothing outside it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tenant: bool,
    /// What is written on each object that is made, so that a later attempt knows its own: the same for all attempts of a run.
    pub mark: String,
    /// Write nothing, and tell what would be written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

impl RestoreObjects {
    /// Whether claims of a namespace that are absent are made, with nothing in them.
    pub fn makes_empty_claims(&self, namespace: Option<&str>) -> bool {
        let without = namespace.is_some_and(|name| self.without_volumes.iter().any(|other| other == name));
        self.absent_claims == AbsentClaims::CreateEmpty && !without
    }
}

/// What came of a restore of API objects; with `dry_run`, what would come of it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ObjectsReport {
    /// How many were created.
    #[serde(default)]
    pub created: u64,
    /// How many were there and got fields of the backup.
    #[serde(default)]
    pub updated: u64,
    /// How many were there and equal the backup.
    #[serde(default)]
    pub unchanged: u64,
    /// How many could not be restored.
    #[serde(default)]
    pub failed: u64,
    /// How many were skipped, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, u64>,
    /// The first objects: those that failed, those that were skipped; in a dry run also those that would be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectResult>,
    /// What a person should know, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// What came of one object.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ObjectResult {
    /// The object, as `<namespace>/deployments.apps/<name>`; without a namespace, `clusterroles.rbac.authorization.k8s.io/<name>`.
    pub object: String,
    /// `Create`, `Update` or `Failed`, or why it was skipped.
    pub result: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
