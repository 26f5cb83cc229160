//! What goes into a plan and what comes out of it.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Taint, Toleration};

use crate::class::Wanted;
use crate::class::lockout::DaemonSetFacts;
use crate::clock::Now;
use crate::crd::host::FormFactor;
use crate::crd::{Availability, NodeClass, NodeClassStatus, NodeHost, NodeHostStatus};
use crate::facts::NodeFacts;
use crate::history::Record;
use crate::host::Claims;
use crate::impact::{Impact, Leaving};
use crate::liveness::{Domains, LivenessStatus, State, Visibility};
use crate::workloads::Workloads;

/// What is known from outside at one moment. Clones are cheap.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    pub nodes: BTreeMap<String, Arc<NodeFacts>>,
    /// The NodeHosts, sorted by name.
    pub hosts: Vec<Arc<NodeHost>>,
    pub classes: Vec<Arc<NodeClass>>,
    /// What lives where; none if it is not watched.
    pub workloads: Option<Arc<Workloads>>,
    /// DaemonSets; none if they are not known.
    pub daemon_sets: Option<Arc<Vec<DaemonSetFacts>>>,
    /// What the operator's own pod tolerates; none if it is not known.
    pub own_tolerations: Option<Arc<Vec<Toleration>>>,
    /// Whether a host's own address answered at the last probe.
    pub answers: BTreeMap<String, bool>,
    /// Pods still terminating and volumes still attached on nodes that are back with our out-of-service taint.
    pub leftovers: BTreeMap<String, usize>,
    /// By host that is being emptied: the pods that are still there, each with the reason; as of the last check.
    pub pods_left: BTreeMap<String, Vec<String>>,
    /// Whether each of the watches is complete and works: only then may anything be taken away.
    pub complete: bool,
}

/// What the parts of one plan share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'a> {
    pub(super) observed: &'a Observed,
    pub(super) claims: &'a Claims,
    pub(super) domains: &'a Domains,
    /// By host its nodes, and whether they are alive.
    pub(super) on: &'a BTreeMap<&'a str, Vec<(&'a String, LivenessStatus)>>,
    pub(super) unusable: &'a Unusable,
    /// Hosts of which a window is open.
    pub(super) windows: &'a BTreeSet<String>,
    /// Hosts that are expected to go off, or are off because of that.
    pub(super) leaving: &'a BTreeMap<String, Leaving>,
    /// Liveness is seen clearly.
    pub(super) clear: bool,
    /// See [`NodePlan`].
    pub(super) only_add: bool,
    pub(super) still: bool,
    pub(super) now: Now,
}

/// The classes that must not be used, by name, with reason and message.
pub(super) type Unusable = BTreeMap<String, (&'static str, String)>;

/// What a node should have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodePlan {
    pub wanted: Wanted,
    /// Taints beside those of classes.
    pub extra: Vec<Taint>,
    /// The request for which it is to be cordoned.
    pub cordon: Option<String>,
    /// Nothing of ours is taken away yet.
    pub only_add: bool,
    /// Nothing is written at all: it is not clear what is so.
    pub still: bool,
}

/// What should be, and what is reported.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// By node. A plan that has not changed is that of the cluster plan before.
    pub nodes: BTreeMap<String, Arc<NodePlan>>,
    /// The nodes to which something has to be written.
    pub pending: BTreeSet<String>,
    /// By host: the status, but for what others report (`power`).
    pub hosts: BTreeMap<String, NodeHostStatus>,
    pub classes: BTreeMap<String, NodeClassStatus>,
    pub node_metrics: BTreeMap<String, NodeMetrics>,
    pub events: Vec<(String, &'static str, String)>,
    pub impact: Impact,
    pub visibility: Option<Visibility>,
}

/// What is remembered of a node between two plans.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is one observation")]
pub struct Entry {
    pub(crate) record: Record,
    /// The state that the record accounts for since it was advanced last; Unknown while that is not clear.
    pub(crate) state: State,
    /// Something happened that is not stored yet.
    pub(crate) dirty: bool,
    pub(crate) stored: Option<Duration>,
    /// What was stored last, but for times that move by themselves.
    pub(crate) shown: Option<Shown>,
    /// The stored history is of a newer format or broken: nothing is written for it.
    pub(crate) unreadable: bool,
    /// Why the failover waits, or what it did; reported once.
    pub(crate) said: Option<&'static str>,
    /// It had a member of etcd when its Node was seen last.
    pub(crate) etcd: bool,
    /// Our out-of-service taint was on it, and we did not remove it.
    pub(crate) placed: bool,
    /// When it was first seen Ready again while our out-of-service taint is there.
    pub(crate) ready_since: Option<Duration>,
}

/// What of a history makes it worth storing when it differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) state: State,
    pub(crate) host: Option<String>,
    pub(crate) classes: Vec<String>,
    pub(crate) learned: Availability,
    pub(crate) flapping: bool,
    pub(crate) etcd: bool,
}

/// What is remembered of each node.
pub type Stored = BTreeMap<String, Box<Entry>>;

#[derive(Clone, Debug, PartialEq)]
pub struct NodeMetrics {
    pub state: State,
    pub host: String,
    pub form_factor: Option<FormFactor>,
    pub availability: Availability,
    pub flapping: bool,
    /// Whether the out-of-service taint is on it, and if so, whether it is Ready.
    pub out_of_service: Option<bool>,
    pub cordoned: bool,
    /// How many keys another writer keeps removing.
    pub contended: usize,
}

pub(crate) fn find_host<'a>(observed: &'a Observed, name: &str) -> Option<&'a NodeHost> {
    // Asked for several times for each node.
    let of = |host: &Arc<NodeHost>| host.metadata.name.as_deref().cmp(&Some(name));
    let at = observed.hosts.binary_search_by(of).ok()?;
    Some(&*observed.hosts[at])
}
