use std::sync::Arc;

use serde_json::{Value, json};

use super::{World, restored};
use crate::crd::RestoreRun;
use crate::plan::place::{NAMESPACES, OBJECTS, SEARCH};
use crate::plan::restore::{Outcome, Plan, Start, not_made};
use crate::task::{AbsentClaims, Find, Found, Reason, Report, RestoreObjects, Verdict, Volume};

const EVERYTHING: &str = r#"{"objects": {"namespaces": ["*"], "cluster": true}}"#;

fn world(spec: &str) -> World {
    let mut world = World::new(serde_json::from_str(spec).unwrap());
    world.everywhere = true;
    world.run.metadata.namespace = Some("hearth".to_owned());
    world
}

fn search(plan: Plan) -> (i64, Find) {
    let Some(Start::FindNamespaces(attempt, find)) = plan.start else {
        panic!("{plan:?}")
    };
    (attempt, find)
}

fn objects(plan: Plan, name: &str) -> RestoreObjects {
    let Some(Start::Objects(1, claim, work)) = plan.start else {
        panic!("{plan:?}")
    };
    assert_eq!(claim, name);
    *work
}

fn made(plan: Plan) -> RestoreRun {
    let Some(Start::Run(run)) = plan.start else {
        panic!("{plan:?}")
    };
    *run
}

fn finds(world: &mut World, attempt: i64, names: &[&str], more: bool) {
    let mut report = restored();
    let found = names.iter().map(|name| Found {
        claim: (*name).to_owned(),
        snapshot: "s".to_owned(),
        path: None,
        files: 1,
        bytes: 1,
        volume: Volume::default(),
    });
    report.found = found.collect();
    report.more = more;
    world.ended(SEARCH, attempt, report);
}

/// A run of the namespaces `home` and `media`, whose RestoreRuns are there.
fn begun(spec: &str) -> World {
    let mut world = world(spec);
    search(world.step());
    finds(&mut world, 1, &["home", "media"], false);
    objects(world.step(), NAMESPACES);
    world.ended(NAMESPACES, 1, restored());
    for name in ["home", "media"] {
        let run = made(world.step());
        assert_eq!(run.metadata.namespace.as_deref(), Some(name));
        world.restores.push(Arc::new(run));
    }
    world
}

fn ends(world: &mut World, position: usize, ready: &str, reason: &str, volumes: Value) {
    let mut run = RestoreRun::clone(&world.restores[position]);
    run.metadata.generation = Some(1);
    let status = json!({
        "observedGeneration": 1, "completionTime": "1970-01-01T00:00:00Z", "volumes": volumes,
        "conditions": [{"type": "Ready", "status": ready, "reason": reason, "message": "so it is", "lastTransitionTime": "1970-01-01T00:00:00Z"}],
    });
    run.status = Some(serde_json::from_value(status).unwrap());
    world.restores[position] = Arc::new(run);
}

#[test]
fn everything_comes_back_namespaces_first_then_volumes_then_objects() {
    let mut world = world(EVERYTHING);
    let (attempt, find) = search(world.step());
    assert_eq!(
        (attempt, find.root.as_deref(), find.claims.as_slice()),
        (1, Some("/objects"), &["*".to_owned()][..])
    );
    finds(&mut world, 1, &["attic", "hearth"], true);
    let (attempt, find) = search(world.step());
    assert_eq!((attempt, find.after.as_deref()), (2, Some("hearth")));
    finds(&mut world, 2, &["home", "kube-system", "media"], false);
    let work = objects(world.step(), NAMESPACES);
    assert_eq!(work.namespaces, ["attic", "home", "media"]);
    assert!(work.cluster && work.selection.kinds.contains(&"namespaces".to_owned()));
    world.ended(NAMESPACES, 1, restored());

    let mut names = Vec::new();
    for _ in 0..3 {
        let run = made(world.step());
        assert!(run.spec.objects.is_none() && run.spec.again.is_some());
        names.extend(run.metadata.namespace.clone());
        world.restores.push(Arc::new(run));
    }
    assert_eq!(names, ["attic", "home", "media"]);
    let plan = world.step();
    assert!(
        plan.start.is_none() && matches!(plan.outcome, Outcome::Waiting(_, _, Some(_))),
        "{plan:?}"
    );
    ends(&mut world, 0, "False", "RepositoryMissing", json!([]));
    ends(
        &mut world,
        1,
        "True",
        "Completed",
        json!([{"claim": "data", "state": "Completed"}]),
    );
    ends(
        &mut world,
        2,
        "False",
        "Partial",
        json!([{"claim": "films", "state": "Partial", "reason": "DataDamaged"}]),
    );
    let work = objects(world.step(), OBJECTS);
    assert_eq!(work.namespaces, ["attic", "home", "media"]);
    assert_eq!(work.claims, ["home/data", "media/films"]);
    assert_eq!(work.incomplete_claims, ["media/films"]);
    assert_eq!(work.without_volumes, ["attic"]);
    assert!(work.absent_claims == AbsentClaims::CreateEmpty && !work.tenant);
    world.ended(OBJECTS, 1, restored());
    let plan = world.step();
    let Outcome::Stalled("Partial", message) = plan.outcome else {
        panic!("{plan:?}")
    };
    assert!(
        message.starts_with("1 of 2 volumes") && message.contains("media/films: DataDamaged"),
        "{message}"
    );
    assert_eq!((plan.status.good, plan.status.total), (Some(1), Some(2)));
    // Nothing of it is needed any more.
    world.restores.clear();
    world.jobs.clear();
    assert!(world.step().start.is_none());
}

