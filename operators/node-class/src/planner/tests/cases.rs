//! Reports of people, each with its case's number, from leases to plans.
use kube::ResourceExt;

use super::*;
use crate::crd::host::{HostState, OffPhase};
use crate::crd::{NodeHostStatus, OFF, OUT_OF_SERVICE, OWNED_TAINTS};

const MEMBER: &str = "node-role.kubernetes.io/etcd";

impl TestCluster {
    fn change(&mut self, name: &str, change: impl FnOnce(&mut NodeHost)) {
        let of = |host: &Arc<NodeHost>| host.name_any() == name;
        let at = self.observed.hosts.iter().position(of).unwrap();
        let mut host = NodeHost::clone(&self.observed.hosts[at]);
        change(&mut host);
        self.observed.hosts[at] = Arc::new(host);
    }

    fn ask(&mut self, name: &str, request: &str) {
        self.change(name, |host| {
            host.annotations_mut().insert(OFF.to_owned(), request.to_owned());
        });
    }

    /// The reconcilers write the statuses.
    fn write(&mut self, plan: &Plan) {
        for (name, status) in &plan.hosts {
            let status = status.clone();
            self.change(name, |host| {
                let power = host.status.as_ref().and_then(|old| old.power.clone());
                host.status = Some(NodeHostStatus { power, ..status });
            });
        }
    }

    fn power_off(&mut self, name: &str) {
        let at = |seconds| now(seconds).wall.to_string();
        let power = json!({ "state": "Off", "source": "plug", "observedAt": at(self.second), "expiresAt": at(self.second + 3600) });
        self.change(name, |host| {
            host.status.get_or_insert_default().power = Some(serde_json::from_value(power).unwrap());
        });
    }

    fn with_failover() -> Self {
        let mut cluster = Self::new();
        cluster.lead();
        cluster.observed.classes = vec![class(
            "quick",
            &json!({ "match": { "hosts": ["gamer"] }, "failover": { "evidence": ["PowerOff"], "after": "1s" } }),
        )];
        cluster
    }
}

fn phase(plan: &Plan, host: &str) -> Option<OffPhase> {
    plan.hosts[host].off.as_ref().map(|off| off.phase)
}

fn tainted(plan: &Plan, node: &str) -> bool {
    plan.nodes[node].extra.iter().any(|taint| taint.key == OUT_OF_SERVICE)
}

/// Three members on three hosts, each with a NodeHost.
fn members() -> TestCluster {
    let mut cluster = TestCluster::new();
    cluster.lead();
    cluster.observed.hosts = vec![
        host("alpha", &["mini-1"], None),
        host("gamer", &["gamer-1"], None),
        host("shelf", &["mini-3"], None),
    ];
    for name in ["mini-1", "gamer-1", "mini-3"] {
        cluster.node(facts(name, &json!({ "metadata": { "labels": { (MEMBER): "true" } } })));
    }
    cluster
}

/// Case `n03`: two of three members are asked to go off in the same minute, even in the same plan.
#[test]
fn of_two_requests_for_two_of_three_members_the_second_is_refused() {
    let mut cluster = members();
    cluster.pass(200);
    cluster.ask("alpha", "now");
    cluster.ask("gamer", "now");
    let plan = cluster.planner.plan(&cluster.observed, now(cluster.second));
    assert_eq!(phase(&plan, "alpha"), Some(OffPhase::Draining));
    assert_eq!(phase(&plan, "gamer"), Some(OffPhase::Refused), "in the very same plan");
    cluster.write(&plan);
    cluster.observed.pods_left.insert("alpha".to_owned(), Vec::new());
    let (plan, _) = cluster.pass(60);
    assert_eq!(phase(&plan, "alpha"), Some(OffPhase::Drained));
    assert_eq!(phase(&plan, "gamer"), Some(OffPhase::Refused));
    let conditions = &plan.hosts["gamer"].conditions;
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
    assert!(ready.message.contains("1 of 3 members left"), "{ready:?}");
    // Withdrawn, the other may go.
    cluster.write(&plan);
    cluster.change("alpha", |host| host.annotations_mut().clear());
    let (plan, _) = cluster.pass(2);
    cluster.write(&plan);
    let (plan, _) = cluster.pass(2);
    assert_eq!(
        (phase(&plan, "alpha"), phase(&plan, "gamer")),
        (None, Some(OffPhase::Draining))
    );
}

