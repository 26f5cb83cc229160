mod namespaces;
mod objects;

use serde_json::{Value, json};

use super::*;
use crate::plan::items::JobState;
use crate::task::{Found, Reason, Report, SnapshotReport, Verdict, Volume};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn run(spec: Value) -> RestoreRun {
    let mut spec = spec;
    if spec["from"].is_null() {
        spec["from"] = json!({"repository": "b2"});
    }
    serde_json::from_value(json!({
        "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": "RestoreRun",
        "metadata": {"namespace": "home", "name": "back", "uid": "u"}, "spec": spec,
    }))
    .unwrap()
}

pub(super) fn claim(name: &str) -> PersistentVolumeClaim {
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": {}, "status": {"phase": "Bound"}})).unwrap()
}

fn pod(claim: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "app-0"},
        "spec": {"containers": [], "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]},
        "status": {"phase": "Pending"},
    }))
    .unwrap()
}

fn found(claim: &str) -> Found {
    Found {
        claim: claim.to_owned(),
        snapshot: format!("snapshot-of-{claim}"),
        path: None,
        files: 60_000,
        bytes: 5,
        volume: Volume {
            size: Some("1Gi".to_owned()),
            storage_class: Some("local".to_owned()),
            access_modes: vec!["ReadWriteOnce".to_owned()],
        },
    }
}

pub(super) struct World {
    pub(super) run: RestoreRun,
    pub(super) claims: Vec<PersistentVolumeClaim>,
    pods: Vec<Pod>,
    classes: Vec<String>,
    pub(super) jobs: Vec<MoverJob>,
    done: Option<String>,
    pub(super) restores: Vec<Arc<RestoreRun>>,
    foreign: bool,
    pub(super) restorer: bool,
    pub(super) everywhere: bool,
}

impl World {
    pub(super) fn new(spec: Value) -> Self {
        Self {
            run: run(spec),
            claims: Vec::new(),
            pods: Vec::new(),
            classes: vec!["local".to_owned()],
            jobs: Vec::new(),
            done: None,
            restores: Vec::new(),
            foreign: false,
            restorer: true,
            everywhere: false,
        }
    }

    /// Plans, and keeps the status as the reconciler does.
    pub(super) fn step(&mut self) -> Plan {
        let plan = plan(&Observed {
            run: &self.run,
            claims: &self.claims,
            pods: &self.pods,
            classes: &self.classes,
            jobs: &self.jobs,
            restores: &self.restores,
            objects: Objects {
                enabled: self.restorer,
                everywhere: self.everywhere,
                host: "attic",
                not_good: &["bad".to_owned()],
            },
            not_good: &[],
            done: self.done.as_deref(),
            host: "attic",
            foreign: self.foreign,
            now: NOW,
        });
        self.run.status = Some(plan.status.clone());
        plan
    }

    pub(super) fn ended(&mut self, claim: &str, attempt: i64, report: Report) {
        self.jobs.push(MoverJob {
            name: format!("job-{claim}-{attempt}"),
            claim: claim.to_owned(),
            attempt,
            spec: Some(spec_hash(&self.run)),
            state: JobState::Ended(NOW, Ok(Box::new(report))),
        });
    }

    pub(super) fn finds(&mut self, attempt: i64, claims: &[&str], more: bool) {
        let mut report = Report::completed(None);
        report.found = claims.iter().map(|claim| found(claim)).collect();
        report.more = more;
        self.ended("", attempt, report);
    }
}

pub(super) fn restored() -> Report {
    Report::completed(Some(SnapshotReport::default()))
}

#[test]
fn what_movers_of_a_former_spec_report_is_no_result_of_the_present_one() {
    let mut world = World::new(json!({"objects": {"only": true}, "dryRun": true}));
    assert!(matches!(world.step().start, Some(Start::Objects(..))));
    world.ended(crate::plan::place::OBJECTS, 1, restored());
    assert!(matches!(world.step().outcome, Outcome::Ready("DryRun", _)));

    world.run.spec.dry_run = false;
    let plan = world.step();
    assert!(
        matches!(plan.outcome, Outcome::Waiting("Running", ..)) && plan.start.is_none(),
        "{plan:?}"
    );
    let hash = spec_hash(&world.run);
    assert_eq!(outdated(&world.jobs, &hash), ["job-.objects-1"]);
    world.jobs.clear();
    assert!(matches!(world.step().start, Some(Start::Objects(1, ..))));
}

#[test]
fn snapshots_are_found_in_pages_then_claims_are_made_and_filled() {
    let mut world = World::new(json!({}));
    assert!(matches!(
        world.step().start,
        Some(Start::Find(1, Find { after: None, .. }))
    ));
    world.finds(1, &["a"], true);
    let Some(Start::Find(2, search)) = world.step().start else {
        panic!()
    };
    assert_eq!(search.after.as_deref(), Some("a"));
    world.finds(2, &["b"], false);
    let Some(Start::Claim(made)) = world.step().start else {
        panic!()
    };
    assert_eq!(made.name_any(), "a");
    let spec = made.spec.unwrap();
    assert_eq!(spec.storage_class_name.as_deref(), Some("local"));
    assert_eq!(spec.resources.unwrap().requests.unwrap()["storage"].0, "1Gi");
    world.claims.push(claim("a"));
    let Some(Start::Restore(1, name, work, files)) = world.step().start else {
        panic!()
    };
    assert_eq!(
        (name.as_str(), work.snapshot.as_str(), files),
        ("a", "snapshot-of-a", 60_000)
    );
    world.ended("a", 1, restored());
    world.claims.push(claim("b"));
    assert!(matches!(world.step().start, Some(Start::Restore(1, name, ..)) if name == "b"));
    world.ended("b", 1, restored());
    let plan = world.step();
    assert!(matches!(plan.outcome, Outcome::Ready("Completed", _)) && plan.remember);
    assert_eq!((plan.status.good, plan.status.total), (Some(2), Some(2)));
}

