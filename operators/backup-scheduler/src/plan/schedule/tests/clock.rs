use std::collections::BTreeSet;

use super::*;

#[test]
fn case_01_a_new_schedule_waits_for_its_first_slot() {
    let mut world = World::new("2026-01-01T10:00:00Z", json!({}));
    let timing = world.pass("2026-01-01T10:00:05Z");
    assert_eq!(timing.due, None);
    assert_eq!(timing.status.next_slot.as_deref(), Some("2026-01-02T03:00:00Z"));
    assert_eq!(world.run("2026-01-02T02:59:59Z"), None);
    assert_eq!(
        slot(world.run("2026-01-02T03:00:01Z")).as_deref(),
        Some("2026-01-02T03:00:00Z")
    );
    assert_eq!(world.run("2026-01-02T03:00:30Z"), None, "once");
}

#[test]
fn case_02_a_slot_counts_from_the_second_of_the_creation_on() {
    let mut world = World::new("2026-01-01T03:00:00Z", json!({}));
    assert_eq!(
        slot(world.run("2026-01-01T03:00:02Z")).as_deref(),
        Some("2026-01-01T03:00:00Z")
    );
    let mut world = World::new("2026-01-01T03:00:01Z", json!({}));
    assert_eq!(world.run("2026-01-01T03:00:02Z"), None);
}

#[test]
fn a_schedule_whose_status_was_lost_starts_nothing_at_once() {
    let mut world = World::new("2026-01-01T10:00:00Z", json!({}));
    world.ask("old");
    assert_eq!(world.run("2026-02-01T03:05:00Z"), None);
    assert_eq!(world.run("2026-02-01T03:06:00Z"), None);
    assert_eq!(
        slot(world.run("2026-02-02T03:00:00Z")).as_deref(),
        Some("2026-02-02T03:00:00Z")
    );
    // The clock was wrong when it was created.
    let mut world = World::new("2026-05-01T10:00:00Z", json!({}));
    assert_eq!(world.run("2026-02-01T03:05:00Z"), None);
}

#[test]
fn case_03_one_catch_up_run_after_downtime_says_how_late_it_is() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({}));
    let due = world.pass("2026-01-02T09:00:00Z").due.unwrap();
    assert_eq!((due.slot, due.missed), (at("2026-01-02T03:00:00Z"), 0));
    assert_eq!(due.late, SignedDuration::from_hours(6));
    let notes = world.done(&due, &["home"], &[]);
    assert!(notes[0].0 == "CaughtUp" && notes[0].1.contains("6h late"), "{notes:?}");
    assert_eq!(world.status().missed, None);
    assert_eq!(world.run("2026-01-02T09:01:00Z"), None);
}

#[test]
fn case_04_nine_days_of_downtime_make_one_run_and_eight_missed_slots() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({}));
    assert_eq!(
        slot(world.run("2026-01-10T09:00:00Z")).as_deref(),
        Some("2026-01-10T03:00:00Z")
    );
    assert_eq!(world.status().missed, Some(8));
    assert_eq!(world.run("2026-01-10T09:01:00Z"), None);
}

#[test]
fn case_05_a_slot_beyond_the_starting_deadline_is_missed() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({"startingDeadline": "1h"}));
    let timing = world.pass("2026-01-10T09:00:00Z");
    assert_eq!((timing.due, timing.status.missed), (None, Some(9)));
    assert_eq!(timing.notes[0].0, "SlotMissed");
    assert_eq!(timing.status.next_slot.as_deref(), Some("2026-01-11T03:00:00Z"));
    assert_eq!(
        world.pass("2026-01-10T09:01:00Z").status.missed,
        Some(9),
        "counted once"
    );
    assert!(world.run("2026-01-11T03:59:00Z").is_some());
}

#[test]
fn without_catch_up_only_a_slot_of_the_last_minutes_starts() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({"catchUp": false}));
    assert_eq!(world.run("2026-01-02T09:00:00Z"), None);
    assert_eq!(world.status().missed, Some(1));
    assert!(
        world.run("2026-01-03T03:08:00Z").is_some(),
        "a restart of the operator is no downtime"
    );
}

