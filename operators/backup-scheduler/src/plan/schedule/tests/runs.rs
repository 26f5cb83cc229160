use super::*;
use crate::crd::{CANCEL, SCHEDULE_UID};
use crate::plan::backup::slot_of;

fn due(world: &mut World, now: &str) -> Due {
    world.pass(now).due.unwrap()
}

fn decided(world: &World, due: &Due, runs: &[BackupRun]) -> Decision {
    decide(&world.schedule, due, &["home".to_owned()], runs)
}

/// The runs that a decision makes, with a status.
fn made(decision: &Decision, status: Value) -> Vec<BackupRun> {
    let mut runs = decision.create.clone();
    for run in &mut runs {
        run.status = serde_json::from_value(status.clone()).unwrap();
    }
    runs
}

fn working() -> Value {
    json!({"startTime": "2026-01-02T03:00:01Z", "volumes": [{"claim": "a", "state": "Running"}]})
}

fn deferred() -> Value {
    json!({"startTime": "2026-01-02T03:00:01Z", "volumes": [
        {"claim": "a", "state": "Completed"}, {"claim": "b", "state": "Deferred"},
    ]})
}

fn ended(good: i64, total: i64) -> Value {
    json!({"startTime": "2026-01-02T03:00:01Z", "completionTime": "2026-01-02T03:05:01Z", "good": good, "total": total})
}

#[test]
fn a_run_tells_its_schedule_and_slot_and_belongs_to_nobody() {
    let mut world = World::seen(
        "2026-01-01T10:00:00Z",
        json!({"allowPartial": true, "volumes": {"claims": ["a"]}}),
    );
    world.schedule.metadata.labels = Some([("argocd.argoproj.io/instance".to_owned(), "x".to_owned())].into());
    let due = due(&mut world, "2026-01-02T03:00:00Z");
    let run = decided(&world, &due, &[]).create.remove(0);
    // Case 29: the runs and snapshots of a schedule stay when it is deleted.
    assert_eq!(
        (
            run.metadata.owner_references.as_ref(),
            run.metadata.annotations.as_ref()
        ),
        (None, None)
    );
    assert_eq!(run.metadata.namespace.as_deref(), Some("home"));
    assert_eq!(run.labels()[SCHEDULE_UID], "s1");
    assert_eq!(run.labels()[SLOT], "20260102T030000Z");
    assert_eq!(run.labels().len(), 3, "no labels of the schedule, velero#2975");
    let schedule = run.spec.schedule.as_ref().unwrap();
    assert_eq!((schedule.name.as_str(), schedule.uid.as_str()), ("nightly", "s1"));
    assert_eq!(slot_of(&run), at("2026-01-02T03:00:00Z"), "the time of its snapshots");
    assert!(run.spec.allow_partial && run.spec.volumes.as_ref().unwrap().claims == ["a"]);
}

#[test]
fn a_long_name_is_cut_and_is_a_name_still() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({}));
    world.schedule.metadata.name = Some(format!("{}.{}", "a".repeat(39), "b".repeat(200)));
    let due = due(&mut world, "2026-01-02T03:00:00Z");
    let name = run_name(&world.schedule, &due);
    assert!(
        name.len() <= 51 && name.starts_with("aaa") && !name.contains('.'),
        "{name}"
    );
}

#[test]
fn case_06_a_crash_before_the_status_makes_no_second_run() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({}));
    let first = due(&mut world, "2026-01-02T03:00:00Z");
    let runs = made(&decided(&world, &first, &[]), json!(null));
    let again = due(&mut world, "2026-01-02T03:20:00Z");
    let decision = decided(&world, &again, &runs);
    assert!(decision.create.is_empty() && decision.cancel.is_empty());
    assert_eq!(decision.there, ["home"]);
    let notes = world.done(&again, &["home"], &[]);
    assert_eq!(world.status().last_slot.as_deref(), Some("2026-01-02T03:00:00Z"));
    assert_eq!(notes[0].0, "CaughtUp");
}

#[test]
fn case_07_a_schedule_of_the_same_name_made_anew_has_other_names_of_runs() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({}));
    let due = due(&mut world, "2026-01-02T03:00:00Z");
    let name = run_name(&world.schedule, &due);
    world.schedule.metadata.uid = Some("s2".to_owned());
    assert_ne!(run_name(&world.schedule, &due), name);
}

