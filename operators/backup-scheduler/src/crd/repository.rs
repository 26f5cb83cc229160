//! `BackupRepository`: a place in a bucket that backups go to, and who may use it.
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A place that backups go to.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "backup.hearth.home.arpa",
    version = "v1alpha1",
    kind = "BackupRepository",
    plural = "backuprepositories",
    singular = "backuprepository",
    shortname = "hbrepo",
    category = "hearth",
    status = "BackupRepositoryStatus",
    doc = "A place in an S3 bucket that backups go to: one restic repository for each namespace, each with its own password.",
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
    printcolumn(
        name = "Escrowed",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"KeyEscrowed\")].status"
    ),
    printcolumn(name = "Unprotected", type_ = "integer", json_path = ".status.coverage.unprotected"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.passphraseSecretRef) != has(self.adopt)", "exactly one must be set: passphraseSecretRef or adopt"),
    validation = ("!has(self.adopt) || self.layout == 'PerNamespace' && self.initialize == 'Never' && !has(self.s3.prefix)", "an adopted repository is only read: set initialize: Never, and adopt.path instead of s3.prefix, without a layout"),
    validation = ("(self.layout == 'Single' || self.initialize != 'TakeOver') && (self.layout != 'Single' || self.initialize != 'WhenEmpty')", "layout: Single needs initialize: TakeOver, or Never once it is taken over; TakeOver needs layout: Single"),
    validation = ("self.layout == 'Single' || !has(self.s3.prefix) || self.s3.prefix != ''", "s3.prefix: only layout: Single can use the whole bucket"),
    validation = ("self.layout == oldSelf.layout && has(self.adopt) == has(oldSelf.adopt)", "layout and adopt cannot be added, removed or changed to another kind; create another BackupRepository"),
    validation = ("has(self.s3.prefix) == has(oldSelf.s3.prefix) && self.s3.bucket == oldSelf.s3.bucket && (!has(self.s3.prefix) || self.s3.prefix == oldSelf.s3.prefix)", "s3.bucket and s3.prefix cannot be changed: what is there would be left behind; create another BackupRepository")
)]
pub struct BackupRepositorySpec {
    /// The bucket.
    pub s3: S3,
    /// The Secret, in the operator's namespace, with the passphrase in its key `passphrase`. Each namespace's repository has a
    /// password of its own, which is made of it: HMAC-SHA256 of `hearth/v1/<namespace>` with the passphrase as key, in hex. With
    /// `layout: Single` the passphrase itself is the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_secret_ref: Option<SecretRef>,
    /// `PerNamespace` (the default): a restic repository for each namespace, at `PREFIX/volumes/NAMESPACE`. `Single`: one for all,
    /// at the prefix itself, which must be there already. Whoever can read a mover's Secret can then read the backups of all
    /// namespaces.
    #[serde(default)]
    pub layout: Layout,
    /// A repository that restic, K8up or VolSync has made. It is only read: its snapshots can be restored, and no BackupRun can
    /// use it. It is used instead of a place of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adopt>,
    /// Whether repositories are created where nothing is yet.
    pub initialize: Initialize,
    /// Namespaces that may use it, by name or glob. The operator's namespace always may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)))]
    pub namespaces: Vec<String>,
    /// The credentials cannot delete: nothing is forgotten or pruned from here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub append_only: bool,
    /// When and how each namespace's repository is checked. Default: once a week, with a fourteenth of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckSchedule>,
    /// When data that no snapshot needs is removed. Default: once a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune: Option<PruneSchedule>,
    /// Limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Stop: no run begins. What runs goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// A bucket, or a part of one.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct S3 {
    /// The endpoint, e.g. `https://s3.example.com`.
    #[schemars(regex(pattern = r"^https?://[^\s/?#@]+/?$"), length(max = 512))]
    pub endpoint: String,
    /// The bucket.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"))]
    pub bucket: String,
    /// The part of the bucket, without a slash at its begin or end. Default: `hearth`. Empty, with `layout: Single`: the whole
    /// bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?$"), length(max = 256))]
    pub prefix: Option<String>,
    /// The region that requests are signed for. Default: `us-east-1`, which most servers other than AWS take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z0-9-]+$"), length(max = 64))]
    pub region: Option<String>,
    /// Whether the bucket is in the path (`true`, the default) or in the host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_path_style: Option<bool>,
    /// The Secret, in the operator's namespace, whose key `ca.crt` has the certificates to trust, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<SecretRef>,
    /// The Secret, in the operator's namespace, with `access-key-id`, `secret-access-key` and, for temporary keys,
    /// `session-token`; or with the names that the AWS tools use, like `AWS_ACCESS_KEY_ID`.
    pub secret_ref: SecretRef,
    /// The same for movers that back up: a key without the right to delete. Default: `secretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mover_secret_ref: Option<SecretRef>,
}

/// How namespaces share a place.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Layout {
    /// A repository for each namespace, each with its own password.
    #[default]
    PerNamespace,
    /// One repository for all namespaces.
    Single,
}