#[test]
fn case_11_a_clock_that_goes_back_starts_no_slot_again() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({}));
    assert!(world.run("2026-01-02T03:00:10Z").is_some());
    for now in [
        "2026-01-02T01:00:00Z",
        "2026-01-02T02:59:00Z",
        "2026-01-02T03:00:00Z",
        "2026-01-02T03:30:00Z",
    ] {
        let timing = world.pass(now);
        assert_eq!((timing.due, timing.notes), (None, Vec::new()), "{now}");
        assert_eq!(timing.status.next_slot.as_deref(), Some("2026-01-03T03:00:00Z"));
    }
    assert!(world.run("2026-01-03T03:00:00Z").is_some());
}

#[test]
fn case_12_a_clock_that_was_far_ahead_costs_at_most_one_slot() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({}));
    assert!(world.run("2038-01-01T05:00:00Z").is_some());
    let timing = world.pass("2026-01-02T10:00:00Z");
    assert_eq!((timing.due, timing.notes[0].0), (None, "ClockSkew"));
    assert_eq!(timing.status.cursor.as_deref(), Some("2026-01-02T10:00:00Z"));
    assert_eq!(
        slot(world.run("2026-01-03T03:00:00Z")).as_deref(),
        Some("2026-01-03T03:00:00Z")
    );
}

const BERLIN: &str = "Europe/Berlin";

#[test]
fn case_13_a_time_that_is_left_out_in_spring_runs_once_at_the_change() {
    let mut world = World::seen(
        "2026-03-28T12:00:00Z",
        json!({"cron": "30 2 * * *", "timeZone": BERLIN}),
    );
    assert_eq!(
        slot(world.run("2026-03-29T06:00:00Z")).as_deref(),
        Some("2026-03-29T01:00:00Z")
    );
    assert_eq!(world.status().missed, None);
}

#[test]
fn case_14_a_time_that_comes_twice_in_autumn_runs_once_the_first_time() {
    let mut world = World::seen(
        "2026-10-24T12:00:00Z",
        json!({"cron": "30 2 * * *", "timeZone": BERLIN}),
    );
    assert_eq!(
        slot(world.run("2026-10-25T00:30:00Z")).as_deref(),
        Some("2026-10-25T00:30:00Z")
    );
    assert_eq!(world.run("2026-10-25T01:30:00Z"), None);
}

#[test]
fn case_15_a_rhythm_runs_through_both_equal_hours_under_different_names() {
    let mut world = World::seen(
        "2026-10-25T00:15:00Z",
        json!({"cron": "*/30 * * * *", "timeZone": BERLIN}),
    );
    let mut names = BTreeSet::new();
    for now in [
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:00:00Z",
        "2026-10-25T01:30:00Z",
        "2026-10-25T02:00:00Z",
    ] {
        let due = world.run(now).unwrap();
        assert_eq!(due.slot, at(now));
        names.insert(run_name(&world.schedule, &due));
    }
    assert_eq!(names.len(), 4);
}

#[test]
fn case_16_an_unknown_time_zone_is_told_and_is_not_utc() {
    let (reason, message) = problem(json!({"timeZone": "Mars/Base"}));
    assert!(
        reason == "InvalidTimeZone" && message.contains("Mars/Base"),
        "{message}"
    );
}

#[test]
fn case_17_new_rules_of_a_zone_do_not_run_a_slot_again() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({"timeZone": BERLIN}));
    // Under the old rules the slot was one hour later in UTC than it is now, and it has run.
    let mut status = world.status();
    status.cursor = Some("2026-01-02T03:00:00Z".to_owned());
    world.schedule.status = Some(status);
    assert_eq!(world.run("2026-01-02T03:00:10Z"), None);
    assert_eq!(
        slot(world.run("2026-01-03T02:00:10Z")).as_deref(),
        Some("2026-01-03T02:00:00Z")
    );
}

#[test]
fn case_18_a_day_that_never_comes_is_told() {
    let (reason, message) = problem(json!({"cron": "0 0 31 2 *"}));
    assert!(reason == "InvalidCron" && message.contains("never comes"), "{message}");
}

