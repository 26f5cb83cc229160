//! Volumes that wait for consent, or make room for a pod.
use super::*;

fn needs_consent(bytes: u64) -> Report {
    Report {
        upload_bytes: Some(bytes),
        ..Report::failed(Reason::NeedsConsent, "too large")
    }
}

fn agree(claim: &mut PersistentVolumeClaim, bytes: &str) {
    let annotations = claim.metadata.annotations.get_or_insert_default();
    annotations.insert("backup.hearth.home.arpa/first-upload".to_owned(), bytes.to_owned());
}

#[test]
fn a_first_upload_over_the_limit_waits_for_consent_beside_the_others_and_goes_on_by_itself() {
    let mut world = World::new(&["a", "b"]);
    world.step();
    world.ends("a", needs_consent(100));
    let plan = world.step();
    assert_eq!(plan.start.unwrap().claim, "b");
    let item = &plan.status.volumes[0];
    assert_eq!((item.state, item.first_upload), (State::Pending, Some(100)));
    // Its report is recorded, so its Job and its Secret may go.
    assert_eq!(items::superseded(&plan.status.volumes, &world.jobs), ["job-a"]);
    world.jobs.clear();
    world.ends("b", good("s2"));
    let plan = world.step();
    let Outcome::Waiting("NeedsConsent", message, Some(_)) = plan.outcome else {
        panic!("{:?}", plan.outcome)
    };
    assert!(message.contains("first-upload=110"), "{message}");
    assert_eq!((plan.start, plan.status.completion_time), (None, None));
    agree(&mut world.claims[0], "110");
    let plan = world.step();
    let start = plan.start.unwrap();
    assert_eq!((start.attempt, start.work.first_upload_limit), (2, 110));
    assert!(!start.work.first_attempt);
    let item = &plan.status.volumes[0];
    assert_eq!((item.state, item.is_paused()), (State::Running, false));
    world.jobs = vec![MoverJob {
        attempt: 2,
        spec: None,
        ..world.jobs.remove(0)
    }];
    world.jobs[0].claim = "a".to_owned();
    assert!(matches!(world.step().outcome, Outcome::Ready("Completed", _)));
}

#[test]
fn consent_that_was_given_before_is_the_limit_of_the_first_attempt() {
    let mut world = World::new(&["a"]);
    agree(&mut world.claims[0], "1000");
    assert_eq!(world.plan().start.unwrap().work.first_upload_limit, 1000);
    agree(&mut world.claims[0], "1");
    assert_eq!(world.plan().start.unwrap().work.first_upload_limit, 7);
}

#[test]
fn a_run_that_waits_for_consent_ends_beside_a_newer_run_of_the_same_volume() {
    let mut world = World::new(&["a"]);
    world.step();
    world.ends("a", needs_consent(100));
    world.step();
    let mut newer = run(
        "two",
        json!({}),
        json!({"volumes": [{"claim": "a", "state": "Pending"}]}),
    );
    newer.metadata.creation_timestamp = serde_json::from_value(json!("2026-01-03T03:00:00Z")).unwrap();
    world.history = vec![Arc::new(newer)];
    let Outcome::Stalled("Failed", message) = world.step().outcome else {
        panic!()
    };
    assert!(message.contains("NeedsConsent"), "{message}");
}

/// A pod that waits on another node for the volume of `data`.
fn kept_out() -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "app-0"},
        "spec": {
            "containers": [], "nodeName": "pi",
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
        },
        "status": {"phase": "Pending"},
    }))
    .unwrap()
}

/// A mover of `data` at work on another node.
fn at_work(attempt: i64) -> (Vec<MoverJob>, Vec<Holder>) {
    let job = MoverJob {
        name: format!("job-{attempt}"),
        claim: "data".to_owned(),
        attempt,
        spec: None,
        state: JobState::Active(None),
    };
    let holder = Holder {
        claim: "data".to_owned(),
        node: Some("desk".to_owned()),
        started: true,
    };
    (vec![job], vec![holder])
}

#[test]
fn a_mover_makes_room_for_a_pod_and_goes_on_beside_it_three_times() {
    let mut world = World::new(&["data"]);
    world.nodes.insert("pi".to_owned(), true);
    world.step();
    for attempt in 1..=3 {
        world.pods.clear();
        (world.jobs, world.holders) = at_work(attempt);
        assert!(matches!(world.step().outcome, Outcome::Waiting("Running", _, Some(_))));
        world.pods = vec![kept_out()];
        let plan = world.step();
        assert_eq!(plan.start, None);
        let item = &plan.status.volumes[0];
        assert_eq!((item.reason.as_deref(), item.yields), (Some("Yielded"), attempt));
        assert_eq!(
            items::superseded(&plan.status.volumes, &world.jobs),
            [format!("job-{attempt}")]
        );
        // The operator stopped before the Job was deleted: it is not counted twice.
        assert_eq!(world.step().status.volumes[0].yields, attempt);
        (world.jobs, world.holders) = (Vec::new(), Vec::new());
        let start = world.step().start.unwrap();
        assert_eq!(
            (start.attempt, start.placement.node.as_deref()),
            (attempt + 1, Some("pi"))
        );
    }
    (world.jobs, world.holders) = at_work(4);
    let item = world.step().status.volumes.remove(0);
    assert_eq!((item.state, item.yields), (State::Running, 3));
    // Attempts that made room are no failures.
    world.jobs[0].state = JobState::Ended(NOW, Err("its pod is gone".to_owned()));
    world.now = Timestamp::from_second(60).unwrap();
    assert_eq!(world.step().start.unwrap().attempt, 5);
}

#[test]
fn an_attempt_after_a_pause_that_was_not_recorded_is_adopted() {
    let mut world = World::new(&["data"]);
    world.step();
    (world.jobs, world.holders) = at_work(1);
    world.pods = vec![kept_out()];
    world.step();
    world.pods.clear();
    (world.jobs, world.holders) = at_work(2);
    let plan = world.step();
    let item = &plan.status.volumes[0];
    assert_eq!(plan.start, None);
    assert_eq!(
        (item.attempts, item.is_paused(), item.state),
        (2, false, State::Running)
    );
}

#[test]
fn a_mover_that_was_done_before_it_was_ended_counts() {
    let mut world = World::new(&["data"]);
    world.step();
    (world.jobs, world.holders) = at_work(1);
    world.pods = vec![kept_out()];
    world.step();
    world.jobs[0].state = JobState::Ended(NOW, Ok(Box::new(good("s1"))));
    let plan = world.step();
    let item = &plan.status.volumes[0];
    assert_eq!((item.state, item.snapshot.as_deref()), (State::Completed, Some("s1")));
    assert!(!item.is_paused());
}
