use serde_json::{Value, json};

use super::{World, claim, restored};
use crate::crd::backup_run::State;
use crate::plan::place::OBJECTS;
use crate::plan::restore::{Outcome, Plan, Start};
use crate::task::{AbsentClaims, Existing, ObjectResult, ObjectsReport, Reason, Report, RestoreObjects, Verdict};

fn objects(plan: Plan) -> RestoreObjects {
    let Some(Start::Objects(_, _, work)) = plan.start else {
        panic!("{plan:?}")
    };
    *work
}

/// A report of objects; one of them failed, if `failed`.
fn report(created: u64, failed: bool) -> Report {
    let result = |number: usize| ObjectResult {
        object: format!("home/configmaps/{number}"),
        result: "Failed".to_owned(),
        message: None,
    };
    let objects = ObjectsReport {
        created,
        failed: u64::from(failed),
        skipped: [("Flux".to_owned(), 3)].into(),
        objects: (0..30).map(result).collect(),
        hints: vec!["look".to_owned()],
        ..ObjectsReport::default()
    };
    let mut report = restored();
    report.objects = Some(objects);
    if failed {
        (report.verdict, report.reason, report.message) =
            (Verdict::Partial, Reason::NotRestored, "1 failed".to_owned());
    }
    report
}

/// A run whose one volume was found and has ended so.
fn after_volume(spec: Value, volume: Report) -> World {
    let mut world = World::new(spec);
    world.claims = vec![claim("a")];
    world.step();
    world.finds(1, &["a"], false);
    assert!(matches!(world.step().start, Some(Start::Restore(..))));
    world.ended("a", 1, volume);
    world
}

fn refused(spec: Value) -> (&'static str, String) {
    let mut world = World::new(spec);
    let Outcome::Stalled(reason, message) = world.step().outcome else {
        panic!()
    };
    (reason, message)
}

/// Case 82.
#[test]
fn objects_are_restored_after_the_volumes_and_told_which_claims_are_made() {
    let mut world = after_volume(json!({"objects": {}, "existing": "Update"}), restored());
    let work = objects(world.step());
    assert_eq!(
        (work.namespaces.as_slice(), work.cluster),
        (&["home".to_owned()][..], false)
    );
    assert_eq!(
        (work.claims.as_slice(), work.incomplete_claims.len()),
        (&["home/a".to_owned()][..], 0)
    );
    assert_eq!(work.absent_claims, AbsentClaims::CreateEmpty);
    assert!(work.tenant && work.existing == Existing::Update && work.not_good == ["bad"]);
    assert!(
        work.mark.starts_with("home/back/") && work.mark.len() < 40,
        "{}",
        work.mark
    );
    world.ended(OBJECTS, 1, report(7, false));
    let plan = world.step();
    let Outcome::Ready("Completed", message) = &plan.outcome else {
        panic!("{:?}", plan.outcome)
    };
    assert_eq!(
        message,
        "all 1 volumes are restored; API objects: 7 created, 0 updated, 0 unchanged, 3 skipped, 0 failed"
    );
    assert!(plan.remember);
    let counts = plan.status.restored_objects.unwrap();
    assert_eq!(
        (
            counts.created,
            counts.skipped["Flux"],
            counts.objects.len(),
            counts.hints.len()
        ),
        (7, 3, 20, 1)
    );
    // Its Job may be gone in the next pass.
    world.jobs.clear();
    assert_eq!(world.step().status.restored_objects.unwrap().created, 7);
}

/// Case 82.
#[test]
fn a_claim_without_its_data_is_told_so_that_its_workloads_are_not_made() {
    let mut partial = restored();
    (partial.verdict, partial.reason) = (Verdict::Partial, Reason::DataDamaged);
    let mut world = after_volume(json!({"objects": {}}), partial);
    assert_eq!(objects(world.step()).incomplete_claims, ["home/a"]);
    world.ended(OBJECTS, 1, report(1, true));
    let Outcome::Stalled("Partial", message) = world.step().outcome else {
        panic!()
    };
    assert!(
        message.contains("a: DataDamaged") && message.contains(".objects: NotRestored: 1 failed"),
        "{message}"
    );
}

#[test]
fn without_objects_none_are_restored() {
    let mut world = after_volume(json!({}), restored());
    let plan = world.step();
    assert!(plan.start.is_none() && plan.status.objects.is_empty());
    assert_eq!(
        plan.outcome,
        Outcome::Ready("Completed", "all 1 volumes are restored".to_owned())
    );
}