#[test]
fn case_08_two_operators_choose_the_same_name() {
    let mut one = World::seen("2026-01-01T10:00:00Z", json!({}));
    let mut other = one.clone();
    let first = due(&mut one, "2026-01-02T03:00:00Z");
    let second = due(&mut other, "2026-01-02T03:00:07Z");
    assert_eq!(run_name(&one.schedule, &first), run_name(&other.schedule, &second));
}

#[test]
fn case_09_a_slot_is_skipped_while_the_run_before_is_at_work_and_is_not_queued() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({}));
    let first = due(&mut world, "2026-01-02T03:00:00Z");
    let runs = made(&decided(&world, &first, &[]), working());
    world.done(&first, &["home"], &[]);
    let second = due(&mut world, "2026-01-03T03:00:00Z");
    let decision = decided(&world, &second, &runs);
    assert!(decision.create.is_empty() && decision.wait_for.is_empty() && decision.cancel.is_empty());
    let notes = world.done(&second, &[], &["home/x"]);
    assert!(notes[0].0 == "Overlap" && notes[0].1.contains("home/x"), "{notes:?}");
    assert_eq!(world.status().missed, Some(1));
    assert_eq!(world.status().last_slot.as_deref(), Some("2026-01-02T03:00:00Z"));
    // The run has ended: its slot does not start late.
    assert_eq!(world.run("2026-01-03T05:00:00Z"), None);
}

#[test]
fn case_10_replace_cancels_the_run_before_and_waits_for_its_end() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({"concurrencyPolicy": "Replace"}));
    let first = due(&mut world, "2026-01-02T03:00:00Z");
    let mut runs = made(&decided(&world, &first, &[]), working());
    world.done(&first, &["home"], &[]);
    let second = due(&mut world, "2026-01-03T03:00:00Z");
    let decision = decided(&world, &second, &runs);
    assert_eq!(
        (decision.create.len(), decision.cancel.len(), decision.wait_for.len()),
        (0, 1, 1)
    );
    runs[0].metadata.annotations = Some([(CANCEL.to_owned(), "true".to_owned())].into());
    let decision = decided(&world, &second, &runs);
    assert_eq!(
        (decision.create.len(), decision.cancel.len(), decision.wait_for.len()),
        (0, 0, 1)
    );
    runs[0].status = serde_json::from_value(ended(0, 1)).unwrap();
    // The slot is due still.
    let second = due(&mut world, "2026-01-03T03:01:00Z");
    assert_eq!(decided(&world, &second, &runs).create.len(), 1);
}

#[test]
fn case_21_runs_longer_than_the_interval_are_remarked() {
    let mut world = World::seen("2026-01-02T02:59:00Z", json!({"cron": "* * * * *"}));
    let first = due(&mut world, "2026-01-02T03:00:00Z");
    let runs = made(&decided(&world, &first, &[]), ended(1, 1));
    let (reason, message) = world.said(&runs, "2026-01-02T03:10:00Z");
    assert!(
        reason == "Scheduled" && message.contains("longer interval"),
        "{message}"
    );
    world.schedule.spec.cron = "0 3 * * *".to_owned();
    assert!(!world.said(&runs, "2026-01-02T03:10:00Z").1.contains("longer interval"));
}

#[test]
fn case_30_a_run_that_only_waits_for_a_node_or_for_consent_gives_way_to_the_next_slot() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({}));
    let first = due(&mut world, "2026-01-02T03:00:00Z");
    let runs = made(&decided(&world, &first, &[]), deferred());
    world.done(&first, &["home"], &[]);
    // Until then it waits, and nothing else starts.
    assert_eq!(world.run("2026-01-02T20:00:00Z"), None);
    let second = due(&mut world, "2026-01-03T03:00:00Z");
    let decision = decided(&world, &second, &runs);
    assert_eq!((decision.create.len(), decision.cancel.len()), (1, 1));
    assert!(decision.wait_for.is_empty() && decision.overlap.is_empty());
    // One that waits for consent to a first upload, too: the new run asks the same, and backs up the other volumes.
    let consent = json!({"startTime": "2026-01-02T03:00:01Z", "volumes": [
        {"claim": "a", "state": "Completed"}, {"claim": "b", "state": "Pending", "firstUpload": 9},
    ]});
    let asking = made(&decided(&world, &first, &[]), consent);
    assert_eq!(decided(&world, &second, &asking).create.len(), 1);
    // One that has not begun, too: its repository was not ready.
    let idle = made(&decided(&world, &first, &[]), json!(null));
    assert_eq!(decided(&world, &second, &idle).create.len(), 1);
}

