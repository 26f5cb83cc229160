//! What becomes of a node's taints.
use super::*;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

fn tainted(list: &[&str], mark: Option<&str>) -> NodeFacts {
    let mut node = node("n", &[]);
    node.taints = taints(list);
    if let Some(mark) = mark {
        node.annotations.insert(crd::OWNED_TAINTS.into(), mark.into());
    }
    node
}

fn text(taint: &Taint) -> String {
    let value = taint
        .value
        .as_ref()
        .map(|value| format!("={value}"))
        .unwrap_or_default();
    format!("{}{value}:{}", taint.key, taint.effect)
}

/// The list that is written and the mark, or nothing.
fn written(diff: &NodeDiff) -> Option<(Vec<String>, Option<&str>)> {
    let (list, mark) = diff.taints.as_ref()?;
    Some((list.iter().map(text).collect(), mark.as_deref()))
}

#[track_caller]
fn writes_taints(diff: &NodeDiff, list: &[&str], mark: Option<&str>) {
    let list = list.iter().map(|text| (*text).to_owned()).collect();
    assert_eq!(written(diff), Some((list, mark)));
}

fn plan(node: &NodeFacts, of_classes: &[&str]) -> NodeDiff {
    node_diff(node, &wanted(&[], &[], of_classes), &[], false)
}

/// Edge case 24: the three effects of a key are three taints.
#[test]
fn foreign_taints_come_first_as_they_were_and_then_ours_sorted() {
    let node = tainted(&["z:NoSchedule", "a=1:NoExecute", "x:NoSchedule"], None);
    let diff = plan(&node, &["x=v:NoExecute", "b:NoSchedule", "x:PreferNoSchedule"]);
    writes_taints(
        &diff,
        &[
            "z:NoSchedule",
            "a=1:NoExecute",
            "x:NoSchedule",
            "b:NoSchedule",
            "x=v:NoExecute",
            "x:PreferNoSchedule",
        ],
        Some("b:NoSchedule,x=v:NoExecute,x:PreferNoSchedule"),
    );
    assert_eq!(diff.refused, []);
}

#[test]
fn nothing_is_written_when_list_and_mark_are_right_whatever_the_order() {
    let node = tainted(
        &["x=v:NoSchedule", "theirs:NoSchedule", "b:NoSchedule"],
        Some(" x=v:NoSchedule, b=:NoSchedule,"),
    );
    assert_eq!(plan(&node, &["b:NoSchedule", "x=v:NoSchedule"]), NodeDiff::default());
    assert_eq!(plan(&tainted(&["theirs:NoSchedule"], None), &[]), NodeDiff::default());
    assert_eq!(plan(&tainted(&[], Some("")), &[]), NodeDiff::default());
}

/// Edge cases 11 and 12.
#[test]
fn our_taints_that_no_class_wants_are_removed_and_the_rest_stays() {
    let node = tainted(
        &["x:NoSchedule", "theirs:NoSchedule", "y:NoSchedule"],
        Some("x:NoSchedule,y:NoSchedule"),
    );
    writes_taints(
        &plan(&node, &["y:NoSchedule"]),
        &["theirs:NoSchedule", "y:NoSchedule"],
        Some("y:NoSchedule"),
    );
    writes_taints(&plan(&node, &[]), &["theirs:NoSchedule"], None);
}

/// Edge case 26. Nor is the time at which ours was added touched: evictions are reckoned from it.
#[test]
fn the_time_at_which_a_taint_was_added_is_kept_and_makes_no_difference() {
    let added = |mut taint: Taint| {
        taint.time_added = Some(Time("2026-07-01T12:00:00Z".parse().unwrap()));
        taint
    };
    let mut node = tainted(&["theirs:NoExecute", "x:NoExecute"], Some("x:NoExecute"));
    node.taints = node.taints.into_iter().map(added).collect();
    assert_eq!(plan(&node, &["x:NoExecute"]), NodeDiff::default());
    let (list, _) = plan(&node, &["x:NoExecute", "y:NoExecute"]).taints.unwrap();
    assert_eq!(list[..2], node.taints[..2]);
    assert_eq!(list[2], taint("y:NoExecute"), "and none is made up for a new one");
    let extra = [added(taint("z:NoExecute"))];
    let (list, _) = node_diff(&node, &wanted(&[], &[], &["x:NoExecute"]), &extra, false)
        .taints
        .unwrap();
    assert_eq!(list[2], taint("z:NoExecute"));
}

