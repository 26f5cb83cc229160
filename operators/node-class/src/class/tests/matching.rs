//! Which nodes a class is for.
use super::*;
use crate::crd::host::FormFactor;

fn is_for(criteria: Value, subject: &Subject<'_>) -> bool {
    matches(&class("c", json!({ "match": criteria })), subject)
}

#[test]
fn an_empty_match_is_for_every_node() {
    assert!(is_for(json!({}), &subject(&node("a", &[]))));
}

#[test]
fn each_criterion_restricts_and_all_must_hold() {
    let node = node("pi-4", &[("zone", "attic")]);
    let subject = Subject {
        host: Some("attic-pi"),
        form_factor: Some(FormFactor::RaspberryPi),
        availability: Availability::AlwaysOn,
        ..subject(&node)
    };
    let good = json!({
        "names": ["x", "pi-*"],
        "labelSelector": { "matchLabels": { "zone": "attic" } },
        "hosts": ["attic-*"],
        "formFactors": ["Laptop", "RaspberryPi"],
        "architectures": ["amd64", "arm64"],
        "memoryBelow": "8193Mi",
        "memoryAtLeast": "8Gi",
        "availability": "AlwaysOn",
    });
    assert!(is_for(good.clone(), &subject));
    for (criterion, other) in [
        ("names", json!(["pi", "PI-4"])),
        ("labelSelector", json!({ "matchLabels": { "zone": "cellar" } })),
        ("hosts", json!(["attic"])),
        ("formFactors", json!(["Laptop"])),
        ("architectures", json!(["arm64"])),
        ("memoryBelow", json!("8Gi")),
        ("memoryAtLeast", json!("8193Mi")),
        ("availability", json!("Volatile")),
    ] {
        let mut bad = good.clone();
        bad[criterion] = other;
        assert!(!is_for(bad, &subject), "{criterion}");
    }
}

#[test]
fn what_is_not_known_matches_no_criterion_that_asks_for_it() {
    let bare = NodeFacts {
        name: "a".into(),
        ..NodeFacts::default()
    };
    for criteria in [
        json!({ "memoryBelow": "1Ti" }),
        json!({ "memoryAtLeast": "1" }),
        json!({ "architectures": ["amd64"] }),
        json!({ "hosts": ["*"] }),
        json!({ "formFactors": ["Other"] }),
        json!({ "memoryBelow": "much" }),
    ] {
        assert!(!is_for(criteria.clone(), &subject(&bare)), "{criteria}");
    }
}

#[test]
fn selectors_mean_what_they_mean_in_kubernetes() {
    let node = node("a", &[("x", "1"), ("empty", "")]);
    for (key, operator, values, expected) in [
        ("x", "In", vec!["0", "1"], true),
        ("x", "In", vec!["0"], false),
        ("y", "In", vec![""], false),
        ("empty", "In", vec![""], true),
        ("x", "NotIn", vec!["1"], false),
        ("x", "NotIn", vec!["0"], true),
        ("y", "NotIn", vec!["1"], true),
        ("x", "Exists", vec![], true),
        ("y", "Exists", vec![], false),
        ("x", "DoesNotExist", vec![], false),
        ("y", "DoesNotExist", vec![], true),
        ("x", "Gt", vec!["0"], false),
    ] {
        let expression = json!({ "key": key, "operator": operator, "values": values });
        let selector = json!({ "labelSelector": { "matchLabels": {}, "matchExpressions": [expression] } });
        assert_eq!(is_for(selector, &subject(&node)), expected, "{key} {operator}");
    }
    let both = json!({ "labelSelector": {
        "matchLabels": { "x": "1" }, "matchExpressions": [{ "key": "x", "operator": "DoesNotExist" }] } });
    assert!(!is_for(both, &subject(&node)), "all must hold");
}

/// Edge case 18: a class must not feed on what classes do.
#[test]
fn labels_that_classes_set_are_not_seen() {
    let mut node = node("a", &[("home/role", "x"), ("nodes.hearth.home.arpa/other", "1")]);
    let asks = json!({ "labelSelector": { "matchLabels": { "home/role": "x" } } });
    assert!(is_for(asks.clone(), &subject(&node)), "a user's label is seen");
    node.managers.our_labels.insert("home/role".into());
    assert!(!is_for(asks, &subject(&node)));
    let ours = json!({ "labelSelector": { "matchExpressions": [
        { "key": "nodes.hearth.home.arpa/other", "operator": "Exists" }] } });
    assert!(!is_for(ours, &subject(&node)));
}

/// Edge case 50: what is declared wins over what the label still says.
#[test]
fn the_host_and_the_availability_are_seen_as_they_are_now() {
    let stale = node("a", &[(crd::HOST_LABEL, "old"), (crd::AVAILABILITY_LABEL, "AlwaysOn")]);
    let subject = Subject {
        host: Some("new"),
        availability: Availability::Volatile,
        ..subject(&stale)
    };
    let asks = |key: &str, value: &str| json!({ "labelSelector": { "matchLabels": { key: value } } });
    assert!(is_for(asks(crd::HOST_LABEL, "new"), &subject));
    assert!(!is_for(asks(crd::HOST_LABEL, "old"), &subject));
    assert!(is_for(asks(crd::AVAILABILITY_LABEL, "Volatile"), &subject));
    assert!(
        is_for(asks(crd::HOST_LABEL, "a"), &Subject { host: None, ..subject }),
        "a node of no host is its own"
    );
}

/// Edge case 51: the host by the source of truth changes, and with it the classes, not the node.
#[test]
fn a_vm_that_moved_has_the_classes_of_its_new_host() {
    let vm = node("vm", &[]);
    let asks = json!({ "hosts": ["gamer"] });
    assert!(is_for(
        asks.clone(),
        &Subject {
            host: Some("gamer"),
            ..subject(&vm)
        }
    ));
    assert!(!is_for(
        asks,
        &Subject {
            host: Some("mini"),
            ..subject(&vm)
        }
    ));
}