#[test]
fn a_run_by_hand_waits_for_the_run_at_work() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({}));
    let first = due(&mut world, "2026-01-02T03:00:00Z");
    let mut runs = made(&decided(&world, &first, &[]), working());
    world.done(&first, &["home"], &[]);
    world.ask("now");
    let manual = due(&mut world, "2026-01-02T04:00:00Z");
    let decision = decided(&world, &manual, &runs);
    assert_eq!(
        (decision.create.len(), decision.overlap.len(), decision.wait_for.len()),
        (0, 0, 1)
    );
    runs[0].status = serde_json::from_value(ended(1, 1)).unwrap();
    assert_eq!(decided(&world, &manual, &runs).create.len(), 1);
}

#[test]
fn each_namespace_has_a_run_of_its_own_and_one_at_work_holds_up_no_other() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({"namespaces": {}}));
    let both = ["home".to_owned(), "media".to_owned()];
    let first = due(&mut world, "2026-01-02T03:00:00Z");
    let decision = decide(&world.schedule, &first, &both, &[]);
    assert_eq!(decision.create.len(), 2);
    assert_eq!(decision.create[1].spec.schedule.as_ref().unwrap().name, "home/nightly");
    let mut runs = made(&decision, ended(1, 1));
    runs[0].status = serde_json::from_value(working()).unwrap();
    world.done(&first, &["home", "media"], &[]);
    let second = due(&mut world, "2026-01-03T03:00:00Z");
    let decision = decide(&world.schedule, &second, &both, &runs);
    assert_eq!((decision.create.len(), decision.overlap.len()), (1, 1));
    assert_eq!(decision.create[0].metadata.namespace.as_deref(), Some("media"));
    let notes = world.done(
        &second,
        &["media"],
        &decision.overlap.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    assert_eq!(
        (notes[0].0, world.status().missed),
        ("Overlap", None),
        "the slot has a run"
    );
}

#[test]
fn the_last_good_slot_is_one_whose_runs_are_all_good() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({"namespaces": {}}));
    let both = ["home".to_owned(), "media".to_owned()];
    let mut runs = Vec::new();
    for (day, good) in [(2, [1, 1]), (3, [1, 0])] {
        let now = format!("2026-01-{day:02}T03:00:00Z");
        let slot = due(&mut world, &now);
        let decision = decide(&world.schedule, &slot, &both, &runs);
        for (mut run, good) in decision.create.into_iter().zip(good) {
            run.status = serde_json::from_value(ended(good, 1)).unwrap();
            runs.push(run);
        }
        world.done(&slot, &["home", "media"], &[]);
    }
    let found = results(runs.iter(), "s1");
    assert_eq!(found.last_good, Some(at("2026-01-02T03:00:00Z")));
    assert!(
        found.bad.len() == 1 && found.bad[0].starts_with("media/nightly-"),
        "{:?}",
        found.bad
    );
    assert_eq!(results(runs.iter(), "s2"), Results::default());
    let (reason, message) = world.said(&runs, "2026-01-03T04:00:00Z");
    assert!(reason == "LastRunNotGood" && message.contains("media/"), "{message}");
    // A run without any volume is no success.
    let empty: Vec<BackupRun> = runs
        .drain(..1)
        .map(|mut run| {
            run.status = serde_json::from_value(ended(0, 0)).unwrap();
            run
        })
        .collect();
    assert_eq!(results(empty.iter(), "s1").last_good, None);
}

#[test]
fn what_the_retention_needs_comes_from_the_spec() {
    let mut world = World::seen("2026-01-01T10:00:00Z", json!({"timeZone": "Europe/Berlin"}));
    world.schedule.metadata.annotations = Some([(FORGET.to_owned(), "12-abc".to_owned())].into());
    let found = retention(&world.schedule).unwrap();
    assert_eq!(
        (found.uid.as_str(), found.name.as_str(), found.consent.as_deref()),
        ("s1", "home/nightly", Some("12-abc"))
    );
    assert_eq!(found.zone.iana_name(), Some("Europe/Berlin"));
    world.schedule.spec.time_zone = Some("Mars/Base".to_owned());
    assert!(retention(&world.schedule).is_none());
}
