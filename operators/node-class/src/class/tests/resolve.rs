//! How classes come together.
use super::*;

fn labels(wanted: &Wanted) -> Vec<(&str, &str, &str)> {
    let of_classes = wanted
        .labels
        .iter()
        .filter_map(|(k, (v, by))| Some((&**k, &**v, by.as_deref()?)));
    of_classes.collect()
}

/// The keys that two classes of one priority want differently, with the class that reports it.
fn ties(wanted: &Wanted) -> Vec<(&str, &str)> {
    let same = wanted
        .refused
        .iter()
        .filter(|refused| refused.why.contains("same priority"));
    same.map(|refused| (refused.key.as_str(), refused.class.as_deref().unwrap()))
        .collect()
}

fn key(taint: &(ClassTaint, Option<String>)) -> String {
    format!(
        "{}={}:{}",
        taint.0.key,
        taint.0.value.clone().unwrap_or_default(),
        taint.0.effect.as_str()
    )
}

/// Edge case 9.
#[test]
fn the_higher_priority_wins_each_key_and_others_are_added() {
    let classes = [
        class("a", json!({ "labels": { "x": "a", "only-a": "1" } })),
        class("b", json!({ "priority": 10, "labels": { "x": "b", "only-b": "1" } })),
        class("c", json!({ "priority": -1, "labels": { "x": "c", "only-c": "1" } })),
        class(
            "d",
            json!({ "match": { "names": ["other"] }, "priority": 99, "labels": { "x": "d" } }),
        ),
    ];
    let node = node("n", &[]);
    let wanted = merged(&classes, &subject(&node));
    let expected = [
        ("only-a", "1", "a"),
        ("only-b", "1", "b"),
        ("only-c", "1", "c"),
        ("x", "b", "b"),
    ];
    assert_eq!(labels(&wanted), expected);
    assert_eq!(wanted.classes, ["a", "b", "c"]);
    assert_eq!(ties(&wanted), [], "different priorities are no tie");
}

/// Edge case 9.
#[test]
fn equal_priorities_with_different_values_are_a_tie_that_the_first_name_wins() {
    let spec = |value: &str, after: i64| {
        json!({
            "labels": { "x": value, "same": "1" },
            "annotations": { "y": value },
            "taints": [{ "key": "t", "value": value, "effect": "NoSchedule" }, { "key": "t", "effect": "PreferNoSchedule" }],
            "failover": { "evidence": ["PowerOff"], "after": format!("{after}s") },
        })
    };
    // In any order of the input.
    for classes in [
        [
            class("b", spec("2", 2)),
            class("a", spec("1", 1)),
            class("c", spec("1", 1)),
        ],
        [
            class("c", spec("1", 1)),
            class("b", spec("2", 2)),
            class("a", spec("1", 1)),
        ],
    ] {
        let node = node("n", &[]);
        let wanted = merged(&classes, &subject(&node));
        let keys = ["annotation y", "failover", "label x", "taint t:NoSchedule"];
        let both = keys.iter().flat_map(|key| [(*key, "a"), (*key, "b")]);
        assert_eq!(ties(&wanted), both.collect::<Vec<_>>());
        assert_eq!(labels(&wanted), [("same", "1", "a"), ("x", "1", "a")]);
        assert_eq!(wanted.annotations[&intern("y")], (intern("1"), Some(intern("a"))));
        assert_eq!(
            wanted.taints.iter().map(key).collect::<Vec<_>>(),
            ["t=1:NoSchedule", "t=:PreferNoSchedule"]
        );
        assert_eq!(wanted.failover.unwrap().after.as_deref(), Some("1s"));
    }
}

#[test]
fn losers_among_themselves_are_no_tie() {
    let classes = [
        class("a", json!({ "labels": { "x": "1" } })),
        class("b", json!({ "labels": { "x": "2" } })),
        class("top", json!({ "priority": 1, "labels": { "x": "3" } })),
    ];
    assert_eq!(ties(&merged(&classes, &subject(&node("n", &[])))), []);
}

#[test]
fn an_empty_and_a_missing_value_of_a_taint_are_the_same() {
    let classes = [
        class("a", json!({ "taints": [{ "key": "t", "effect": "NoSchedule" }] })),
        class(
            "b",
            json!({ "taints": [{ "key": "t", "value": "", "effect": "NoSchedule" }] }),
        ),
    ];
    let wanted = merged(&classes, &subject(&node("n", &[])));
    assert_eq!((ties(&wanted).len(), wanted.taints.len()), (0, 1));
}

