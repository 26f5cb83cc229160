//! What the cluster can bear: how many more nodes may go before evictions stop, before etcd stops, and what lives nowhere
//! else.
//!
//! The zones are the node lifecycle controller's own arithmetic ([`zones`]); etcd's is in [`Quorum`]; what both mean for a
//! host, in words, is in `hosts`.
mod hosts;
mod placement;
mod quorum;
mod reasons;
#[cfg(test)]
mod tests;
pub mod zones;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::crd::Availability;
use crate::crd::host::{Answer, MayGoOff};
use crate::facts::NodeFacts;
use crate::liveness::State;
use crate::workloads::Workloads;

pub use zones::may_exclude;

/// A node as this module needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Member<'a> {
    pub node: &'a NodeFacts,
    pub state: State,
    /// Its host (or its own name).
    pub host: &'a str,
    pub availability: Availability,
    /// Its host is expected to go off.
    pub leaving: Option<Leaving>,
}

/// Why a host is expected to go off, whether it is on or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// A request was granted, then.
    Granted(Timestamp),
    /// It is the time for it.
    Window,
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

/// etcd, as far as it can be seen. A node that is off stays a member: nothing leaves etcd by being switched off.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quorum {
    /// Members; 0 means that it cannot be judged.
    pub members: usize,
    /// Those that are up and ready.
    pub up: usize,
    /// Those of them whose host is expected to go off.
    pub leaving: usize,
    pub needed: usize,
    /// The nodes with a member.
    pub of: BTreeSet<String>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Impact {
    pub zones: Vec<Zone>,
    pub quorum: Quorum,
    /// Workloads and volumes that are only on volatile nodes, by name.
    pub only_volatile: Vec<String>,
    /// The same by host.
    pub only_volatile_on: BTreeMap<String, Vec<String>>,
    /// For each host, whether it may go off now, as it is.
    pub hosts: BTreeMap<String, MayGoOff>,
    /// For each host, whether it may go off once it is emptied: what its pods lose by staying behind does not count.
    pub emptied: BTreeMap<String, MayGoOff>,
    /// For each host, the same for a request: what cannot be judged for good holds none up, but where the loss of etcd is
    /// likely, it is refused.
    pub requests: BTreeMap<String, Answer>,
    /// Hosts whose going off ends the quorum, whatever else is up. Empty where all nodes are on one host: there is no
    /// other place for a member, so there is nothing to advise.
    pub quorum_hosts: BTreeSet<String>,
}

/// Assesses the cluster. `sees` is whether liveness is clear; while it is not, answers are Unknown (zones follow the Ready
/// conditions, and are assessed all the same). `removed` are members of etcd whose Node was deleted: unless they were
/// removed from etcd, they are members still.
pub fn assess(members: &[Member<'_>], workloads: Option<&Workloads>, removed: &[String], sees: bool) -> Impact {
    let assessment = hosts::Assessment::of(members, workloads, removed);
    let mut impact = Impact {
        zones: zones::zones(&assessment.counts),
        quorum: assessment.quorum.clone(),
        quorum_hosts: assessment.layout.hosts(members),
        ..Impact::default()
    };
    if let Some(workloads) = workloads {
        only_volatile(members, workloads, &mut impact);
    }
    for host in assessment.hosts() {
        let (now, emptied, request) = if sees {
            assessment.judge(host)
        } else {
            let why = "the nodes are not seen clearly now: just started, cut off, or too much changed at once";
            let unknown = said(Answer::Unknown, why);
            (unknown.clone(), unknown, Answer::Unknown)
        };
        impact.hosts.insert(host.to_owned(), now);
        impact.emptied.insert(host.to_owned(), emptied);
        impact.requests.insert(host.to_owned(), request);
    }
    impact
}

impl Impact {
    /// Whether a host may go off now, or once it is emptied. Unknown for a host of which no Node exists.
    pub fn may_go_off(&self, host: &str, emptied: bool) -> MayGoOff {
        let all = if emptied { &self.emptied } else { &self.hosts };
        let unseen = || said(Answer::Unknown, "none of its nodes is in the cluster");
        all.get(host).cloned().unwrap_or_else(unseen)
    }
}

fn said(answer: Answer, why: &str) -> MayGoOff {
    MayGoOff {
        answer,
        because: vec![why.to_owned()],
    }
}

/// What is only on volatile nodes. Nodes that do not exist any more hold nothing.
fn only_volatile(members: &[Member<'_>], workloads: &Workloads, impact: &mut Impact) {
    let by_name: BTreeMap<&str, &Member<'_>> = members.iter().map(|m| (m.node.name.as_str(), m)).collect();
    for (name, nodes) in &workloads.nodes {
        let known: Vec<_> = nodes.iter().filter_map(|node| by_name.get(node.as_str())).collect();
        let steady = known.iter().any(|member| member.availability != Availability::Volatile);
        if known.is_empty() || steady {
            continue;
        }
        let hosts: BTreeSet<&str> = known.iter().map(|member| member.host).collect();
        for host in hosts {
            let here = impact.only_volatile_on.entry(host.to_owned()).or_default();
            here.push(name.clone());
        }
        impact.only_volatile.push(name.clone());
    }
}
