//! `NodeHost`: a physical machine with one or more nodes on it; the failure domain.
use std::collections::BTreeMap;

use hearth_reconciler::duration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Availability;
use super::history::State;

/// A physical machine and the nodes that run on it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "nodes.hearth.home.arpa",
    version = "v1alpha1",
    kind = "NodeHost",
    shortname = "hhost",
    status = "NodeHostStatus",
    derive = "PartialEq",
    doc = "A physical machine and the nodes that run on it: they go off together. The status says whether it is on and whether it may be switched off now.",
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "MayGoOff", type_ = "string", json_path = ".status.mayGoOff.answer"),
    printcolumn(
        name = "Phase",
        type_ = "string",
        description = "of the request to switch it off",
        json_path = ".status.off.phase"
    ),
    printcolumn(name = "Availability", type_ = "string", json_path = ".status.availability"),
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
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct NodeHostSpec {
    /// The nodes on this machine: names (`talos03`), globs (`gamer-*`), or beginnings of a system UUID (`uuid:4c4c4544-0042`).
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 253)))]
    pub nodes: Vec<String>,
    /// What kind of machine it is; classes can match it.
    pub form_factor: Option<FormFactor>,
    /// How dependably it is on. Unset: learned from its nodes' history.
    #[x_kube(validation = ("self != 'Unproven'", "availability: Unproven can only be learned; leave it out"))]
    pub availability: Option<Availability>,
    /// An address of the machine itself, `host` or `host:port` (default port 22). While its nodes are silent a TCP
    /// connection is tried; the outcome is part of `status.evidence` and can refute that the machine is off. It never proves
    /// that it is.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9.:\[\]_-]+$"))]
    pub address: Option<String>,
    /// When it is expected to be off. Silences alerts; the state is recorded all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub expected_off: Vec<Window>,
    /// How its nodes are drained when it is requested with the annotation `nodes.hearth.home.arpa/off`.
    pub drain: Option<Drain>,
    /// Stop: nothing is done for this host (its nodes keep what they have).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// Kinds of machines.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(clippy::upper_case_acronyms, reason = "as users write it")]
pub enum FormFactor {
    /// A desktop PC.
    Desktop,
    /// A laptop.
    Laptop,
    /// A mini PC.
    MiniPC,
    /// A Raspberry Pi or a similar board.
    RaspberryPi,
    /// A storage box.
    NAS,
    /// A server.
    Server,
    /// A rented virtual machine.
    Cloud,
    /// Anything else.
    Other,
}

/// Five fields of numbers, names, `*`, `,`, `-`, `/` and `?`. What is wrong within a field only the operator says.
const SCHEDULE: &str = r"^\s*[0-9A-Za-z*,/?-]+(\s+[0-9A-Za-z*,/?-]+){4}\s*$";

/// A time in which the machine is expected to be off.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// When it begins: five cron fields, for example `30 23 * * *`.
    #[schemars(length(min = 9, max = 128), regex(pattern = SCHEDULE))]
    pub schedule: String,
    /// How long it lasts, for example `18h30m`; at most 7 days.
    #[schemars(length(min = 2, max = 32), regex(pattern = duration::PATTERN))]
    pub duration: String,
    /// The time zone of the schedule, for example `Europe/Berlin`. Default: the operator's.
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
}

/// How nodes are emptied.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Drain {
    /// How long evictions are tried before the rest is reported and left, for example `5m` (the default); at most 1h.
    #[schemars(length(min = 2, max = 32), regex(pattern = duration::PATTERN))]
    pub deadline: Option<String>,
    /// What may be lost, so that such pods are evicted as well. A forced request accepts both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    pub acknowledge: Vec<Loss>,
}

/// What is lost when a pod is evicted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Pods without a controller: they are not started again.
    NoController,
    /// The data in emptyDir volumes (but for those in memory).
    EmptyDir,
}

/// What is so.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NodeHostStatus {
    /// The generation that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The value of the annotation `reconcile-at` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// Whether the machine is on, according to its nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<HostState>,
    /// Since when it is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// How that is known, for example "both nodes' leases are silent since 23:31; clean shutdown seen".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// Declared, or learned from the worst of its nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
    /// Whether this is a time in which it is expected to be off, declared or asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expected_off: bool,
    /// Its nodes, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<HostNode>,
    /// Whether it may be switched off now, and what would happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_go_off: Option<MayGoOff>,
    /// The request to empty it, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<OffRequest>,
    /// The value of the annotation `off` whose request has ended: the host is back, or the request was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_off: Option<String>,
    /// The machine's power as a plug, a hypervisor or a person reports it. Written by others, through the status
    /// subresource; never by this operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
    /// Ready, Reconciling, Stalled, and `QuorumAtRisk`, `OnlyHere` while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// Whether a machine is on.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostState {
    /// All its nodes are up.
    On,
    /// All its nodes are down.
    Off,
    /// Some are up, some are down.
    Partial,
    /// It is not known.
    Unknown,
}

/// A node of a host.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct HostNode {
    /// The node's name.
    pub name: String,
    /// Whether it is alive.
    pub state: State,
}

/// The answer to "can I switch it off?".
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MayGoOff {
    /// Yes, No, or Unknown.
    pub answer: Answer,
    /// Why, and what would happen; the weightiest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
}

/// An answer.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Nothing that is known stands against it.
    Yes,
    /// Something would break.
    No,
    /// It cannot be judged.
    Unknown,
}

/// A request to empty a host, under way.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OffRequest {
    /// The value of the annotation that asked.
    pub request: String,
    /// When it was first seen, or the drain began anew.
    pub since: Time,
    /// How far it is.
    pub phase: OffPhase,
    /// What still runs there and why, at most 20 lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
    /// The boots of its nodes then: when all of them have booted since, the request is over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub boots: BTreeMap<String, String>,
}

/// How far a request to switch a host off has come.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OffPhase {
    /// The request is refused; the reason is in the Ready condition.
    Refused,
    /// Its nodes are cordoned, pods are being evicted.
    Draining,
    /// Empty: it may be switched off.
    Drained,
    /// The deadline has passed with pods left; they will die with the machine.
    Incomplete,
    /// It is off.
    Off,
}

/// What is known of a machine's power.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Power {
    /// On or Off.
    pub state: PowerState,
    /// Who says so, for example `plug-3`.
    #[schemars(length(max = 128))]
    pub source: Option<String>,
    /// When it was measured.
    pub observed_at: Time,
    /// Until when it may be believed; at most a day after `observedAt` counts.
    pub expires_at: Time,
}

/// A power state.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerState {
    /// Power is on.
    On,
    /// Power is off.
    Off,
}