#[test]
fn case_19_a_day_that_some_months_do_not_have_is_remarked() {
    let mut world = World::seen("2026-01-31T12:00:00Z", json!({"cron": "0 0 31 * *"}));
    let next = world.pass("2026-02-01T00:00:00Z").status.next_slot;
    assert_eq!(next.as_deref(), Some("2026-03-31T00:00:00Z"));
    assert!(world.said(&[], "2026-02-01T00:00:00Z").1.contains("no such day"));
}

#[test]
fn case_20_a_day_of_the_month_and_a_weekday_are_either_and_it_says_so() {
    let mut world = World::seen("2026-02-01T12:00:00Z", json!({"cron": "0 0 13 * 5"}));
    assert!(world.said(&[], "2026-02-01T12:00:00Z").1.contains("either"));
    // A Friday that is not the 13th.
    assert!(world.run("2026-02-06T00:00:00Z").is_some());
}

#[test]
fn case_22_six_fields_are_told_with_a_hint() {
    let (_, message) = problem(json!({"cron": "0 0 3 * * *"}));
    assert!(
        message.contains("five fields") && message.contains("seconds"),
        "{message}"
    );
}

#[test]
fn case_23_an_edited_schedule_starts_no_slot_of_before_the_edit() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({}));
    world.schedule.spec.cron = "0 2 * * *".to_owned();
    assert_eq!(world.run("2026-01-02T02:50:00Z"), None);
    assert_eq!(world.run("2026-01-02T03:00:00Z"), None);
    assert_eq!(
        slot(world.run("2026-01-03T02:00:00Z")).as_deref(),
        Some("2026-01-03T02:00:00Z")
    );
    // The zone is a part of it.
    world.schedule.spec.time_zone = Some(BERLIN.to_owned());
    assert_eq!(world.run("2026-01-04T01:30:00Z"), None);
    assert_eq!(
        slot(world.run("2026-01-05T01:00:00Z")).as_deref(),
        Some("2026-01-05T01:00:00Z")
    );
}

#[test]
fn case_24_a_resumed_schedule_starts_nothing_at_once() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({}));
    world.schedule.spec.suspend = true;
    for day in 2..9 {
        let timing = world.pass(&format!("2026-01-{day:02}T03:00:10Z"));
        assert_eq!((timing.due, timing.status.next_slot), (None, None));
    }
    world.schedule.spec.suspend = false;
    assert_eq!(world.run("2026-01-09T12:00:00Z"), None);
    assert_eq!((world.run("2026-01-09T12:01:00Z"), world.status().missed), (None, None));
    assert_eq!(
        slot(world.run("2026-01-10T03:00:00Z")).as_deref(),
        Some("2026-01-10T03:00:00Z")
    );
}

#[test]
fn case_25_a_run_by_hand_works_while_suspended_and_moves_no_cursor() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({"suspend": true}));
    let before = world.status().cursor;
    world.ask("now");
    let due = world.run("2026-01-01T12:00:00Z").unwrap();
    assert_eq!(
        (due.token.as_deref(), due.slot),
        (Some("now"), at("2026-01-01T12:00:00Z"))
    );
    assert_eq!((world.status().cursor, world.status().last_slot), (before, None));
    assert!(world.status().last_run.is_some());
}

#[test]
fn case_26_the_same_token_starts_nothing_again() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({}));
    world.ask("now");
    let first = world.pass("2026-01-01T12:00:00Z").due.unwrap();
    // The operator was stopped before the status was written: the same run again.
    let again = world.pass("2026-01-01T12:05:00Z").due.unwrap();
    assert_eq!(run_name(&world.schedule, &first), run_name(&world.schedule, &again));
    world.done(&again, &["home"], &[]);
    assert_eq!(world.run("2026-01-01T12:06:00Z"), None);
    world.ask("once more");
    assert!(world.run("2026-01-01T12:07:00Z").is_some());
}

#[test]
fn a_token_that_is_there_from_the_start_starts_nothing() {
    let mut world = World::new("2026-01-01T10:00:00Z", json!({}));
    world.ask("from Git");
    assert_eq!(world.run("2026-01-01T10:00:01Z"), None);
}

