//! `NodeClass`: which nodes belong together, and what they get.
use std::collections::BTreeMap;

use hearth_reconciler::duration;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Availability;
use super::host::FormFactor;

/// Which nodes belong together, and what they get.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "nodes.hearth.home.arpa",
    version = "v1alpha1",
    kind = "NodeClass",
    shortname = "hclass",
    status = "NodeClassStatus",
    derive = "PartialEq",
    doc = "Which nodes belong together, and which labels, annotations, taints and treatment they get.",
    printcolumn(name = "Priority", type_ = "integer", json_path = ".spec.priority"),
    printcolumn(name = "Nodes", type_ = "integer", json_path = ".status.matched"),
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
#[allow(clippy::struct_excessive_bools, reason = "a spec's switches")]
#[x_kube(validation = ("!has(self.taints) || !self.taints.exists(t, t.effect == 'NoExecute') || (has(self.acknowledge) && 'NoExecute' in self.acknowledge)", "a NoExecute taint evicts what runs there at once; say spec.acknowledge: [NoExecute] to want that"))]
pub struct NodeClassSpec {
    /// Which nodes; all that is said must hold. An empty match matches every node.
    #[serde(rename = "match")]
    pub matches: Match,
    /// Where two classes set the same key, the higher priority wins. Equal priorities are reported on both classes, and
    /// the class whose name comes first wins. Default 0.
    #[schemars(range(min = -1_000_000, max = 1_000_000))]
    pub priority: Option<i64>,
    /// Labels for its nodes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    #[x_kube(validation = ("self.all(k, !k.startsWith('nodes.hearth.home.arpa/') && !k.matches('^([^/]*[.])?(kubernetes[.]io|k8s[.]io|talos[.]dev)/'))", "labels: keys of kubernetes.io, k8s.io, talos.dev and nodes.hearth.home.arpa are not for classes; use a prefix of your own (for the disruption label there is excludeFromDisruptionCount)"))]
    #[x_kube(validation = ("self.all(k, k.matches('^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$'))", "labels: a key is an optional DNS prefix and a name of at most 63 letters, digits, '-', '_' and '.'"))]
    pub labels: BTreeMap<String, String>,
    /// Annotations for its nodes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    #[x_kube(validation = ("self.all(k, !k.startsWith('nodes.hearth.home.arpa/') && !k.matches('^([^/]*[.])?(kubernetes[.]io|k8s[.]io|talos[.]dev)/'))", "annotations: keys of kubernetes.io, k8s.io, talos.dev and nodes.hearth.home.arpa are not for classes; use a prefix of your own"))]
    #[x_kube(validation = ("self.all(k, k.matches('^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$'))", "annotations: a key is an optional DNS prefix and a name of at most 63 letters, digits, '-', '_' and '.'"))]
    pub annotations: BTreeMap<String, String>,
    /// Taints for its nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = ("self.all(t, self.exists_one(u, u.key == t.key && u.effect == t.effect))", "taints: each key and effect may stand once"))]
    pub taints: Vec<ClassTaint>,
    /// Take its nodes out of the count that makes Kubernetes stop evicting when too many nodes are down (label
    /// `node.kubernetes.io/exclude-disruption`). A zone's last nodes are never excluded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exclude_from_disruption_count: bool,
    /// Quick failover for a node that is proven to be off.
    pub failover: Option<Failover>,
    /// Consents to what is refused otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub acknowledge: Vec<Acknowledgement>,
    /// Work everything out and show it in the status, but write nothing to nodes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Stop: its nodes keep what they have of it, and nothing of it is added or removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// Which nodes a class is for. What is unset does not restrict.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// Node names or globs (`pi-*`); one must match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    pub names: Vec<String>,
    /// A selector on the node's labels. Labels that a class sets are not seen.
    pub label_selector: Option<LabelSelector>,
    /// Names or globs of NodeHosts; one must match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    pub hosts: Vec<String>,
    /// Kinds of machines, of the NodeHost; one must match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub form_factors: Vec<FormFactor>,
    /// Architectures as Kubernetes names them (`amd64`, `arm64`); one must match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 32)))]
    pub architectures: Vec<String>,
    /// Nodes with less memory than this, for example `4500Mi`.
    pub memory_below: Option<Quantity>,
    /// Nodes with at least this much memory.
    pub memory_at_least: Option<Quantity>,
    /// How dependably the node is on, declared on its NodeHost or learned.
    pub availability: Option<Availability>,
}

/// A taint of a class.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("!self.key.matches('^([^/]*[.])?(kubernetes[.]io|k8s[.]io|talos[.]dev)/') && self.key != 'nodes.hearth.home.arpa/returning'", "taints: this key is not for classes; use nodes.hearth.home.arpa/volatile or a prefix of your own"))]
pub struct ClassTaint {
    /// The taint's key, for example `nodes.hearth.home.arpa/volatile`.
    #[schemars(
        length(min = 1, max = 316),
        regex(pattern = r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$")
    )]
    pub key: String,
    /// Its value; none by default.
    #[schemars(
        length(max = 63),
        regex(pattern = r"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$")
    )]
    pub value: Option<String>,
    /// Its effect.
    pub effect: Effect,
}

/// Effects of taints.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// New pods go elsewhere if they can.
    PreferNoSchedule,
    /// New pods go elsewhere.
    NoSchedule,
    /// Pods that run there go, too.
    NoExecute,
}

impl Effect {
    /// The name as the API has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoSchedule => "NoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

/// When a node's pods and volumes are released by Kubernetes' out-of-service taint.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("size(self.evidence) > 0", "failover.evidence: name at least one of PowerOff, CleanShutdown"))]
pub struct Failover {
    /// Which evidence is enough. PowerOff: the NodeHost's status.power says so and has not expired. CleanShutdown: the whole
    /// trace of a clean shutdown was seen, and the node is silent for longer than its longest reboot.
    #[schemars(length(max = 2))]
    pub evidence: Vec<Evidence>,
    /// How long the node must be down before anything is done, for example `2m`. Default `1m` with PowerOff; a clean
    /// shutdown waits 5 minutes at least.
    #[schemars(length(min = 2, max = 32), regex(pattern = duration::PATTERN))]
    pub after: Option<String>,
}

/// Kinds of evidence that a machine is off.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// Its power is off.
    PowerOff,
    /// It shut down in an orderly way and did not come back.
    CleanShutdown,
}

/// Consents.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// A NoExecute taint evicts what runs on the nodes.
    NoExecute,
    /// A NoExecute taint goes on control-plane nodes, too.
    ControlPlaneNoExecute,
    /// A taint keeps pods of DaemonSets that serve the network or storage, or the operator itself, off the nodes.
    Lockout,
}

/// What is so.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NodeClassStatus {
    /// The generation that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The value of the annotation `reconcile-at` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// How many nodes it matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<i64>,
    /// Their names, the first 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// Keys that it does not get, and why; the first 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<String>,
    /// What a dry run would write, the first 20 lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<String>,
    /// Ready, Reconciling, Stalled, and `Conflict`, `Contended` while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