/// Edge case 25.
#[test]
fn a_foreign_taint_of_the_same_key_and_effect_is_left_alone() {
    let node = tainted(&["x=theirs:NoSchedule"], None);
    let diff = plan(&node, &["x=v:NoSchedule", "y:NoSchedule"]);
    writes_taints(&diff, &["x=theirs:NoSchedule", "y:NoSchedule"], Some("y:NoSchedule"));
    assert_eq!(refusals(&diff.refused), ["taint x:NoSchedule"]);
    assert_eq!(diff.refused[0].class.as_deref(), Some("c"));
    assert!(diff.refused[0].why.contains("`theirs`"), "{}", diff.refused[0].why);
}

/// Edge case 57, too: an out-of-service taint that another tool has placed.
#[test]
fn a_foreign_taint_that_is_as_wanted_does_and_is_never_ours() {
    let node = tainted(&["x=v:NoSchedule"], None);
    assert_eq!(plan(&node, &["x=v:NoSchedule"]), NodeDiff::default());
    assert_eq!(plan(&node, &[]), NodeDiff::default());
    let out = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute";
    let node = tainted(&[out], None);
    assert_eq!(
        node_diff(&node, &Wanted::default(), &taints(&[out]), false),
        NodeDiff::default()
    );
    assert_eq!(plan(&node, &[]), NodeDiff::default());
}

#[test]
fn a_taint_of_ours_that_was_removed_is_restored() {
    let node = tainted(&[], Some("x:NoSchedule"));
    writes_taints(&plan(&node, &["x:NoSchedule"]), &["x:NoSchedule"], Some("x:NoSchedule"));
}

#[test]
fn a_mark_of_a_taint_that_is_neither_there_nor_wanted_is_removed() {
    // Otherwise the taint would be taken for ours when a user sets it one day.
    let node = tainted(&["theirs:NoSchedule"], Some("x:NoSchedule"));
    writes_taints(&plan(&node, &[]), &["theirs:NoSchedule"], None);
}

#[test]
fn a_taint_whose_mark_was_removed_is_foreign() {
    let node = tainted(&["x:NoSchedule"], None);
    assert_eq!(plan(&node, &[]), NodeDiff::default());
    assert_eq!(plan(&node, &["x:NoSchedule"]), NodeDiff::default());
}

#[test]
fn a_taint_of_ours_whose_value_was_changed_is_foreign() {
    let node = tainted(&["x=theirs:NoSchedule"], Some("x=v:NoSchedule"));
    let diff = plan(&node, &["x=v:NoSchedule"]);
    writes_taints(&diff, &["x=theirs:NoSchedule"], None);
    assert_eq!(refusals(&diff.refused), ["taint x:NoSchedule"]);
    writes_taints(&plan(&node, &[]), &["x=theirs:NoSchedule"], None);
}

#[test]
fn a_value_of_ours_that_the_class_changed_is_written() {
    let node = tainted(&["x=1:NoSchedule"], Some("x=1:NoSchedule"));
    writes_taints(
        &plan(&node, &["x=2:NoSchedule"]),
        &["x=2:NoSchedule"],
        Some("x=2:NoSchedule"),
    );
}

#[test]
fn while_the_mark_cannot_be_read_no_taint_is_written_and_the_classes_say_why() {
    for mark in [
        "x",
        "x:Sometimes",
        "=v:NoSchedule",
        "x:NoSchedule,y",
        "x=a b:NoSchedule",
    ] {
        let node = tainted(&["x:NoSchedule"], Some(mark));
        let diff = plan(&node, &["x:NoSchedule"]);
        let mut refused = refusals(&diff.refused);
        refused.dedup();
        assert_eq!(refused, ["annotation nodes.hearth.home.arpa/owned-taints"], "{mark}");
        assert_eq!(diff.taints, None, "{mark}");
        assert_eq!(plan(&node, &[]).taints, None, "nothing is removed");
        assert_eq!(plan(&node, &["y:NoSchedule"]).taints, None, "nothing is added");
    }
}

