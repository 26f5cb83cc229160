use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::*;
use crate::crd::sync::KeyStatus;

const NOW: &str = "2026-11-30T10:30:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn status(generation: i64, ready: &str, fresh: &str) -> SecretSyncStatus {
    let condition = |type_: &str, status: &str| Condition {
        last_transition_time: Time(at("2026-11-01T00:00:00Z")),
        message: String::new(),
        observed_generation: None,
        reason: "X".to_owned(),
        status: status.to_owned(),
        type_: type_.to_owned(),
    };
    let row = |key: &str| KeyStatus {
        key: key.to_owned(),
        object: "o".to_owned(),
        version: None,
    };
    SecretSyncStatus {
        observed_generation: generation,
        last_handled_reconcile_at: Some("1".to_owned()),
        secret: Some("app".to_owned()),
        keys: vec![row("B"), row("A")],
        conditions: vec![condition(READY, ready), condition(FRESH, fresh)],
        ..SecretSyncStatus::default()
    }
}

fn marked(owner: &str, keys: &str) -> Marked {
    Marked {
        owner: owner.into(),
        owned_keys: keys.into(),
        terminating: false,
    }
}

/// Healthy, read at ten o'clock by this process, due at eleven.
fn observed<'a>(status: &'a SecretSyncStatus, secret: Option<&'a Marked>) -> Observed<'a> {
    Observed {
        now: at(NOW),
        generation: Some(3),
        status,
        requested: Some("1"),
        secret,
        name: "app",
        secret_name: "app",
        last_read: LastRead::At(at("2026-11-30T10:00:00Z")),
        not_before: None,
        refresh: Some(Duration::from_hours(1)),
        seed: 0,
    }
}

const READ: Step = Step::Read { requested: false };

#[test]
fn a_healthy_one_waits_until_it_is_due() {
    let (status, secret) = (status(3, "True", "True"), marked("app", "A B"));
    let mut observed = observed(&status, Some(&secret));
    assert!(observed.is_in_place());
    assert_eq!(observed.decide(), Step::Wait(Some(at("2026-11-30T11:00:00Z"))));
    observed.now = at("2026-11-30T11:00:00Z");
    assert_eq!(observed.decide(), READ);
    observed.refresh = None;
    assert_eq!(observed.decide(), Step::Wait(None));
}

#[test]
fn a_restart_with_healthy_objects_reads_nothing() {
    let (status, secret) = (status(3, "True", "True"), marked("app", "A B"));
    for minute in 0..60 {
        let mut observed = observed(&status, Some(&secret));
        observed.last_read = LastRead::Before {
            begun: at(NOW),
            former: Some(at("2026-11-30T10:29:30Z")),
        };
        // At half past the hour it is missed and made up for.
        observed.seed = (minute % 30) * 60_000;
        assert!(matches!(observed.decide(), Step::Wait(Some(_))), "{minute}");
    }
}

#[test]
fn what_is_not_as_it_was_written_is_read_at_once() {
    let good = status(3, "True", "True");
    let intact = marked("app", "A B");
    let mut going = intact.clone();
    going.terminating = true;
    let edited = marked("app", "A");
    let foreign = marked("other", "A B");
    for secret in [None, Some(&edited), Some(&foreign), Some(&going)] {
        let observed = observed(&good, secret);
        assert!(!observed.is_in_place());
        assert_eq!(observed.decide(), READ);
    }
    let mut renamed = observed(&good, Some(&intact));
    renamed.secret_name = "new";
    assert_eq!(renamed.decide(), READ);
    for bad in [
        status(2, "True", "True"),
        status(3, "False", "True"),
        status(3, "True", "False"),
    ] {
        assert_eq!(observed(&bad, Some(&intact)).decide(), READ);
    }
    let never = SecretSyncStatus::default();
    let mut new = observed(&never, None);
    new.requested = None;
    assert_eq!(new.decide(), READ);
}

#[test]
fn an_outage_leaves_it_in_place() {
    let secret = marked("app", "A B");
    assert!(observed(&status(3, "True", "False"), Some(&secret)).is_in_place());
}

#[test]
fn after_a_failure_it_waits_and_a_request_does_not() {
    let (bad, secret) = (status(3, "True", "False"), marked("app", "A B"));
    let mut observed = observed(&bad, Some(&secret));
    observed.not_before = Some(at("2026-11-30T10:31:00Z"));
    assert_eq!(observed.decide(), Step::Wait(observed.not_before));
    observed.requested = Some("2");
    assert_eq!(observed.decide(), Step::Read { requested: true });
    observed.requested = None;
    observed.now = at("2026-11-30T10:31:00Z");
    assert_eq!(observed.decide(), READ);
}

#[test]
fn a_request_is_handled_once() {
    let (good, secret) = (status(3, "True", "True"), marked("app", "A B"));
    let mut observed = observed(&good, Some(&secret));
    observed.requested = Some("2");
    assert_eq!(observed.decide(), Step::Read { requested: true });
    observed.requested = None;
    assert!(
        matches!(observed.decide(), Step::Wait(_)),
        "an annotation that was removed requests nothing"
    );
}