#[test]
fn a_namespace_whose_volumes_were_not_found_gets_no_workloads_and_holds_up_no_other() {
    let mut world = begun(EVERYTHING);
    ends(&mut world, 0, "False", "WrongPassphrase", json!([]));
    ends(
        &mut world,
        1,
        "True",
        "Completed",
        json!([{"claim": "films", "state": "Completed"}]),
    );
    assert_eq!(objects(world.step(), OBJECTS).namespaces, ["media"]);
    world.ended(OBJECTS, 1, restored());
    let Outcome::Stalled("Partial", message) = world.step().outcome else {
        panic!()
    };
    assert!(
        message.contains("nothing of namespace home was restored") && message.contains("so it is"),
        "{message}"
    );
}

#[test]
fn a_namespace_that_cannot_be_made_holds_up_no_other() {
    let mut world = world(EVERYTHING);
    search(world.step());
    finds(&mut world, 1, &["home", "media"], false);
    objects(world.step(), NAMESPACES);
    world.ended(NAMESPACES, 1, restored());
    made(world.step());
    not_made(
        world.run.status.as_mut().unwrap(),
        "home",
        "namespaces \"home\" not found",
    );
    let run = made(world.step());
    assert_eq!(run.metadata.namespace.as_deref(), Some("media"));
}

#[test]
fn volumes_of_a_namespace_that_ends_before_the_next_one_begins_are_kept() {
    let mut world = world(EVERYTHING);
    search(world.step());
    finds(&mut world, 1, &["home", "media"], false);
    objects(world.step(), NAMESPACES);
    world.ended(NAMESPACES, 1, restored());
    let run = made(world.step());
    world.restores.push(Arc::new(run));
    ends(
        &mut world,
        0,
        "True",
        "Completed",
        json!([{"claim": "data", "state": "Completed"}]),
    );
    let run = made(world.step());
    assert_eq!(run.metadata.namespace.as_deref(), Some("media"));
    world.restores.push(Arc::new(run));
    ends(&mut world, 1, "True", "Completed", json!([]));
    let work = objects(world.step(), OBJECTS);
    assert_eq!(
        (work.claims, work.without_volumes),
        (vec!["home/data".to_owned()], vec!["media".to_owned()])
    );
}

#[test]
fn a_run_of_a_person_with_the_same_name_is_not_taken_for_ours() {
    let mut world = begun(EVERYTHING);
    let mut run = RestoreRun::clone(&world.restores[0]);
    run.metadata.annotations = None;
    world.restores[0] = Arc::new(run);
    ends(&mut world, 1, "True", "Completed", json!([]));
    assert_eq!(objects(world.step(), OBJECTS).namespaces, ["media"]);
}

#[test]
fn a_run_in_a_namespace_that_has_not_seen_its_spec_yet_has_not_ended() {
    let mut world = begun(EVERYTHING);
    for position in 0..2 {
        ends(&mut world, position, "True", "Completed", json!([]));
    }
    let mut run = RestoreRun::clone(&world.restores[0]);
    run.metadata.generation = Some(2);
    world.restores[0] = Arc::new(run);
    assert!(matches!(world.step().outcome, Outcome::Waiting(..)));
}

#[test]
fn namespaces_by_name_are_not_looked_for_and_may_be_those_of_the_cluster() {
    let mut world = world(r#"{"objects": {"namespaces": ["kube-system"]}}"#);
    assert_eq!(objects(world.step(), NAMESPACES).namespaces, ["kube-system"]);
    let mut world = self::world(r#"{"objects": {"namespaces": ["kube-*", "kube-system"]}}"#);
    search(world.step());
    finds(&mut world, 1, &["kube-public", "kube-system", "kube-x"], false);
    assert_eq!(objects(world.step(), NAMESPACES).namespaces, ["kube-system", "kube-x"]);
}

#[test]
fn globs_work_for_objects_alone_and_in_a_dry_run_no_run_is_made() {
    for spec in [
        r#"{"objects": {"namespaces": ["*"], "only": true}}"#,
        r#"{"objects": {"namespaces": ["*"]}, "dryRun": true}"#,
    ] {
        let mut world = world(spec);
        search(world.step());
        finds(&mut world, 1, &["home"], false);
        assert_eq!(objects(world.step(), OBJECTS).namespaces, ["home"]);
    }
}

#[test]
fn a_glob_that_selects_nothing_and_a_search_that_failed_say_so() {
    let mut world = world(EVERYTHING);
    search(world.step());
    finds(&mut world, 1, &["kube-system"], false);
    assert!(matches!(world.step().outcome, Outcome::Stalled("NothingFound", _)));
    let mut world = self::world(EVERYTHING);
    search(world.step());
    world.ended(SEARCH, 1, Report::failed(Reason::WrongPassphrase, "no"));
    assert!(matches!(world.step().outcome, Outcome::Stalled("WrongPassphrase", _)));
    let mut world = self::world(EVERYTHING);
    search(world.step());
    finds(&mut world, 1, &["home"], false);
    objects(world.step(), NAMESPACES);
    let mut failed = Report::failed(Reason::Internal, "broken");
    failed.verdict = Verdict::Failed;
    world.ended(NAMESPACES, 1, failed);
    let Outcome::Stalled("Failed", message) = world.step().outcome else {
        panic!()
    };
    assert!(message.contains("broken"), "{message}");
}