#[test]
fn the_first_pass_takes_no_taint_away_and_changes_none() {
    let mark = "gone:NoSchedule,stale:NoSchedule,x=1:NoSchedule";
    let node = tainted(&["x=1:NoSchedule", "gone:NoSchedule"], Some(mark));
    let first = |of_classes: &[&str]| node_diff(&node, &wanted(&[], &[], of_classes), &[], true);
    assert_eq!(first(&["x=2:NoSchedule"]), NodeDiff::default());
    assert_eq!(first(&[]), NodeDiff::default());
    writes_taints(
        &first(&["x=2:NoSchedule", "new:NoSchedule"]),
        &["gone:NoSchedule", "new:NoSchedule", "x=1:NoSchedule"],
        Some("gone:NoSchedule,new:NoSchedule,stale:NoSchedule,x=1:NoSchedule"),
    );
}

/// Edge case 15 for taints; Talos does not look at the effect.
#[test]
fn taints_of_talos_are_never_claimed() {
    let mut node = tainted(&["mine:NoSchedule"], Some("mine:NoSchedule"));
    node.annotations
        .insert("talos.dev/owned-taints".into(), r#"["x","mine"]"#.into());
    let diff = plan(&node, &["x:PreferNoSchedule", "y:NoSchedule"]);
    writes_taints(
        &diff,
        &["mine:NoSchedule", "y:NoSchedule"],
        Some("mine:NoSchedule,y:NoSchedule"),
    );
    assert_eq!(refusals(&diff.refused), ["taint x:PreferNoSchedule"]);
    assert!(diff.refused[0].why.contains("Talos"));
}

#[test]
fn frozen_taints_of_ours_stay_as_they_are() {
    let node = tainted(&["x=1:NoSchedule", "y:NoSchedule"], Some("x=1:NoSchedule,y:NoSchedule"));
    let mut with = wanted(&[], &[], &["x=2:NoSchedule"]);
    with.frozen = BTreeSet::from(["x", "y", "never-there"].map(|key| format!("taint {key}:NoSchedule")));
    assert_eq!(node_diff(&node, &with, &[], false), NodeDiff::default());
    with.frozen.clear();
    writes_taints(
        &node_diff(&node, &with, &[], false),
        &["x=2:NoSchedule"],
        Some("x=2:NoSchedule"),
    );
}

#[test]
fn extra_taints_are_ours_and_are_removed_when_they_are_not_extra() {
    let out = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute";
    let mut node = tainted(&["theirs:NoSchedule"], None);
    let placed = node_diff(&node, &wanted(&[], &[], &["x:NoSchedule"]), &taints(&[out]), false);
    let mark = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute,x:NoSchedule";
    writes_taints(&placed, &["theirs:NoSchedule", out, "x:NoSchedule"], Some(mark));
    write(&mut node, &placed, &BTreeSet::new());
    writes_taints(
        &plan(&node, &["x:NoSchedule"]),
        &["theirs:NoSchedule", "x:NoSchedule"],
        Some("x:NoSchedule"),
    );
}

/// Edge case 23: while it is held, neither list nor mark is written for it.
#[test]
fn a_held_taint_is_not_put_back_and_stays_in_the_mark() {
    let node = tainted(&[], Some("x:NoSchedule"));
    let mut with = wanted(&[], &[], &["x:NoSchedule"]);
    with.held = BTreeSet::from(["taint x:NoSchedule".to_owned()]);
    assert_eq!(node_diff(&node, &with, &[], false), NodeDiff::default());
    with.taints.extend(wanted(&[], &[], &["y:NoSchedule"]).taints);
    writes_taints(
        &node_diff(&node, &with, &[], false),
        &["y:NoSchedule"],
        Some("x:NoSchedule,y:NoSchedule"),
    );
    // What is there is not held.
    let there = tainted(&["x:NoSchedule"], Some("x:NoSchedule"));
    with.taints.truncate(1);
    assert_eq!(node_diff(&there, &with, &[], false), NodeDiff::default());
}
