//! The whole of it, from leases to plans, in simulated time.
use clap::Parser;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use std::sync::Arc;

use hearth_reconciler::cli;

use super::*;
use crate::args::{Cli, Command};
use crate::crd::{CORDONED, NodeClass, NodeHistory, NodeHost};
use crate::facts::{NodeFacts, SlimNode, slim};
use crate::liveness::State;

mod cases;
mod power_off;
mod restart;

/// A small cluster: nodes that renew their leases every ten seconds, and the operator's planner.
struct TestCluster {
    planner: Planner,
    observed: Observed,
    alive: BTreeSet<String>,
    second: u64,
}

fn settings() -> Settings {
    let given = ["node-class", "run", "--namespace", "n", "--cluster-name", "home"];
    let Command::Shared(cli::Command::Run(settings)) = Cli::try_parse_from(given).unwrap().command else {
        panic!()
    };
    *settings
}

fn facts(name: &str, more: &Value) -> NodeFacts {
    let mut node = json!({
        "metadata": { "name": name, "uid": format!("uid-{name}"), "resourceVersion": "1", "labels": {}, "annotations": {} },
        "spec": {},
        "status": {
            "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": "2026-01-01T00:00:00Z" }],
            "nodeInfo": { "bootID": "boot", "systemUUID": format!("uuid-{name}"), "machineID": "m", "architecture": "amd64" },
        },
    });
    merge(&mut node, more);
    let mut node: SlimNode = serde_json::from_value(node).unwrap();
    slim(&mut node);
    NodeFacts::of(&node)
}

fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}

fn host(name: &str, nodes: &[&str], availability: Option<&str>) -> Arc<NodeHost> {
    let spec = json!({ "nodes": nodes, "availability": availability });
    let meta = json!({ "name": name, "generation": 1, "uid": name });
    let host =
        json!({ "apiVersion": "nodes.hearth.home.arpa/v1alpha1", "kind": "NodeHost", "metadata": meta, "spec": spec });
    Arc::new(serde_json::from_value(host).unwrap())
}

fn class(name: &str, spec: &Value) -> Arc<NodeClass> {
    let meta = json!({ "name": name, "generation": 1, "uid": name });
    let class =
        json!({ "apiVersion": "nodes.hearth.home.arpa/v1alpha1", "kind": "NodeClass", "metadata": meta, "spec": spec });
    Arc::new(serde_json::from_value(class).unwrap())
}

fn volatile() -> Arc<NodeClass> {
    let taint = json!({ "key": "nodes.hearth.home.arpa/volatile", "effect": "PreferNoSchedule" });
    let spec =
        json!({ "match": { "availability": "Volatile" }, "labels": { "home/kind": "desktop" }, "taints": [taint] });
    class("volatile", &spec)
}

impl TestCluster {
    /// gamer with two nodes, and three mini PCs, of which one is declared.
    fn new() -> Self {
        let names = ["gamer-1", "gamer-2", "mini-1", "mini-2", "mini-3"];
        let mut cluster = Self {
            planner: Planner::new(&settings(), now(0)),
            observed: Observed {
                hosts: vec![
                    host("gamer", &["gamer-*"], Some("Volatile")),
                    host("shelf", &["mini-3"], None),
                ],
                classes: vec![volatile()],
                complete: true,
                ..Observed::default()
            },
            alive: names.map(str::to_owned).into(),
            second: 0,
        };
        for name in names {
            cluster.node(facts(name, &json!({})));
        }
        cluster.planner.tracker.watching(true, now(0));
        cluster
    }

    fn node(&mut self, facts: NodeFacts) {
        let facts = Arc::new(facts);
        self.planner.tracker.node(&facts, now(self.second));
        self.observed.nodes.insert(facts.name.clone(), facts);
    }

    fn lead(&mut self) {
        self.planner.load(Stored::new());
    }

    /// Time passes; the last plan is returned, and how many histories were stored on the way.
    fn pass(&mut self, seconds: u64) -> (Plan, usize) {
        let mut stored = 0;
        let last = self.pass_and(seconds, |_, _| stored += 1);
        (last, stored)
    }

    /// Time passes; the last plan is returned, and each history that is stored is shown.
    fn pass_and(&mut self, seconds: u64, mut store: impl FnMut(&str, &crate::crd::NodeHistoryStatus)) -> Plan {
        let mut last = Plan::default();
        for _ in 0..seconds / 2 {
            self.second += 2;
            let now = now(self.second);
            if self.second.is_multiple_of(10) {
                for name in &self.alive {
                    self.planner.tracker.lease(name, &self.second.to_string(), now);
                }
            }
            if self.planner.loaded {
                self.planner.look(now);
                let plan = self.planner.plan(&self.observed, now);
                for (name, waiting) in std::mem::take(&mut self.planner.outbox) {
                    store(&name, &waiting.status);
                }
                last = plan;
            } else {
                self.planner.stand_by(now);
            }
        }
        last
    }

    /// The events of some time.
    fn told(&mut self, seconds: u64) -> Vec<(String, &'static str, String)> {
        (0..seconds / 2).flat_map(|_| self.pass(2).0.events).collect()
    }

