//! Verdicts at their boundaries: a node, and the visibility of some seconds, made by hand.
use super::super::node::{NodeLiveness, Shown, Verdict};
use super::super::verdict::View;
use super::super::visibility::VisibilityTracker;
use super::*;

/// Its lease changed last at this second, and it has been judged to be alive.
fn alive(second: u64) -> NodeLiveness {
    let mut node = NodeLiveness::new(now(second, 0));
    (node.present, node.lease) = (true, true);
    node.changed = Some(Duration::from_secs(second));
    (node.verdict, node.shown) = (Verdict::Alive, Shown::Up);
    node
}

/// Other leases have changed all the time until this second.
fn watched(until: u64) -> VisibilityTracker {
    let mut visibility = VisibilityTracker::new(&Timing::default(), Duration::ZERO);
    visibility.watching(true);
    (0..=until).for_each(|second| visibility.prove(Duration::from_secs(second)));
    visibility
}

/// What is shown of a node at this second.
fn shown(node: &NodeLiveness, second: u64) -> LivenessStatus {
    node.liveness(&Timing::default(), &watched(second), true, now(second, 0))
}

/// Judges a node at this second: whether it is another state than before.
fn judge(node: &mut NodeLiveness, second: u64) -> bool {
    at_second(second, |view| node.judge(view))
}

fn at_second<T>(second: u64, ask: impl FnOnce(&View<'_>) -> T) -> T {
    let (timing, visibility) = (Timing::default(), watched(second));
    ask(&View {
        timing: &timing,
        visibility: &visibility,
        since: Duration::ZERO,
        now: now(second, 0),
    })
}

#[test]
fn a_node_is_silent_at_the_grace_or_at_twice_the_grace_while_it_is_ready() {
    for (status, needed) in [(None, 40), (Some(false), 40), (Some(true), 80)] {
        let mut node = alive(100);
        let mut facts = NodeFacts::default();
        facts.ready.status = status;
        node.facts = Some(Arc::new(facts));
        assert!(!judge(&mut node, 99 + needed), "{status:?}");
        assert_eq!(node.verdict, Verdict::Alive);
        assert!(judge(&mut node, 100 + needed), "{status:?}");
        assert!(matches!(node.verdict, Verdict::Silent(_)));
    }
}

#[test]
fn a_node_is_suspect_at_five_eighths_of_the_grace() {
    let suspect = |node: &NodeLiveness, second| at_second(second, |view| node.suspect(view));
    assert!(!suspect(&alive(100), 124));
    assert!(suspect(&alive(100), 125));
    let (mut absent, mut unjudged) = (alive(100), alive(100));
    absent.present = false;
    unjudged.verdict = Verdict::Unjudged;
    assert!(!suspect(&absent, 125));
    assert!(!suspect(&unjudged, 125));
}

#[test]
fn the_mass_guard_counts_nodes_that_exist_and_are_judged() {
    for (present, judged) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut node = alive(100);
        node.present = present;
        if !judged {
            node.verdict = Verdict::Unjudged;
        }
        assert_eq!(node.counts(), present && judged, "{present} {judged}");
    }
}

/// Else a process that starts would take what has been off for days for a change.
#[test]
fn silence_is_a_change_if_the_node_was_seen_alive_here_or_before() {
    for (here, before) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut node = alive(100);
        if !here {
            node.verdict = Verdict::Unjudged;
        }
        if !before {
            node.shown = Shown::Unknown;
        }
        assert_eq!(judge(&mut node, 200), here || before, "{here} {before}");
        assert!(matches!(node.verdict, Verdict::Silent(_)));
    }
}

#[test]
fn a_node_that_came_back_and_was_deleted_is_gone_since_it_was_deleted() {
    let mut node = alive(100);
    judge(&mut node, 200);
    node.shown = Shown::Down(node.outage(now(200, 0)));
    assert_eq!(
        (shown(&node, 210).state, shown(&node, 210).since),
        (State::Down, at(100))
    );
    node.revived = Some(Duration::from_secs(220));
    assert_eq!((shown(&node, 221).state, shown(&node, 221).since), (State::Up, at(220)));
    node.node_gone(now(230, 0));
    assert_eq!(
        (shown(&node, 231).state, shown(&node, 231).since),
        (State::Gone, at(230))
    );
}

#[test]
fn a_node_without_a_lease_is_up_for_less_than_the_grace() {
    let mut node = alive(100);
    node.lease = false;
    assert_eq!(shown(&node, 139).state, State::Up);
    assert_eq!(shown(&node, 140).state, State::Unknown);
}

#[test]
fn a_deleted_node_is_missing_while_its_lease_changes_after_that() {
    // It renewed last in the very second in which it was deleted: that was before.
    let mut node = alive(100);
    node.node_gone(now(100, 0));
    assert_eq!(shown(&node, 101).state, State::Gone);
    let mut node = alive(100);
    node.node_gone(now(99, 0));
    assert_eq!(shown(&node, 139).state, State::Missing);
    assert_eq!(shown(&node, 140).state, State::Gone, "its last renewal is a grace ago");
    node.lease = false;
    assert_eq!(shown(&node, 139).state, State::Gone);
}
