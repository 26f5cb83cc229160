//! Windows, rates, and the hours of the week.
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
    assert_eq!(record.rates(timestamp(MONDAY + 10 * DAY)).downs, 1);
    advance(&mut record, State::Up, MONDAY + 33 * DAY);
    assert_eq!(share(&record, 33), [1000, 1000, 1000]);
    assert_eq!(record.rates(timestamp(MONDAY + 33 * DAY)).downs, 0);
}

/// Edge 66, edge 4: off, or gone, for a month.
#[test]
fn after_a_month_without_it_a_node_has_no_good_days_left_or_no_known_ones() {
    let mut off = up(MONDAY, MONDAY + 5 * DAY);
    take(
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
    assert_eq!(gone.rates(timestamp(end)), Rates::default());
    assert_eq!(off.present().unwrap().since, MONDAY + 5 * DAY);
}

#[test]
fn a_clock_that_is_behind_shows_what_was_known_last() {
    let record = up(MONDAY, MONDAY + 3 * DAY);
    let known = timestamp(MONDAY + 3 * DAY);
    assert_eq!(record.windows(Timestamp::UNIX_EPOCH), record.windows(known));
    assert_eq!(record.rates(Timestamp::UNIX_EPOCH), record.rates(known));
}

#[test]
fn without_a_failure_the_time_between_failures_is_a_bound() {
    let mut record = up(MONDAY, MONDAY + 9 * DAY);
    let rates = record.rates(timestamp(MONDAY + 9 * DAY));
    assert_eq!((rates.mtbf_seconds, rates.mtbf_is_bound), (Some(3 * DAY), true));
    assert_eq!((rates.downs, rates.mttr_seconds), (0, None));
    outage(&mut record, MONDAY + 9 * DAY, MONDAY + 10 * DAY, Kind::Lost);
    let rates = record.rates(timestamp(MONDAY + 10 * DAY));
    assert_eq!((rates.mtbf_seconds, rates.mtbf_is_bound), (Some(9 * DAY + 1), false));
    assert_eq!(
        (rates.downs, rates.downs_per_day_milli, rates.mttr_seconds),
        (1, 99, Some(DAY))
    );
    assert_eq!(
        Record::new(Machine::default()).rates(timestamp(MONDAY)),
        Rates::default()
    );
}

#[test]
fn an_hour_of_the_week_is_what_it_was_in_other_weeks() {
    let mut record = record();
    let at = |hour: i64| timestamp(MONDAY + hour * HOUR);
    record.advance(State::Up, false, at(0), &utc());
    assert_eq!(record.usual(at(5), &utc()), None);
    for week in 0..4 {
        record.advance(State::Up, false, at(week * 168 + 10), &utc());
        record.advance(State::Down, false, at(week * 168 + 20), &utc());
        record.advance(State::Unknown, false, at(week * 168 + 168), &utc());
    }
    let usual = |hour: i64| record.usual(at(10 * 168 + hour), &utc());
    assert_eq!(
        (usual(9), usual(10), usual(19), usual(20)),
        (Some(1000), Some(0), Some(0), None)
    );
}

#[test]
fn a_habit_is_half_forgotten_in_four_weeks() {
    let mut record = record();
    let at = |hour: i64| timestamp(MONDAY + hour * HOUR);
    let minutes = |record: &Record| record.week.buckets[5].known;
    record.advance(State::Up, false, at(0), &utc());
    let mut seen = Vec::new();
    for week in 0..=8 {
        let state = if week == 0 { State::Up } else { State::Unknown };
        record.advance(state, false, at(week * 168 + 6), &utc());
        seen.push(minutes(&record));
    }
    assert_eq!(seen[0], 60);
    assert!((27..=30).contains(&seen[4]) && (11..=15).contains(&seen[8]), "{seen:?}");
    // Habits that change are learned anew: after four weeks the new one prevails.
    let mut record = up(MONDAY, MONDAY + 70 * DAY);
    assert!((300..=320).contains(&minutes(&record)), "{}", minutes(&record));
    for week in 10..14 {
        record.advance(State::Down, false, at(week * 168 + 168), &utc());
    }
    let usual = record.usual(at(5), &utc()).unwrap();
    assert!((400..=500).contains(&usual), "{usual}");
    record.advance(State::Unknown, false, at(300 * 168), &utc());
    assert_eq!(record.usual(at(5), &utc()), None);
}

/// Edge 37.
#[test]
fn when_clocks_change_a_minute_is_a_minute_of_the_hour_that_they_show() {
    let local = |text: &str| text.parse::<jiff::Zoned>().unwrap().timestamp();
    let run = |from: &str, to: &str, small: bool| {
        let mut record = record();
        let (from, to) = (seconds(local(from)), seconds(local(to)));
        record.advance(State::Up, false, timestamp(from), &berlin());
        for now in (from..to).step_by(if small { 7 } else { 1_000_000 }) {
            record.advance(State::Up, false, timestamp(now), &berlin());
        }
        record.advance(State::Up, false, timestamp(to), &berlin());
        record
            .week
            .buckets
            .iter()
            .map(|bucket| bucket.known)
            .collect::<Vec<_>>()
    };
    let sunday = 6 * 24;
    for small in [true, false] {
        let week = run(
            "2026-10-24T22:00[Europe/Berlin]",
            "2026-10-25T05:00[Europe/Berlin]",
            small,
        );
        assert_eq!(
            &week[sunday - 2..sunday + 6],
            [60, 60, 60, 60, 120, 60, 60, 0],
            "2 o'clock comes twice"
        );
        let week = run(
            "2026-03-28T22:00[Europe/Berlin]",
            "2026-03-29T05:00[Europe/Berlin]",
            small,
        );
        assert_eq!(
            &week[sunday - 2..sunday + 6],
            [60, 60, 60, 60, 0, 60, 60, 0],
            "2 o'clock does not come"
        );
    }
    // A year of clocks that change: an hour that came twice weighs no more than its neighbours do, as a share.
    let mut record = record();
    record.advance(State::Up, false, timestamp(MONDAY), &berlin());
    record.advance(State::Up, false, timestamp(MONDAY + 4 * 7 * DAY), &berlin());
    assert!((0..168).all(|hour| record.usual(timestamp(MONDAY + hour * HOUR), &berlin()) == Some(1000)));
}

#[test]
fn zones_with_half_hours_have_their_own_hours() {
    let kolkata = TimeZone::get("Asia/Kolkata").unwrap();
    let local = |text: &str| text.parse::<jiff::Zoned>().unwrap().timestamp();
    let mut record = record();
    record.advance(State::Up, false, local("2026-10-05T20:15[Asia/Kolkata]"), &kolkata);
    record.advance(State::Up, false, local("2026-10-05T23:00[Asia/Kolkata]"), &kolkata);
    record.advance(State::Down, false, local("2026-10-06T01:00[Asia/Kolkata]"), &kolkata);
    let usual = |text: &str| record.usual(local(text), &kolkata);
    assert_eq!(usual("2026-10-12T22:59[Asia/Kolkata]"), Some(1000));
    assert_eq!(usual("2026-10-12T23:00[Asia/Kolkata]"), Some(0));
    assert_eq!(record.week.buckets[20].known, 45);
}

#[test]
fn the_hours_of_the_week_are_corrected_with_the_others() {
    let mut record = up(MONDAY, MONDAY + 2 * HOUR + 90);
    take(
        &mut record,
        &down(MONDAY + 2 * HOUR - 120, Kind::Lost, false),
        MONDAY + 2 * HOUR + 90,
    );
    let bucket = |record: &Record, hour: usize| {
        let bucket = record.week.buckets[hour];
        (bucket.up, bucket.known)
    };
    assert_eq!((bucket(&record, 1), bucket(&record, 2)), ((58, 60), (0, 1)));
    take(
        &mut record,
        &blind(MONDAY + 2 * HOUR - 180, MONDAY + 3 * HOUR),
        MONDAY + 3 * HOUR,
    );
    assert_eq!((bucket(&record, 1), bucket(&record, 2)), ((57, 57), (0, 0)));
}
