use std::sync::Arc;

use hearth_reconciler::outcome::Outcome;
use serde_json::json;

use super::*;
use crate::plan::backup::Plan;
use crate::plan::backup::tests::{World, good, run};
use crate::plan::items::{JobState, MoverJob};
use crate::plan::limits::{ActiveMover, Limits};
use crate::task::{Reason, Report};

fn world(claims: &[&str], cluster: bool) -> World {
    let mut world = World::new(claims);
    world.run = run("one", json!({"objects": {}}), json!(null));
    world.exports = Exports {
        enabled: true,
        cluster,
        layout: Layout::PerNamespace,
        known: false,
    };
    world
}

fn message(plan: &Plan) -> String {
    match &plan.outcome {
        Outcome::Ready(reason, text) | Outcome::Stalled(reason, text) | Outcome::Waiting(reason, text, _) => {
            format!("{reason}: {text}")
        }
    }
}

fn active() -> MoverJob {
    MoverJob {
        name: "job".to_owned(),
        claim: ".objects".to_owned(),
        attempt: 1,
        spec: None,
        state: JobState::Active(None),
    }
}

#[test]
fn objects_are_backed_up_beside_the_volumes() {
    let mut world = world(&["data"], false);
    let plan = world.step();
    assert_eq!(plan.start.unwrap().claim, "data");
    let start = plan.export.unwrap();
    assert_eq!((start.claim.as_str(), start.attempt), (".objects", 1));
    assert_eq!(start.work.namespace.as_deref(), Some("home"));
    assert_eq!(start.work.backup.path, "/objects/home");
    assert!(start.work.backup.create && start.work.backup.first_attempt);
    world.jobs.push(active());
    world.ends("data", good("s1"));
    let plan = world.step();
    assert!(
        message(&plan).starts_with("Running: 1 of 1 volumes"),
        "{}",
        message(&plan)
    );
    world.ends(".objects", good("s2"));
    let plan = world.step();
    assert_eq!(
        message(&plan),
        "Completed: all 1 volumes and the API objects are backed up"
    );
    assert_eq!(plan.status.objects[0].snapshot.as_deref(), Some("s2"));
}

#[test]
fn a_run_in_the_operators_namespace_also_has_the_objects_of_no_namespace() {
    let mut world = world(&[], true);
    assert_eq!(world.step().export.unwrap().claim, ".objects");
    world.ends(".objects", good("s1"));
    let start = world.step().export.unwrap();
    assert_eq!((start.claim.as_str(), start.work.namespace), (".cluster", None));
    assert_eq!(start.work.backup.path, "/objects/.cluster");
    world.ends(".cluster", good("s2"));
    assert!(message(&world.step()).starts_with("Completed"));
}

#[test]
fn a_namespace_without_claims_is_good_with_its_objects_unless_claims_are_named() {
    let mut named = world(&[], false);
    named.run = run(
        "one",
        json!({"objects": {}, "volumes": {"claims": ["data"]}}),
        json!(null),
    );
    for (mut world, expected) in [(world(&[], false), "Completed"), (named, "NothingSelected")] {
        world.step();
        world.ends(".objects", good("s1"));
        let text = message(&world.step());
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn without_an_exporter_objects_are_skipped_and_the_run_can_be_good() {
    let mut world = world(&["data"], false);
    world.exports.enabled = false;
    let plan = world.step();
    assert_eq!(plan.export, None);
    let item = &plan.status.objects[0];
    assert_eq!(
        (item.state, item.reason.as_deref()),
        (State::Skipped, Some(EXPORTER_OFF))
    );
    world.ends("data", good("s1"));
    assert_eq!(message(&world.step()), "Completed: all 1 volumes are backed up");
}

#[test]
fn secrets_go_into_a_shared_repository_only_if_somebody_asks_for_it() {
    let mut world = world(&["data"], false);
    world.exports.layout = Layout::Single;
    assert!(world.plan().export.is_some());
    world.run.spec.objects = None;
    let plan = world.step();
    assert_eq!(plan.export, None);
    assert_eq!(plan.status.objects[0].reason.as_deref(), Some(SHARED));
}

#[test]
fn without_an_exporter_and_claims_nothing_is_selected() {
    let mut world = world(&[], false);
    world.exports.enabled = false;
    assert!(message(&world.step()).starts_with("NothingSelected"));
}

#[test]
fn an_export_that_fails_holds_up_no_volume_and_the_run_is_not_good() {
    let mut world = world(&["data"], false);
    world.step();
    world.ends(".objects", Report::failed(Reason::NotExported, "no answer"));
    world.ends("data", good("s1"));
    let plan = world.step();
    let text = message(&plan);
    assert!(text.starts_with("Incomplete") && text.contains("NotExported"), "{text}");
    assert_eq!(plan.status.good, Some(1));
}

#[test]
fn objects_alone_are_no_backup_of_a_namespace_with_volumes() {
    let mut world = world(&["data"], false);
    world.step();
    world.ends(".objects", good("s1"));
    world.ends("data", Report::failed(Reason::Unreadable, "no right"));
    let text = message(&world.step());
    assert!(
        text.starts_with("Failed: 0 of 1 volumes are backed up, and the API objects; data: Unreadable"),
        "{text}"
    );
}

#[test]
fn the_former_export_is_the_parent_unless_it_needs_lost_data() {
    let mut world = world(&[], false);
    let item = json!({"claim": ".objects", "state": "Completed", "snapshot": "abcdef", "files": 9, "startTime": "2026-01-01T03:00:00Z"});
    world.history = vec![Arc::new(run("before", json!({}), json!({"objects": [item]})))];
    let work = world.plan().export.unwrap().work;
    assert_eq!(
        (work.backup.parent.as_deref(), work.backup.former_files),
        (Some("abcdef"), 9)
    );
    world.objects_damage.snapshots = vec!["abc".to_owned()];
    assert_eq!(world.plan().export.unwrap().work.backup.parent, None);
}

#[test]
fn an_export_into_a_damaged_repository_does_not_count() {
    let mut world = world(&[], false);
    world.step();
    world.objects_damage.unrepaired = true;
    world.ends(".objects", good("s1"));
    let plan = world.step();
    assert_eq!(plan.status.objects[0].state, State::Partial);
    assert!(message(&plan).contains("DataDamaged"));
}

#[test]
fn an_export_waits_for_room() {
    let mut world = world(&[], false);
    let other = ActiveMover {
        run: "other".to_owned(),
        ..ActiveMover::default()
    };
    world.limits = Limits {
        cluster: 1,
        movers: vec![other],
        ..Limits::default()
    };
    let plan = world.step();
    assert_eq!((plan.export, plan.held.len()), (None, 1));
    assert_eq!(plan.status.objects[0].reason.as_deref(), Some("WaitsForRoom"));
}

#[test]
fn a_running_export_is_looked_at_even_if_nobody_tells_its_end() {
    let mut world = world(&[], false);
    world.step();
    world.jobs.push(active());
    let plan = world.step();
    assert!(
        matches!(plan.outcome, Outcome::Waiting(_, _, Some(POLL))),
        "{:?}",
        plan.outcome
    );
    assert_eq!(plan.export, None);
}