#[test]
fn nothing_found_is_never_an_empty_success() {
    let mut world = World::new(json!({}));
    world.step();
    world.finds(1, &[], false);
    let plan = world.step();
    assert!(matches!(plan.outcome, Outcome::Stalled("NothingFound", _)) && !plan.remember);
}

#[test]
fn a_search_that_fails_says_why() {
    let mut world = World::new(json!({}));
    world.step();
    world.ended(
        "",
        1,
        Report::failed(Reason::WrongPassphrase, "the passphrase does not open it"),
    );
    let Outcome::Stalled("WrongPassphrase", message) = world.step().outcome else {
        panic!()
    };
    assert!(message.contains("does not open"), "{message}");
}

#[test]
fn a_claim_in_use_is_never_written() {
    let mut world = World::new(json!({}));
    (world.claims, world.pods) = (vec![claim("a")], vec![pod("a")]);
    world.step();
    world.finds(1, &["a"], false);
    let Outcome::Stalled("Failed", message) = world.step().outcome else {
        panic!()
    };
    for part in ["ClaimInUse", "app-0", "scale", "Overwrite"] {
        assert!(message.contains(part), "{message} does not say {part}");
    }
}

#[test]
fn overwriting_waits_until_no_pod_uses_the_claim() {
    let mut world = World::new(json!({"volumes": {"existing": "Overwrite"}}));
    (world.claims, world.pods) = (vec![claim("a")], vec![pod("a")]);
    world.step();
    world.finds(1, &["a"], false);
    let plan = world.step();
    assert!(matches!(plan.outcome, Outcome::Waiting("Running", _, Some(RECHECK))) && plan.start.is_none());
    world.pods.clear();
    assert!(matches!(
        world.step().start,
        Some(Start::Restore(1, _, Restore { overwrite: true, .. }, _))
    ));
}

#[test]
fn a_storage_class_that_is_missing_fails_before_anything_is_made() {
    let mut world = World::new(json!({}));
    world.classes.clear();
    world.step();
    world.finds(1, &["a"], false);
    let plan = world.step();
    assert!(
        plan.start.is_none()
            && matches!(&plan.outcome, Outcome::Stalled(_, text) if text.contains("storageClassMapping"))
    );
    let mut world = World::new(json!({"storageClassMapping": {"local": "fast"}}));
    world.classes = vec!["fast".to_owned()];
    world.step();
    world.finds(1, &["a"], false);
    let Some(Start::Claim(made)) = world.step().start else {
        panic!()
    };
    assert_eq!(made.spec.unwrap().storage_class_name.as_deref(), Some("fast"));
}

#[test]
fn the_same_spec_does_not_run_again_and_another_token_does() {
    let mut world = World::new(json!({}));
    world.done = Some("RestoreRun home/back on 2026-01-02".to_owned());
    let plan = world.step();
    assert!(plan.start.is_none() && !plan.remember);
    assert!(matches!(&plan.outcome, Outcome::Ready("AlreadyDone", text) if text.contains("2026-01-02")));
    assert_eq!(world.step().outcome, plan.outcome, "it stays so");
    let (one, other) = (run(json!({})), run(json!({"again": "1"})));
    assert_ne!(spec_hash(&one), spec_hash(&other));
    assert_eq!(spec_hash(&one), spec_hash(&run(json!({"suspend": true}))));
}

#[test]
fn a_partial_restore_is_told_and_remembered() {
    let mut world = World::new(json!({}));
    world.claims = vec![claim("a")];
    world.step();
    world.finds(1, &["a"], false);
    world.step();
    let mut report = restored();
    (report.verdict, report.reason, report.message) = (Verdict::Partial, Reason::DataDamaged, "1 file".to_owned());
    world.ended("a", 1, report);
    let plan = world.step();
    assert!(matches!(plan.outcome, Outcome::Stalled("Partial", _)) && plan.remember);
}

#[test]
fn a_folder_of_a_foreign_snapshot_is_restored_into_the_one_claim_that_is_named() {
    let mut world = World::new(json!({
        "from": {"repository": "old", "path": "/data"}, "select": {"claims": ["photos"]},
    }));
    let Outcome::Stalled("InvalidSpec", message) = world.step().outcome else {
        panic!()
    };
    assert!(message.contains("spec.from.path"), "{message}");
    world.foreign = true;
    world.claims = vec![claim("photos")];
    let Some(Start::Find(1, find)) = world.step().start else {
        panic!()
    };
    assert_eq!((find.path.as_deref(), find.foreign), (Some("/data"), true));
    world.ended(
        "",
        1,
        Report {
            found: vec![Found {
                path: Some("/data".to_owned()),
                ..found("photos")
            }],
            ..Report::completed(None)
        },
    );
    let Some(Start::Restore(_, claim, restore, _)) = world.step().start else {
        panic!()
    };
    assert_eq!(claim, "photos");
    assert_eq!(
        (restore.path.as_str(), restore.target.as_str()),
        ("/data", "/data/photos")
    );
}
