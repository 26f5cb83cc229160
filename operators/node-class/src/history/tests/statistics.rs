//! Windows and outages.
use super::*;

#[test]
fn availability_is_of_the_known_time_and_says_how_much_that_is() {
    let mut record = up(MONDAY, MONDAY + 6 * HOUR);
    outage(&mut record, MONDAY + 6 * HOUR, MONDAY + 12 * HOUR, Kind::Lost);
    advance(&mut record, State::Up, MONDAY + 18 * HOUR);
    advance(&mut record, State::Unknown, MONDAY + DAY);
    let windows = record.windows(timestamp(MONDAY + DAY));
    assert_eq!(windows.day.per_mille, Some(666));
    assert_eq!(windows.day.coverage_per_mille, 750);
    assert_eq!(windows.week.per_mille, Some(666));
    assert_eq!(windows.week.coverage_per_mille, 18 * 1000 / (7 * 24));
    assert_eq!(windows.month.coverage_per_mille, 18 * 1000 / (30 * 24));
}

#[test]
fn a_window_leaves_behind_what_is_older() {
    let mut record = up(MONDAY, MONDAY + DAY);
    outage(&mut record, MONDAY + DAY, MONDAY + 2 * DAY, Kind::Lost);
    let share = |record: &Record, days: i64| {
        let windows = record.windows(timestamp(MONDAY + days * DAY));
        [windows.day, windows.week, windows.month].map(|share| share.per_mille.unwrap())
    };
    advance(&mut record, State::Up, MONDAY + 4 * DAY);
    assert_eq!(share(&record, 4), [1000, 750, 750]);
    advance(&mut record, State::Up, MONDAY + 10 * DAY);
    assert_eq!(share(&record, 10), [1000, 1000, 900]);
    assert_eq!(record.downs(timestamp(MONDAY + 10 * DAY)), 1);
    advance(&mut record, State::Up, MONDAY + 33 * DAY);
    assert_eq!(share(&record, 33), [1000, 1000, 1000]);
    assert_eq!(record.downs(timestamp(MONDAY + 33 * DAY)), 0);
}

/// Edge 66, edge 4: off, or gone, for a month.
#[test]
fn after_a_month_off_a_node_has_no_uptime_and_after_a_month_without_object_nothing_known() {
    let mut off = up(MONDAY, MONDAY + 5 * DAY);
    apply(
        &mut off,
        &down(MONDAY + 5 * DAY, Kind::Clean, false),
        MONDAY + 5 * DAY + 40,
    );
    let mut gone = off.clone();
    let end = MONDAY + 40 * DAY;
    for (record, state) in [(&mut off, State::Down), (&mut gone, State::Gone)] {
        for hour in 1..=35 * 24 {
            advance(record, state, MONDAY + 5 * DAY + hour * HOUR);
        }
        assert_eq!(record.transitions.len(), 1, "no line for each day");
    }
    let share = |record: &Record| record.windows(timestamp(end)).month;
    assert_eq!((share(&off).per_mille, share(&off).coverage_per_mille), (Some(0), 1000));
    assert_eq!((share(&gone).per_mille, share(&gone).coverage_per_mille), (None, 0));
    assert_eq!(gone.downs(timestamp(end)), 0);
    assert_eq!(since(&off), MONDAY + 5 * DAY);
}

#[test]
fn a_clock_that_is_behind_shows_what_was_known_last() {
    let record = up(MONDAY, MONDAY + 3 * DAY);
    let known = timestamp(MONDAY + 3 * DAY);
    assert_eq!(record.windows(Timestamp::UNIX_EPOCH), record.windows(known));
    assert_eq!(record.downs(Timestamp::UNIX_EPOCH), record.downs(known));
}
