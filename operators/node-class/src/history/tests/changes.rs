//! What happened: once each, with what it means.
use super::*;
use crate::crd::history::Kind::{Clean, Lost, Reboot, Reinstall, Reregistered, Suspend};

fn kinds(record: &Record) -> Vec<(Kind, bool, Option<i64>)> {
    let back = |t: &Transition| t.back_at.as_ref().map(|back| seconds(back.0) - MONDAY);
    record
        .transitions
        .iter()
        .map(|t| (t.kind, t.planned, back(t)))
        .collect()
}

fn down_at(remembered: &Remembered) -> Option<Timestamp> {
    remembered.outage.as_ref().map(|outage| outage.at.0)
}

fn penalty(record: &Record, at: i64) -> i64 {
    record.penalty(timestamp(at))
}

#[test]
fn an_outage_is_one_transition_with_its_beginning_its_end_and_its_kind() {
    let mut record = up(MONDAY, MONDAY + 100);
    outage(&mut record, MONDAY + 100, MONDAY + 5000, Lost);
    assert_eq!(kinds(&record), [(Lost, false, Some(5000))]);
    assert_eq!(record.transitions[0].at, time(MONDAY + 100));
    assert_eq!(record.transitions[0].evidence, "lease renewed");
}

#[test]
fn a_node_that_came_back_in_the_second_in_which_it_was_stored_is_remembered_as_up() {
    let mut record = up(MONDAY, MONDAY + 100);
    apply(&mut record, &down(MONDAY + 100, Lost, false), MONDAY + 140);
    advance(&mut record, State::Down, MONDAY + 200);
    record.apply(
        &back(MONDAY + 100, MONDAY + 200, Reboot, false),
        &record.machine.clone(),
        timestamp(MONDAY + 200),
    );
    let remembered = record.remembered().unwrap();
    assert_eq!((remembered.state, down_at(&remembered)), (State::Up, None));
    let mut status = NodeHistoryStatus::default();
    record.write(&mut status);
    let read = Record::read(&status).unwrap();
    assert_eq!(read.remembered(), Some(remembered));
}

/// Edge 33.
#[test]
fn a_suspended_machine_was_down_once_and_did_not_reboot() {
    let mut record = up(MONDAY, MONDAY + 140);
    apply(&mut record, &down(MONDAY + 100, Lost, false), MONDAY + 140);
    apply(
        &mut record,
        &back(MONDAY + 100, MONDAY + 1300, Suspend, false),
        MONDAY + 1301,
    );
    assert_eq!(kinds(&record), [(Suspend, false, Some(1300))]);
    assert_eq!(record.downs(timestamp(MONDAY + 1301)), 1);
    assert_eq!(record.longest_reboot(), std::time::Duration::ZERO);
    assert_eq!(penalty(&record, MONDAY + 100), 1000);
}

/// Edge 35.
#[test]
fn a_reboot_for_an_upgrade_costs_nothing_and_is_no_outage() {
    for earlier in [0, 700] {
        let mut record = up(MONDAY, MONDAY + 10_000);
        record.flapping.add(earlier, MONDAY);
        let before = penalty(&record, MONDAY + 12_000);
        apply(&mut record, &down(MONDAY + 10_000, Lost, false), MONDAY + 10_040);
        let what = back(MONDAY + 10_000, MONDAY + 10_090, Reboot, true);
        apply(&mut record, &what, MONDAY + 10_091);
        assert!(penalty(&record, MONDAY + 12_000).abs_diff(before) <= 1, "{earlier}");
        assert_eq!(record.downs(timestamp(MONDAY + 10_091)), 0);
        assert_eq!(kinds(&record), [(Reboot, true, Some(10_090))]);
    }
}

#[test]
fn an_outage_counts_when_it_is_over_and_for_what_it_was() {
    let mut record = up(MONDAY, MONDAY + 140);
    apply(&mut record, &down(MONDAY + 100, Lost, false), MONDAY + 140);
    let counted = |record: &Record| (record.downs(timestamp(MONDAY + 140)), penalty(record, MONDAY + 100));
    assert_eq!(counted(&record), (0, 0), "it may turn out to be planned");
    let what = back(MONDAY + 100, MONDAY + 140, Clean, false);
    apply(&mut record, &what, MONDAY + 140);
    assert_eq!(counted(&record), (1, 500));
}

