//! What goes into a plan and what comes out of it.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Taint, Toleration};

use crate::class::Wanted;
use crate::class::lockout::DaemonSetFacts;
use crate::crd::history::Windows;
use crate::crd::host::FormFactor;
use crate::crd::{Availability, NodeClass, NodeClassStatus, NodeHost, NodeHostStatus};
use crate::facts::NodeFacts;
use crate::impact::{Impact, Workloads};
use crate::liveness::{State, Visibility};

/// What is known from outside at one moment. Clones are cheap.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The Nodes.
    pub nodes: BTreeMap<String, Arc<NodeFacts>>,
    /// The NodeHosts, sorted by name.
    pub hosts: Vec<Arc<NodeHost>>,
    /// The classes.
    pub classes: Vec<Arc<NodeClass>>,
    /// What lives where; none if it is not watched.
    pub workloads: Option<Arc<Workloads>>,
    /// DaemonSets; none if they are not known.
    pub daemon_sets: Option<Arc<Vec<DaemonSetFacts>>>,
    /// What the operator's own pod tolerates; none if it is not known.
    pub own_tolerations: Option<Arc<Vec<Toleration>>>,
    /// Whether a host's own address answered at the last look.
    pub answers: BTreeMap<String, bool>,
    /// Pods still terminating and volumes still attached on nodes that are back with our out-of-service taint.
    pub leftovers: BTreeMap<String, usize>,
    /// Whether each of the watches is complete and works: only then may anything be taken away.
    pub complete: bool,
}

/// What a node should have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodePlan {
    /// Labels, annotations, taints.
    pub wanted: Wanted,
    /// Taints beside those of classes.
    pub extra: Vec<Taint>,
    /// The request for which it is to be cordoned.
    pub cordon: Option<String>,
    /// Keys that others manage, as the API server told when we wanted to apply them, with the manager.
    pub theirs: Vec<(String, String)>,
    /// Nothing of ours is taken away yet.
    pub only_add: bool,
    /// Nothing is written at all: it is not clear what is so.
    pub still: bool,
}

/// What the operator thinks.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// By node. A plan that has not changed is that of the cluster plan before.
    pub nodes: BTreeMap<String, Arc<NodePlan>>,
    /// By host: the status but for what is not ours to say here (`power`) or is decided while acting (`off`).
    pub hosts: BTreeMap<String, NodeHostStatus>,
    /// By class.
    pub classes: BTreeMap<String, NodeClassStatus>,
    /// By node, where there are any: conditions of its history that are true: type, reason, message.
    pub findings: BTreeMap<String, Vec<Finding>>,
    /// By node: what is shown of its history.
    pub node_metrics: BTreeMap<String, NodeMetrics>,
    /// Events on nodes: name, reason, text.
    pub events: Vec<(String, &'static str, String)>,
    /// What switching hosts off would mean.
    pub impact: Impact,
    /// How well we see.
    pub visibility: Option<Visibility>,
}

/// A condition that is true: its type, reason and message.
pub type Finding = (&'static str, &'static str, String);

/// A node's figures, for metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeMetrics {
    /// Whether it is alive.
    pub state: State,
    /// Its host, or its own name.
    pub host: String,
    /// Of its host.
    pub form_factor: Option<FormFactor>,
    /// Declared or learned.
    pub availability: Availability,
    /// Availability over time.
    pub windows: Windows,
    /// The flap penalty now.
    pub penalty: i64,
    /// Whether it counts as flapping.
    pub flapping: bool,
    /// The node's clock minus ours, in seconds.
    pub clock_offset: Option<f64>,
    /// For how long its lease is silent.
    pub silent: Duration,
    /// Until when its history is stored, at least.
    pub known_until: Option<jiff::Timestamp>,
    /// Whether the out-of-service taint is on it, and if so, whether it is Ready.
    pub out_of_service: Option<bool>,
    /// Cordoned by us.
    pub cordoned: bool,
    /// How many keys somebody keeps taking away.
    pub contended: usize,
}
