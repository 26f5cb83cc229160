//! What the cluster can bear: how many more nodes may go before evictions stop, before etcd stops, and what lives nowhere
//! else.
//!
//! The zones are the node lifecycle controller's own arithmetic ([`zones`]); etcd's is in [`Quorum`]; what both mean for a
//! host, in words, is in `hosts`.
mod hosts;
mod quorum;
#[cfg(test)]
mod tests;
pub mod zones;

use std::collections::{BTreeMap, BTreeSet};

use crate::crd::Availability;
use crate::crd::host::{Answer, MayGoOff};
use crate::facts::NodeFacts;
use crate::liveness::State;

pub use zones::may_exclude;

/// A node as this module needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Member<'a> {
    pub node: &'a NodeFacts,
    pub state: State,
    /// Its host (or its own name).
    pub host: &'a str,
    pub availability: Availability,
}

/// A disruption zone of the node lifecycle controller that has at least one counted node (the controller forgets others).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Zone {
    /// Region and zone label; both empty where nodes have none.
    pub name: (String, String),
    pub frozen: bool,
    /// How many more of the ready counted nodes may go before evictions stop; 0 when they have stopped. All of them where
    /// the zone's loss stops nothing: another zone has ready nodes, or it is large (more than 50 nodes: only slower).
    pub headroom: usize,
}

/// etcd, as far as labels tell. A node that is off stays a member: nothing leaves etcd by being switched off. A member
/// whose Node object is gone is not counted, as it cannot be seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quorum {
    /// Members; 0 means that it cannot be judged (external, or no role labels).
    pub members: usize,
    pub up: usize,
    pub needed: usize,
}

/// What is known of workloads: for each workload or volume (`Deployment home/web`, `PersistentVolume pv-1`) the nodes on which it
/// can be found. Complete or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workloads {
    pub nodes: BTreeMap<String, BTreeSet<String>>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Impact {
    pub zones: Vec<Zone>,
    pub quorum: Quorum,
    /// Workloads and volumes that are only on volatile nodes, by name.
    pub only_volatile: Vec<String>,
    /// For each host, whether it may go off now, as it is.
    pub hosts: BTreeMap<String, MayGoOff>,
    /// For each host, whether it may go off once it is emptied: what its pods lose by staying behind does not count.
    pub emptied: BTreeMap<String, MayGoOff>,
    /// Hosts whose going off ends the quorum, whatever else is up. Empty where all nodes are on one host: there is no
    /// other place for a member, so there is nothing to advise.
    pub quorum_hosts: BTreeSet<String>,
}

/// Assesses the cluster. `sees` is whether liveness is clear; while it is not, answers are Unknown (zones follow the Ready
/// conditions, and are assessed all the same).
pub fn assess(members: &[Member<'_>], workloads: Option<&Workloads>, sees: bool) -> Impact {
    let assessment = hosts::Assessment::of(members, workloads);
    let mut impact = Impact {
        zones: zones::zones(&assessment.counts),
        quorum: assessment.quorum.clone(),
        only_volatile: workloads.map(|d| only_volatile(members, d)).unwrap_or_default(),
        quorum_hosts: quorum::hosts(members),
        ..Impact::default()
    };
    for host in assessment.hosts() {
        let [now, emptied] = if sees {
            assessment.judge(host)
        } else {
            let why = "the nodes are not seen clearly now: just started, cut off, or too much changed at once";
            [unknown(why), unknown(why)]
        };
        impact.hosts.insert(host.to_owned(), now);
        impact.emptied.insert(host.to_owned(), emptied);
    }
    impact
}

impl Impact {
    /// Whether a host may go off now, or once it is emptied. Unknown for a host of which no Node exists.
    pub fn may_go_off(&self, host: &str, emptied: bool) -> MayGoOff {
        let all = if emptied { &self.emptied } else { &self.hosts };
        let unseen = || unknown("none of its nodes is in the cluster");
        all.get(host).cloned().unwrap_or_else(unseen)
    }
}

fn unknown(why: &str) -> MayGoOff {
    MayGoOff {
        answer: Answer::Unknown,
        because: vec![why.to_owned()],
    }
}

/// What is only on volatile nodes. Nodes that do not exist any more hold nothing.
fn only_volatile(members: &[Member<'_>], workloads: &Workloads) -> Vec<String> {
    let volatile: BTreeMap<&str, bool> = members
        .iter()
        .map(|member| (member.node.name.as_str(), member.availability == Availability::Volatile))
        .collect();
    let only = |nodes: &BTreeSet<String>| {
        let mut known = nodes.iter().filter_map(|node| volatile.get(node.as_str())).peekable();
        known.peek().is_some() && known.all(|volatile| *volatile)
    };
    let found = workloads.nodes.iter().filter(|(_, nodes)| only(nodes));
    found.map(|(name, _)| name.clone()).collect()
}