/// Edge 36.
#[test]
fn a_cordon_before_makes_it_planned_without_penalty_and_its_time_is_shown() {
    let mut record = up(MONDAY, MONDAY + 100);
    apply(&mut record, &down(MONDAY + 100, Clean, true), MONDAY + 140);
    advance(&mut record, State::Down, MONDAY + 1000);
    apply(
        &mut record,
        &back(MONDAY + 100, MONDAY + 1000, Clean, false),
        MONDAY + 1001,
    );
    assert_eq!(
        kinds(&record),
        [(Clean, true, Some(1000))],
        "once announced it stays so"
    );
    assert_eq!(sums(&record), [100, 1000, 900, 0]);
    assert_eq!(penalty(&record, MONDAY + 1001), 0);
    let day = record.windows(timestamp(MONDAY + 1000)).day;
    assert_eq!(day.per_mille, Some(100), "availability still counts it as down");
}

#[test]
fn each_kind_costs_what_it_should() {
    for (went, came, planned, expected) in [
        (Lost, Lost, false, 1000),
        (Lost, Suspend, false, 1000),
        (Lost, Reboot, false, 1000),
        (Lost, Clean, false, 500),
        (Clean, Clean, false, 500),
        (Clean, Reboot, false, 500),
        (Clean, Reinstall, false, 500),
        (Lost, Reinstall, true, 0),
        (Clean, Clean, true, 0),
    ] {
        let mut record = up(MONDAY, MONDAY + 100);
        apply(&mut record, &down(MONDAY + 100, went, false), MONDAY + 100);
        apply(
            &mut record,
            &back(MONDAY + 100, MONDAY + 300, came, planned),
            MONDAY + 300,
        );
        assert_eq!(penalty(&record, MONDAY + 100), expected, "{went:?} {came:?} {planned}");
    }
    for (came, planned, expected) in [(Reboot, false, 500), (Reboot, true, 0), (Suspend, false, 1000)] {
        let mut record = up(MONDAY, MONDAY + 100);
        apply(
            &mut record,
            &back(MONDAY + 50, MONDAY + 90, came, planned),
            MONDAY + 100,
        );
        assert_eq!(penalty(&record, MONDAY + 50), expected, "{came:?} {planned} alone");
    }
}

/// Edge 44: two leaders for a moment, whose clocks differ a little.
#[test]
fn an_event_that_is_applied_twice_counts_once() {
    let story = [
        (down(MONDAY + 100, Lost, false), MONDAY + 140),
        (back(MONDAY + 100, MONDAY + 900, Reboot, false), MONDAY + 901),
        (back(MONDAY + 2000, MONDAY + 2030, Reboot, true), MONDAY + 2031),
        (reregistered(MONDAY + 2500), MONDAY + 2500),
        (down(MONDAY + 3500, Clean, false), MONDAY + 3540),
    ];
    let later = |what: &LivenessEvent| {
        let after = |at: &Time| time(seconds(at.0) + 3);
        let LivenessEvent::Changed(new) = what else {
            return what.clone();
        };
        LivenessEvent::Changed(Transition {
            at: after(&new.at),
            back_at: new.back_at.as_ref().map(after),
            ..new.clone()
        })
    };
    let mut once = up(MONDAY, MONDAY + 100);
    let mut twice = once.clone();
    for (index, (what, now)) in story.iter().enumerate() {
        for record in [&mut once, &mut twice] {
            advance(record, State::Up, *now);
            apply(record, what, *now);
        }
        let before = twice.clone();
        apply(&mut twice, what, *now);
        assert_eq!(twice, before, "reported again at once: {what:?}");
        // By another process, that has read what was written.
        let mut other = reread(&twice);
        for (what, _) in &story[..=index] {
            apply(&mut other, &later(what), *now + 3);
        }
        apply(&mut other, what, *now);
        assert_eq!(other, twice, "reported by another leader: {what:?}");
    }
    assert_eq!(once, twice);
    assert_eq!(
        kinds(&once),
        [
            (Reboot, false, Some(900)),
            (Reboot, true, Some(2030)),
            (Reregistered, false, Some(2500)),
            (Clean, false, None)
        ]
    );
    assert_eq!(once.downs(timestamp(MONDAY + 3540)), 1, "the last is not over");
}

