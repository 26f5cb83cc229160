use hearth_reconciler::outcome::Outcome;
use serde_json::{Value, json};

use super::*;
use crate::crd::backup_run::Item;
use crate::task::{Report, SnapshotReport};

fn run(volumes: Value) -> BackupRun {
    serde_json::from_value(json!({
        "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": "BackupRun",
        "metadata": {"namespace": "home", "name": "one", "uid": "u1", "annotations": {(CANCEL): "true"}},
        "spec": {"repository": "b2"}, "status": {"startTime": "2026-01-01T00:00:00Z", "volumes": volumes},
    }))
    .unwrap()
}

fn job(claim: &str, state: JobState) -> MoverJob {
    MoverJob {
        name: format!("job-{claim}"),
        claim: claim.to_owned(),
        attempt: 1,
        spec: None,
        state,
    }
}

fn completed() -> JobState {
    let report = Report::completed(Some(SnapshotReport {
        id: "abc".to_owned(),
        files: 1,
        ..SnapshotReport::default()
    }));
    JobState::Ended(Timestamp::UNIX_EPOCH, Ok(Box::new(report)))
}

fn ending<'a>(run: &'a BackupRun, jobs: &[MoverJob]) -> Ending<'a> {
    Ending {
        run,
        jobs: jobs.to_vec(),
        history: Vec::new(),
        damaged: false,
        objects_damaged: false,
        now: Timestamp::UNIX_EPOCH,
    }
}

fn states(status: &BackupRunStatus) -> Vec<(State, Option<&str>)> {
    let volumes = status.volumes.iter();
    volumes
        .map(|item: &Item| (item.state, item.reason.as_deref()))
        .collect()
}

#[test]
fn a_cancelled_run_ends_when_none_of_its_movers_is_left() {
    let mut run = run(json!([
        {"claim": "a", "state": "Completed", "attempts": 1, "snapshot": "s"},
        {"claim": "b", "state": "Running", "attempts": 1},
        {"claim": "c", "state": "Pending"},
    ]));
    let jobs = [job("b", JobState::Active(None))];
    let stopping = cancel(&ending(&run, &jobs));
    assert_eq!(stopping.stop, ["job-b"]);
    assert_eq!(stopping.status.completion_time, None);
    assert!(matches!(stopping.outcome, Outcome::Waiting("Cancelling", ..)));
    run.status = Some(stopping.status);
    let ended = cancel(&ending(&run, &[]));
    assert!(ended.stop.is_empty() && ended.status.completion_time.is_some());
    let cancelled = (State::Failed, Some("Cancelled"));
    assert_eq!(states(&ended.status), [(State::Completed, None), cancelled, cancelled]);
    let Outcome::Stalled("Cancelled", message) = ended.outcome else {
        panic!("{:?}", ended.outcome)
    };
    assert!(message.contains("1 of 3 volumes"), "{message}");
}

#[test]
fn what_a_mover_has_finished_counts_though_its_run_is_cancelled() {
    let run = run(json!([{"claim": "a", "state": "Running", "attempts": 1}]));
    let ended = cancel(&ending(&run, &[job("a", completed())]));
    assert_eq!(states(&ended.status), [(State::Completed, None)]);
    assert!(
        matches!(ended.outcome, Outcome::Ready("Completed", _)),
        "{:?}",
        ended.outcome
    );
}

#[test]
fn a_volume_that_waited_for_its_node_is_skipped_and_did_not_fail() {
    let run = run(json!([
        {"claim": "a", "state": "Completed", "attempts": 1, "snapshot": "s"},
        {"claim": "b", "state": "Deferred", "reason": "NodeOff"},
    ]));
    let ended = cancel(&ending(&run, &[]));
    assert_eq!(ended.status.volumes[1].state, State::Skipped);
    assert_eq!(ended.status.volumes[1].reason.as_deref(), Some(NODE_OFF));
    assert!(
        matches!(ended.outcome, Outcome::Stalled("Incomplete", _)),
        "{:?}",
        ended.outcome
    );
}

#[test]
fn a_run_that_has_not_begun_is_cancelled_at_once() {
    let mut run = run(json!([]));
    run.status = None;
    let ended = cancel(&ending(&run, &[]));
    assert!(ended.status.completion_time.is_some());
    let Outcome::Stalled("Cancelled", message) = ended.outcome else {
        panic!("{:?}", ended.outcome)
    };
    assert!(message.contains("before it began"), "{message}");
}

#[test]
fn what_is_reported_is_recorded_while_no_mover_may_start() {
    let run = run(json!([
        {"claim": "a", "state": "Running", "attempts": 1}, {"claim": "b", "state": "Running", "attempts": 1},
    ]));
    let status = record(&ending(&run, &[job("a", completed())]));
    assert_eq!(states(&status), [(State::Completed, None), (State::Running, None)]);
}

#[test]
fn only_true_cancels() {
    let mut run = run(json!([]));
    assert!(is_cancelled(&run));
    run.annotations_mut().insert(CANCEL.to_owned(), "false".to_owned());
    assert!(!is_cancelled(&run));
}

fn asks() -> JobState {
    let report = Report {
        upload_bytes: Some(9),
        ..Report::failed(crate::task::Reason::NeedsConsent, "large")
    };
    JobState::Ended(Timestamp::UNIX_EPOCH, Ok(Box::new(report)))
}

#[test]
fn a_volume_that_needs_consent_goes_on_asking_while_no_mover_may_start() {
    let waiting = json!({"claim": "a", "state": "Pending", "attempts": 1, "firstUpload": 9, "reason": "NeedsConsent"});
    for volume in [waiting, json!({"claim": "a", "state": "Running", "attempts": 1})] {
        let run = run(json!([volume]));
        let before = run.status.clone().unwrap();
        assert_eq!(record(&ending(&run, &[job("a", asks())])).volumes, before.volumes);
    }
}

#[test]
fn a_volume_that_needed_consent_when_its_run_was_cancelled_says_so() {
    let volume = json!({"claim": "a", "state": "Pending", "attempts": 1, "firstUpload": 9, "message": "agree by x"});
    let run = run(json!([volume]));
    let ended = cancel(&ending(&run, &[job("a", asks())]));
    assert_eq!(states(&ended.status), [(State::Failed, Some("NeedsConsent"))]);
    let message = ended.status.volumes[0].message.clone().unwrap();
    assert!(message.starts_with("agree by x"), "{message}");
}

#[test]
fn an_export_of_a_run_that_is_held_up_is_recorded_and_a_cancelled_one_is_stopped() {
    let running = json!({"claim": ".objects", "state": "Running", "attempts": 1});
    let status = json!({"startTime": "1970-01-01T00:00:00Z", "objects": [running]});
    let run: BackupRun = serde_json::from_value(json!({
        "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": "BackupRun",
        "metadata": {"namespace": "home", "name": "one", "uid": "one"}, "spec": {"repository": "b2"}, "status": status,
    }))
    .unwrap();
    let ended = record(&ending(&run, &[job(".objects", completed())]));
    assert_eq!(ended.objects[0].state, State::Completed);
    let cancelled = cancel(&ending(&run, &[job(".objects", JobState::Active(None))]));
    assert_eq!(cancelled.stop, ["job-.objects"]);
    let cancelled = cancel(&ending(&run, &[]));
    assert_eq!(cancelled.status.objects[0].reason.as_deref(), Some(CANCELLED));
    assert!(
        matches!(cancelled.outcome, Outcome::Stalled(..)),
        "{:?}",
        cancelled.outcome
    );
}
