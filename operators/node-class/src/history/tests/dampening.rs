//! The table of section 4.3 and what bounds it.
use super::*;

fn params(half_life: &str, max_suppress: &str) -> Dampening {
    Dampening {
        half_life: Some(half_life.to_owned()),
        max_suppress: Some(max_suppress.to_owned()),
        ..Dampening::default()
    }
}

/// Flaps at an interval of so many minutes: which flap suppresses, the penalty in the long run, and the minutes of quiet until
/// it is calm.
fn flap(params: &Dampening, every: i64) -> (Option<i64>, i64, i64) {
    let mut record = record();
    let mut suppressed = None;
    let mut now = MONDAY;
    record.update_flapping(params, timestamp(now));
    for number in 1..=200 {
        now = MONDAY + number * every * MINUTE;
        record.flapping.add(1000, now);
        if record.update_flapping(params, timestamp(now)) {
            suppressed = suppressed.or(Some(number));
        }
    }
    let long_run = record.penalty(timestamp(now));
    let mut quiet = 0;
    while record.update_flapping(params, timestamp(now + quiet * MINUTE)) {
        quiet += 1;
    }
    (suppressed, long_run, quiet)
}

#[test]
fn the_table_of_the_reference_holds() {
    // Without the ceiling, as the table is computed.
    for (half_life, every, penalty, suppressed, quiet) in [
        ("30m", 10, 4850, Some(4), 81),
        ("30m", 30, 2000, None, 0),
        ("60m", 10, 9170, Some(3), 217),
        ("60m", 20, 4850, Some(4), 162),
        ("60m", 30, 3410, Some(4), 131),
        ("60m", 60, 2000, None, 0),
        ("60m", 24 * 60, 1000, None, 0),
        ("120m", 60, 3410, Some(4), 262),
    ] {
        let (at, long_run, calm) = flap(&params(half_life, "24h"), every);
        assert_eq!(at, suppressed, "{half_life} every {every}m");
        assert!(
            long_run.abs_diff(penalty) <= 10,
            "{half_life} every {every}m: {long_run}"
        );
        assert!(calm.abs_diff(quiet) <= 2, "{half_life} every {every}m: {calm}");
    }
    let (at, _, calm) = flap(&Dampening::default(), 10);
    assert_eq!((at, calm), (Some(3), 217), "these are the defaults");
}

#[test]
fn it_is_released_after_the_longest_time_whatever_the_penalty() {
    let strict = Dampening {
        reuse: Some(1),
        ..params("24h", "2h")
    };
    let mut record = record();
    for _ in 0..20 {
        record.flapping.add(1000, MONDAY);
    }
    // The ceiling belongs to the parameters: with these it is below what suppresses.
    assert!(!record.clone().update_flapping(&strict, timestamp(MONDAY)));
    assert!(record.update_flapping(&Dampening::default(), timestamp(MONDAY)));
    assert_eq!(record.penalty(timestamp(MONDAY)), 12_000);
    assert!(record.update_flapping(&Dampening::default(), timestamp(MONDAY + 4 * HOUR - 1)));
    assert!(!record.update_flapping(&Dampening::default(), timestamp(MONDAY + 4 * HOUR)));
    assert!(
        !record.update_flapping(&Dampening::default(), timestamp(MONDAY + 4 * HOUR + 1)),
        "and not caught again"
    );
    assert_eq!(record.flapping.since, None);
}

#[test]
fn a_new_flap_makes_the_longest_time_begin_again() {
    let mut record = record();
    for _ in 0..3 {
        record.flapping.add(1000, MONDAY);
    }
    let short = params("10h", "1h");
    let calm = Dampening {
        reuse: Some(2400),
        ..short
    };
    assert!(record.update_flapping(&calm, timestamp(MONDAY)));
    record.flapping.add(1000, MONDAY + 3000);
    assert!(record.update_flapping(&calm, timestamp(MONDAY + 3600)));
    assert!(!record.update_flapping(&calm, timestamp(MONDAY + 6600)));
}

#[test]
fn a_time_before_the_last_flap_is_the_last_flap() {
    let mut record = record();
    record.flapping.add(2000, MONDAY);
    assert_eq!(record.penalty(timestamp(0)), 2000);
    record.flapping.add(1000, MONDAY - DAY);
    assert_eq!(record.penalty(timestamp(MONDAY)), 3000);
    assert!(record.update_flapping(&Dampening::default(), timestamp(MONDAY - DAY)));
}

#[test]
fn parameters_that_are_absent_or_cannot_be_read_are_the_defaults() {
    for odd in [
        params("soon", ""),
        params("0s", "0s"),
        Dampening {
            suppress: Some(-1),
            reuse: Some(0),
            ..Dampening::default()
        },
    ] {
        assert_eq!(flap(&odd, 10), flap(&Dampening::default(), 10), "{odd:?}");
    }
    // Never both above and below: it does not change with every look.
    let crossed = Dampening {
        suppress: Some(1500),
        reuse: Some(9000),
        ..Dampening::default()
    };
    let mut record = record();
    record.flapping.add(1600, MONDAY);
    for _ in 0..5 {
        assert!(record.update_flapping(&crossed, timestamp(MONDAY)));
    }
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
    assert_eq!(value(&record, 0), flapping::MOST);
    assert!(record.update_flapping(&params("1s", "100d"), timestamp(MONDAY)));
    assert!(record.update_flapping(&params("99999d", "99999d"), timestamp(MONDAY)) || record.flapping.penalty < 2500);
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
                assert!(!record.update_flapping(&Dampening::default(), now));
                assert!(record.penalty(now) <= 1000);
            }
        }
    }
}