#[test]
fn a_node_that_is_down_cannot_go_down_again() {
    let mut record = up(MONDAY, MONDAY + 140);
    apply(&mut record, &down(MONDAY + 100, Lost, false), MONDAY + 140);
    advance(&mut record, State::Down, MONDAY + 500);
    let mut record = reread(&record);
    advance(&mut record, State::Unknown, MONDAY + 7000);
    let before = record.clone();
    apply(&mut record, &down(MONDAY + 6900, Lost, false), MONDAY + 7000);
    assert_eq!(record, before);
}

/// The process ended between seeing the return and writing it.
#[test]
fn a_return_that_was_never_reported_is_taken_from_the_time_it_was_up() {
    let mut record = up(MONDAY, MONDAY + 140);
    apply(&mut record, &down(MONDAY + 100, Lost, false), MONDAY + 140);
    advance(&mut record, State::Down, MONDAY + 500);
    advance(&mut record, State::Up, MONDAY + 4000);
    apply(&mut record, &down(MONDAY + 3950, Lost, false), MONDAY + 4000);
    assert_eq!(kinds(&record), [(Lost, false, Some(500)), (Lost, false, None)]);
    let mut record = reread(&record);
    advance(&mut record, State::Down, MONDAY + 4100);
    advance(&mut record, State::Up, MONDAY + 6000);
    apply(
        &mut record,
        &back(MONDAY + 5000, MONDAY + 5040, Reboot, false),
        MONDAY + 6000,
    );
    let expected = [
        (Lost, false, Some(500)),
        (Lost, false, Some(4100)),
        (Reboot, false, Some(5040)),
    ];
    assert_eq!(kinds(&record), expected);
}

/// Edges 1, 3: the Node object was created again; the machine is known by its firmware's UUID.
#[test]
fn the_same_machine_that_registers_again_keeps_its_history() {
    let mut record = up(MONDAY, MONDAY + 5 * DAY);
    outage(&mut record, MONDAY + 5 * DAY, MONDAY + 5 * DAY + HOUR, Lost);
    let (before, now) = (record.clone(), MONDAY + 6 * DAY);
    let new = Machine {
        node_uid: "uid-2".to_owned(),
        ..machine("m-1")
    };
    record.apply(&reregistered(now), &new, timestamp(now));
    assert_eq!(record.transitions.len(), 2);
    assert_eq!(record.machine.node_uid, "uid-2");
    assert_eq!(record.downs(timestamp(now)), before.downs(timestamp(now)));
    assert_eq!(sums(&record), sums(&before));
    assert!(record.open_outage().is_none(), "an instant is no outage");
}

/// Edge 2.
#[test]
fn another_machine_of_the_name_starts_unproven_with_a_new_history() {
    let mut record = up(MONDAY, MONDAY + 20 * DAY);
    record.learned.availability = Availability::AlwaysOn;
    outage(&mut record, MONDAY + 20 * DAY, MONDAY + 20 * DAY + HOUR, Lost);
    let now = MONDAY + 21 * DAY;
    let replaced = LivenessEvent::Replaced;
    // Also when it is reported again, by a process that has other events of the new machine to report first.
    for _ in 0..2 {
        record.apply(&replaced, &machine("m-2"), timestamp(now));
        assert_eq!(record, Record::new(machine("m-2")));
        assert_eq!((record.learned(), record.remembered()), (Availability::Unproven, None));
    }
}

#[test]
fn a_machine_that_is_not_known_is_not_another_one() {
    let mut record = up(MONDAY, MONDAY + DAY);
    let before = record.clone();
    let at = MONDAY + DAY;
    let now = timestamp(at);
    let nothing = Machine {
        versions: "  ".to_owned(),
        ..Machine::default()
    };
    record.apply(&LivenessEvent::Replaced, &nothing, now);
    assert_eq!(record, before);
    // Only Replaced makes it another one, or the history of the old one would continue as the new one's.
    record.apply(&reregistered(at), &machine("m-2"), now);
    assert_eq!(record.machine.system_uuid, "m-1");
    record.apply(&LivenessEvent::Replaced, &machine("m-2"), now);
    assert_eq!(record, Record::new(machine("m-2")));
}

