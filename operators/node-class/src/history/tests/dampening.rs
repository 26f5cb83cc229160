//! The table of section 4.3 and what bounds it.
use super::*;

/// Flaps at an interval of so many minutes: which flap suppresses, the penalty in the long run, and the minutes of quiet until
/// it is calm.
fn flap(every: i64) -> (Option<i64>, i64, i64) {
    let mut record = record();
    let mut suppressed = None;
    let mut now = MONDAY;
    record.update_flapping(timestamp(now));
    for number in 1..=200 {
        now = MONDAY + number * every * MINUTE;
        record.flapping.add(1000, now);
        if record.update_flapping(timestamp(now)) {
            suppressed = suppressed.or(Some(number));
        }
    }
    let long_run = record.penalty(timestamp(now));
    let mut quiet = 0;
    while record.update_flapping(timestamp(now + quiet * MINUTE)) {
        quiet += 1;
    }
    (suppressed, long_run, quiet)
}

#[test]
fn the_table_of_the_reference_holds() {
    for (every, penalty, suppressed, quiet) in [
        (10, 9170, Some(3), 217),
        (20, 4850, Some(4), 162),
        (30, 3410, Some(4), 131),
        (60, 2000, None, 0),
        (24 * 60, 1000, None, 0),
    ] {
        let (at, long_run, calm) = flap(every);
        assert_eq!(at, suppressed, "every {every}m");
        assert!(long_run.abs_diff(penalty) <= 10, "every {every}m: {long_run}");
        assert!(calm.abs_diff(quiet) <= 2, "every {every}m: {calm}");
    }
}

#[test]
fn it_is_released_after_the_longest_time_whatever_the_penalty() {
    let mut record = record();
    for _ in 0..20 {
        record.flapping.add(1000, MONDAY);
    }
    assert!(record.update_flapping(timestamp(MONDAY)));
    assert_eq!(record.penalty(timestamp(MONDAY)), 12_000);
    assert!(record.update_flapping(timestamp(MONDAY + 4 * HOUR - 1)));
    assert!(!record.update_flapping(timestamp(MONDAY + 4 * HOUR)));
    assert!(
        !record.update_flapping(timestamp(MONDAY + 4 * HOUR + 1)),
        "and not caught again"
    );
    assert_eq!(record.flapping.since, None);
}

#[test]
fn a_new_flap_makes_the_longest_time_begin_again() {
    let mut record = record();
    for _ in 0..20 {
        record.flapping.add(1000, MONDAY);
    }
    assert!(record.update_flapping(timestamp(MONDAY)));
    record.flapping.add(12_000, MONDAY + 3 * HOUR);
    assert!(record.update_flapping(timestamp(MONDAY + 4 * HOUR)));
    assert!(record.update_flapping(timestamp(MONDAY + 7 * HOUR - 1)));
    assert!(!record.update_flapping(timestamp(MONDAY + 7 * HOUR)));
}

#[test]
fn a_time_before_the_last_flap_is_the_last_flap() {
    let mut record = record();
    record.flapping.add(2000, MONDAY);
    assert_eq!(record.penalty(timestamp(0)), 2000);
    record.flapping.add(1000, MONDAY - DAY);
    assert_eq!(record.penalty(timestamp(MONDAY)), 3000);
    assert!(record.update_flapping(timestamp(MONDAY - DAY)));
}

#[test]
fn the_penalty_halves_each_half_life_and_numbers_stay_numbers() {
    let mut record = record();
    record.flapping.add(1000, MONDAY);
    let value = |record: &Record, after: i64| record.penalty(timestamp(MONDAY + after));
    let over = |minutes: [i64; 5]| minutes.map(|minutes| value(&record, minutes * MINUTE));
    assert_eq!(over([0, 30, 60, 90, 120]), [1000, 707, 500, 354, 250]);
    assert_eq!(value(&record, 365 * DAY), 0);
    for _ in 0..2_000_000 {
        record.flapping.add(1000, MONDAY);
    }
    assert_eq!(value(&record, 0), 12_000, "the ceiling");
}

/// Edge 38.
#[test]
fn a_machine_that_is_off_every_night_is_never_dampened() {
    for kind in [Kind::Clean, Kind::Lost] {
        let mut record = up(MONDAY, MONDAY + HOUR);
        for day in 0..60 {
            let night = MONDAY + day * DAY + 23 * HOUR;
            outage(&mut record, night, night + 9 * HOUR, kind);
            for minute in 0..600 {
                let now = timestamp(night + minute * MINUTE);
                assert!(!record.update_flapping(now));
                assert!(record.penalty(now) <= 1000);
            }
        }
    }
}
