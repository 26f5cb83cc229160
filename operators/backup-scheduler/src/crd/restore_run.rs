//! `RestoreRun`: one restore into the claims of a namespace.
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backup_run::{Item, Mover, State};
use crate::task::{Existing, Gitops, ObjectsReport};

/// So many API objects are named in the status.
const NAMED: usize = 20;

/// One restore.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "backup.hearth.home.arpa",
    version = "v1alpha1",
    kind = "RestoreRun",
    plural = "restoreruns",
    singular = "restorerun",
    shortname = "hrr",
    namespaced,
    category = "hearth",
    status = "RestoreRunStatus",
    derive = "PartialEq",
    doc = "One restore of volumes and API objects of this namespace from its own backups. The same spec runs once, also if it is deleted and applied again; a new value of `again` runs it once more.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Restored", type_ = "integer", json_path = ".status.good"),
    printcolumn(name = "Volumes", type_ = "integer", json_path = ".status.total"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("!has(self.from.path) || has(self.select) && has(self.select.claims) && self.select.claims.size() == 1 && !self.select.claims[0].contains('*') && !self.select.claims[0].contains('?')", "from.path needs select.claims with the name of the one claim that it is restored into"))]
pub struct RestoreRunSpec {
    /// What is restored.
    pub from: From,
    /// Which volumes. Default: all that the backup has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<Select>,
    /// Storage classes of claims that are created, by the class in the backup.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub storage_class_mapping: BTreeMap<String, String>,
    /// How volumes are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<RestoreVolumes>,
    /// Which API objects, after the volumes. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<RestoredObjects>,
    /// What happens to API objects that are there and differ from the backup. Default: `Skip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<Existing>,
    /// What happens to API objects that Flux, Helm or Argo CD make. Default: `Skip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gitops: Option<Gitops>,
    /// New names of namespaces, by the names in the backup. Only in the operator's namespace, and only for API objects.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub namespace_mapping: BTreeMap<String, String>,
    /// Write nothing, and show in the status what would be done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// How movers run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mover: Option<Mover>,
    /// Any new value runs the same spec once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub again: Option<String>,
    /// Do not begin.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// What is restored: the newest good snapshot of each volume, unless a run, a snapshot or a time is named.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("[has(self.run), has(self.snapshot), has(self.before)].filter(x, x).size() <= 1", "at most one must be set: run, snapshot or before"))]
pub struct From {
    /// The BackupRepository.
    #[schemars(length(min = 1, max = 253))]
    pub repository: String,
    /// The name of the BackupRun, which need not exist any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub run: Option<String>,
    /// The id of a snapshot, at least 8 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9a-f]{8,64}$"))]
    pub snapshot: Option<String>,
    /// The folder of snapshots that others have made, such as `/data` of VolSync or `/srv/photos` of a machine; its content becomes
    /// that of the one claim in `select.claims`. Default: `/data/CLAIM`. Only where a repository is adopted or taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^/[^:]*$"), length(max = 1024))]
    pub path: Option<String>,
    /// The newest that is older than this time, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub before: Option<String>,
}

/// Which volumes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Select {
    /// Claims by name or glob.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 253)))]
    pub claims: Vec<String>,
}

/// Which API objects.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RestoredObjects {
    /// Restore no volumes. Needed where the backup has none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only: bool,
    /// With `only`: create claims that are absent, with nothing in them, and the workloads that use them. Default: both are left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_claims: bool,
    /// Of these namespaces, by their names in the backup, or globs. Without `only`, also their volumes: a RestoreRun is made in each of
    /// them. A glob selects neither `kube-system`, `kube-public` and `kube-node-lease` nor the operator's namespace. Default: of this
    /// one. Only in the operator's namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)))]
    pub namespaces: Vec<String>,
    /// Also objects of no namespace. Only in the operator's namespace.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cluster: bool,
    /// Only these kinds, by names such as `deployments.apps`, or globs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 253)))]
    pub kinds: Vec<String>,
    /// Kinds to leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 253)))]
    pub exclude_kinds: Vec<String>,
    /// Only objects with these names, or globs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 253)))]
    pub names: Vec<String>,
    /// Only objects with these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// How volumes are written.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RestoreVolumes {
    /// What happens to a claim that is there and has files. One that a pod uses is never written.
    #[serde(default)]
    pub existing: ExistingVolume,
    /// Restore device nodes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub devices: bool,
    /// Keep setuid and setgid bits of files.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub setuid: bool,
}

/// What happens to a claim that has files.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ExistingVolume {
    /// Nothing is written.
    #[default]
    Fail,
    /// Files of the backup replace files of the same name; others stay.
    Overwrite,
}

/// What came of a restore.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RestoreRunStatus {
    /// The generation of the spec that this status is about.
    #[serde(default)]
    pub observed_generation: i64,
    /// `Ready` when all is restored; `Reconciling` while it runs; `Stalled` when it has ended otherwise.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// The last value of the annotation that requests a reconcile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The hash of the spec that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec_hash: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<String>,
    /// Whether the list of snapshots is complete in `volumes`, or that of namespaces in `namespaces`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub found: bool,
    /// How many volumes are restored completely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<i64>,
    /// How many volumes were to be restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// The volumes; in a restore of several namespaces those of all of them, as `NAMESPACE/CLAIM`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Item>,
    /// The namespaces, in a restore of several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<RestoredNamespace>,
    /// The mover of API objects, as of a volume.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<Item>,
    /// What came of the API objects; of a dry run, what would come of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_objects: Option<ObjectCounts>,
}

/// A namespace in a restore of several.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RestoredNamespace {
    /// Its name in the backup.
    pub name: String,
    /// The RestoreRun of its volumes, in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// How far its volumes are.
    pub state: State,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What came of API objects.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ObjectCounts {
    /// How many were created.
    #[serde(default)]
    pub created: i64,
    /// How many were there and got fields of the backup.
    #[serde(default)]
    pub updated: i64,
    /// How many were there and equal the backup.
    #[serde(default)]
    pub unchanged: i64,
    /// How many could not be restored.
    #[serde(default)]
    pub failed: i64,
    /// How many were skipped, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, i64>,
    /// The first 20 objects that failed or were skipped; of a dry run, also those that would be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectOutcome>,
    /// What you should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// What came of one API object.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ObjectOutcome {
    /// The object, as `NAMESPACE/deployments.apps/NAME`.
    pub object: String,
    /// `Create`, `Update` or `Failed`, or why it is skipped.
    pub result: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl std::convert::From<&ObjectsReport> for ObjectCounts {
    fn from(report: &ObjectsReport) -> Self {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let objects = report.objects.iter().take(NAMED).map(|result| ObjectOutcome {
            object: result.object.clone(),
            result: result.result.clone(),
            message: result.message.clone(),
        });
        Self {
            created: number(report.created),
            updated: number(report.updated),
            unchanged: number(report.unchanged),
            failed: number(report.failed),
            skipped: report
                .skipped
                .iter()
                .map(|(reason, count)| (reason.clone(), number(*count)))
                .collect(),
            objects: objects.collect(),
            hints: report.hints.clone(),
        }
    }
}
