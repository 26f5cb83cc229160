//! A host that goes off, and what is put on its nodes for that.
use kube::ResourceExt;

use super::*;
use crate::crd::host::OffPhase;
use crate::crd::{OUT_OF_SERVICE, OWNED_TAINTS};

#[test]
fn an_off_request_cordons_and_its_end_lifts_our_cordon_only() {
    let mut cluster = TestCluster::new();
    cluster.lead();
    let mut gamer = NodeHost::clone(&cluster.observed.hosts[0]);
    let off = json!({ "request": "tonight", "since": "2026-01-05T00:00:00Z", "phase": "Draining" });
    gamer.status = Some(serde_json::from_value(json!({ "off": off })).unwrap());
    cluster.observed.hosts[0] = Arc::new(gamer.clone());
    let (plan, _) = cluster.pass(200);
    assert_eq!(plan.nodes["gamer-1"].cordon.as_deref(), Some("tonight"));
    assert_eq!(plan.nodes["mini-1"].cordon, None);
    let ours = json!({ "metadata": { "annotations": { CORDONED: "tonight" } }, "spec": { "unschedulable": true } });
    cluster.node(facts("gamer-1", &ours));
    cluster.node(facts("mini-1", &json!({ "spec": { "unschedulable": true } })));
    gamer.status = None;
    cluster.observed.hosts[0] = Arc::new(gamer);
    let (plan, _) = cluster.pass(4);
    let cordon =
        |name: &str| pending_write(&cluster.observed.nodes[name], &plan.nodes[name]).and_then(|pending| pending.cordon);
    assert_eq!(cordon("gamer-1"), Some(Cordon::Lift), "ours is lifted");
    assert_eq!(cordon("mini-1"), None, "a person's stays");
}

#[test]
fn the_out_of_service_taint_is_reported_once_when_set_and_once_when_removed() {
    let mut cluster = TestCluster::new();
    cluster.lead();
    cluster.observed.classes = vec![class(
        "quick",
        &json!({ "match": { "hosts": ["gamer"] }, "failover": { "evidence": ["PowerOff"], "after": "1s" } }),
    )];
    cluster.pass(200);
    cluster.not_ready(&["gamer-1", "gamer-2"]);
    cluster.pass(120);
    let mut gamer = NodeHost::clone(&cluster.observed.hosts[0]);
    let at = |seconds| now(seconds).wall.to_string();
    let power = json!({ "state": "Off", "source": "plug", "observedAt": at(cluster.second), "expiresAt": at(cluster.second + 3600) });
    gamer.status = Some(serde_json::from_value(json!({ "power": power })).unwrap());
    cluster.observed.hosts[0] = Arc::new(gamer);

    let mut told = cluster.told(60);
    told.retain(|(node, ..)| node == "gamer-1");
    let reasons =
        |told: &[(String, &'static str, String)]| told.iter().map(|(_, reason, _)| *reason).collect::<Vec<_>>();
    assert_eq!(
        reasons(&told),
        ["OutOfServiceApplied"],
        "the write takes a minute: {told:?}"
    );

    let mark = format!("{OUT_OF_SERVICE}=nodeshutdown:NoExecute");
    let tainted = json!({
        "metadata": { "annotations": { OWNED_TAINTS: mark } },
        "spec": { "taints": [{ "key": OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute" }] },
    });
    cluster.alive.insert("gamer-1".to_owned());
    cluster.node(facts("gamer-1", &tainted));
    cluster.observed.leftovers.insert("gamer-1".to_owned(), 0);
    let mut told = cluster.told(120);
    told.retain(|(node, reason, _)| node == "gamer-1" && reason.starts_with("OutOf"));
    assert_eq!(
        reasons(&told),
        ["OutOfServiceRemoved"],
        "the write takes two minutes: {told:?}"
    );
}

fn gamer(cluster: &mut TestCluster, change: impl FnOnce(&mut NodeHost)) {
    let mut gamer = NodeHost::clone(&cluster.observed.hosts[0]);
    change(&mut gamer);
    cluster.observed.hosts[0] = Arc::new(gamer);
}

/// The host's reconciler writes the planned status.
fn write_status(cluster: &mut TestCluster, plan: &Plan) {
    let status = plan.hosts["gamer"].clone();
    gamer(cluster, |gamer| gamer.status = Some(status));
}

#[test]
fn the_planner_decides_what_becomes_of_a_request_by_the_pods_that_are_left() {
    let mut cluster = TestCluster::new();
    cluster.lead();
    cluster.pass(200);
    gamer(&mut cluster, |gamer| {
        gamer
            .annotations_mut()
            .insert(crate::crd::OFF.to_owned(), "tonight".to_owned());
    });
    let phase = |cluster: &mut TestCluster, left: Option<&[&str]>| {
        let left = left.map(|left| left.iter().map(|pod| (*pod).to_owned()).collect::<Vec<_>>());
        cluster.observed.pods_left.clear();
        cluster
            .observed
            .pods_left
            .extend(left.map(|left| ("gamer".to_owned(), left)));
        let (plan, _) = cluster.pass(2);
        write_status(cluster, &plan);
        let off = plan.hosts["gamer"].off.clone();
        off.map(|off| (off.phase, off.waiting))
    };
    let nothing = Vec::<String>::new();
    assert_eq!(
        phase(&mut cluster, None),
        Some((OffPhase::Draining, nothing.clone())),
        "its pods were not listed yet"
    );
    let waiting = vec!["home/web: is ending".to_owned()];
    assert_eq!(
        phase(&mut cluster, Some(&["home/web: is ending"])),
        Some((OffPhase::Draining, waiting))
    );
    assert_eq!(phase(&mut cluster, Some(&[])), Some((OffPhase::Drained, nothing)));
    gamer(&mut cluster, |gamer| gamer.annotations_mut().clear());
    assert_eq!(phase(&mut cluster, Some(&[])), None, "it is withdrawn");
    assert_eq!(
        cluster.observed.hosts[0]
            .status
            .as_ref()
            .unwrap()
            .last_handled_off
            .as_deref(),
        Some("tonight")
    );
}

#[test]
fn while_the_mark_of_our_taints_cannot_be_read_failover_is_held_and_says_so_once() {
    let mut cluster = TestCluster::new();
    cluster.lead();
    cluster.observed.classes = vec![class(
        "quick",
        &json!({ "match": { "hosts": ["gamer"] }, "failover": { "evidence": ["PowerOff"], "after": "1s" } }),
    )];
    cluster.node(facts(
        "gamer-1",
        &json!({ "metadata": { "annotations": { OWNED_TAINTS: "?" } } }),
    ));
    let told = cluster.told(300);
    let held: Vec<_> = told.iter().filter(|(_, reason, _)| *reason == "FailoverHeld").collect();
    assert_eq!(held.len(), 1, "{told:?}");
    assert!(held[0].2.contains("cannot be read"), "{held:?}");
}