/// Case `n03`: what was granted counts before its status is written, whatever the names.
#[test]
fn a_request_that_was_granted_counts_before_its_status_is_written() {
    let mut cluster = members();
    cluster.pass(200);
    cluster.ask("gamer", "now");
    let (plan, _) = cluster.pass(2);
    assert_eq!(phase(&plan, "gamer"), Some(OffPhase::Draining));
    cluster.ask("alpha", "now");
    let (plan, _) = cluster.pass(2);
    assert_eq!(
        (phase(&plan, "alpha"), phase(&plan, "gamer")),
        (Some(OffPhase::Refused), Some(OffPhase::Draining))
    );
}

/// Case `n03`, with a window: the time in which a host is expected to be off counts as well.
#[test]
fn a_member_that_is_expected_to_be_off_is_not_counted_on() {
    let mut cluster = members();
    cluster.change("alpha", |host| {
        let window = json!([{ "schedule": "0 0 * * *", "duration": "20h" }]);
        host.spec.expected_off = serde_json::from_value(window).unwrap();
    });
    cluster.pass(200);
    cluster.ask("gamer", "now");
    let (plan, _) = cluster.pass(2);
    assert_eq!(phase(&plan, "gamer"), Some(OffPhase::Refused));
    cluster.ask("gamer", "now!");
    let (plan, _) = cluster.pass(2);
    assert_eq!(phase(&plan, "gamer"), Some(OffPhase::Draining), "forced");
}

fn drained() -> TestCluster {
    let mut cluster = TestCluster::new();
    cluster.lead();
    cluster.pass(200);
    cluster.ask("gamer", "tonight");
    for _ in 0..3 {
        let (plan, _) = cluster.pass(2);
        cluster.write(&plan);
        for name in ["gamer-1", "gamer-2"] {
            cluster.node(emptied(name, "boot", true));
        }
        cluster.observed.pods_left.insert("gamer".to_owned(), Vec::new());
    }
    let (plan, _) = cluster.pass(2);
    assert_eq!(phase(&plan, "gamer"), Some(OffPhase::Drained));
    cluster
}

/// A node of gamer as it is while the request is under way.
fn emptied(name: &str, boot: &str, cordoned: bool) -> NodeFacts {
    let more = json!({
        "metadata": { "annotations": { CORDONED: "tonight" } },
        "spec": { "unschedulable": cordoned },
        "status": { "nodeInfo": { "bootID": boot } },
    });
    facts(name, &more)
}

/// Case `n05`: it reboots in 24 seconds instead of going off.
#[test]
fn a_reboot_that_is_never_seen_as_off_ends_the_request() {
    let mut cluster = drained();
    for name in ["gamer-1", "gamer-2"] {
        cluster.node(emptied(name, "boot", true));
        cluster.alive.remove(name);
    }
    let (plan, _) = cluster.pass(24);
    assert_eq!(phase(&plan, "gamer"), Some(OffPhase::Drained));
    for name in ["gamer-1", "gamer-2"] {
        cluster.node(emptied(name, "another", true));
        cluster.alive.insert(name.to_owned());
    }
    let (plan, _) = cluster.pass(20);
    let gamer = &plan.hosts["gamer"];
    assert_eq!(gamer.last_handled_off.as_deref(), Some("tonight"));
    assert_eq!((&gamer.off, gamer.expected_off), (&None, false));
    cluster.write(&plan);
    let (plan, _) = cluster.pass(2);
    let pending = pending_write(&cluster.observed.nodes["gamer-1"], &plan.nodes["gamer-1"]).unwrap();
    assert_eq!(pending.cordon, Some(Cordon::Lift));
}

/// Case `n04`: an upgrade controller lifts the cordon of a host that is empty.
#[test]
fn a_cordon_that_was_lifted_is_set_again_with_back_off() {
    let mut cluster = drained();
    cluster.node(emptied("gamer-1", "boot", false));
    cluster.observed.pods_left.clear();
    let (plan, _) = cluster.pass(2);
    let off = plan.hosts["gamer"].off.clone().unwrap();
    assert_eq!(off.phase, OffPhase::Draining);
    assert!(off.waiting[0].contains("the cordon of gamer-1 was lifted"), "{off:?}");
    let again = |cluster: &TestCluster, plan: &Plan| {
        let node = &cluster.observed.nodes["gamer-1"];
        pending_write(node, &plan.nodes["gamer-1"]).and_then(|pending| pending.cordon)
    };
    let mut written = 0;
    for _ in 0..60 {
        let (plan, _) = cluster.pass(10);
        if let Some(cordon) = again(&cluster, &plan) {
            assert_eq!(cordon, Cordon::For("tonight".to_owned()));
            written += 1;
            let facts = Arc::clone(&cluster.observed.nodes["gamer-1"]);
            let at = now(cluster.second).mono;
            cluster
                .planner
                .contention
                .restored(&facts, crate::class::contention::CORDON, at);
        }
    }
    assert!(
        (1..=6).contains(&written),
        "in ten minutes it is set again {written} times"
    );
}