#[test]
fn every_node_gets_labels_for_its_host_and_its_availability() {
    let node = node("n", &[]);
    let own = merged(&[], &subject(&node));
    assert_eq!(own.labels[&intern(crd::HOST_LABEL)], (intern("n"), None));
    assert_eq!(own.labels[&intern(crd::AVAILABILITY_LABEL)], (intern("Unproven"), None));
    let of_host = Subject {
        host: Some("gamer"),
        availability: Availability::Volatile,
        ..subject(&node)
    };
    let of_host = merged(&[], &of_host);
    assert_eq!(&*of_host.labels[&intern(crd::HOST_LABEL)].0, "gamer");
    assert_eq!(&*of_host.labels[&intern(crd::AVAILABILITY_LABEL)].0, "Volatile");
}

/// Edge case 16: other keys are still set.
#[test]
fn a_host_name_that_cannot_be_a_label_is_refused_and_not_cut() {
    let node = node("n", &[]);
    let long = "a".repeat(64);
    let wanted = merged(
        &[],
        &Subject {
            host: Some(&long),
            ..subject(&node)
        },
    );
    assert_eq!(refusals(&wanted.refused), ["label nodes.hearth.home.arpa/host"]);
    assert_eq!(
        wanted.labels.keys().collect::<Vec<_>>(),
        [&intern(crd::AVAILABILITY_LABEL)]
    );
    let fits = "a".repeat(63);
    assert_eq!(
        merged(
            &[],
            &Subject {
                host: Some(&fits),
                ..subject(&node)
            }
        )
        .refused,
        []
    );
}

#[test]
fn the_disruption_label_is_never_for_a_zones_last_nodes() {
    let classes = [class("c", json!({ "excludeFromDisruptionCount": true }))];
    let node = node("n", &[]);
    let wanted = merged(&classes, &subject(&node));
    assert_eq!(
        wanted.labels[&intern(crd::EXCLUDE_DISRUPTION)],
        (intern("true"), Some(intern("c")))
    );
    let last = merged(
        &classes,
        &Subject {
            may_exclude: false,
            ..subject(&node)
        },
    );
    assert!(!last.labels.contains_key(crd::EXCLUDE_DISRUPTION));
    assert_eq!(refusals(&last.refused), ["label node.kubernetes.io/exclude-disruption"]);
    assert_eq!(last.refused[0].class.as_deref(), Some("c"));
    assert_eq!(
        merged(
            &[],
            &Subject {
                may_exclude: false,
                ..subject(&node)
            }
        )
        .refused,
        [],
        "it was not asked for"
    );
}

#[test]
fn the_failover_of_the_highest_priority_counts() {
    let spec = |priority: i64, after: &str| json!({ "priority": priority, "failover": { "evidence": ["PowerOff"], "after": after } });
    let classes = [class("a", spec(0, "1m")), class("b", spec(5, "7m"))];
    let node = node("n", &[]);
    let wanted = merged(&classes, &subject(&node));
    assert_eq!(
        wanted.failover.and_then(|failover| failover.after).as_deref(),
        Some("7m")
    );
    assert_eq!(merged(&[], &subject(&node)).failover, None);
}

/// Stored by a version in which classes had dampening, and could enforce it with a taint.
#[test]
fn a_stored_class_with_dampening_is_read() {
    let spec = json!({ "match": {}, "dampening": { "mode": "Enforce", "reuse": 7 } });
    let stored = json!({ "apiVersion": "nodes.hearth.home.arpa/v1alpha1", "kind": "NodeClass",
        "metadata": { "name": "boards" }, "spec": spec });
    let class: NodeClass = serde_json::from_value(stored).unwrap();
    assert_eq!(validate(&class), None);
    let mut node = node("n", &[]);
    node.annotations.insert(
        intern(crd::OWNED_TAINTS),
        intern("nodes.hearth.home.arpa/flapping:NoSchedule"),
    );
    node.taints = taints(&["nodes.hearth.home.arpa/flapping:NoSchedule"]);
    let wanted = merged(&[class], &subject(&node));
    let (left, mark) = node_diff(&node, &wanted, &[], false).taints.unwrap();
    assert_eq!((left, mark), (Vec::new(), None), "the taint that it had set is removed");
}

#[test]
fn no_execute_is_not_set_on_the_control_plane_without_both_acknowledgements() {
    let spec = |acknowledge: Value| {
        json!({ "acknowledge": acknowledge, "taints": [
            { "key": "t", "effect": "NoExecute" }, { "key": "t", "effect": "NoSchedule" }] })
    };
    for label in [
        "node-role.kubernetes.io/control-plane",
        "node-role.kubernetes.io/master",
        "node-role.kubernetes.io/etcd",
    ] {
        let member = node("n", &[(label, "")]);
        let wanted = merged(&[class("c", spec(json!(["NoExecute"])))], &subject(&member));
        assert_eq!(
            wanted.taints.iter().map(key).collect::<Vec<_>>(),
            ["t=:NoSchedule"],
            "{label}"
        );
        assert_eq!(refusals(&wanted.refused), ["taint t:NoExecute"]);
        assert_eq!(wanted.refused[0].class.as_deref(), Some("c"));
        let twice = class("c", spec(json!(["NoExecute", "ControlPlaneNoExecute"])));
        assert_eq!(merged(&[twice], &subject(&member)).taints.len(), 2);
    }
    let worker = node("n", &[]);
    assert_eq!(
        merged(&[class("c", spec(json!(["NoExecute"])))], &subject(&worker))
            .taints
            .len(),
        2
    );
}

