//! What the cluster can bear: how many more nodes may go before evictions stop, before etcd stops, and what lives nowhere
//! else.
use std::collections::{BTreeMap, BTreeSet};

use crate::crd::Availability;
use crate::crd::host::{Answer, MayGoOff};
use crate::facts::NodeFacts;
use crate::liveness::State;

/// A node as the picture needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Member<'a> {
    /// Its facts (the Node object exists).
    pub node: &'a NodeFacts,
    /// Whether it is alive.
    pub state: State,
    /// Its host (or its own name).
    pub host: &'a str,
    /// Declared or learned.
    pub availability: Availability,
}

/// A disruption zone of the node lifecycle controller.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Zone {
    /// Region and zone label; both empty where nodes have none.
    pub name: (String, String),
    /// Nodes that count (without the exclude label).
    pub counted: usize,
    /// Those of them that are not ready.
    pub not_ready: usize,
    /// Whether evictions stand still now.
    pub frozen: bool,
    /// How many more may go before evictions stop; 0 when they have stopped.
    pub headroom: usize,
}

/// etcd, as far as labels tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quorum {
    /// Members; 0 means that it cannot be judged (external, or no role labels).
    pub members: usize,
    /// Those that are up.
    pub up: usize,
    /// Needed.
    pub quorum: usize,
}

/// What is known of workloads: for each workload or volume (`Deployment home/web`, `PersistentVolume pv-1`) the nodes on which it
/// can be found. Complete or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dwellings {
    /// Nodes by workload.
    pub nodes: BTreeMap<String, BTreeSet<String>>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// Zones by name.
    pub zones: Vec<Zone>,
    /// etcd.
    pub quorum: Quorum,
    /// Workloads and volumes that are only on volatile nodes, by name.
    pub only_volatile: Vec<String>,
    /// For each host, whether it may go off now.
    pub hosts: BTreeMap<String, MayGoOff>,
    /// Hosts whose going off ends the quorum, whatever else is up.
    pub quorum_hosts: BTreeSet<String>,
}

/// Draws the picture. `sees` is whether liveness is clear; while it is not, answers are Unknown.
pub fn draw(_members: &[Member<'_>], _dwellings: Option<&Dwellings>, _sees: bool) -> Picture {
    let _ = Answer::Unknown;
    Picture::default()
}
