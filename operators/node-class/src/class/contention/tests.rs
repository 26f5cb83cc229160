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
            // The first write sets it, and restores nothing.
            let hour = at[n..]
                .iter()
                .filter(|minute| **minute > 0 && **minute < from + 60)
                .count();
            assert!(hour <= 6, "every {every}: {at:?}");
        }
        assert!(at.len() > 24, "every {every}: it is never given up: {at:?}");
        if every <= 9 {
            assert_eq!(
                contention.contended("n", minutes(24 * 60)),
                ["taint x:NoSchedule"],
                "every {every}"
            );
        }
    }
}

/// A key had to be restored.
fn restored(contention: &mut Contention, node: &NodeFacts, key: &str, now: Duration) {
    let restored = &mut contention.account(node).restored;
    restored.entry(key.to_owned()).or_default().record(now);
}

#[test]
fn three_restorations_within_ten_minutes_are_a_conflict_and_the_next_waits_ten() {
    let mut contention = Contention::default();
    let node = node("n", &[]);
    for minute in [0, 4, 8] {
        assert_eq!(contention.contended("n", minutes(minute)), Vec::<String>::new());
        assert!(contention.held(&node, minutes(minute)).is_empty());
        restored(&mut contention, &node, "label x", minutes(minute));
    }
    assert_eq!(contention.contended("n", minutes(8)), ["label x"]);
    assert!(contention.held(&node, minutes(17)).contains("label x"));
    assert!(contention.held(&node, minutes(18)).is_empty());
    assert_eq!(
        contention.contended("n", minutes(37)),
        ["label x"],
        "restored once more, it would be held at once"
    );
    assert_eq!(
        contention.contended("n", minutes(38)),
        Vec::<String>::new(),
        "calm for half an hour"
    );
}

#[test]
fn three_restorations_over_more_than_ten_minutes_are_none() {
    let mut contention = Contention::default();
    let node = node("n", &[]);
    for minute in [0, 5, 10, 60, 65, 70] {
        assert!(contention.held(&node, minutes(minute)).is_empty());
        restored(&mut contention, &node, "label x", minutes(minute));
    }
    assert_eq!(contention.contended("n", minutes(70)), Vec::<String>::new());
}

#[test]
fn each_key_of_each_node_is_counted_alone() {
    let mut contention = Contention::default();
    let (a, b) = (node("a", &[]), node("b", &[]));
    for minute in 0..3 {
        restored(&mut contention, &a, "label x", minutes(minute));
        restored(&mut contention, &a, "label y", minutes(minute * 20));
        restored(&mut contention, &b, "label x", minutes(minute * 20));
    }
    assert_eq!(contention.contended("a", minutes(3)), ["label x"]);
    assert_eq!(contention.contended("b", minutes(3)), Vec::<String>::new());
    contention.retain(|node| node == "b");
    assert_eq!(contention.contended("a", minutes(3)), Vec::<String>::new());
}

#[test]
fn only_what_had_been_written_before_counts_as_restored() {
    let mut contention = Contention::default();
    let mut node = node("n", &[]);
    // Classes that change what they want all the time are no fight.
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
fn labels_that_are_removed_count_as_well_even_those_of_an_earlier_process() {
    let mut contention = Contention::default();
    let mut node = node("n", &[("x", "1")]);
    node.managers.our_labels.insert("x".into());
    contention.held(&node, minutes(0));
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
