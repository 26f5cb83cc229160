//! An operator that ends, and the next one.
use super::*;
use crate::crd::NodeHistoryStatus;
use crate::history::Record;

fn history(name: &str, status: &NodeHistoryStatus) -> NodeHistory {
    let meta = json!({ "name": name });
    let history = json!({ "apiVersion": "nodes.hearth.home.arpa/v1alpha1", "kind": "NodeHistory", "metadata": meta, "spec": {}, "status": status });
    serde_json::from_value(history).unwrap()
}

/// What would be stored of a node.
fn written(cluster: &TestCluster, name: &str) -> NodeHistoryStatus {
    let mut status = NodeHistoryStatus::default();
    let record = &cluster.planner.entries[name].record;
    record.write(&mut status);
    status
}

/// The leader was killed while a node was down; the next process waits for its lease and sees the node as it is.
#[test]
fn a_node_that_was_down_before_a_restart_has_gone_down_once() {
    for back in [false, true] {
        let mut first = TestCluster::new();
        first.lead();
        first.pass(300);
        first.not_ready(&["gamer-1"]);
        first.pass(100);
        let history = history("gamer-1", &written(&first, "gamer-1"));

        let mut second = TestCluster::new();
        second.second = 410;
        second.planner = Planner::new(&settings(), now(410));
        let nodes: Vec<NodeFacts> = first
            .observed
            .nodes
            .values()
            .map(|node| NodeFacts::clone(node))
            .collect();
        for node in nodes {
            second.node(node);
        }
        if back {
            second.node(facts(
                "gamer-1",
                &json!({ "status": { "nodeInfo": { "bootID": "new" } } }),
            ));
        } else {
            second.alive.remove("gamer-1");
        }
        second.planner.tracker.watching(true, now(410));
        second.planner.restore(&stored(&history));
        second.pass(90);
        second.planner.load(stored(&history));
        second.pass(60);
        let status = written(&second, "gamer-1");
        let downs = &status.transitions;
        assert_eq!(downs.len(), 1, "{downs:?}");
        assert_eq!(
            (downs[0].at.0, downs[0].back_at.is_some()),
            (now(300).wall, back),
            "{downs:?}"
        );
    }
}

/// No one watched how it went, and it is not known what its machine did since.
#[test]
fn a_node_that_was_deleted_before_a_restart_is_gone_and_no_restart_writes_it_again() {
    let mut cluster = TestCluster::new();
    cluster.lead();
    cluster.pass(300);
    let mut status = written(&cluster, "mini-2");
    assert_eq!(status.state, Some(State::Up));
    let known = |status: &NodeHistoryStatus| {
        Record::read(status)
            .unwrap()
            .windows(now(900).wall)
            .day
            .coverage_per_mille
    };
    let before = known(&status);
    for (start, expected) in [(600, 1), (900, 0), (1200, 0)] {
        let mut next = TestCluster::new();
        next.second = start;
        next.planner = Planner::new(&settings(), now(start));
        next.observed.nodes.remove("mini-2");
        next.alive.remove("mini-2");
        for node in next.observed.nodes.values() {
            next.planner.tracker.node(node, now(start));
        }
        next.planner.tracker.watching(true, now(start));
        let history = history("mini-2", &status);
        next.planner.restore(&stored(&history));
        next.planner.load(stored(&history));
        let mut stored = 0;
        for _ in 0..100 {
            next.pass_and(2, |name, written| {
                if name == "mini-2" {
                    (stored, status) = (stored + 1, written.clone());
                }
            });
        }
        assert_eq!(stored, expected, "the start at {start} s");
        assert_eq!(status.state, Some(State::Gone));
        assert_eq!(known(&status), before, "time that was not watched counts for nothing");
    }
}

#[test]
fn a_node_that_is_deleted_is_gone_at_once_and_up_when_it_is_back() {
    let mut cluster = TestCluster::new();
    cluster.lead();
    cluster.pass(300);
    let node = cluster.observed.nodes.remove("mini-2").unwrap();
    cluster.alive.remove("mini-2");
    cluster.planner.tracker.node_gone("mini-2", now(cluster.second));
    let mut seen = Vec::new();
    cluster.pass_and(120, |name, status| {
        seen.extend((name == "mini-2").then(|| status.state.unwrap()));
    });
    assert_eq!(seen, [State::Gone]);
    seen.clear();
    cluster.alive.insert("mini-2".to_owned());
    cluster.node(NodeFacts::clone(&node));
    cluster.pass_and(120, |name, status| {
        seen.extend((name == "mini-2").then(|| status.state.unwrap()));
    });
    assert_eq!(seen.last(), Some(&State::Up), "{seen:?}");
}
