//! A home: a few mini PCs and two desktops, each with some nodes.
mod cases;
mod disruption;
mod power_off;

use std::collections::BTreeMap;

use super::*;
use crate::crd::EXCLUDE_DISRUPTION;
use crate::crd::host::Answer;
use crate::facts::Ready;

const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";
const ETCD: &str = "node-role.kubernetes.io/etcd";

/// A node of a made-up cluster.
#[derive(Clone, Debug)]
struct One {
    facts: NodeFacts,
    state: State,
    host: String,
    availability: Availability,
    leaving: Option<Leaving>,
}

/// An always-on node that is up, on a host of its own.
fn node(name: &str) -> One {
    One {
        facts: NodeFacts {
            name: name.to_owned(),
            ready: Ready {
                status: Some(true),
                ..Ready::default()
            },
            ..NodeFacts::default()
        },
        state: State::Up,
        host: name.to_owned(),
        availability: Availability::AlwaysOn,
        leaving: None,
    }
}

impl One {
    fn on(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    fn volatile(mut self) -> Self {
        self.availability = Availability::Volatile;
        self
    }

    fn unproven(mut self) -> Self {
        self.availability = Availability::Unproven;
        self
    }

    fn label(mut self, key: &str, value: &str) -> Self {
        self.facts.labels.insert(key.into(), value.into());
        self
    }

    /// A control-plane node with a member of etcd.
    fn etcd(self) -> Self {
        self.label(CONTROL_PLANE, "").label(ETCD, "")
    }

    fn excluded(self) -> Self {
        self.label(EXCLUDE_DISRUPTION, "")
    }

    fn zone(self, zone: &str) -> Self {
        self.label("topology.kubernetes.io/zone", zone)
    }

    fn state(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    fn off(mut self) -> Self {
        self.facts.ready.status = None;
        self.state(State::Down)
    }
}

fn members(nodes: &[One]) -> Vec<Member<'_>> {
    let member = |one| {
        let One { facts: node, host, .. }: &One = one;
        Member {
            node,
            state: one.state,
            host,
            availability: one.availability,
            leaving: one.leaving,
        }
    };
    nodes.iter().map(member).collect()
}

/// The home of the examples: gamer (talos03, a control-plane member, and talos08) and nixos (talos06, talos07) are desktops.
fn home() -> Vec<One> {
    vec![
        node("talos01").etcd(),
        node("talos02").etcd(),
        node("talos03").etcd().on("gamer").volatile(),
        node("talos05"),
        node("talos06").on("nixos").volatile(),
        node("talos07").on("nixos").volatile(),
        node("talos08").on("gamer").volatile(),
    ]
}

/// Switches hosts off.
fn without(mut nodes: Vec<One>, hosts: &[&str]) -> Vec<One> {
    for one in &mut nodes {
        if hosts.contains(&one.host.as_str()) {
            *one = one.clone().off();
        }
    }
    nodes
}

fn excluding(mut nodes: Vec<One>, names: &[&str]) -> Vec<One> {
    for one in &mut nodes {
        if names.contains(&one.facts.name.as_str()) {
            *one = one.clone().excluded();
        }
    }
    nodes
}

fn workloads(all: &[(&str, &[&str])]) -> Workloads {
    let entry = |(name, nodes): &(&str, &[&str])| {
        let nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
        ((*name).to_owned(), nodes)
    };
    Workloads {
        nodes: all.iter().map(entry).collect::<BTreeMap<_, _>>(),
        ..Workloads::default()
    }
}

/// Draws with nothing to say about workloads.
fn assessed(nodes: &[One]) -> Impact {
    assess(&members(nodes), Some(&Workloads::default()), &[], true)
}

fn says(may: &MayGoOff) -> (Answer, Vec<&str>) {
    (may.answer, may.because.iter().map(String::as_str).collect())
}
