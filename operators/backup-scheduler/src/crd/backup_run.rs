//! `BackupRun`: one backup of the claims of a namespace.
use k8s_openapi::api::core::v1::SecurityContext;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One backup.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "backup.hearth.home.arpa",
    version = "v1alpha1",
    kind = "BackupRun",
    plural = "backupruns",
    singular = "backuprun",
    shortname = "hbr",
    namespaced,
    category = "hearth",
    status = "BackupRunStatus",
    doc = "One backup of the volumes and API objects of this namespace. It runs once. The annotation `backup.hearth.home.arpa/cancel: \"true\"` cancels it.",
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
    printcolumn(name = "Good", type_ = "integer", json_path = ".status.good"),
    printcolumn(name = "Volumes", type_ = "integer", json_path = ".status.total"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("self.repository == oldSelf.repository", "a run runs once; create another BackupRun"),
    validation = ("has(self.schedule) == has(oldSelf.schedule) && (!has(self.schedule) || self.schedule == oldSelf.schedule)", "schedule cannot be changed")
)]
pub struct BackupRunSpec {
    /// The BackupRepository.
    #[schemars(length(min = 1, max = 253))]
    pub repository: String,
    /// Which volumes, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<Volumes>,
    /// Which API objects. Default: all of the namespace, and none with `layout: Single`. A run in the operator's namespace also has those of no namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<Objects>,
    /// A volume with files that cannot be read counts as `Partial`, and its snapshot is kept; so do objects of which a kind cannot be
    /// listed. Default: it fails, and the snapshot is removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_partial: bool,
    /// How movers run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mover: Option<Mover>,
    /// Do not begin.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// The schedule that made the run. Not for runs that people make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleRef>,
}

/// The schedule and the slot of a run.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleRef {
    /// The name of the BackupSchedule, with its namespace before a slash if that is another.
    #[schemars(length(min = 1, max = 317))]
    pub name: String,
    /// Its UID.
    #[schemars(length(min = 1, max = 64))]
    pub uid: String,
    /// The time that the run is for, RFC 3339: its snapshots have it.
    #[schemars(
        regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"),
        length(max = 20)
    )]
    pub slot: String,
}

/// Which volumes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Volumes {
    /// `OptOut` (the default): all claims but those with the annotation `backup.hearth.home.arpa/backup: "false"` (or K8up's
    /// `k8up.io/backup`). `OptIn`: only those with `"true"`. `All`: the annotation says nothing.
    #[serde(default)]
    pub mode: Mode,
    /// Only claims with these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Only these claims, by name or glob.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 253)))]
    pub claims: Vec<String>,
    /// Files to leave out, as patterns of restic's `--exclude`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 1024)))]
    pub exclude: Vec<String>,
}

impl Volumes {
    /// Whether it says which claims are wanted. One that finds none of them has not done what it was made for.
    pub fn names_claims(&self) -> bool {
        self.selector.is_some() || !self.claims.is_empty()
    }
}

/// Which API objects.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Objects {
    /// Whether there is a backup of objects. Default: true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Kinds to leave out, by names such as `deployments.apps`, or globs such as `*.example.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 253)))]
    pub exclude: Vec<String>,
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            enabled: true,
            exclude: Vec::new(),
        }
    }
}

fn yes() -> bool {
    true
}

/// How claims are chosen.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// All, whatever their annotation says.
    All,
    /// Those that say so.
    OptIn,
    /// All that do not say otherwise.
    #[default]
    OptOut,
}

/// How movers run.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Mover {
    /// The security context of the mover's container. Default: that of the pods that use the volume, without privileges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,
}

/// What came of a run.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct BackupRunStatus {
    /// The generation of the spec that this status is about.
    #[serde(default)]
    pub observed_generation: i64,
    /// `Ready` when all is good; `Reconciling` while it runs; `Stalled` when it has ended otherwise.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// The last value of the annotation that requests a reconcile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<String>,
    /// How many volumes are good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<i64>,
    /// How many volumes were to be backed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// The volumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Item>,
    /// The API objects: `.objects` are those of the namespace, `.cluster` those of no namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<Item>,
}

impl BackupRunStatus {
    /// All of it: volumes and API objects.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.volumes.iter().chain(&self.objects)
    }

    /// The same, to change it.
    pub fn items_mut(&mut self) -> impl Iterator<Item = &mut Item> {
        self.volumes.iter_mut().chain(&mut self.objects)
    }
}

/// Where one volume of a run is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum State {
    /// Not begun, or it waits before its next mover: for consent, or for a pod that needs the volume.
    #[default]
    Pending,
    /// Its node is off: it begins when the node is back.
    Deferred,
    /// A mover is at work, or is to start.
    Running,
    /// It is good.
    Completed,
    /// Something is missing.
    Partial,
    /// It is complete, but much smaller than those before. It does not count as good.
    Suspicious,
    /// Nothing that counts.
    Failed,
    /// It cannot be backed up, for a reason that is not a failure.
    Skipped,
}

impl State {
    /// Whether nothing will happen any more.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Deferred | Self::Running)
    }
}

/// One volume of a run.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The claim; of API objects, `.objects` or `.cluster`.
    pub claim: String,
    /// Where it is.
    pub state: State,
    /// Why, as one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is wrong, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How often a mover was started.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: i64,
    /// How many of them were before it last waited for consent or for a pod. They do not count as failures.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub earlier_attempts: i64,
    /// It waits for consent to a first upload of so many bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_upload: Option<i64>,
    /// It waits for a pod that needs the volume, since this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yielded: Option<String>,
    /// How often a mover was ended to make room for a pod.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub yields: i64,
    /// The snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// Snapshots of this run that do not count, and that nobody could remove.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_good: Vec<String>,
    /// The retention has removed the snapshot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgotten: bool,
    /// Files in the snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<i64>,
    /// Bytes in the snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// Bytes that were added to the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added_bytes: Option<i64>,
    /// In a restore: the folder of the snapshot, if it is not `/data/CLAIM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// In a restore: what the claim asked for when it was backed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_spec: Option<ClaimSpec>,
    /// How far its mover is, while it is at work; about every half a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Paths with problems, the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<PathProblem>,
    /// When its first mover was started; the first since it last waited for consent or for a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<String>,
}

impl Item {
    /// Takes note that these snapshots are not there any more.
    pub fn note_gone(&mut self, ids: &[String]) {
        self.forgotten |= self.snapshot.as_ref().is_some_and(|id| ids.contains(id));
        self.not_good.retain(|id| !ids.contains(id));
    }

    /// Whether it waits for consent or for a pod. It has no mover then.
    pub fn is_paused(&self) -> bool {
        self.first_upload.is_some() || self.yielded.is_some()
    }
}

/// How far a mover is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Bytes that are read, or written.
    pub bytes: i64,
    /// Bytes in all, as far as they are known.
    pub total_bytes: i64,
    /// Files that are read, or written.
    pub files: i64,
    /// Files in all, as far as they are known.
    pub total_files: i64,
    /// The mean rate since its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<i64>,
    /// The seconds that are left, if restic knows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<i64>,
    /// When it said so.
    pub time: String,
}

/// What a claim asks for.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ClaimSpec {
    /// The size: `10Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// The storage class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// The access modes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_modes: Vec<String>,
}

/// What is wrong with one path.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PathProblem {
    /// The path in the volume.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}
