use serde_json::json;

use super::*;

fn node(value: serde_json::Value) -> NodeFacts {
    let mut node: SlimNode = serde_json::from_value(value).unwrap();
    slim(&mut node);
    NodeFacts::of(&node)
}

#[test]
fn quantities_are_bytes() {
    for (text, expected) in [
        ("8044844Ki", Some(8_237_920_256)),
        ("4Gi", Some(4_294_967_296)),
        ("4G", Some(4_000_000_000)),
        ("1.5Gi", Some(1_610_612_736)),
        ("128974848000m", Some(128_974_848)),
        ("123", Some(123)),
        ("1e3", Some(1000)),
        ("", None),
        ("-1Gi", None),
        ("NaN", None),
        ("much", None),
    ] {
        assert_eq!(bytes(text), expected, "{text}");
    }
}

#[test]
fn what_is_ours_is_read_from_managed_fields() {
    let managed = json!([
        { "manager": "node-class", "operation": "Apply", "fieldsV1": { "f:metadata": {
            "f:labels": { "f:home/role": {}, "f:nodes.hearth.home.arpa/host": {} },
            "f:annotations": { "f:home/note": {} } } } },
        { "manager": "node-class", "operation": "Update", "fieldsV1": { "f:metadata": { "f:labels": { "f:x": {} } } } },
        { "manager": "kubectl", "operation": "Update", "fieldsV1": { "f:metadata": { "f:labels": { "f:y": {} } } } },
        { "manager": "kubelet", "operation": "Update", "subresource": "status", "fieldsV1": { "f:status": {} } },
    ]);
    let meta = json!({ "name": "a", "managedFields": managed, "annotations": {
        "home/note": "x", "someone/else": "y", "talos.dev/owned-labels": "[]" } });
    let facts = node(json!({ "metadata": meta }));
    let ours: Vec<&str> = facts.managers.our_labels.iter().map(|key| &**key).collect();
    assert_eq!(ours, ["home/role", "nodes.hearth.home.arpa/host"]);
    assert!(facts.managers.our_annotations.contains("home/note"));
    assert_eq!(
        facts.annotations.keys().map(|key| &**key).collect::<Vec<_>>(),
        ["home/note", "talos.dev/owned-labels"],
        "annotations of others are dropped"
    );
}

#[test]
fn a_reduced_node_is_its_identity_and_its_facts() {
    let value = json!({
        "metadata": { "name": "a", "uid": "u", "resourceVersion": "7", "labels": { "home/role": "x" } },
        "spec": { "unschedulable": true },
        "status": { "nodeInfo": { "bootID": "boot" } },
    });
    let mut reduced: SlimNode = serde_json::from_value(value.clone()).unwrap();
    reduce(&mut reduced);
    assert_eq!(reduced.versioned(), node(value));
    assert_eq!(reduced.facts.resource_version, "", "a heartbeat alone is no news");
    assert_eq!(reduced.metadata.labels, None);
    assert!(reduced.spec.is_none() && reduced.status.is_none());
}

#[test]
fn a_clean_shutdown_is_announced_in_two_ways() {
    let condition = |status: &str, message: &str| {
        let ready = json!({ "type": "Ready", "status": status, "reason": "KubeletNotReady", "message": message });
        node(json!({ "status": { "conditions": [ready] } }))
    };
    assert!(condition("False", "node is shutting down").shutting_down());
    assert!(!condition("False", "container runtime is down").shutting_down());
    assert!(
        !condition("Unknown", "node is shutting down").shutting_down(),
        "no one says so now"
    );
    let talos = node(json!({ "metadata": { "annotations": { "talos.dev/cordoned": "true" } } }));
    assert!(talos.talos_cordoned());
}

#[test]
fn of_a_history_only_its_identity_is_kept() {
    let mut history: SlimHistory = serde_json::from_value(json!({
        "metadata": { "name": "a", "uid": "u", "resourceVersion": "7", "generation": 1, "labels": { "a": "b" } },
        "spec": {}, "status": { "state": "Up" },
    }))
    .unwrap();
    slim_history(&mut history);
    let kept = json!({ "metadata": { "name": "a", "uid": "u", "resourceVersion": "7", "generation": 1 } });
    assert_eq!(serde_json::to_value(&history).unwrap(), kept);
}