#[test]
fn objects_alone_are_restored_only_on_request_since_workloads_would_begin_with_empty_volumes() {
    let mut world = World::new(json!({"objects": {}}));
    world.step();
    world.finds(1, &[], false);
    let Outcome::Stalled("NothingFound", message) = world.step().outcome else {
        panic!()
    };
    assert!(message.ends_with("set spec.objects.only"), "{message}");
    let mut world = World::new(json!({"objects": {}}));
    world.step();
    world.ended("", 1, Report::failed(Reason::RepositoryMissing, "there is none"));
    let Outcome::Stalled("RepositoryMissing", message) = world.step().outcome else {
        panic!()
    };
    assert!(message.ends_with("set spec.objects.only"), "{message}");
    let mut world = World::new(json!({"objects": {"only": true}}));
    let work = objects(world.step());
    assert!(work.claims.is_empty() && work.absent_claims == AbsentClaims::Skip);
    world.ended(OBJECTS, 1, report(2, false));
    let plan = world.step();
    assert!(
        matches!(&plan.outcome, Outcome::Ready("Completed", text) if text.starts_with("no volumes are restored; API objects: 2 "))
    );
}

#[test]
fn a_dry_run_begins_no_volume_and_shows_the_plan_and_is_not_remembered() {
    let mut world = World::new(json!({"objects": {}, "dryRun": true}));
    world.claims = vec![claim("b")];
    world.step();
    world.finds(1, &["a", "b"], false);
    let work = objects(world.step());
    assert!(work.dry_run && work.claims == ["home/a", "home/b"] && work.incomplete_claims.is_empty());
    world.ended(OBJECTS, 1, report(4, false));
    let plan = world.step();
    assert!(
        matches!(&plan.outcome, Outcome::Ready("DryRun", _)) && !plan.remember && plan.status.completion_time.is_some()
    );
    let said: Vec<_> = plan
        .status
        .volumes
        .iter()
        .map(|item| (item.state, item.message.as_deref().unwrap()))
        .collect();
    assert_eq!(said[0], (State::Pending, "the claim would be created and filled"));
    assert!(said[1].1.starts_with("the claim would be filled"));
}

#[test]
fn a_run_outside_the_operators_namespace_never_reaches_beyond_its_own() {
    for spec in [
        json!({"objects": {"only": true, "namespaces": ["other"]}}),
        json!({"objects": {"only": true, "cluster": true}}),
        json!({"objects": {"only": true}, "namespaceMapping": {"home": "other"}}),
    ] {
        let (reason, message) = refused(spec);
        assert!(
            reason == "InvalidSpec" && message.contains("operator's namespace"),
            "{message}"
        );
    }
    let mut world = World::new(json!({
        "objects": {"only": true, "namespaces": ["a", "b"], "cluster": true}, "namespaceMapping": {"a": "c"}, "existing": "Fail", "gitops": "Include",
    }));
    world.everywhere = true;
    let work = objects(world.step());
    assert_eq!(work.namespaces, ["a", "b"]);
    assert!(work.cluster && !work.tenant && work.namespace_mapping["a"] == "c" && work.existing == Existing::Fail);
}

#[test]
fn what_a_spec_cannot_mean_is_refused_with_what_to_change() {
    for (spec, part) in [
        (json!({"namespaceMapping": {"a": "b"}}), "set spec.objects"),
        (
            json!({"objects": {}, "from": {"repository": "b2", "snapshot": "0123456789"}}),
            "spec.from.run",
        ),
    ] {
        let (reason, message) = refused(spec);
        assert!(reason == "InvalidSpec" && message.contains(part), "{message}");
    }
    for (more, part) in [
        (
            json!({"objects": {}, "namespaceMapping": {"a": "b"}}),
            "set objects.only",
        ),
        (
            json!({"objects": {"only": true, "namespaces": ["a", "b"]}, "namespaceMapping": {"a": "b"}}),
            "same name",
        ),
        (
            json!({"objects": {"only": true}, "namespaceMapping": {"home": "../b"}}),
            "no name of a namespace",
        ),
        (
            json!({"objects": {"only": true, "cluster": true}, "from": {"repository": "b2", "run": "one"}}),
            "spec.from.before",
        ),
    ] {
        let mut world = World::new(more);
        world.everywhere = true;
        let Outcome::Stalled("InvalidSpec", message) = world.step().outcome else {
            panic!()
        };
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn without_the_account_nothing_is_begun_and_the_way_out_is_said() {
    let mut world = World::new(json!({"objects": {}}));
    world.restorer = false;
    let plan = world.step();
    let Outcome::Stalled("RestorerOff", message) = plan.outcome else {
        panic!()
    };
    assert!(
        plan.start.is_none() && message.contains("restorer.enabled"),
        "{message}"
    );
}
