#![allow(clippy::needless_pass_by_value, reason = "`json!` is written in place")]
use serde_json::{Value, json};

use super::*;
use crate::class::tests::{class, node, subject};

const GPU: &str = "feature.node.kubernetes.io/gpu";

fn seconds(of: u64) -> Duration {
    Duration::from_secs(of)
}

fn with_gpu() -> NodeClass {
    selecting(json!({ "labelSelector": { "matchLabels": { GPU: "true" } } }))
}

fn selecting(criteria: Value) -> NodeClass {
    class("c", json!({ "match": criteria }))
}

/// The second, the node's labels, and whether the class matches.
type Step<'a> = (u64, &'a [(&'a str, &'a str)], bool);

/// Judges a node with these labels at each of these seconds.
fn judge(debounce: &mut Debounce, class: &NodeClass, steps: &[Step<'_>]) {
    for (second, labels, expected) in steps {
        let node = node("n", labels);
        assert_eq!(
            debounce.judge(class, &subject(&node), seconds(*second)),
            *expected,
            "at {second}"
        );
    }
}

/// Edge case 19.
#[test]
fn a_label_that_vanishes_counts_for_five_minutes_more() {
    let there: &[(&str, &str)] = &[(GPU, "true")];
    judge(
        &mut Debounce::default(),
        &with_gpu(),
        &[
            (0, there, true),
            (10, &[], true),
            (60, &[], true),
            (70, there, true),
            (80, &[], true),
            (379, &[], true),
            (380, &[], false),
            (390, &[], false),
            (400, there, true),
        ],
    );
}

#[test]
fn a_node_that_never_matched_does_not_begin_to() {
    judge(
        &mut Debounce::default(),
        &with_gpu(),
        &[(0, &[], false), (10, &[("x", "1")], false)],
    );
}

#[test]
fn another_value_counts_at_once() {
    let steps: &[Step<'_>] = &[(0, &[(GPU, "true")], true), (10, &[(GPU, "false")], false)];
    judge(&mut Debounce::default(), &with_gpu(), steps);
}

#[test]
fn a_class_without_a_selector_is_judged_as_it_is() {
    let class = selecting(json!({ "availability": "Volatile" }));
    let node = node("n", &[]);
    let mut volatile = subject(&node);
    volatile.availability = crate::crd::Availability::Volatile;
    let mut debounce = Debounce::default();
    assert!(debounce.judge(&class, &volatile, seconds(0)));
    assert!(!debounce.judge(&class, &subject(&node), seconds(1)));
}

#[test]
fn other_criteria_count_at_once() {
    let class = selecting(json!({ "names": ["n"], "availability": "Volatile",
        "labelSelector": { "matchLabels": { GPU: "true" } } }));
    let (full, bare) = (node("n", &[(GPU, "true")]), node("n", &[]));
    let mut debounce = Debounce::default();
    let as_volatile = |node| Subject {
        availability: crate::crd::Availability::Volatile,
        ..subject(node)
    };
    assert!(debounce.judge(&class, &as_volatile(&full), seconds(0)));
    assert!(debounce.judge(&class, &as_volatile(&bare), seconds(1)));
    assert!(!debounce.judge(&class, &subject(&bare), seconds(2)));
}

#[test]
fn an_edited_or_remade_class_is_judged_anew() {
    for edit in [
        |class: &mut NodeClass| class.metadata.generation = Some(2),
        |class: &mut NodeClass| {
            class.metadata.uid = Some("other".into());
        },
    ] {
        let mut debounce = Debounce::default();
        let mut class = with_gpu();
        judge(&mut debounce, &class, &[(0, &[(GPU, "true")], true), (1, &[], true)]);
        edit(&mut class);
        judge(&mut debounce, &class, &[(2, &[], false), (3, &[], false)]);
    }
}

/// Edge cases 1 and 2: a node that registers anew has to be labelled first; another machine is another node.
#[test]
fn the_same_machine_keeps_its_classes_when_it_registers_anew_and_another_does_not() {
    for (uuid, expected) in [("uuid-1", true), ("uuid-2", false)] {
        let mut before = node("n", &[(GPU, "true")]);
        before.machine.system_uuid = "uuid-1".into();
        let mut after = node("n", &[]);
        after.uid = "another".into();
        after.machine.system_uuid = uuid.into();
        let mut debounce = Debounce::default();
        assert!(debounce.judge(&with_gpu(), &subject(&before), seconds(0)));
        assert_eq!(debounce.judge(&with_gpu(), &subject(&after), seconds(1)), expected);
    }
}

/// The other side of edge case 19: a class for nodes without the label does not jump at the gap.
#[test]
fn a_class_for_nodes_without_a_label_waits_as_well() {
    let class =
        selecting(json!({ "labelSelector": { "matchExpressions": [{ "key": GPU, "operator": "DoesNotExist" }] } }));
    let there: &[(&str, &str)] = &[(GPU, "true")];
    let steps: &[Step<'_>] = &[
        (0, there, false),
        (1, &[], false),
        (60, there, false),
        (61, &[], false),
        (361, &[], true),
        (362, there, false),
    ];
    judge(&mut Debounce::default(), &class, steps);
}

#[test]
fn what_is_gone_is_forgotten() {
    let mut debounce = Debounce::default();
    judge(&mut debounce, &with_gpu(), &[(0, &[(GPU, "true")], true)]);
    debounce.retain(|class, node| (class, node) == ("c", "n"));
    judge(&mut debounce, &with_gpu(), &[(1, &[], true)]);
    debounce.retain(|class, node| (class, node) != ("c", "n"));
    judge(&mut debounce, &with_gpu(), &[(2, &[], false)]);
}