/// Case `n04`: a person had cordoned the node before, and lifts that cordon.
#[test]
fn a_host_with_a_node_that_is_not_cordoned_is_not_empty() {
    let mut cluster = drained();
    cluster.node(facts("gamer-1", &json!({})));
    let (plan, _) = cluster.pass(2);
    assert_eq!(phase(&plan, "gamer"), Some(OffPhase::Draining));
    let pending = pending_write(&cluster.observed.nodes["gamer-1"], &plan.nodes["gamer-1"]).unwrap();
    assert_eq!(pending.cordon, Some(Cordon::For("tonight".to_owned())));
}

/// Variant of 58: the plug says Off, and one of the two nodes renews its lease.
#[test]
fn power_off_is_not_believed_while_another_node_of_the_host_is_alive() {
    let mut cluster = TestCluster::with_failover();
    cluster.pass(200);
    cluster.not_ready(&["gamer-1"]);
    cluster.pass(60);
    cluster.power_off("gamer");
    let told = cluster.told(120);
    let held: Vec<_> = told
        .iter()
        .filter(|(node, reason, _)| node == "gamer-1" && *reason == "FailoverHeld")
        .collect();
    assert!(
        held.iter()
            .any(|(.., text)| text.contains("gamer-2 on the same host renews its lease")),
        "{told:?}"
    );
    let (plan, _) = cluster.pass(2);
    assert!(!tainted(&plan, "gamer-1"));
    cluster.not_ready(&["gamer-2"]);
    cluster.pass(60);
    cluster.power_off("gamer");
    let (plan, _) = cluster.pass(60);
    assert!(
        tainted(&plan, "gamer-1") && tainted(&plan, "gamer-2"),
        "now nothing contradicts"
    );
}

/// Defect 1: the address is tried every few seconds, and only once the host is off.
#[test]
fn no_taint_is_set_before_the_address_was_tried() {
    let mut cluster = TestCluster::with_failover();
    cluster.change("gamer", |host| host.spec.address = Some("192.0.2.30".to_owned()));
    cluster.pass(200);
    cluster.not_ready(&["gamer-1", "gamer-2"]);
    cluster.power_off("gamer");
    let (plan, _) = cluster.pass(300);
    assert_eq!(plan.hosts["gamer"].state, Some(HostState::Off));
    assert!(!tainted(&plan, "gamer-1"));
    let evidence = |plan: &Plan| plan.hosts["gamer"].evidence.clone().unwrap();
    assert!(
        evidence(&plan).ends_with("its address was not tried yet"),
        "{}",
        evidence(&plan)
    );
    cluster.observed.answers.insert("gamer".to_owned(), false);
    let (plan, _) = cluster.pass(2);
    assert!(tainted(&plan, "gamer-1"));
    // Defect 7: the outcome is shown.
    assert!(evidence(&plan).ends_with("its address does not answer"));
}

