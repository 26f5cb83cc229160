use super::*;

fn window(schedule: &str, duration: &str, zone: Option<&str>) -> Window {
    Window {
        schedule: schedule.into(),
        duration: duration.into(),
        time_zone: zone.map(str::to_owned),
    }
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// At a moment: open or not, and when that changes next within three days.
fn seen(windows: &[Window], now: &str) -> (bool, Option<String>) {
    let open = |at| expected_off(windows, &berlin(), at);
    let minute = at(now).as_second().div_euclid(60);
    let moment = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
    let change = (minute + 1..minute + 3 * 24 * 60).find(|minute| open(moment(*minute)) != open(at(now)));
    let shown = |minute| moment(minute).to_zoned(berlin()).strftime("%m-%d %H:%M%:z").to_string();
    (open(at(now)), change.map(shown))
}

fn change(open: bool, at: &str) -> (bool, Option<String>) {
    (open, Some(at.to_owned()))
}

#[test]
fn a_window_opens_and_closes_to_the_second() {
    let night = [window("30 23 * * *", "18h30m", None)];
    assert_eq!(
        seen(&night, "2026-07-01T23:29:59+02:00"),
        change(false, "07-01 23:30+02:00")
    );
    assert_eq!(
        seen(&night, "2026-07-01T23:30:00+02:00"),
        change(true, "07-02 18:00+02:00")
    );
    assert_eq!(
        seen(&night, "2026-07-02T17:59:59+02:00"),
        change(true, "07-02 18:00+02:00")
    );
    assert_eq!(
        seen(&night, "2026-07-02T18:00:00+02:00"),
        change(false, "07-02 23:30+02:00")
    );
}

#[test]
fn a_window_without_a_zone_has_that_of_the_operator() {
    let noon = |zone| [window("0 12 * * *", "1h", zone)];
    assert_eq!(
        seen(&noon(None), "2026-07-01T10:30:00Z"),
        change(true, "07-01 13:00+02:00")
    );
    let tokyo = noon(Some("Asia/Tokyo"));
    assert_eq!(seen(&tokyo, "2026-07-01T10:30:00Z"), change(false, "07-02 05:00+02:00"));
    assert_eq!(seen(&tokyo, "2026-07-01T03:30:00Z"), change(true, "07-01 06:00+02:00"));
}

/// Clocks go from 02:00+01:00 to 03:00+02:00.
#[test]
fn a_beginning_that_is_left_out_in_spring_comes_with_the_change() {
    let windows = [window("30 2 * * *", "2h", None)];
    assert_eq!(
        seen(&windows, "2026-03-29T01:59:00+01:00"),
        change(false, "03-29 03:00+02:00")
    );
    assert_eq!(
        seen(&windows, "2026-03-29T03:00:00+02:00"),
        change(true, "03-29 05:00+02:00")
    );
    assert_eq!(
        seen(&windows, "2026-03-29T05:00:00+02:00"),
        change(false, "03-30 02:30+02:00")
    );
}

/// Clocks go from 03:00+02:00 to 02:00+01:00.
#[test]
fn a_beginning_that_comes_twice_in_autumn_counts_once() {
    let windows = [window("30 2 * * *", "20m", None)];
    assert_eq!(
        seen(&windows, "2026-10-25T02:29:00+02:00"),
        change(false, "10-25 02:30+02:00")
    );
    assert_eq!(
        seen(&windows, "2026-10-25T02:30:00+02:00"),
        change(true, "10-25 02:50+02:00")
    );
    assert_eq!(
        seen(&windows, "2026-10-25T02:50:00+02:00"),
        change(false, "10-26 02:30+01:00")
    );
    assert_eq!(
        seen(&windows, "2026-10-25T02:30:00+01:00"),
        change(false, "10-26 02:30+01:00")
    );
}

#[test]
fn a_window_over_a_change_of_clocks_lasts_its_true_hours() {
    let night = [window("30 23 * * *", "10h", None)];
    assert_eq!(
        seen(&night, "2026-03-28T23:30:00+01:00"),
        change(true, "03-29 10:30+02:00")
    );
    assert_eq!(
        seen(&night, "2026-10-24T23:30:00+02:00"),
        change(true, "10-25 08:30+01:00")
    );
}

#[test]
fn windows_that_touch_or_overlap_are_one() {
    let windows = [
        window("0 22 * * *", "2h", None),
        window("0 0 * * *", "6h", None),
        window("0 5 * * 4", "4h", None),
    ];
    // A Wednesday's evening: until Thursday, nine o'clock.
    assert_eq!(
        seen(&windows, "2026-07-01T22:30:00+02:00"),
        change(true, "07-02 09:00+02:00")
    );
    assert_eq!(
        seen(&windows, "2026-07-02T22:30:00+02:00"),
        change(true, "07-03 06:00+02:00")
    );
}

#[test]
fn windows_without_an_end_have_none() {
    for (schedule, duration) in [
        ("0 0 * * *", "24h"),
        ("* * * * *", "1m"),
        ("*/5 * * * *", "7d"),
        ("0 0 * * 1", "7d"),
    ] {
        let always = [window(schedule, duration, None)];
        assert_eq!(
            seen(&always, "2026-07-08T12:00:30+02:00"),
            (true, None),
            "{schedule} {duration}"
        );
    }
    // But not over the spring's day of 23 hours turned round: in autumn a day has 25.
    let days = [window("0 0 * * *", "24h", None)];
    assert_eq!(
        seen(&days, "2026-10-24T12:00:00+02:00"),
        change(true, "10-25 23:00+01:00")
    );
}

#[test]
fn no_window_means_never() {
    assert_eq!(seen(&[], "2026-07-01T22:30:00+02:00"), (false, None));
}

#[test]
fn a_window_with_a_problem_is_never_open_and_hides_no_other() {
    let windows = [window("* * * * *", "8d", None), window("0 22 * * *", "2h", None)];
    assert_eq!(
        seen(&windows, "2026-07-01T22:30:00+02:00"),
        change(true, "07-02 00:00+02:00")
    );
    assert_eq!(seen(&windows[..1], "2026-07-01T22:30:00+02:00"), (false, None));
}

#[test]
fn problems_name_the_field_and_what_is_possible() {
    for (schedule, duration, zone, part) in [
        ("30 23 * *", "1h", None, "five fields"),
        ("30 23 * * * UTC", "1h", None, "five fields"),
        ("0 30 23 * * *", "1h", None, "five fields"),
        ("60 23 * * *", "1h", None, "no cron schedule"),
        ("5-1 23 * * *", "1h", None, "no cron schedule"),
        ("@daily", "1h", None, "five fields"),
        ("ä ö ü ß é", "1h", None, "no cron schedule"),
        ("0 0 30 2 *", "1h", None, "never comes"),
        ("0 0 L * *", "1h", None, "`L`, `W` and `#`"),
        ("0 0 * * 5L", "1h", None, "`L`, `W` and `#`"),
        ("0 0 * * 5#3", "1h", None, "`L`, `W` and `#`"),
        ("H 0 * * *", "1h", None, "no cron schedule"),
        ("0 0 * * *", "0s", None, "more than nothing"),
        ("0 0 * * *", "7d1s", None, "at most 7d"),
        ("0 0 * * *", "1", None, "not a duration"),
        ("0 0 * * *", "-1h", None, "not a duration"),
        ("0 0 * * *", "1h", Some("Middle/Earth"), "no time zone"),
    ] {
        let why = window_problem(&window(schedule, duration, zone)).unwrap_or_default();
        assert!(why.contains(part), "{schedule}: {why}");
        assert!(why.starts_with("expectedOff."), "{why}");
    }
    for (schedule, duration) in [
        ("0 0 29 2 *", "7d"),
        ("*/15 8-17 1,15 JAN-JUL Mon-Fri", "1s"),
        ("  0  0 * * WED", "1h"),
        ("0 0 * * 7", "1d12h"),
    ] {
        assert_eq!(window_problem(&window(schedule, duration, None)), None, "{schedule}");
    }
}

/// Every five minutes through both changes of clocks.
#[test]
fn no_window_is_open_longer_than_it_lasts() {
    for (from, schedule, duration, minutes) in [
        ("2026-03-28T12:00:00Z", "30 2 * * *", "3h", 180),
        ("2026-03-28T12:00:00Z", "0 */6 * * *", "90m", 90),
        ("2026-10-24T12:00:00Z", "30 2 * * *", "3h", 180),
        ("2026-10-24T12:00:00Z", "0 */6 * * *", "90m", 90),
        ("2026-10-24T12:00:00Z", "45 1-3 * * *", "10m", 10),
    ] {
        let windows = [window(schedule, duration, None)];
        let (mut open, mut longest) = (0, 0);
        for minute in (0..36 * 60).step_by(5) {
            let is = expected_off(&windows, &berlin(), at(from) + SignedDuration::from_mins(minute));
            open = if is { open + 5 } else { 0 };
            longest = longest.max(open);
        }
        assert_eq!(longest, minutes, "{schedule}");
    }
}
