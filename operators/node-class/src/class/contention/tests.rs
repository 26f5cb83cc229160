use super::*;
use crate::class::node_diff;
use crate::class::tests::{node, taint, wanted, write};

fn minutes(of: u64) -> Duration {
    Duration::from_mins(of)
}

/// Another writer removes the key `every` so many minutes for a day; we look every minute. Returns the minutes of our writes.
fn fight(every: u64) -> (Vec<u64>, Contention, NodeFacts) {
    let mut contention = Contention::default();
    let mut node = node("n", &[]);
    let mut writes_at = Vec::new();
    for minute in 0..24 * 60 {
        if minute % every == 0 {
            node.taints.clear();
        }
        let now = minutes(minute);
        let mut wanted = wanted(&[], &[], &["x:NoSchedule"]);
        wanted.held = contention.held(&node, now);
        let plan = node_diff(&node, &wanted, &[], false);
        if plan.taints.is_some() {
            writes_at.push(minute);
            contention.wrote(&node, &plan, now);
            write(&mut node, &plan, &BTreeSet::new());
        }
    }
    (writes_at, contention, node)
}

/// Edge case 23: a tool that applies manifests drops our taint every 5 minutes.
#[test]
fn a_taint_that_is_removed_repeatedly_is_written_at_most_six_times_an_hour() {
    for every in [1, 2, 5, 6, 9, 12] {
        let (at, contention, _) = fight(every);
        for (n, from) in at.iter().enumerate() {
            let hour = at[n..].iter().filter(|minute| **minute < from + 60).count();
            assert!(hour <= 6, "every {every}: {at:?}");
        }
        assert!(at.len() > 24, "every {every}: it is never given up: {at:?}");
        assert_eq!(
            contention.contended("n", minutes(24 * 60)),
            ["taint x:NoSchedule"],
            "every {every}"
        );
    }
}

#[test]
fn what_was_written_three_times_in_half_an_hour_waits_and_is_reported_for_an_hour() {
    let mut contention = Contention::default();
    let node = node("n", &[]);
    for minute in [0, 4, 8] {
        assert_eq!(contention.contended("n", minutes(minute)), Vec::<String>::new());
        assert!(contention.held(&node, minutes(minute)).is_empty());
        contention.restored(&node, "label x", minutes(minute));
    }
    assert_eq!(contention.contended("n", minutes(8)), ["label x"]);
    assert!(contention.held(&node, minutes(29)).contains("label x"));
    assert!(contention.held(&node, minutes(30)).is_empty());
    assert_eq!(contention.contended("n", minutes(59)), ["label x"]);
    assert_eq!(contention.contended("n", minutes(60)), Vec::<String>::new());
}

#[test]
fn two_restorations_in_an_hour_are_no_conflict() {
    let mut contention = Contention::default();
    let node = node("n", &[]);
    for minute in [0, 30, 60, 90, 120] {
        assert!(contention.held(&node, minutes(minute)).is_empty());
        contention.restored(&node, "label x", minutes(minute));
        contention.retain(|_| true, minutes(minute));
        assert_eq!(contention.contended("n", minutes(minute)), Vec::<String>::new());
    }
}

#[test]
fn each_key_of_each_node_is_counted_alone() {
    let mut contention = Contention::default();
    let (a, b) = (node("a", &[]), node("b", &[]));
    for minute in 0..3 {
        contention.restored(&a, "label x", minutes(70 + minute));
        contention.restored(&a, "label y", minutes(minute * 40));
        contention.restored(&b, "label x", minutes(minute * 40));
    }
    assert_eq!(contention.contended("a", minutes(80)), ["label x"]);
    assert_eq!(contention.contended("b", minutes(80)), Vec::<String>::new());
    contention.retain(|node| node == "b", minutes(80));
    assert_eq!(contention.contended("a", minutes(80)), Vec::<String>::new());
}

#[test]
fn classes_that_change_what_they_want_are_no_conflict() {
    let mut contention = Contention::default();
    let mut node = node("n", &[]);
    for minute in 0..20 {
        let (label, key) = (format!("l{minute}"), format!("t{minute}:NoSchedule"));
        let held = contention.held(&node, minutes(minute));
        let mut wanted = wanted(&[(&label, "1")], &[("note", &label)], &[&key]);
        wanted.held = held;
        let plan = node_diff(&node, &wanted, &[], false);
        assert!(plan.apply.is_some() && plan.taints.is_some());
        contention.wrote(&node, &plan, minutes(minute));
        write(&mut node, &plan, &BTreeSet::new());
    }
    assert_eq!(contention.contended("n", minutes(20)), Vec::<String>::new());
}

#[test]
fn a_key_that_a_class_gave_up_and_wants_again_is_no_restoration() {
    let mut contention = Contention::default();
    let mut node = node("n", &[]);
    for minute in 0..10 {
        let wanted = if minute % 2 == 0 {
            wanted(&[("x", "1")], &[], &["x:NoSchedule"])
        } else {
            wanted(&[], &[], &[])
        };
        assert!(contention.held(&node, minutes(minute)).is_empty());
        let plan = node_diff(&node, &wanted, &[], false);
        contention.wrote(&node, &plan, minutes(minute));
        write(&mut node, &plan, &BTreeSet::new());
    }
    assert_eq!(contention.contended("n", minutes(10)), Vec::<String>::new());
}

#[test]
fn labels_that_are_removed_count_as_well() {
    let mut contention = Contention::default();
    let mut node = node("n", &[("x", "1")]);
    for minute in 1..4 {
        node.labels.clear();
        node.managers.our_labels.clear();
        let plan = node_diff(&node, &wanted(&[("x", "1")], &[], &[]), &[], false);
        contention.wrote(&node, &plan, minutes(minute));
        write(&mut node, &plan, &BTreeSet::new());
    }
    assert_eq!(contention.contended("n", minutes(4)), ["label x"]);
}

/// Edge case 1.
#[test]
fn a_node_that_registers_again_starts_without_restorations() {
    let mut contention = Contention::default();
    for round in 0..5 {
        let mut node = node("n", &[]);
        node.uid = format!("{round}");
        node.taints = vec![taint("theirs:NoSchedule")];
        assert!(contention.held(&node, minutes(round)).is_empty());
        let plan = node_diff(&node, &wanted(&[("x", "1")], &[], &["x:NoSchedule"]), &[], false);
        contention.wrote(&node, &plan, minutes(round));
    }
    assert_eq!(contention.contended("n", minutes(5)), Vec::<String>::new());
}
