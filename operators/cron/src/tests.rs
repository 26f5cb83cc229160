use std::time::{Duration, Instant};

use jiff::SignedDuration;

use super::*;

fn cron(text: &str) -> Cron {
    Cron::parse(text, None).unwrap()
}

fn berlin() -> TimeZone {
    time_zone("Europe/Berlin").unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The slots after a moment, in Berlin's time.
fn slots(text: &str, after: &str, count: usize) -> Vec<String> {
    let (cron, mut moment) = (cron(text), at(after));
    let mut all = Vec::new();
    for _ in 0..count {
        moment = cron.next(moment, &berlin()).unwrap();
        all.push(moment.to_zoned(berlin()).strftime("%m-%d %H:%M%:z").to_string());
    }
    all
}

#[test]
fn a_time_of_day_that_is_left_out_comes_once_with_the_change() {
    let all = slots("30 2 * * *", "2026-03-28T12:00:00Z", 2);
    assert_eq!(all, ["03-29 03:00+02:00", "03-30 02:30+02:00"]);
    let all = slots("0,15,30 2 * * *", "2026-03-28T12:00:00Z", 2);
    assert_eq!(all, ["03-29 03:00+02:00", "03-30 02:00+02:00"]);
}

#[test]
fn a_time_of_day_that_comes_twice_counts_the_first_time() {
    let all = slots("30 2 * * *", "2026-10-24T12:00:00Z", 2);
    assert_eq!(all, ["10-25 02:30+02:00", "10-26 02:30+01:00"]);
    // Asked in the second of the two equal hours.
    let all = slots("30 2 * * *", "2026-10-25T01:10:00Z", 1);
    assert_eq!(all, ["10-26 02:30+01:00"]);
}

#[test]
fn a_rhythm_runs_through_both_equal_hours() {
    let all = slots("*/30 * * * *", "2026-10-25T01:30:00+02:00", 6);
    let expected = [
        "10-25 02:00+02:00",
        "10-25 02:30+02:00",
        "10-25 02:00+01:00",
        "10-25 02:30+01:00",
        "10-25 03:00+01:00",
        "10-25 03:30+01:00",
    ];
    assert_eq!(all, expected);
    assert_eq!(slots("*/30 2 * * *", "2026-10-25T00:00:00+02:00", 4), expected[..4]);
    let all = slots("15 * * * *", "2026-10-25T02:00:00+02:00", 3);
    assert_eq!(all, ["10-25 02:15+02:00", "10-25 02:15+01:00", "10-25 03:15+01:00"]);
}

#[test]
fn a_rhythm_without_a_given_hour_adds_nothing_at_the_change() {
    let all = slots("15 * * * *", "2026-03-29T01:00:00+01:00", 3);
    assert_eq!(all, ["03-29 01:15+01:00", "03-29 03:15+02:00", "03-29 04:15+02:00"]);
    let all = slots("0 * * * *", "2026-03-29T01:00:00+01:00", 2);
    assert_eq!(all, ["03-29 03:00+02:00", "03-29 04:00+02:00"]);
    let all = slots("*/20 2 * * *", "2026-03-28T12:00:00Z", 2);
    assert_eq!(all, ["03-29 03:00+02:00", "03-30 02:00+02:00"]);
}

/// The definition, minute by minute, for a rhythm of any hour and for a time of day.
#[test]
fn slots_agree_with_their_definition_through_changes_of_clocks() {
    let mut random = fastrand::Rng::with_seed(5);
    let fields = ["*", "*/20", "0", "30", "10,45"];
    let hours = ["*", "*/2", "2", "3", "1-3"];
    for _ in 0..60 {
        let (minute, hour) = (fields[random.usize(..5)], hours[random.usize(..5)]);
        let text = format!("{minute} {hour} * * *");
        let rhythm = minute.starts_with('*') || hour.starts_with('*');
        for from in ["2026-03-28T20:00:00Z", "2026-10-24T20:00:00Z"] {
            let (schedule, zone) = (cron(&text), berlin());
            let moments = (0..16 * 60).map(|minute| at(from) + SignedDuration::from_mins(minute));
            let local = |moment: Timestamp| zone.to_datetime(moment);
            let matches = |moment: Timestamp| {
                let utc = TimeZone::UTC.to_timestamp(local(moment)).unwrap();
                schedule.crontab.matches(MakeTimestamp(utc)).unwrap()
            };
            let expected: Vec<Timestamp> = moments
                .filter(|moment| {
                    let before = *moment - SignedDuration::from_mins(1);
                    let jump = local(*moment).duration_since(local(before)).as_mins();
                    // Local times that were left out right before this moment.
                    let mut left_out = (1..jump).map(|minute| before + SignedDuration::from_mins(minute));
                    let in_gap = left_out.any(|moment| {
                        let utc = zone.to_offset(before).to_datetime(moment);
                        let utc = TimeZone::UTC.to_timestamp(utc).unwrap();
                        schedule.crontab.matches(MakeTimestamp(utc)).unwrap()
                    });
                    let twice = zone.to_ambiguous_timestamp(local(*moment)).earlier().unwrap() < *moment;
                    matches(*moment) && (rhythm || !twice) || in_gap && !hour.starts_with('*')
                })
                .collect();
            let mut found = Vec::new();
            let (mut moment, end) = (
                at(from) - SignedDuration::from_secs(1),
                at(from) + SignedDuration::from_hours(16),
            );
            while let Some(slot) = schedule.next(moment, &zone).filter(|slot| *slot < end) {
                found.push(slot);
                moment = slot;
            }
            assert_eq!(found, expected, "{text} {from}");
        }
    }
}

#[test]
fn the_latest_slot_is_that_of_a_walk_over_all_slots() {
    let mut random = fastrand::Rng::with_seed(7);
    for text in ["0 3 * * *", "*/7 1-3 * * *", "* * * * *", "0 0 1 * *", "30 2 * * 0"] {
        for _ in 0..40 {
            let from = at("2026-03-01T00:00:00Z") + SignedDuration::from_secs(random.i64(0..86_400 * 200));
            let until = from + SignedDuration::from_secs(random.i64(0..50_000 * if text.len() > 9 { 1 } else { 60 }));
            let (schedule, zone) = (cron(text), berlin());
            let (mut walked, mut moment, mut count) = (None, from, 0);
            while let Some(slot) = schedule.next(moment, &zone).filter(|slot| *slot <= until) {
                (walked, moment, count) = (Some(slot), slot, count + 1);
            }
            let found = schedule.latest(from, until, &zone);
            assert_eq!(found.map(|found| found.slot), walked, "{text} {from} {until}");
            assert_eq!(
                found.map_or(0, |found| found.slots),
                count.min(MOST),
                "{text} {from} {until}"
            );
        }
    }
}

#[test]
fn a_long_time_of_many_slots_is_cheap_and_counted_up_to_a_limit() {
    let (schedule, zone) = (cron("* * * * *"), berlin());
    let until = at("2026-11-30T12:00:30Z");
    let begun = Instant::now();
    for days in [9, 366, 20_000] {
        let found = schedule
            .latest(until - SignedDuration::from_hours(24 * days), until, &zone)
            .unwrap();
        assert_eq!((found.slot, found.slots), (at("2026-11-30T12:00:00Z"), MOST));
    }
    // A walk over the slots of 20,000 days takes minutes.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn no_slot_is_found_where_none_is() {
    let daily = cron("0 3 * * *");
    let found = |from: &str, until: &str| daily.latest(at(from), at(until), &TimeZone::UTC);
    assert_eq!(found("2026-01-01T03:00:00Z", "2026-01-02T02:59:59Z"), None);
    assert_eq!(found("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"), None);
    let slot = found("2026-01-01T03:00:00Z", "2026-01-02T03:00:00Z").unwrap();
    assert_eq!((slot.slot, slot.slots), (at("2026-01-02T03:00:00Z"), 1));
}

#[test]
fn leap_days_are_found_over_a_century_that_has_none() {
    let leap = cron("0 0 29 2 *");
    let next = leap.next(at("2096-03-01T00:00:00Z"), &TimeZone::UTC).unwrap();
    assert_eq!(next, at("2104-02-29T00:00:00Z"));
    let found = leap.latest(at("2000-03-01T00:00:00Z"), at("2103-01-01T00:00:00Z"), &TimeZone::UTC);
    assert_eq!(found.unwrap().slot, at("2096-02-29T00:00:00Z"));
}

#[test]
fn the_ends_of_time_are_no_panic() {
    for text in ["* * * * *", "0 3 * * *", "0 0 29 2 *", "*/5 2 * * *"] {
        let schedule = cron(text);
        for zone in [TimeZone::UTC, berlin(), time_zone("Pacific/Apia").unwrap()] {
            assert_eq!(schedule.next(Timestamp::MAX, &zone), None, "{text}");
            assert!(schedule.next(Timestamp::MIN, &zone).is_some(), "{text}");
            schedule.latest(Timestamp::MIN, Timestamp::MAX, &zone);
            assert!(
                schedule
                    .latest(Timestamp::MIN, at("2026-01-01T00:00:00Z"), &zone)
                    .is_some(),
                "{text}"
            );
            schedule.interval(Timestamp::MAX, &zone);
        }
    }
}

#[test]
fn any_text_is_read_or_refused() {
    let mut random = fastrand::Rng::with_seed(3);
    let letters: Vec<char> = "0123456789*/,-LW#HA? ?ÄZ@\t".chars().collect();
    for _ in 0..20_000 {
        let text: String = (0..random.usize(0..20))
            .map(|_| letters[random.usize(..letters.len())])
            .collect();
        if let Ok(cron) = Cron::parse(&text, Some("u")) {
            assert!(
                cron.next(at("2026-01-01T00:00:00Z"), &TimeZone::UTC).is_some(),
                "{text}"
            );
        }
    }
}

#[test]
fn what_is_wrong_is_told() {
    for (text, error) in [
        ("0 30 23 * * *", CronError::Fields(6)),
        ("@daily", CronError::Fields(1)),
        ("0 0 L * *", CronError::Quartz),
        ("0 0 * * 5#3", CronError::Quartz),
        ("0 0 31 2 *", CronError::Never),
        ("60 0 * * *", CronError::Syntax),
        ("H/2 0 * * *", CronError::Hash),
        ("H(0-7) 0 * * *", CronError::Hash),
        ("0 0 H * *", CronError::Hash),
        ("0 0 * H *", CronError::Hash),
    ] {
        assert_eq!(Cron::parse(text, Some("u")).map(|_| ()), Err(error), "{text}");
    }
    assert_eq!(Cron::parse("H 0 * * *", None).map(|_| ()), Err(CronError::Syntax));
    assert!(Cron::parse("0 3 * * THU", Some("u")).is_ok());
    let message = CronError::Fields(6).describe("spec.cron", "1 2 3 4 5 6");
    assert_eq!(
        message,
        "spec.cron: `1 2 3 4 5 6`: it must have five fields; give minute, hour, day, month and weekday, such as `30 23 * * *`"
    );
    assert!(time_zone("Mars/Base").unwrap_err().contains("Mars/Base"));
}

#[test]
fn what_may_surprise_is_remarked() {
    let remarks = |text| cron(text).remarks().join(" ");
    assert_eq!(remarks("0 3 * * *"), "");
    assert_eq!(remarks("0 3 1,31 * *"), "");
    assert!(remarks("0 0 31 * *").contains("left out"));
    assert!(remarks("0 0 13 * 5").contains("either"));
    // Either is enough: the 13th, and every Friday.
    let days = slots("0 0 13 * 5", "2026-02-01T12:00:00Z", 3);
    assert_eq!(days, ["02-06 00:00+01:00", "02-13 00:00+01:00", "02-20 00:00+01:00"]);
}

/// The probability of a larger value by chance is 1 in 1000.
#[test]
fn hashed_fields_are_stable_independent_and_spread() {
    let uids: Vec<String> = (0..2400).map(|number| format!("uid-{number}")).collect();
    let chosen = |uid: &str| {
        let slot = Cron::parse("H H * * *", Some(uid))
            .unwrap()
            .next(Timestamp::UNIX_EPOCH, &TimeZone::UTC)
            .unwrap();
        let local = TimeZone::UTC.to_datetime(slot);
        (local.hour(), local.minute())
    };
    assert_eq!(chosen("uid-1"), chosen("uid-1"));
    let all: Vec<(i8, i8)> = uids.iter().map(|uid| chosen(uid)).collect();
    let chi_square = |buckets: usize, bucket: &dyn Fn(&(i8, i8)) -> usize| {
        let mut counts = vec![0_u32; buckets];
        for one in &all {
            counts[bucket(one)] += 1;
        }
        let expected = 2400.0 / f64::from(u32::try_from(buckets).unwrap());
        counts
            .iter()
            .map(|count| (f64::from(*count) - expected).powi(2) / expected)
            .sum::<f64>()
    };
    let index = |value: i8| usize::try_from(value).unwrap();
    assert!(chi_square(24, &|one| index(one.0)) < 49.7);
    assert!(chi_square(60, &|one| index(one.1)) < 98.3);
    // Quarters of the hour beside quarters of the day: 16 buckets, 15 degrees of freedom.
    assert!(chi_square(16, &|one| index(one.0) / 6 * 4 + index(one.1) / 15) < 37.7);
}

#[test]
fn the_interval_is_that_between_the_next_two_slots() {
    let interval = |text: &str| cron(text).interval(at("2026-03-28T12:00:00Z"), &berlin()).unwrap();
    assert_eq!(interval("0 12 * * *"), SignedDuration::from_hours(24));
    // Over the night in which the clocks are put forward.
    assert_eq!(interval("0 1 * * *"), SignedDuration::from_hours(23));
    assert_eq!(interval("*/5 * * * *"), SignedDuration::from_mins(5));
}
