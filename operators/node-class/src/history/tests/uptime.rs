//! What each second counts as.
use super::*;

#[test]
fn up_is_up_and_known_down_is_known_and_the_rest_is_neither() {
    for (state, planned, expected) in [
        (State::Up, false, [600, 600, 0, 0]),
        (State::Down, false, [0, 600, 0, 0]),
        (State::Down, true, [0, 600, 600, 0]),
        (State::Unknown, false, [0; 4]),
        (State::Gone, false, [0; 4]),
        (State::Missing, false, [0; 4]),
    ] {
        let mut record = record();
        advance(&mut record, State::Up, MONDAY);
        if state == State::Down {
            apply(&mut record, &down(MONDAY, Kind::Lost, planned), MONDAY);
        }
        advance(&mut record, state, MONDAY + 600);
        assert_eq!(sums(&record), expected, "{state:?}");
        assert_eq!(record.current.unwrap().state, state);
    }
}

#[test]
fn the_time_before_the_first_call_does_not_count() {
    let mut record = record();
    assert_eq!(record.remembered(), None);
    advance(&mut record, State::Up, MONDAY);
    assert_eq!(sums(&record), [0; 4]);
    assert_eq!(record.remembered().unwrap().known_until, timestamp(MONDAY));
}

#[test]
fn the_state_is_that_of_the_time_since_the_last_call() {
    let mut record = up(MONDAY, MONDAY + 100);
    advance(&mut record, State::Down, MONDAY + 130);
    assert_eq!(sums(&record), [100, 130, 0, 0]);
    let current = record.current.unwrap();
    assert_eq!((current.since, current.known_until), (MONDAY + 100, MONDAY + 130));
}

#[test]
fn a_call_that_spans_days_is_the_same_as_many_small_ones() {
    let (mut small, mut large) = (record(), record());
    let (start, end) = (MONDAY + 17, MONDAY + 40 * DAY + 12_345);
    for record in [&mut small, &mut large] {
        advance(record, State::Up, start);
    }
    let mut now = start;
    while now < end {
        now = end.min(now + 77);
        advance(&mut small, State::Up, now);
    }
    advance(&mut large, State::Up, end);
    assert_eq!(small.windows(timestamp(end)), large.windows(timestamp(end)));
    assert_eq!(small, large);
    advance(&mut small, State::Unknown, end + 1);
    assert_eq!(small.uptime.0.len(), 31, "30 days and today");
}

/// Edge 32.
#[test]
fn a_clock_that_went_backwards_adds_nothing_until_it_is_back() {
    let mut record = up(MONDAY, MONDAY + 1000);
    for now in [0, MONDAY - 5, MONDAY + 500, MONDAY + 1000] {
        advance(&mut record, State::Up, now);
        assert_eq!(sums(&record), [1000, 1000, 0, 0]);
        assert_eq!(record.current.unwrap().known_until, MONDAY + 1000);
    }
    record.advance(State::Up, Timestamp::from_second(-5).unwrap());
    assert_eq!(sums(&record), [1000, 1000, 0, 0]);
    advance(&mut record, State::Up, MONDAY + 1010);
    assert_eq!(sums(&record), [1010, 1010, 0, 0]);
}

#[test]
fn the_state_is_shown_while_the_clock_is_behind() {
    let mut record = up(MONDAY, MONDAY + 1000);
    advance(&mut record, State::Unknown, MONDAY + 5);
    let current = record.current.unwrap();
    assert_eq!((current.state, current.since), (State::Unknown, MONDAY + 1000));
    advance(&mut record, State::Up, MONDAY + 6);
    assert_eq!(record.current.unwrap().state, State::Up);
}

#[test]
fn an_outage_that_is_noticed_late_counts_from_its_beginning() {
    let mut record = up(MONDAY, MONDAY + 3590);
    advance(&mut record, State::Up, MONDAY + 3630);
    apply(&mut record, &down(MONDAY + 3585, Kind::Lost, false), MONDAY + 3630);
    assert_eq!(sums(&record), [3585, 3630, 0, 0]);
    assert_eq!(since(&record), MONDAY + 3585);
}

#[test]
fn a_return_that_is_noticed_late_counts_from_its_beginning() {
    let mut record = up(MONDAY, MONDAY + 140);
    apply(&mut record, &down(MONDAY + 100, Kind::Lost, false), MONDAY + 140);
    advance(&mut record, State::Down, MONDAY + 1005);
    let event = back(MONDAY + 100, MONDAY + 993, Kind::Suspend, false);
    apply(&mut record, &event, MONDAY + 1005);
    assert_eq!(sums(&record), [112, 1005, 0, 1]);
    assert_eq!(since(&record), MONDAY + 993);
}

