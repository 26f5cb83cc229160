//! `NodeHistory`: what one node did, kept across restarts of the operator and across deletion of the Node. Written by
//! the operator only.
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Availability;

/// Nothing: all of it is in the status.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "nodes.hearth.home.arpa",
    version = "v1alpha1",
    kind = "NodeHistory",
    shortname = "hhist",
    status = "NodeHistoryStatus",
    derive = "PartialEq",
    doc = "What one node did: written by node-class, one for each node name. Deleting it makes the node unproven again.",
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Availability", type_ = "string", json_path = ".status.learned"),
    printcolumn(
        name = "Month",
        type_ = "integer",
        description = "per mille of the known time of 30 days",
        json_path = ".status.availability.month.perMille"
    ),
    printcolumn(name = "Penalty", type_ = "integer", json_path = ".status.penalty.value"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct NodeHistorySpec {}

/// What is known of a node.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NodeHistoryStatus {
    /// The generation that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The version of the status; a newer one than this operator knows is left alone. Now 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<i64>,
    /// Which machine it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    /// The NodeHost that claims it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The classes that match it, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Whether it is alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Since when it is so and known without a break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// What was learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned: Option<Availability>,
    /// When that changed last; it stays for a day at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned_since: Option<Time>,
    /// Since when the node has met the conditions for AlwaysOn without a break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calm_since: Option<Time>,
    /// Share of the known time in which it was up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Windows>,
    /// Outages of the last 30 days that are over and were not planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downs: Option<i64>,
    /// Flap penalty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub penalty: Option<Penalty>,
    /// The longest reboot seen, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_reboot_seconds: Option<i64>,
    /// It has a member of etcd, or had one when its Node was deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub etcd_member: bool,
    /// Until when everything is recorded here; after a crash the time since then is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_until: Option<Time>,
    /// The last 32 changes, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitions: Vec<Transition>,
    /// What is known of the last 30 days and today, without the time since `since`. The newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uptime: Vec<Day>,
}

/// Which machine has the name.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names, reason = "the API's names")]
pub struct Machine {
    /// UID of the Node object.
    #[serde(default, skip_serializing_if = "String::is_empty", rename = "nodeUID")]
    pub node_uid: String,
    /// The firmware's UUID: another one is another machine.
    #[serde(default, skip_serializing_if = "String::is_empty", rename = "systemUUID")]
    pub system_uuid: String,
    /// The installation's id: another one is a new installation.
    #[serde(default, skip_serializing_if = "String::is_empty", rename = "machineID")]
    pub machine_id: String,
    /// The boot's id: another one is a boot.
    #[serde(default, skip_serializing_if = "String::is_empty", rename = "bootID")]
    pub boot_id: String,
    /// Versions of kubelet, kernel and system, to recognize the reboot of an update.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub versions: String,
}

impl Machine {
    /// Takes over the fields of `new` that say something. The system UUID is that of the machine: `replace_uuid` false keeps it.
    pub(crate) fn learn(&mut self, new: &Self, replace_uuid: bool) {
        let take = |to: &mut String, from: &String| {
            if !from.trim().is_empty() && to != from {
                to.clone_from(from);
            }
        };
        take(&mut self.node_uid, &new.node_uid);
        take(&mut self.machine_id, &new.machine_id);
        take(&mut self.boot_id, &new.boot_id);
        take(&mut self.versions, &new.versions);
        if replace_uuid || self.system_uuid.is_empty() {
            take(&mut self.system_uuid, &new.system_uuid);
        }
    }
}

/// What is known of a UTC day, in seconds.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names, reason = "the API's names")]
pub struct Day {
    /// Days since 1970.
    pub day: i64,
    /// It was up.
    pub up: i64,
    /// It is known whether it was up.
    pub known: i64,
    /// It was down on purpose.
    pub planned: i64,
    /// Outages that ended on this day and were not planned.
    pub downs: i64,
}

/// Availability over three windows, each with today.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Windows {
    /// Yesterday and today (UTC).
    pub day: Share,
    /// The 7 days before today, and today.
    pub week: Share,
    /// The 30 days before today, and today.
    pub month: Share,
}

/// A share of time.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// Up, of the known time, per mille. Absent when nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_mille: Option<i64>,
    /// How much of the window is known, per mille.
    pub coverage_per_mille: i64,
}

/// A flap penalty: decays by itself, so the value holds at the time given.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Penalty {
    /// The penalty at `at`.
    pub value: i64,
    /// When it was so.
    pub at: Time,
    /// Since when the node counts as flapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flapping_since: Option<Time>,
}

/// A change of a node.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// When it happened (not: when it was noticed).
    pub at: Time,
    /// What happened.
    pub kind: Kind,
    /// Planned: a person had cordoned it, we were asked, or the reboot brought new versions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub planned: bool,
    /// When it was back; absent while it is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_at: Option<Time>,
    /// How it is known, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub evidence: String,
}

impl Transition {
    /// One that was not planned; without an end it lasts.
    pub(crate) fn new(kind: Kind, at: Timestamp, back_at: Option<Timestamp>, evidence: String) -> Self {
        Self {
            at: Time(at),
            kind,
            planned: false,
            back_at: back_at.map(Time),
            evidence,
        }
    }
}

/// Whether a node is alive.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Its lease changes.
    Up,
    /// Its lease is silent, and others' leases prove that we would have seen it change.
    Down,
    /// Not watched, or not for long enough.
    #[default]
    Unknown,
    /// There is no Node object and no living lease.
    Gone,
    /// There is no Node object, but its kubelet renews the lease: it must be restarted to register.
    Missing,
}

/// What happened to a node.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It shut down in an orderly way.
    Clean,
    /// It went silent without an announcement.
    Lost,
    /// It booted and came back within a reboot's time.
    Reboot,
    /// It came back without a boot: suspended, paused or cut off.
    Suspend,
    /// It was reinstalled.
    Reinstall,
    /// Its Node object was created again; the machine is the same.
    Reregistered,
    /// The nodes were not watched. Earlier versions recorded that; it is dropped.
    Blind,
}