#[test]
fn a_taint_that_is_refused_to_one_class_may_go_to_the_next() {
    let taints = json!([{ "key": "t", "effect": "NoExecute" }]);
    let classes = [
        class(
            "a",
            json!({ "taints": taints, "acknowledge": ["NoExecute"], "priority": 5 }),
        ),
        class(
            "b",
            json!({ "taints": taints, "acknowledge": ["NoExecute", "ControlPlaneNoExecute"] }),
        ),
    ];
    let member = node("n", &[("node-role.kubernetes.io/control-plane", "")]);
    assert_eq!(merged(&classes, &subject(&member)).taints[0].1.as_deref(), Some("b"));
}

/// Edge case 68.
#[test]
fn a_dry_run_says_what_it_would_do_and_takes_nothing() {
    let all = json!({
        "dryRun": true, "priority": 5, "acknowledge": ["NoExecute"],
        "labels": { "x": "1" }, "annotations": { "y": "2" },
        "taints": [{ "key": "t", "value": "v", "effect": "NoSchedule" }, { "key": "t", "effect": "NoExecute" }],
        "excludeFromDisruptionCount": true,
        "failover": { "evidence": ["PowerOff"] },
    });
    let classes = [
        class("dry", all),
        class("real", json!({ "labels": { "x": "9" }, "priority": 5 })),
    ];
    let member = node("n", &[("node-role.kubernetes.io/control-plane", "")]);
    let wanted = merged(&classes, &subject(&member));
    assert_eq!(labels(&wanted), [("x", "9", "real")]);
    assert_eq!((wanted.annotations.len(), wanted.taints.len()), (0, 0));
    assert_eq!((wanted.failover, wanted.refused), (None, vec![]));
    assert_eq!(wanted.classes, ["dry", "real"], "it does match");
    assert!(wanted.dry.iter().all(|(class, _)| class == "dry"));
    let lines: Vec<&str> = wanted.dry.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(lines[0], "would set label x=1");
    assert_eq!(lines[1], "would set annotation y=2");
    assert_eq!(lines[2], "would set taint t:NoSchedule with the value v");
    assert!(
        lines[3].starts_with("would not set taint t:NoExecute: it is a control-plane node"),
        "{}",
        lines[3]
    );
    assert_eq!(lines[4], "would set label node.kubernetes.io/exclude-disruption=true");
    assert_eq!(lines[5..], ["would use its failover"]);
}

#[test]
fn a_dry_run_says_what_another_class_has_first() {
    let classes = [
        class("dry", json!({ "dryRun": true, "labels": { "x": "1" } })),
        class("real", json!({ "labels": { "x": "9" }, "priority": 5 })),
    ];
    let wanted = merged(&classes, &subject(&node("n", &[])));
    assert_eq!(wanted.dry[0].1, "would not set label x=1: class `real` comes first");
}

#[test]
fn a_suspended_class_freezes_its_keys_and_takes_no_part_in_conflicts() {
    let suspended = class(
        "a",
        json!({
            "suspend": true, "labels": { "x": "1" }, "annotations": { "y": "1" },
            "taints": [{ "key": "t", "effect": "NoSchedule" }],
            "excludeFromDisruptionCount": true, "failover": { "evidence": ["PowerOff"] },
        }),
    );
    let real = class("b", json!({ "labels": { "x": "2" } }));
    let node = node("n", &[]);
    let wanted = merged(
        &[suspended, real],
        &Subject {
            may_exclude: false,
            ..subject(&node)
        },
    );
    assert_eq!(
        (wanted.refused.len(), wanted.taints.len(), wanted.failover.clone()),
        (0, 0, None)
    );
    assert_eq!(
        labels(&wanted),
        [("x", "2", "b")],
        "for a node on which there is no x yet"
    );
    let frozen: Vec<&str> = wanted.frozen.iter().map(String::as_str).collect();
    let excluded = "label node.kubernetes.io/exclude-disruption";
    assert_eq!(frozen, ["annotation y", excluded, "label x", "taint t:NoSchedule"]);
}

#[test]
fn a_suspended_class_freezes_nothing_that_a_class_before_it_has() {
    let suspended = class("a", json!({ "suspend": true, "labels": { "x": "1", "z": "1" } }));
    let real = class("b", json!({ "priority": 1, "labels": { "x": "2" } }));
    let wanted = merged(&[suspended, real], &subject(&node("n", &[])));
    assert_eq!(wanted.frozen.iter().collect::<Vec<_>>(), ["label z"]);
}