/// The return is reported later, when the new boot is known.
#[test]
fn a_node_that_is_seen_to_be_up_counts_as_up_from_then_on_and_its_outage_is_planned_as_a_whole() {
    let mut record = up(MONDAY, MONDAY + 140);
    apply(&mut record, &down(MONDAY + 100, Kind::Lost, false), MONDAY + 140);
    advance(&mut record, State::Down, MONDAY + 1000);
    advance(&mut record, State::Up, MONDAY + 1005);
    let event = back(MONDAY + 100, MONDAY + 1000, Kind::Reboot, true);
    apply(&mut record, &event, MONDAY + 1005);
    assert_eq!(sums(&record), [105, 1005, 900, 0]);
    assert_eq!(since(&record), MONDAY + 1000);
}

#[test]
fn a_reboot_that_was_not_noticed_is_subtracted_from_the_uptime() {
    let mut record = up(MONDAY, MONDAY + 1000);
    apply(
        &mut record,
        &back(MONDAY + 960, MONDAY + 995, Kind::Reboot, false),
        MONDAY + 1000,
    );
    assert_eq!(sums(&record), [965, 1000, 0, 1]);
    assert_eq!(record.current.unwrap().state, State::Up);
}

#[test]
fn an_outage_that_turns_out_to_have_been_planned_is_planned_from_its_beginning() {
    let mut record = up(MONDAY, MONDAY + 140);
    apply(&mut record, &down(MONDAY + 100, Kind::Lost, false), MONDAY + 140);
    advance(&mut record, State::Down, MONDAY + 200);
    assert_eq!(sums(&record), [100, 200, 0, 0]);
    apply(
        &mut record,
        &back(MONDAY + 100, MONDAY + 200, Kind::Reboot, true),
        MONDAY + 201,
    );
    assert_eq!(sums(&record), [100, 200, 100, 0]);
}

/// Edge 42: Ready has been Unknown for three of the six hours.
#[test]
fn an_outage_that_others_have_seen_in_unwatched_time_is_known_from_then_on() {
    let mut record = reread(&up(MONDAY, MONDAY + HOUR));
    advance(&mut record, State::Unknown, MONDAY + 7 * HOUR);
    apply(
        &mut record,
        &down(MONDAY + 4 * HOUR, Kind::Lost, false),
        MONDAY + 7 * HOUR,
    );
    assert_eq!(sums(&record), [HOUR, 4 * HOUR, 0, 0]);
    assert_eq!(record.current.unwrap().state, State::Down);
}

#[test]
fn an_outage_at_the_checkpoint_does_not_make_the_gap_known() {
    let mut record = reread(&up(MONDAY, MONDAY + HOUR));
    advance(&mut record, State::Unknown, MONDAY + 7 * HOUR);
    apply(&mut record, &down(MONDAY + HOUR, Kind::Lost, false), MONDAY + 7 * HOUR);
    advance(&mut record, State::Down, MONDAY + 7 * HOUR + 10);
    assert_eq!(sums(&record), [HOUR, HOUR + 10, 0, 0]);
}

/// Edges 1, 5: no Node object, and a kubelet that lives.
#[test]
fn a_node_without_an_object_is_neither_up_nor_down() {
    let mut record = up(MONDAY, MONDAY + HOUR);
    advance(&mut record, State::Gone, MONDAY + 2 * HOUR);
    advance(&mut record, State::Missing, MONDAY + 3 * HOUR);
    advance(&mut record, State::Up, MONDAY + 4 * HOUR);
    assert_eq!(sums(&record), [2 * HOUR, 2 * HOUR, 0, 0]);
    assert_eq!(record.transitions, []);
}

#[test]
fn a_change_is_within_the_time_of_the_state_now() {
    let start = MONDAY + 5 * DAY;
    let mut record = up(MONDAY, MONDAY + DAY);
    advance(&mut record, State::Unknown, start);
    advance(&mut record, State::Up, start + 12 * HOUR);
    let event = down(start - 12 * HOUR, Kind::Lost, false);
    apply(&mut record, &event, start + 12 * HOUR);
    assert_eq!(sums(&record), [DAY, DAY + 12 * HOUR, 0, 0]);
    assert_eq!(since(&record), start);
}

#[test]
fn days_expire_even_if_nothing_was_added_in_between() {
    let mut record = up(MONDAY, MONDAY + 10 * DAY);
    advance(&mut record, State::Unknown, MONDAY + 25 * DAY);
    assert_eq!(record.windows(timestamp(MONDAY + 25 * DAY)).day.per_mille, None);
    assert_eq!(sums(&record)[1], 10 * DAY);
    advance(&mut record, State::Unknown, MONDAY + 400 * DAY);
    assert_eq!(record.windows(timestamp(MONDAY + 400 * DAY)).month.per_mille, None);
}
