#![allow(clippy::needless_pass_by_value, reason = "`json!` is written in place")]
use serde_json::{Value, json};

use super::*;
use crate::class::tests;
use crate::class::tests::{class, node};

fn tolerations(of: &Value) -> Vec<Toleration> {
    serde_json::from_value(of.clone()).unwrap()
}

fn set(name: &str, with: impl FnOnce(&mut DaemonSetFacts)) -> DaemonSetFacts {
    let mut facts = DaemonSetFacts {
        namespace: "net".into(),
        name: name.into(),
        ..DaemonSetFacts::default()
    };
    with(&mut facts);
    facts
}

fn tainting(effect: &str, acknowledge: Value) -> NodeClass {
    class(
        "c",
        json!({ "taints": [{ "key": "home/x", "value": "v", "effect": effect }], "acknowledge": acknowledge }),
    )
}

/// For a class that matches one of two nodes; the operator tolerates nothing.
fn judged(class: &NodeClass, sets: &[DaemonSetFacts]) -> Option<String> {
    lockout(class, true, &[&node("b", &[])], sets, &[])
}

#[test]
fn tolerations_mean_what_they_mean_in_kubernetes() {
    for (toleration, taint, expected) in [
        (json!({ "operator": "Exists" }), "k=v:NoSchedule", true),
        (
            json!({ "operator": "Exists", "effect": "NoSchedule" }),
            "k=v:NoSchedule",
            true,
        ),
        (
            json!({ "operator": "Exists", "effect": "NoSchedule" }),
            "k=v:NoExecute",
            false,
        ),
        (json!({ "key": "k", "operator": "Exists" }), "k=v:NoExecute", true),
        (json!({ "key": "k", "operator": "Exists" }), "other=v:NoExecute", false),
        (
            json!({ "key": "k", "operator": "Equal", "value": "v" }),
            "k=v:NoSchedule",
            true,
        ),
        (json!({ "key": "k", "value": "v" }), "k=v:NoSchedule", true),
        (json!({ "key": "k", "value": "v" }), "k=w:NoSchedule", false),
        (json!({ "key": "k" }), "k:NoSchedule", true),
        (json!({ "key": "k" }), "k=v:NoSchedule", false),
        (json!({ "value": "v" }), "k=v:NoSchedule", false),
        (
            json!({ "key": "k", "operator": "Gt", "value": "1" }),
            "k=2:NoSchedule",
            false,
        ),
        (
            json!({ "key": "k", "operator": "Exists", "tolerationSeconds": 30 }),
            "k=v:NoExecute",
            false,
        ),
        (
            json!({ "key": "k", "operator": "Exists", "tolerationSeconds": 30 }),
            "k=v:NoSchedule",
            true,
        ),
    ] {
        let list = tolerations(&json!([{ "key": "unrelated", "operator": "Exists" }, toleration]));
        assert_eq!(tolerated(&tests::taint(taint), &list), expected, "{toleration} {taint}");
    }
    assert!(!tolerated(&tests::taint("k:NoSchedule"), &[]));
}

/// Issue 4, bad input.
#[test]
fn a_taint_that_a_daemonset_of_the_network_does_not_tolerate_is_refused() {
    type Make = fn(&mut DaemonSetFacts);
    let kinds: [Make; 3] = [
        |set| set.host_network = true,
        |set| set.priority_class = Some("system-node-critical".into()),
        |set| set.namespace = "kube-system".into(),
    ];
    for make in kinds {
        let mut cni = set("cni", make);
        for effect in ["NoSchedule", "NoExecute"] {
            let why = judged(&tainting(effect, json!(["NoExecute"])), std::slice::from_ref(&cni)).unwrap();
            assert!(
                why.contains("/cni") && why.contains(&format!("home/x:{effect}")),
                "{why}"
            );
            assert!(why.contains("acknowledge: [Lockout]"), "{why}");
        }
        assert_eq!(
            judged(&tainting("PreferNoSchedule", json!([])), std::slice::from_ref(&cni)),
            None
        );
        assert_eq!(
            judged(&tainting("NoSchedule", json!(["Lockout"])), std::slice::from_ref(&cni)),
            None
        );
        cni.tolerations = tolerations(&json!([{ "operator": "Exists" }]));
        assert_eq!(judged(&tainting("NoSchedule", json!([])), &[cni]), None);
    }
}

#[test]
fn a_daemonset_that_nodes_can_do_without_is_no_reason() {
    let sets = [set("logs", |set| {
        set.priority_class = Some("system-cluster-critical".into());
    })];
    assert_eq!(judged(&tainting("NoSchedule", json!([])), &sets), None);
}

#[test]
fn a_message_names_the_first_and_counts_the_rest() {
    let sets: Vec<_> = ["e", "d", "c", "b", "a"]
        .map(|name| set(name, |set| set.host_network = true))
        .into();
    let why = judged(&tainting("NoSchedule", json!([])), &sets).unwrap();
    assert!(why.contains("net/a and 4 more"), "{why}");
}

#[test]
fn a_class_that_matches_nothing_locks_nothing_out() {
    let cni = set("cni", |set| set.host_network = true);
    assert_eq!(
        lockout(&tainting("NoSchedule", json!([])), false, &[], &[cni], &[]),
        None
    );
}

#[test]
fn the_operator_must_have_a_node_left() {
    let class = tainting("NoSchedule", json!([]));
    let mut b = node("b", &[]);
    let own = tolerations(&json!([{ "key": "home/x", "operator": "Exists" }]));
    let judge = |others: &[&NodeFacts], own: &[Toleration]| lockout(&class, true, others, &[], own);

    assert_eq!(judge(&[&b], &[]), None);
    let why = judge(&[], &[]).unwrap();
    assert!(why.contains("no node") && why.contains("tolerations"), "{why}");
    assert_eq!(judge(&[], &own), None, "it tolerates the taint");

    b.unschedulable = true;
    assert!(judge(&[&b], &[]).is_some(), "cordoned");
    b.unschedulable = false;
    b.taints = tests::taints(&["other:NoSchedule"]);
    assert!(judge(&[&b], &[]).is_some(), "tainted by another writer");
    let other = tolerations(&json!([{ "key": "other", "operator": "Exists" }]));
    assert_eq!(judge(&[&b], &other), None, "which it tolerates");
    b.taints = tests::taints(&["other:PreferNoSchedule"]);
    assert_eq!(judge(&[&b], &[]), None, "that does not keep it off");
}

/// A node that is off tonight must not make a class wrong that was right all day.
#[test]
fn a_node_that_is_off_counts_as_left() {
    let mut b = node("b", &[]);
    b.taints = tests::taints(&[
        "node.kubernetes.io/unreachable:NoExecute",
        "node.kubernetes.io/unreachable:NoSchedule",
    ]);
    assert_eq!(lockout(&tainting("NoSchedule", json!([])), true, &[&b], &[], &[]), None);
}
