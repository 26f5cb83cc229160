//! The taint, once it is there.
use super::*;

fn ours() -> Night {
    night().tainted(true)
}

/// Edge case 57.
#[test]
fn a_taint_of_others_is_never_changed_and_is_reported_while_the_node_is_down() {
    let theirs = night().off(10, 3600).tainted(false);
    assert_eq!(theirs.outcome(600), Err("OthersTaint"));
    let back = theirs.back(3600, Some(0));
    assert_eq!(back.decide(7200), Decision::Leave(None));
}

#[test]
fn ours_never_expires_while_the_node_is_down() {
    for now in [60, 3600, 30 * 24 * 3600] {
        assert_eq!(ours().decide(now), Decision::Leave(None));
        assert_eq!(
            ours().off(10, 20).decide(now),
            Decision::Leave(None),
            "nor with its evidence"
        );
    }
    for state in [State::Unknown, State::Gone, State::Missing] {
        assert_eq!(
            ours().with(|n| n.liveness.state = state).decide(600),
            Decision::Leave(None)
        );
    }
}

/// Edge case 56.
#[test]
fn a_node_that_is_back_is_held_until_it_is_cleaned_up() {
    assert_eq!(ours().back(0, None).decide(3600), Decision::Hold, "not looked at yet");
    assert_eq!(ours().back(30, Some(3)).decide(3600), Decision::Hold);
    assert_eq!(ours().back(30, Some(0)).decide(3600), Decision::Remove(None));
    assert_eq!(ours().back(599, Some(1)).decide(3600), Decision::Hold);
    for (leftovers, number) in [(Some(3), "3 old pods"), (None, "an unknown number of old pods")] {
        let Decision::Remove(Some(warning)) = ours().back(600, leftovers).decide(3600) else {
            panic!()
        };
        assert!(
            warning.starts_with("talos08 is back for 10 min") && warning.contains(number),
            "{warning}"
        );
    }
}

#[test]
fn a_kubelet_that_is_back_but_not_ready_keeps_the_taint_with_the_hold() {
    for status in [None, Some(false)] {
        let booting = ours().back(3600, Some(0)).with(|n| n.node.ready.status = status);
        assert_eq!(booting.decide(3600), Decision::Hold);
    }
}

#[test]
fn ready_without_a_renewed_lease_is_not_back() {
    let stale = ours().back(600, Some(0)).with(|n| n.liveness.state = State::Down);
    assert_eq!(stale.decide(3600), Decision::Leave(None));
}

/// A boot with another boot id is a return like any other.
#[test]
fn a_new_boot_counts_as_back() {
    let booted = ours()
        .back(5, Some(0))
        .with(|n| n.node.machine.boot_id = "another".to_owned());
    assert_eq!(booted.decide(3600), Decision::Remove(None));
}

#[test]
fn a_taint_that_no_class_wants_is_removed_even_from_a_node_that_is_off() {
    let withdrawn = ours().with(|n| n.failover = None);
    assert_eq!(withdrawn.decide(3600), Decision::Remove(None));
    assert_eq!(withdrawn.clone().back(0, Some(3)).decide(3600), Decision::Remove(None));
    assert_eq!(
        withdrawn.with(|n| n.sees = false).outcome(3600),
        Err("NotSeeing"),
        "but not blind"
    );
}

/// Suspended, a dry run, switched off: nothing is written, and a person is told how to end it.
#[test]
fn a_removal_that_is_not_allowed_leaves_the_taint_and_is_reported() {
    for night in [ours(), ours().back(3600, Some(0)), ours().with(|n| n.failover = None)] {
        let hold = night.with(|n| n.allowed = false).hold(3600);
        assert_eq!(hold.reason, "NotAllowed");
        assert!(
            hold.message
                .ends_with("kubectl taint nodes talos08 node.kubernetes.io/out-of-service-"),
            "{}",
            hold.message
        );
    }
}

/// A whole night: placed once, kept, held, removed; in no order of looks is it placed on a node that lives.
#[test]
fn a_night_from_off_to_on() {
    let off = night().clean();
    let mut placed_at = None;
    for now in (40..3600).step_by(5) {
        match off.decide(now) {
            Decision::Place(..) => {
                placed_at = Some(now);
                break;
            }
            decision => assert!(matches!(decision, Decision::Leave(Some(_))), "{decision:?}"),
        }
    }
    assert_eq!(placed_at, Some(300));
    let placed = off.tainted(true);
    assert_eq!(placed.decide(8 * 3600), Decision::Leave(None));
    let back = placed.back(5, Some(2));
    assert_eq!(back.decide(8 * 3600 + 60), Decision::Hold);
    assert_eq!(back.back(40, Some(0)).decide(8 * 3600 + 95), Decision::Remove(None));
}
