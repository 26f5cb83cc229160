//! Clusters in simulated time: kubelets renew every 10 s, the node lifecycle controller marks the silent Unknown, the
//! tracker steps every 2 s.
mod blindness;
mod identity;
mod mass;
mod nodes;
mod property;
mod restart;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::args::Timing;
use crate::clock::Now;
use crate::facts::{NodeFacts, Ready};

/// A simulated node.
struct Machine {
    on: bool,
    /// Seconds modulo 10 at which it renews.
    phase: u64,
    version: u64,
    renewed: u64,
    facts: NodeFacts,
}

/// A simulated cluster, and what the tracker told of it.
struct Sim {
    tracker: LivenessTracker,
    domains: Domains,
    /// True seconds since the start; also the monotonic clock.
    time: u64,
    /// Our wall clock minus the true one, in seconds.
    skew: i64,
    nodes: BTreeMap<String, Machine>,
    /// The API server answers; while it does not, no lease is renewed and nothing is learned.
    api: bool,
    /// The controller manager runs.
    controller: bool,
    /// Our process runs.
    running: bool,
    told: Vec<NodeEvent>,
    /// Without a Node object.
    deleted: std::collections::BTreeSet<String>,
}

const START: i64 = 1_767_225_600;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_second(START + i64::try_from(seconds).unwrap()).unwrap()
}

impl Sim {
    /// All nodes on, each on a host of its own, all steady; watched for two minutes, so that all of them are Up.
    fn with(names: &[&str]) -> Self {
        let mut sim = Self::unwatched(names);
        sim.list();
        sim.run(120);
        assert_eq!(sim.tracker.visibility(), Visibility::Clear);
        assert_eq!(sim.told, []);
        sim
    }

    /// Nothing is listed yet.
    fn unwatched(names: &[&str]) -> Self {
        let mut sim = Self {
            tracker: LivenessTracker::new(Timing::default(), now(1_000, 0)),
            domains: Domains::default(),
            time: 1_000,
            skew: 0,
            nodes: BTreeMap::new(),
            api: true,
            controller: true,
            running: true,
            told: Vec::new(),
            deleted: std::collections::BTreeSet::new(),
        };
        for (index, name) in names.iter().enumerate() {
            sim.add(name, u64::try_from(index).unwrap() * 3 % 10);
        }
        sim
    }

    fn add(&mut self, name: &str, phase: u64) {
        let facts = NodeFacts {
            name: name.to_owned(),
            uid: format!("uid-{name}"),
            machine: crate::crd::history::Machine {
                node_uid: format!("uid-{name}"),
                system_uuid: format!("system-{name}"),
                machine_id: format!("machine-{name}"),
                boot_id: format!("boot-{name}"),
                versions: "v1.36 6.12 Talos".to_owned(),
            },
            ready: ready(true, at(0)),
            ..NodeFacts::default()
        };
        self.domains.steady.insert(name.to_owned());
        let machine = Machine {
            on: true,
            phase,
            version: 1,
            renewed: self.time,
            facts,
        };
        self.nodes.insert(name.to_owned(), machine);
    }

    fn now(&self) -> Now {
        now(self.time, self.skew)
    }

    /// Both lists are complete.
    fn list(&mut self) {
        let now = self.now();
        for (name, node) in &self.nodes {
            self.tracker.node(&Arc::new(node.facts.clone()), now);
            self.tracker.lease(name, &node.version.to_string(), now);
        }
        self.tracker.watching(true, now);
    }

