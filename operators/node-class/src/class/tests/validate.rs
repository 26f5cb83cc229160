//! What keeps a class from being used.
use super::*;
use crate::class::validate;

#[track_caller]
fn refuses(spec: Value, part: &str) {
    let why = validate(&class("c", spec.clone())).unwrap_or_default();
    assert!(why.contains(part), "{spec}: {why:?}");
}

#[track_caller]
fn accepts(spec: Value) {
    assert_eq!(validate(&class("c", spec.clone())), None, "{spec}");
}

#[test]
fn a_class_as_in_the_documentation_has_no_problem() {
    accepts(json!({}));
    accepts(json!({
        "match": { "availability": "Volatile", "memoryAtLeast": "1Gi", "memoryBelow": "4500Mi",
            "labelSelector": { "matchLabels": { "a": "b" }, "matchExpressions": [
                { "key": "nodes.hearth.home.arpa/host", "operator": "NotIn", "values": ["x"] },
                { "key": "feature.node.kubernetes.io/x", "operator": "Exists" }] } },
        "labels": { "home/role": "worker", "plain": "" },
        "annotations": { "home/note": "any text: even this" },
        "taints": [{ "key": "nodes.hearth.home.arpa/volatile", "effect": "PreferNoSchedule" },
            { "key": "nodes.hearth.home.arpa/volatile", "effect": "NoExecute" }],
        "acknowledge": ["NoExecute"],
        "excludeFromDisruptionCount": true,
        "failover": { "evidence": ["PowerOff"], "after": "2m" },
    }));
}

/// Edge case 17.
#[test]
fn keys_of_others_are_refused_for_labels_annotations_and_taints() {
    for key in [
        "kubernetes.io/x",
        "node-role.kubernetes.io/worker",
        "x.k8s.io/y",
        "talos.dev/owned-taints",
    ] {
        refuses(json!({ "labels": { key: "v" } }), "not for classes");
        refuses(json!({ "annotations": { key: "v" } }), "not for classes");
        refuses(
            json!({ "taints": [{ "key": key, "effect": "NoSchedule" }] }),
            "not for classes",
        );
    }
    for spec in [
        json!({ "labels": { "nodes.hearth.home.arpa/host": "v" } }),
        json!({ "annotations": { "nodes.hearth.home.arpa/owned-taints": "v" } }),
        json!({ "labels": { "node.kubernetes.io/exclude-disruption": "" } }),
        json!({ "taints": [{ "key": "nodes.hearth.home.arpa/returning", "effect": "NoSchedule" }] }),
    ] {
        refuses(spec, "not for classes");
    }
}

/// Edge case 16: never cut, never silently dropped.
#[test]
fn keys_and_values_that_the_api_would_refuse_are_refused() {
    let long = "a".repeat(64);
    refuses(json!({ "labels": { "home/role": long } }), "at most 63");
    refuses(json!({ "labels": { "home/role": "two words" } }), "at most 63");
    refuses(json!({ "labels": { "home/two words": "x" } }), "is no key");
    refuses(json!({ "labels": { "a..b/x": "x" } }), "is no key");
    refuses(json!({ "annotations": { "home/": "x" } }), "is no key");
    refuses(json!({ "annotations": { "home/x": "ä".repeat(1025) } }), "at most 1024");
    accepts(json!({ "annotations": { "home/x": "ä".repeat(1024) } }));
    refuses(
        json!({ "taints": [{ "key": "", "effect": "NoSchedule" }] }),
        "is no key",
    );
}

/// Edge case 20.
#[test]
fn a_no_execute_taint_must_be_acknowledged() {
    let taints = json!([{ "key": "home/x", "effect": "NoExecute" }]);
    refuses(json!({ "taints": taints }), "acknowledge: [NoExecute]");
    refuses(
        json!({ "taints": taints, "acknowledge": ["ControlPlaneNoExecute", "Lockout"] }),
        "acknowledge: [NoExecute]",
    );
    accepts(json!({ "taints": taints, "acknowledge": ["NoExecute"] }));
}

/// Edge case 18: the loop that can be seen beforehand.
#[test]
fn a_class_that_selects_by_what_it_sets_is_refused() {
    let selector =
        json!({ "labelSelector": { "matchExpressions": [{ "key": "home/x", "operator": "DoesNotExist" }] } });
    refuses(
        json!({ "match": selector, "labels": { "home/x": "1" } }),
        "the class itself sets",
    );
    let selector = json!({ "labelSelector": { "matchLabels": { "node.kubernetes.io/exclude-disruption": "true" } } });
    refuses(
        json!({ "match": selector, "excludeFromDisruptionCount": true }),
        "the class itself sets",
    );
    accepts(json!({ "match": selector }));
}

#[test]
fn selectors_are_checked() {
    for (operator, values, part) in [
        ("Gt", json!(["1"]), "is not known"),
        ("In", json!([]), "needs values"),
        ("NotIn", Value::Null, "needs values"),
        ("Exists", json!(["1"]), "takes no values"),
        ("DoesNotExist", json!(["1"]), "takes no values"),
    ] {
        let expression = json!({ "key": "x", "operator": operator, "values": values });
        refuses(
            json!({ "match": { "labelSelector": { "matchExpressions": [expression] } } }),
            part,
        );
    }
    refuses(
        json!({ "match": { "labelSelector": { "matchLabels": { "a b": "" } } } }),
        "is no key",
    );
}

#[test]
fn amounts_of_memory_are_checked() {
    refuses(json!({ "match": { "memoryBelow": "much" } }), "memoryBelow: `much`");
    refuses(json!({ "match": { "memoryAtLeast": "-1Gi" } }), "memoryAtLeast: `-1Gi`");
    refuses(
        json!({ "match": { "memoryAtLeast": "4Gi", "memoryBelow": "4Gi" } }),
        "must be less",
    );
    accepts(json!({ "match": { "memoryAtLeast": "4095Mi", "memoryBelow": "4Gi" } }));
}

#[test]
fn failover_is_checked() {
    for after in ["0s", "25h", "x"] {
        refuses(
            json!({ "failover": { "evidence": ["PowerOff"], "after": after } }),
            "failover.after",
        );
    }
}