/// Defect 3: our taint is removed by a person while the node is down; it is set again only after the node was back.
#[test]
fn a_taint_that_a_person_removed_is_set_again_only_after_a_return() {
    let mut cluster = TestCluster::with_failover();
    cluster.pass(200);
    cluster.not_ready(&["gamer-1", "gamer-2"]);
    cluster.pass(60);
    cluster.power_off("gamer");
    let (plan, _) = cluster.pass(60);
    assert!(pending_write(&cluster.observed.nodes["gamer-1"], &plan.nodes["gamer-1"]).is_some());
    // kubectl removes the taint, and with --edit perhaps the mark; as long as this process lives, it remembers.
    let mark = format!("{OUT_OF_SERVICE}=nodeshutdown:NoExecute");
    let condition = json!([{ "type": "Ready", "status": "Unknown" }]);
    let annotations = json!({ "annotations": { OWNED_TAINTS: mark } });
    let removed = facts(
        "gamer-1",
        &json!({ "metadata": annotations, "status": { "conditions": condition } }),
    );
    let taint = json!([{ "key": OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute" }]);
    let down = json!({ "conditions": condition });
    cluster.node(facts(
        "gamer-1",
        &json!({ "metadata": annotations, "spec": { "taints": taint }, "status": down }),
    ));
    cluster.pass(10);
    cluster.node(facts("gamer-1", &json!({ "status": down })));
    let (plan, _) = cluster.pass(20);
    assert_eq!(
        pending_write(&cluster.observed.nodes["gamer-1"], &plan.nodes["gamer-1"]).and_then(|p| p.diff.taints),
        None
    );
    cluster.planner.entries.get_mut("gamer-1").unwrap().placed = false;
    cluster.planner.entries.get_mut("gamer-1").unwrap().said = None;
    cluster.node(removed);
    let told = cluster.told(60);
    assert!(told.iter().any(|(node, reason, text)| node == "gamer-1"
        && *reason == "FailoverHeld"
        && text.contains("was removed by another writer")));
    let taints = |cluster: &mut TestCluster| {
        let (plan, _) = cluster.pass(2);
        let pending = pending_write(&cluster.observed.nodes["gamer-1"], &plan.nodes["gamer-1"]);
        pending.and_then(|pending| pending.diff.taints)
    };
    assert_eq!(
        taints(&mut cluster),
        None,
        "neither the taint nor its memory is written"
    );
    // It is back: the memory goes, and the next time is another time.
    cluster.alive.insert("gamer-1".to_owned());
    cluster.node(facts("gamer-1", &json!({ "metadata": annotations })));
    cluster.pass(60);
    assert_eq!(taints(&mut cluster), Some((Vec::new(), None)));
    cluster.node(facts("gamer-1", &json!({})));
    cluster.pass(20);
    cluster.not_ready(&["gamer-1"]);
    cluster.pass(60);
    cluster.power_off("gamer");
    let (plan, _) = cluster.pass(60);
    assert!(tainted(&plan, "gamer-1"));
}

/// Defect 4: a node without a lease is Unknown for good, and a request for its host gets an answer all the same.
#[test]
fn a_host_with_a_node_without_a_lease_gets_a_status_for_its_request() {
    for request in ["now", "now!"] {
        let mut cluster = TestCluster::new();
        cluster.lead();
        cluster.observed.hosts.push(host("tv", &["tv-1"], None));
        cluster.node(facts("tv-1", &json!({})));
        let (plan, _) = cluster.pass(300);
        assert_eq!(plan.hosts["tv"].state, Some(HostState::Unknown));
        let evidence = plan.hosts["tv"].evidence.clone().unwrap();
        assert!(evidence.contains("tv-1"), "{evidence}");
        cluster.ask("tv", request);
        let (plan, _) = cluster.pass(2);
        assert_eq!(phase(&plan, "tv"), Some(OffPhase::Draining), "{request}");
        cluster.write(&plan);
        cluster.observed.pods_left.insert("tv".to_owned(), Vec::new());
        let (plan, _) = cluster.pass(2);
        assert_eq!(phase(&plan, "tv"), Some(OffPhase::Drained));
    }
}

/// Case `n15`: a member's Node is deleted and replaced; its history remembers that etcd had it.
#[test]
fn a_deleted_member_is_remembered_until_its_history_is_deleted() {
    let mut cluster = members();
    let mut remembered = false;
    cluster.pass_and(300, |name, status| remembered |= name == "mini-1" && status.etcd_member);
    assert!(remembered);
    cluster.observed.nodes.remove("mini-1");
    cluster.alive.remove("mini-1");
    cluster.planner.tracker.node_gone("mini-1", now(cluster.second));
    cluster.node(facts(
        "mini-2",
        &json!({ "metadata": { "labels": { (MEMBER): "true" } } }),
    ));
    let (plan, _) = cluster.pass(120);
    let may = plan.hosts["gamer"].may_go_off.clone().unwrap();
    assert_eq!(may.answer, crate::crd::host::Answer::Unknown, "{may:?}");
    assert!(may.because[0].contains("etcd had a member on mini-1"), "{may:?}");
    cluster.planner.forget("mini-1", None);
    let (plan, _) = cluster.pass(10);
    let may = plan.hosts["gamer"].may_go_off.clone().unwrap();
    assert_eq!(may.answer, crate::crd::host::Answer::Yes, "{may:?}");
}
