use serde_json::{Value, json};

use super::*;

fn pod(more: &Value) -> Pod {
    let mut pod = json!({ "metadata": { "name": "p", "namespace": "n" }, "status": { "phase": "Running" } });
    for (key, value) in more.as_object().unwrap() {
        pod[key] = value.clone();
    }
    serde_json::from_value(pod).unwrap()
}

#[test]
fn daemons_mirrors_and_ended_pods_stay() {
    let owner = |kind: &str| json!({ "metadata": { "ownerReferences": [{ "kind": kind, "name": "o", "apiVersion": "apps/v1", "uid": "u" }] } });
    assert!(has_to_go(&pod(&json!({}))), "also a pod that nothing would replace");
    assert!(has_to_go(&pod(&owner("ReplicaSet"))));
    assert!(!has_to_go(&pod(&owner("DaemonSet"))));
    let mirror = json!({ "metadata": { "annotations": { "kubernetes.io/config.mirror": "x" } } });
    assert!(!has_to_go(&pod(&mirror)));
    for phase in ["Succeeded", "Failed"] {
        assert!(!has_to_go(&pod(&json!({ "status": { "phase": phase } }))));
    }
}