/// A repository of somebody else, which is only read.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Adopt {
    /// Where it is in the bucket, without a slash at its begin or end. Default: the bucket itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$"), length(max = 256))]
    pub path: Option<String>,
    /// The Secret, in the operator's namespace, with its password in the key `password`, or `RESTIC_PASSWORD` as in VolSync's.
    pub password_secret_ref: SecretRef,
    /// The host of the snapshots that can be restored: `volsync` for VolSync's. Default: the namespace of the RestoreRun, which is
    /// the host of K8up's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub host: Option<String>,
}

/// A Secret by name.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Whether repositories are created.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initialize {
    /// Never: the place and its repositories must be there.
    Never,
    /// Where nothing is, and where none was before.
    WhenEmpty,
    /// Never: a repository that is there without a mark of any cluster becomes ours. With `layout: Single`.
    TakeOver,
}

/// When repositories are checked.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct CheckSchedule {
    /// Five fields of cron, in UTC unless `timeZone` says otherwise; `H` is a value of the repository's own. Default: `H H * * H`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub schedule: Option<String>,
    /// The time zone of the schedule, such as `Europe/Berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// The part of the data that each check reads: `1/14` (the default) reads all of it in 14 checks, `0` reads none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(0|1/[1-9][0-9]{0,2})$"))]
    pub read_data: Option<String>,
    /// Do not check.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// When data that no snapshot needs is removed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PruneSchedule {
    /// Five fields of cron, in UTC unless `timeZone` says otherwise; `H` is a value of the repository's own. Default: `H H * * H`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub schedule: Option<String>,
    /// The time zone of the schedule, such as `Europe/Berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// Do not prune.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// Limits of movers.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Upload of each mover, in KiB/s. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub upload: Option<i64>,
    /// The largest first upload of a volume, in bytes. Default: 50 GiB. A larger one waits for consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub first_upload: Option<i64>,
    /// So many movers are at work at the same time. Default: 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub concurrency: Option<i64>,
}

/// What is known of a repository.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct BackupRepositoryStatus {
    /// The generation of the spec that this status is about.
    #[serde(default)]
    pub observed_generation: i64,
    /// `Ready`, `Reconciling`, `Stalled`, and `KeyEscrowed`: whether a person has stored the passphrase outside the cluster.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// The last value of the annotation that requests a reconcile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// What the bucket and its credentials can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// The id of the owner mark in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// The fingerprint of the passphrase. It does not reveal it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_fingerprint: Option<String>,
    /// The namespaces whose repository is there, with the time when that was seen first. One that is here is never created
    /// again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub namespaces: BTreeMap<String, String>,
    /// How many claims of the cluster have a good backup, in any repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// The last checks, prunes and removals of snapshots, by namespace.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub maintenance: BTreeMap<String, Maintenance>,
    /// The work on a repository that is being done now. There is one at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<MaintenanceWork>,
    /// Specs of RestoreRuns that ran, by their hash: which run, and when. The same spec does not run again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub restores: BTreeMap<String, String>,
}

/// What a bucket and its credentials can do.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// A PUT with `If-None-Match: *` fails where an object is.
    #[serde(default)]
    pub conditional_writes: bool,
    /// Objects can be deleted.
    #[serde(default)]
    pub delete: bool,
    /// Parts of objects can be read.
    #[serde(default)]
    pub range: bool,
}

/// Each claim of the cluster that the operator sees is protected, excluded or unprotected.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Claims with a good backup that is not older than its schedule promises; 48 hours without a schedule.
    pub protected: i64,
    /// Claims that their annotation leaves out.
    pub excluded: i64,
    /// All others.
    pub unprotected: i64,
    /// The first unprotected claims, `NAMESPACE/NAME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// What is known of the repository of one namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Maintenance {
    /// The slot of the last check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<String>,
    /// How many checks have read a part of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts_read: Option<i64>,
    /// The slot of the last prune.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruned: Option<String>,
    /// The end of the newest run that snapshots were removed after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgot: Option<String>,
    /// The end of the last work that succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<String>,
    /// No work before this, after a failure that time may heal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<String>,
    /// What was wrong with the last work, by kind of work.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub problems: BTreeMap<String, String>,
    /// The size of the repository in bytes, at the last prune or check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// The damage that a check found and nobody has repaired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
    /// Snapshots, by the first 8 digits of their ids, that need data which is lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged_snapshots: Vec<String>,
}

/// Damage that a check found.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Damage {
    /// The name of the check, which a person repeats in the annotation that asks for a repair.
    pub check: String,
    /// When it was found.
    pub since: String,
    /// The ids of the packs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packs: Vec<String>,
}

/// Kinds of work on a repository.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WorkKind {
    /// Snapshots are removed that the retention does not keep.
    #[default]
    Forget,
    /// The repository is checked.
    Check,
    /// Data is removed that no snapshot needs.
    Prune,
    /// Damaged packs are taken out of the index.
    Repair,
}

/// Work on the repository of one namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct MaintenanceWork {
    /// What is done.
    pub kind: WorkKind,
    /// The namespace.
    pub namespace: String,
    /// The slot that it is done for; for a removal of snapshots the end of the newest run.
    pub slot: String,
    /// The ids of the snapshots that are removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<String>,
    /// Where it is. Its name is in the place of a claim's.
    pub progress: super::backup_run::Item,
}