/// Edge 55.
#[test]
fn the_longest_reboot_is_kept_and_only_of_reboots() {
    let mut record = up(MONDAY, MONDAY + 100);
    let reboot = |record: &mut Record, at: i64, took: i64, kind| {
        apply(record, &back(at, at + took, kind, true), at + took);
        record.longest_reboot().as_secs()
    };
    assert_eq!(reboot(&mut record, MONDAY + 1000, 90, Reboot), 90);
    assert_eq!(reboot(&mut record, MONDAY + 2000, 60, Reboot), 90);
    assert_eq!(reboot(&mut record, MONDAY + 3000, 600, Suspend), 90);
    assert_eq!(reboot(&mut record, MONDAY + 4000, 200, Reinstall), 90);
    assert_eq!(
        reboot(&mut record, MONDAY + 20_000, 9000, Reboot),
        3600,
        "an hour at most"
    );
}

#[test]
fn transitions_are_ordered_by_time_and_at_most_32() {
    let mut record = up(MONDAY, MONDAY + 10);
    for hour in (1..100).rev() {
        apply(&mut record, &reregistered(MONDAY + hour * HOUR), MONDAY + 100 * HOUR);
    }
    apply(&mut record, &reregistered(MONDAY + 101 * HOUR), MONDAY + 102 * HOUR);
    assert_eq!(record.transitions.len(), 32);
    assert!(record.transitions.is_sorted_by_key(|t| t.at.clone()));
    assert_eq!(record.transitions[31].at, time(MONDAY + 101 * HOUR));
}

#[test]
fn what_is_older_than_all_that_is_kept_is_not_counted_again() {
    let mut record = up(MONDAY, MONDAY + 100);
    let outages: Vec<_> = (0..40).map(|hour| MONDAY + 200 + hour * HOUR).collect();
    for at in &outages {
        outage(&mut record, *at, at + 600, Lost);
    }
    let (before, now) = (record.clone(), MONDAY + 40 * HOUR);
    assert_eq!((record.transitions.len(), record.downs(timestamp(now))), (32, 40));
    for at in &outages {
        apply(&mut record, &down(*at, Lost, false), now);
        assert_eq!(record, before);
        apply(&mut record, &back(*at, at + 600, Lost, false), now);
        assert_eq!(record, before);
    }
}

/// Edge 32: the clock says 1970 while a node goes down.
#[test]
fn a_clock_that_is_behind_still_tells_how_long_ago_it_was() {
    let mut record = up(MONDAY, MONDAY + 1000);
    apply(&mut record, &down(500, Lost, false), 540);
    assert_eq!(record.transitions[0].at, time(MONDAY + 960));
    apply(&mut record, &down(500, Lost, false), 700);
    assert_eq!(record.transitions.len(), 1);
    assert_eq!(sums(&record), [960, 1000, 0, 0]);
    // A time that is still to come is now.
    apply(
        &mut record,
        &back(MONDAY + 960, MONDAY + DAY, Lost, false),
        MONDAY + 2000,
    );
    assert_eq!(kinds(&record), [(Lost, false, Some(2000))]);
}

#[test]
fn the_machine_and_the_open_outage_are_restored_for_liveness() {
    let mut record = up(MONDAY, MONDAY + 140);
    let remembered = record.remembered().unwrap();
    assert_eq!((remembered.state, down_at(&remembered)), (State::Up, None));
    apply(&mut record, &down(MONDAY + 100, Lost, false), MONDAY + 140);
    advance(&mut record, State::Down, MONDAY + 200);
    for state in [State::Down, State::Unknown] {
        // Down, then blind: down is the last that is known.
        advance(&mut record, state, MONDAY + 300);
        let remembered = reread(&record).remembered().unwrap();
        assert_eq!(
            (remembered.state, down_at(&remembered)),
            (State::Down, Some(timestamp(MONDAY + 100)))
        );
        assert_eq!(remembered.machine, machine("m-1"));
    }
    advance(&mut record, State::Gone, MONDAY + 400);
    let remembered = record.remembered().unwrap();
    assert_eq!(
        (remembered.state, down_at(&remembered)),
        (State::Gone, Some(timestamp(MONDAY + 100)))
    );
}