/// That the values are spread is shown where they are made.
#[test]
fn case_27_h_is_a_value_of_the_schedules_own() {
    let minutes: BTreeSet<Option<String>> = (0..50)
        .map(|number| {
            let mut world = World::new("2026-01-01T10:00:00Z", json!({"cron": "H H * * *"}));
            world.schedule.metadata.uid = Some(format!("uid-{number}"));
            let next = world.pass("2026-01-01T10:00:00Z").status.next_slot;
            assert_eq!(world.pass("2026-01-01T10:00:30Z").status.next_slot, next);
            next
        })
        .collect();
    assert!(minutes.len() > 40, "{}", minutes.len());
}

#[test]
fn case_28_jitter_starts_a_run_later_and_leaves_its_slot_and_the_next_as_they_are() {
    let spec = json!({"cron": "50 23 * * *", "jitter": "30m"});
    let parsed = parse(&World::new("2026-01-01T10:00:00Z", spec.clone()).schedule).unwrap();
    let slot_time = at("2026-01-01T23:50:00Z");
    let delay = parsed.delay(slot_time);
    assert!(
        delay > SignedDuration::ZERO && delay < SignedDuration::from_mins(30),
        "{delay}"
    );
    let mut world = World::seen("2026-01-01T10:00:00Z", spec);
    let start = slot_time.checked_add(delay).unwrap();
    let before = start.checked_sub(SignedDuration::from_secs(1)).unwrap().to_string();
    let waits = world.pass(&before);
    assert_eq!(waits.due, None);
    assert!(waits.after <= Duration::from_millis(1050), "{:?}", waits.after);
    let due = world.run(&start.to_string()).unwrap();
    assert_eq!((due.slot, due.late), (slot_time, SignedDuration::ZERO));
    assert_eq!(
        world.pass(&start.to_string()).status.next_slot.as_deref(),
        Some("2026-01-02T23:50:00Z")
    );
}

#[test]
fn case_28_jitter_is_less_than_half_of_the_interval_for_every_schedule() {
    let mut most = SignedDuration::ZERO;
    for number in 0..200 {
        let mut world = World::new("2026-01-01T10:00:00Z", json!({"cron": "*/10 * * * *", "jitter": "2h"}));
        world.schedule.metadata.uid = Some(format!("uid-{number}"));
        most = most.max(parse(&world.schedule).unwrap().delay(at("2026-01-01T10:00:00Z")));
    }
    assert!(
        most > SignedDuration::from_mins(4) && most < SignedDuration::from_mins(5),
        "{most}"
    );
}

#[test]
fn the_promise_is_twice_the_interval_if_nobody_says_otherwise() {
    let rpo = |spec| {
        parse(&World::new("2026-01-01T10:00:00Z", spec).schedule)
            .unwrap()
            .rpo(at("2026-01-01T10:00:00Z"))
    };
    assert_eq!(rpo(json!({})), Some(Duration::from_hours(48)));
    assert_eq!(
        rpo(json!({"objectives": {"rpo": "30h"}})),
        Some(Duration::from_hours(30))
    );
}

#[test]
fn durations_that_cannot_be_read_are_told() {
    for field in ["jitter", "startingDeadline"] {
        let (reason, message) = problem(json!({field: "soon"}));
        assert!(reason == "InvalidDuration" && message.contains(field), "{message}");
    }
    assert!(
        problem(json!({"objectives": {"rpo": "1"}}))
            .1
            .contains("spec.objectives.rpo")
    );
}

#[test]
fn any_times_in_a_status_are_no_panic() {
    for cursor in [
        "",
        "never",
        "-009999-01-02T01:59:59Z",
        "9999-12-30T22:00:00Z",
        "2026-01-01T00:00:00Z",
    ] {
        for cron in ["* * * * *", "0 3 29 2 *", "*/7 2 * * *"] {
            let mut world = World::seen(
                "2026-01-01T10:00:00Z",
                json!({"cron": cron, "jitter": "1d", "timeZone": BERLIN}),
            );
            let mut status = world.status();
            status.cursor = Some(cursor.to_owned());
            status.missed = Some(i64::MAX);
            world.schedule.status = Some(status);
            world.run("2026-01-05T10:00:00Z");
            world.run("9999-12-30T22:00:00Z");
            world.run("0001-01-01T00:00:00Z");
        }
    }
}