    fn not_ready(&mut self, names: &[&str]) {
        for name in names {
            self.alive.remove(*name);
            let condition = json!([{ "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown" }]);
            self.node(facts(name, &json!({ "status": { "conditions": condition } })));
        }
    }

    fn writes(&self, plan: &Plan) -> Vec<String> {
        let of =
            |(name, node): (&String, &Arc<NodeFacts>)| pending_write(node, plan.nodes.get(name)?).map(|_| name.clone());
        self.observed.nodes.iter().filter_map(of).collect()
    }
}

fn now(second: u64) -> Now {
    let begun: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
    Now {
        mono: Duration::from_secs(1000 + second),
        wall: begun + SignedDuration::from_secs(i64::try_from(second).unwrap()),
    }
}

#[test]
fn a_declared_class_works_before_anything_is_judged() {
    let mut cluster = TestCluster::new();
    cluster.lead();
    let (plan, _) = cluster.pass(2);
    assert_eq!(plan.visibility, Some(Visibility::Settling));
    let node_plan = &plan.nodes["gamer-1"];
    assert_eq!(node_plan.wanted.classes, ["volatile"]);
    let host = node_plan.wanted.labels.get("nodes.hearth.home.arpa/host");
    assert_eq!(host.map(|(value, _)| &**value), Some("gamer"));
    assert!(node_plan.only_add && !node_plan.still);
    assert_eq!(cluster.writes(&plan).len(), 5, "every node gets its host's name");
    assert!(plan.hosts.is_empty(), "hosts are not judged yet");
    assert_eq!(plan.classes["volatile"].matched, Some(2));
}

#[test]
fn nothing_is_removed_before_everything_has_been_known_for_a_while() {
    let mut cluster = TestCluster::new();
    cluster.lead();
    cluster.observed.classes.clear();
    let (plan, _) = cluster.pass(60);
    assert_eq!(plan.visibility, Some(Visibility::Clear));
    assert!(plan.nodes["gamer-1"].only_add, "clear, but not for long");
    let settled = |cluster: &TestCluster, later: u64| cluster.planner.settled(now(cluster.second + later));
    assert!(
        !settled(&cluster, 0) && settled(&cluster, 60),
        "when it is long, nothing else happens"
    );
    let (plan, _) = cluster.pass(120);
    assert!(!plan.nodes["gamer-1"].only_add);
    assert!(!settled(&cluster, 60), "a plan has been made since");
    cluster.observed.complete = false;
    let (plan, _) = cluster.pass(10);
    assert!(plan.nodes["gamer-1"].only_add, "a watch is being listed again");
}

#[test]
fn a_host_that_goes_off_is_reported_and_stored_once() {
    let mut cluster = TestCluster::new();
    cluster.lead();
    let (plan, _) = cluster.pass(300);
    assert_eq!(plan.hosts["gamer"].state, Some(crate::crd::host::HostState::On));
    cluster.not_ready(&["gamer-1", "gamer-2"]);
    let (plan, stored) = cluster.pass(120);
    let gamer = &plan.hosts["gamer"];
    assert_eq!(gamer.state, Some(crate::crd::host::HostState::Off));
    assert!(
        gamer
            .evidence
            .as_ref()
            .unwrap()
            .contains("gamer-1 is silent since 2026-01-05T00:05:00Z")
    );
    assert_eq!(plan.hosts["shelf"].state, Some(crate::crd::host::HostState::On));
    assert_eq!(stored, 2, "one write for each node");
}

#[test]
fn while_it_is_guarded_nothing_is_planned_to_be_written() {
    let mut cluster = TestCluster::new();
    cluster.lead();
    cluster.pass(300);
    cluster.not_ready(&["mini-1", "mini-2", "mini-3", "gamer-1"]);
    let (plan, stored) = cluster.pass(60);
    assert!(
        matches!(plan.visibility, Some(Visibility::Guarded(_))),
        "{:?}",
        plan.visibility
    );
    assert_eq!(cluster.writes(&plan), Vec::<String>::new());
    assert_eq!(
        (stored, plan.hosts.len()),
        (0, 0),
        "nothing is recorded, and hosts keep what their status says"
    );
}

#[test]
fn a_quiet_hour_is_stored_at_checkpoints_only() {
    let mut cluster = TestCluster::new();
    cluster.lead();
    cluster.pass(120);
    let (_, stored) = cluster.pass(3600);
    assert!(
        (5..=2 * 5).contains(&stored),
        "two checkpoints for each of five nodes at most: {stored}"
    );
}

#[test]
fn what_happened_while_another_led_is_recorded_on_taking_over() {
    let mut cluster = TestCluster::new();
    cluster.pass(300);
    cluster.not_ready(&["gamer-1"]);
    cluster.pass(60);
    cluster.lead();
    let (_, stored) = cluster.pass(4);
    assert!(stored > 0);
    let record = &cluster.planner.entries["gamer-1"].record;
    let remembered = record.remembered().unwrap();
    assert_eq!(
        (remembered.state, remembered.outage.map(|outage| outage.at.0)),
        (State::Down, Some(now(300).wall))
    );
}

