//! `BackupSchedule`: when which claims are backed up, and how long their snapshots are kept.
use hearth_reconciler::duration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Keep;
use super::backup_run::{Mover, Objects, Volumes};

/// When which claims are backed up.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "backup.hearth.home.arpa",
    version = "v1alpha1",
    kind = "BackupSchedule",
    plural = "backupschedules",
    singular = "backupschedule",
    shortname = "hbs",
    namespaced,
    category = "hearth",
    status = "BackupScheduleStatus",
    doc = "Makes a BackupRun at each of its times, in its own namespace. In the operator's namespace it may choose other namespaces. Its runs and snapshots stay when it is deleted.",
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
    printcolumn(name = "Last", type_ = "date", json_path = ".status.lastGood"),
    printcolumn(name = "Next", type_ = "string", json_path = ".status.nextSlot"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct BackupScheduleSpec {
    /// The BackupRepository.
    #[schemars(length(min = 1, max = 253))]
    pub repository: String,
    /// Five fields of cron: minute, hour, day, month, weekday. `H` in the minute, the hour or the weekday is a value of the
    /// schedule's own.
    #[schemars(length(min = 1, max = 256))]
    pub cron: String,
    /// The time zone, such as `Europe/Berlin`. Default: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// Each run starts later by a share of this time, always the same for this schedule; less than half of the interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = duration::PATTERN), length(max = 32))]
    pub jitter: Option<String>,
    /// A run that could not start within this time after its slot does not start. Default: none with `catchUp`, else 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = duration::PATTERN), length(max = 32))]
    pub starting_deadline: Option<String>,
    /// After a time without the operator, make one run for any number of missed slots. Default: true.
    #[serde(default = "yes")]
    pub catch_up: bool,
    /// What happens at a slot while the run before is still at work. Default: `Forbid`.
    #[serde(default)]
    pub concurrency_policy: ConcurrencyPolicy,
    /// Make no runs. The slots of this time are not made up for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// How long snapshots are kept.
    pub keep: Keep,
    /// What is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objectives: Option<Objectives>,
    /// Which namespaces; `{}` are all. Only in the operator's namespace. Default: the schedule's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Namespaces>,
    /// Which volumes, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<Volumes>,
    /// Which API objects. Default: all of each namespace, and none with `layout: Single`. A run in the operator's namespace also has those of no namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<Objects>,
    /// A volume with files that cannot be read counts as `Partial`, and its snapshot is kept; so do objects of which a kind cannot be
    /// listed. Default: it fails, and the snapshot is removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_partial: bool,
    /// How movers run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mover: Option<Mover>,
    /// A server that is told of each slot whose runs are all good, and raises an alarm when it hears nothing: a dead man's switch, such
    /// as healthchecks.io or Uptime Kuma.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping: Option<Ping>,
}

/// A server that is told of good runs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Ping {
    /// The Secret with the URL, in the schedule's namespace: whoever knows the URL can report success.
    pub url_secret_ref: SecretKeyRef,
}

/// A key of a Secret.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in it. Default: `url`.
    #[serde(default = "url")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn url() -> String {
    "url".to_owned()
}

fn yes() -> bool {
    true
}

/// What happens at a slot while the run before is still at work.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ConcurrencyPolicy {
    /// The slot is skipped.
    #[default]
    Forbid,
    /// The run before is cancelled.
    Replace,
}

/// What is promised.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Objectives {
    /// How old the newest good backup may become. Default: twice the interval of the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = duration::PATTERN), length(max = 32))]
    pub rpo: Option<String>,
}

/// Which namespaces. All that is given must fit.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Namespaces {
    /// Only these, by name or glob.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)))]
    pub names: Vec<String>,
    /// Not these, by name or glob.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)))]
    pub exclude: Vec<String>,
    /// Only namespaces with these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// What is known of a schedule.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct BackupScheduleStatus {
    /// The generation of the spec that this status is about.
    #[serde(default)]
    pub observed_generation: i64,
    /// `Ready`; `Reconciling` while a slot waits; `Stalled` when the spec must be changed; `Pinged`, with `ping`: whether the server
    /// was told of the last good slot.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// The last value of the annotation that requests a reconcile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// Slots up to this time are done with, or not wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The cron and the time zone that the cursor is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor_for: Option<String>,
    /// The schedule was suspended when it was looked at last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// The newest slot that a run was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_slot: Option<String>,
    /// The next slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_slot: Option<String>,
    /// The newest runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<LastRun>,
    /// The newest slot whose runs are all good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good: Option<String>,
    /// How many slots had no run, since the schedule was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<i64>,
    /// Which namespaces were left out at the newest slot, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// The last value of the annotation that asks for a run now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_manual_token: Option<String>,
    /// The last ping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping: Option<PingStatus>,
}

/// A ping of one slot.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PingStatus {
    /// The slot that it tells of.
    pub slot: String,
    /// How often it was sent.
    pub attempts: i64,
    /// When it was sent last.
    pub time: String,
    /// What was wrong with that; none: the server has accepted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The newest runs: one of this name in each of the namespaces.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct LastRun {
    /// The name.
    pub name: String,
    /// The namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
}