    fn restart(&mut self) {
        self.tracker = LivenessTracker::new(Timing::default(), self.now());
        self.told.clear();
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.time += 1;
            self.second();
        }
    }

    fn second(&mut self) {
        let now = self.now();
        let sees = self.api && self.running;
        for (name, node) in &mut self.nodes {
            let mut posted = false;
            if self.api && node.on && self.time % 10 == node.phase {
                node.version += 1;
                node.renewed = self.time;
                if node.facts.ready.status.is_none() {
                    node.facts.ready = ready(true, at(self.time));
                    posted = true;
                }
                if sees {
                    self.tracker.lease(name, &node.version.to_string(), now);
                }
            }
            let silent = self.time - node.renewed > 40;
            if self.api && self.controller && silent && node.facts.ready.status.is_some() {
                let message = "Kubelet stopped posting node status.".to_owned();
                node.facts.ready = Ready {
                    status: None,
                    message,
                    since: Some(at(self.time)),
                };
                posted = true;
            }
            if posted && sees && !self.deleted.contains(name) {
                self.tracker.node(&Arc::new(node.facts.clone()), now);
            }
        }
        if self.running && self.time.is_multiple_of(2) {
            let told = self.tracker.step(&self.domains, now);
            self.told.extend(told);
        }
    }

    fn off(&mut self, name: &str) {
        self.nodes.get_mut(name).unwrap().on = false;
    }

    fn on(&mut self, name: &str) {
        self.nodes.get_mut(name).unwrap().on = true;
    }

    /// Changes the Node object.
    fn edit(&mut self, name: &str, change: impl FnOnce(&mut NodeFacts)) {
        let now = self.now();
        let node = self.nodes.get_mut(name).unwrap();
        change(&mut node.facts);
        if self.api && self.running && !self.deleted.contains(name) {
            self.tracker.node(&Arc::new(node.facts.clone()), now);
        }
    }

    fn boot(&mut self, name: &str, id: &str) {
        self.on(name);
        self.edit(name, |facts| facts.machine.boot_id = id.to_owned());
    }

    /// The kubelet announces that it shuts down.
    fn announce(&mut self, name: &str) {
        let time = at(self.time);
        self.edit(name, |facts| {
            facts.ready = ready(false, time);
            "node is shutting down".clone_into(&mut facts.ready.message);
        });
    }

    fn hosts(&mut self, hosts: &[(&str, &[&str])]) {
        for (host, nodes) in hosts {
            let nodes = nodes.iter().map(|node| ((*node).to_owned(), (*host).to_owned()));
            self.domains.host.extend(nodes);
        }
    }

    fn volatile(&mut self, names: &[&str]) {
        for name in names {
            self.domains.steady.remove(*name);
        }
    }

    fn state(&self, name: &str) -> State {
        self.liveness(name).state
    }

    fn liveness(&self, name: &str) -> LivenessStatus {
        self.tracker.liveness(name).unwrap()
    }

    /// When its lease changed last.
    fn renewed(&self, name: &str) -> Timestamp {
        at(self.nodes[name].renewed)
    }

    /// What was told of a node since the last call, in short.
    fn take(&mut self, name: &str) -> Vec<Told> {
        let (of, rest) = std::mem::take(&mut self.told)
            .into_iter()
            .partition(|told| told.0 == name);
        self.told = rest;
        let of: Vec<NodeEvent> = of;
        of.into_iter().map(|told| Told::from(told.1)).collect()
    }
}

fn now(mono: u64, skew: i64) -> Now {
    Now {
        mono: Duration::from_secs(mono),
        wall: at(mono) + SignedDuration::from_secs(skew),
    }
}

fn ready(status: bool, since: Timestamp) -> Ready {
    Ready {
        status: Some(status),
        since: Some(since),
        ..Ready::default()
    }
}

/// A happening without its evidence.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Down(Timestamp, Kind, Plan),
    Back(Timestamp, Timestamp, Kind, Plan),
    Reregistered(Timestamp),
    Replaced,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Plan {
    Planned,
    Sudden,
}
use Plan::{Planned, Sudden};

impl From<LivenessEvent> for Told {
    fn from(what: LivenessEvent) -> Self {
        let LivenessEvent::Changed(new) = what else {
            return Self::Replaced;
        };
        let plan = if new.planned { Planned } else { Sudden };
        let (at, back) = (new.at.0, new.back_at.map(|back| back.0));
        assert!(!new.evidence.is_empty() || new.kind == Kind::Reregistered);
        match (new.kind, back) {
            (Kind::Reregistered, _) => Self::Reregistered(at),
            (kind, None) => Self::Down(at, kind, plan),
            (kind, Some(back)) => Self::Back(at, back, kind, plan),
        }
    }
}