#[test]
fn a_history_that_cannot_be_read_is_left_alone() {
    let mut cluster = TestCluster::new();
    let status = json!({ "format": 99 });
    let meta = json!({ "name": "gamer-1" });
    let history = json!({ "apiVersion": "nodes.hearth.home.arpa/v1alpha1", "kind": "NodeHistory", "metadata": meta, "spec": {}, "status": status });
    let history: NodeHistory = serde_json::from_value(history).unwrap();
    cluster.planner.load(stored(&history));
    cluster.not_ready(&["gamer-1"]);
    cluster.pass(200);
    assert!(cluster.planner.entries["gamer-1"].unreadable);
    let plan = cluster.planner.plan(&cluster.observed, now(cluster.second));
    assert_eq!(
        plan.nodes["gamer-1"].wanted.classes,
        ["volatile"],
        "its classes work all the same"
    );
    assert!(cluster.planner.outbox.remove("gamer-1").is_none());
}

/// As a process reads it.
fn stored(history: &NodeHistory) -> Stored {
    let name = history.metadata.name.clone().unwrap();
    Stored::from([(
        name,
        Entry::stored(&history.status.clone().unwrap()).unwrap_or_else(|_| Entry::unreadable()),
    )])
}

#[test]
fn what_could_not_be_stored_waits_unless_something_newer_does() {
    let mut cluster = TestCluster::new();
    cluster.lead();
    cluster.pass(60);
    let mut again = || {
        cluster.planner.entries.get_mut("mini-1").unwrap().dirty = true;
        cluster.second += 2;
        cluster.planner.plan(&cluster.observed, now(cluster.second));
        cluster.planner.outbox.remove("mini-1").unwrap()
    };
    let (first, second) = (again(), again());
    assert_ne!(first, second);
    cluster.planner.not_stored("mini-1", second.clone());
    cluster.planner.not_stored("mini-1", first);
    assert_eq!(cluster.planner.outbox.remove("mini-1"), Some(second));
    assert_eq!(cluster.planner.outbox.remove("mini-1"), None);
}

/// An outage must be stored at once, though something else of the node was stored a moment ago.
#[test]
fn what_is_newer_than_the_last_request_is_asked_for_at_once() {
    let mut cluster = TestCluster::new();
    cluster.lead();
    cluster.pass(60);
    for round in 0..2 {
        cluster.planner.entries.get_mut("mini-1").unwrap().dirty = true;
        cluster.second += 2;
        cluster.planner.plan(&cluster.observed, now(cluster.second));
        let waiting = cluster.planner.outbox.get_mut("mini-1").unwrap();
        assert_eq!(waiting.asked, None, "{round}");
        waiting.asked = Some(Duration::from_secs(1));
    }
}

#[test]
fn a_deleted_history_starts_again_empty() {
    let mut cluster = TestCluster::new();
    cluster.lead();
    cluster.pass(300);
    cluster.not_ready(&["mini-1"]);
    cluster.pass(200);
    let transitions = |cluster: &TestCluster| {
        let mut status = crate::crd::NodeHistoryStatus::default();
        let record = &cluster.planner.entries["mini-1"].record;
        record.write(&mut status);
        status.transitions.len()
    };
    assert_eq!(transitions(&cluster), 1);
    cluster
        .planner
        .forget("mini-1", cluster.observed.nodes.get("mini-1").map(|facts| &**facts));
    let mut stored = 0;
    cluster.pass_and(10, |name, _| stored += usize::from(name == "mini-1"));
    assert_eq!((transitions(&cluster), stored), (0, 1));
}

#[test]
fn a_class_that_must_not_be_used_keeps_what_its_nodes_have() {
    let mut cluster = TestCluster::new();
    cluster.lead();
    let bad =
        json!({ "match": { "availability": "Volatile", "memoryBelow": "lots" }, "labels": { "home/kind": "desktop" } });
    cluster.observed.classes = vec![class("volatile", &bad)];
    let managed = json!([{ "manager": "node-class", "operation": "Apply", "fieldsV1": { "f:metadata": { "f:labels": {
        "f:home/kind": {}, "f:nodes.hearth.home.arpa/host": {}, "f:nodes.hearth.home.arpa/availability": {} } } } }]);
    let labels = json!({ "home/kind": "desktop", "nodes.hearth.home.arpa/host": "gamer", "nodes.hearth.home.arpa/availability": "Volatile" });
    cluster.node(facts(
        "gamer-1",
        &json!({ "metadata": { "managedFields": managed, "labels": labels } }),
    ));
    let (plan, _) = cluster.pass(300);
    let status = &plan.classes["volatile"];
    let stalled = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Stalled")
        .unwrap();
    assert_eq!(stalled.reason, "InvalidClass");
    assert!(
        !cluster.writes(&plan).contains(&"gamer-1".to_owned()),
        "{:?}",
        plan.nodes["gamer-1"]
    );
}
