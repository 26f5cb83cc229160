mod pauses;

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::plan::items::JobState;
use crate::task::{Reason, Report, SnapshotReport};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

#[derive(Debug)]
struct AnyNode;

impl BoundTo for AnyNode {
    fn node(&self, _: &PersistentVolumeClaim) -> Option<String> {
        None
    }
}

#[derive(Debug)]
struct Pinned;

impl BoundTo for Pinned {
    fn node(&self, _: &PersistentVolumeClaim) -> Option<String> {
        Some("desk".to_owned())
    }
}

pub(super) fn run(name: &str, spec: Value, status: Value) -> BackupRun {
    let mut spec = spec;
    spec["repository"] = json!("b2");
    if spec.get("objects").is_none() {
        spec["objects"] = json!({"enabled": false});
    }
    serde_json::from_value(json!({
        "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": "BackupRun",
        "metadata": {"namespace": "home", "name": name, "uid": name, "creationTimestamp": "2026-01-02T03:00:00Z"},
        "spec": spec, "status": status,
    }))
    .unwrap()
}

fn claim(name: &str) -> PersistentVolumeClaim {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "local", "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": "Bound"},
    }))
    .unwrap()
}

pub(super) struct World {
    pub(super) run: BackupRun,
    pub(super) claims: Vec<PersistentVolumeClaim>,
    pub(super) pods: Vec<Pod>,
    pub(super) nodes: Nodes,
    pub(super) jobs: Vec<MoverJob>,
    pub(super) holders: Vec<Holder>,
    pub(super) history: Vec<Arc<BackupRun>>,
    pub(super) known: bool,
    pub(super) others: bool,
    pub(super) pinned: bool,
    pub(super) damage: Damage,
    pub(super) objects_damage: Damage,
    pub(super) exports: objects::Exports,
    pub(super) layout: Layout,
    pub(super) now: Timestamp,
    pub(super) limits: Limits,
}

impl World {
    pub(super) fn new(claims: &[&str]) -> Self {
        Self {
            run: run("one", json!({}), json!(null)),
            claims: claims.iter().map(|name| claim(name)).collect(),
            pods: Vec::new(),
            nodes: [("desk".to_owned(), true)].into(),
            jobs: Vec::new(),
            holders: Vec::new(),
            history: Vec::new(),
            known: true,
            others: false,
            pinned: false,
            damage: Damage::default(),
            objects_damage: Damage::default(),
            exports: objects::Exports::default(),
            layout: Layout::PerNamespace,
            now: NOW,
            limits: Limits {
                cluster: 4,
                ..Limits::default()
            },
        }
    }

    pub(super) fn plan(&self) -> Plan {
        plan(&Observed {
            run: &self.run,
            claims: &self.claims,
            pods: &self.pods,
            nodes: &self.nodes,
            bound_to: if self.pinned { &Pinned } else { &AnyNode },
            jobs: &self.jobs,
            holders: &self.holders,
            history: &self.history,
            host: "attic",
            objects_host: "attic",
            exports: self.exports,
            adopt: self.layout == Layout::Single,
            known: self.known,
            others: self.others,
            damage: &self.damage,
            objects_damage: &self.objects_damage,
            first_upload: 7,
            limits: self.limits.clone(),
            per_repository: None,
            now: self.now,
        })
    }

    /// Plans, and keeps the status as the reconciler does.
    pub(super) fn step(&mut self) -> Plan {
        let plan = self.plan();
        self.run.status = Some(plan.status.clone());
        plan
    }

    pub(super) fn ends(&mut self, claim: &str, report: Report) {
        self.jobs.push(MoverJob {
            name: format!("job-{claim}"),
            claim: claim.to_owned(),
            attempt: 1,
            spec: None,
            state: JobState::Ended(NOW, Ok(Box::new(report))),
        });
    }
}

pub(super) fn good(id: &str) -> Report {
    Report::completed(Some(SnapshotReport {
        id: id.to_owned(),
        files: 2,
        ..SnapshotReport::default()
    }))
}

#[test]
fn volumes_are_backed_up_one_after_another_and_all_good_is_ready() {
    let mut world = World::new(&["b", "a"]);
    let start = world.step().start.unwrap();
    assert_eq!((start.claim.as_str(), start.attempt), ("a", 1));
    assert_eq!(start.work.path, "/data/a");
    assert_eq!(
        (start.work.host.as_str(), start.work.run.as_str()),
        ("attic", "home/one")
    );
    assert_eq!(start.work.time, "2026-01-02T03:00:00Z");
    assert_eq!(start.work.volume.size.as_deref(), Some("1Gi"));
    world.ends("a", good("s1"));
    assert_eq!(world.step().start.unwrap().claim, "b");
    world.ends("b", good("s2"));
    let plan = world.step();
    assert_eq!(plan.start, None);
    assert!(
        matches!(plan.outcome, Outcome::Ready("Completed", _)),
        "{:?}",
        plan.outcome
    );
    assert_eq!((plan.status.good, plan.status.total), (Some(2), Some(2)));
    assert!(plan.status.completion_time.is_some());
    assert_eq!(world.step().status, plan.status, "an ended run stays as it is");
}

#[test]
fn one_bad_volume_holds_up_no_other_and_is_named() {
    let mut world = World::new(&["a", "b"]);
    world.step();
    world.ends("a", Report::failed(Reason::Unreadable, "/ is 0700 999:999"));
    assert_eq!(world.step().start.unwrap().claim, "b");
    world.ends("b", good("s2"));
    let Outcome::Stalled("Incomplete", message) = world.step().outcome else {
        panic!()
    };
    assert!(message.contains("a: Unreadable: /"), "{message}");
}

#[test]
fn a_selection_that_matches_nothing_is_no_success() {
    let plan = World::new(&[]).plan();
    assert!(matches!(plan.outcome, Outcome::Stalled("NothingSelected", _)));
}

#[test]
fn claims_are_chosen_once() {
    let mut world = World::new(&["a"]);
    world.step();
    world.claims.push(claim("late"));
    world.ends("a", good("s1"));
    assert_eq!(world.step().status.total, Some(1));
}

#[test]
fn a_claim_that_was_deleted_meanwhile_fails_alone() {
    let mut world = World::new(&["a", "b"]);
    world.step();
    world.claims.clear();
    world.ends("a", good("s1"));
    let plan = world.step();
    assert_eq!(plan.status.volumes[1].reason.as_deref(), Some("ClaimMissing"));
    assert!(matches!(plan.outcome, Outcome::Stalled("Incomplete", _)));
}

#[test]
fn a_volume_on_a_node_that_is_off_is_deferred_and_others_go_on() {
    let mut world = World::new(&["a"]);
    world.pinned = true;
    world.nodes.insert("desk".to_owned(), false);
    let plan = world.step();
    assert_eq!(
        (plan.start.is_none(), plan.status.volumes[0].state),
        (true, State::Deferred)
    );
    assert!(
        matches!(plan.outcome, Outcome::Waiting("Running", _, Some(_))),
        "{:?}",
        plan.outcome
    );
    world.nodes.insert("desk".to_owned(), true);
    assert!(world.step().start.is_some());
}

#[test]
fn a_mover_tolerates_that_a_node_is_volatile_only_if_the_volume_is_there() {
    let mut world = World::new(&["a"]);
    let tolerated = |world: &World| {
        let tolerations = world.plan().start.unwrap().placement.tolerations;
        tolerations
            .iter()
            .any(|one| one.key.as_deref() == Some("nodes.hearth.home.arpa/volatile"))
    };
    assert!(!tolerated(&world));
    world.pinned = true;
    assert!(tolerated(&world));
}

#[test]
fn the_newest_good_snapshot_of_the_same_repository_is_the_parent() {
    let mut world = World::new(&["a"]);
    let past = |name: &str, state: &str, time: &str, id: &str| {
        let item = json!({"claim": "a", "state": state, "startTime": time, "snapshot": id, "files": 9});
        Arc::new(run(name, json!({}), json!({"volumes": [item]})))
    };
    world.history = vec![
        past("p2", "Completed", "2026-01-02T00:00:00Z", "new"),
        past("p1", "Completed", "2026-01-01T00:00:00Z", "old"),
        past("p3", "Partial", "2026-01-03T00:00:00Z", "partial"),
    ];
    let work = world.plan().start.unwrap().work;
    assert_eq!((work.parent.as_deref(), work.former_files), (Some("new"), 9));
}

#[test]
fn two_runs_do_not_make_a_repository_at_the_same_time() {
    let mut world = World::new(&["a"]);
    (world.known, world.others) = (false, true);
    assert_eq!(world.plan().start, None);
    world.others = false;
    assert!(world.plan().start.unwrap().work.create);
    world.known = true;
    assert!(!world.plan().start.unwrap().work.create);
}

/// A run of before, with a good backup of `data`.
fn earlier(name: &str, day: u32, bytes: i64) -> Arc<BackupRun> {
    let volume = json!({
        "claim": "data", "state": "Completed", "snapshot": name, "bytes": bytes, "files": 1,
        "startTime": format!("2026-11-{day:02}T03:00:00Z"),
    });
    Arc::new(run(
        name,
        json!({}),
        json!({"volumes": [volume], "completionTime": "2026-11-29T03:09:00Z"}),
    ))
}

fn completed(bytes: u64) -> Report {
    Report::completed(Some(SnapshotReport {
        id: "abc".to_owned(),
        files: 1,
        bytes,
        ..SnapshotReport::default()
    }))
}

#[test]
fn a_backup_much_smaller_than_those_before_does_not_count() {
    let mut world = World::new(&["data"]);
    world.history = (1..6).map(|day| earlier(&format!("before-{day}"), day, 100)).collect();
    world.step();
    world.ends("data", completed(10));
    let plan = world.step();
    assert_eq!(
        (plan.status.good, plan.status.volumes[0].state),
        (Some(0), State::Suspicious)
    );
    assert!(plan.status.completion_time.is_some());
    // It is judged once.
    assert_eq!(world.step().status, plan.status);
}

#[test]
fn a_backup_into_a_damaged_repository_does_not_count_and_no_backup_rests_on_a_damaged_snapshot() {
    let mut world = World::new(&["data"]);
    world.history = vec![earlier("11111111aa", 1, 100), earlier("22222222bb", 2, 100)];
    world.damage = Damage {
        unrepaired: true,
        snapshots: vec!["22222222".to_owned()],
    };
    let start = world.step().start.unwrap();
    assert_eq!(start.work.parent.as_deref(), Some("11111111aa"));
    world.ends("data", completed(100));
    assert_eq!(world.step().status.volumes[0].state, State::Partial);
}

#[test]
fn a_forgotten_snapshot_is_no_parent() {
    let mut world = World::new(&["data"]);
    let mut gone = earlier("22222222bb", 2, 100);
    let status = Arc::make_mut(&mut gone).status.as_mut().unwrap();
    status.volumes[0].forgotten = true;
    world.history = vec![earlier("11111111aa", 1, 100), gone];
    assert_eq!(world.step().start.unwrap().work.parent.as_deref(), Some("11111111aa"));
}

#[test]
fn a_volume_without_room_waits_with_its_reason_and_is_counted() {
    let mut world = World::new(&["a"]);
    world.pinned = true;
    world.limits.movers = vec![crate::plan::limits::ActiveMover {
        run: "other".to_owned(),
        node: Some("desk".to_owned()),
        repository: None,
    }];
    let plan = world.step();
    assert_eq!((plan.start.is_none(), plan.held.len()), (true, 1));
    let item = &plan.status.volumes[0];
    assert_eq!(
        (item.state, item.reason.as_deref()),
        (State::Pending, Some("WaitsForRoom"))
    );
    assert!(matches!(plan.outcome, Outcome::Waiting("Running", _, Some(_))));
    world.limits.movers.clear();
    let plan = world.step();
    assert_eq!(plan.start.unwrap().node.as_deref(), Some("desk"));
    assert!(plan.held.is_empty());
}

#[test]
fn the_slot_of_its_schedule_is_the_time_of_a_runs_snapshots() {
    let mut world = World::new(&["a"]);
    world.run.spec.schedule = Some(crate::crd::backup_run::ScheduleRef {
        name: "nightly".to_owned(),
        uid: "s1".to_owned(),
        slot: "2026-01-02T02:30:00Z".to_owned(),
    });
    assert_eq!(world.plan().start.unwrap().work.time, "2026-01-02T02:30:00Z");
}

#[test]
fn a_snapshot_of_others_is_the_parent_until_there_is_one_of_ours_and_nothing_is_initialized() {
    let mut world = World::new(&["data"]);
    (world.layout, world.known, world.others) = (Layout::Single, false, true);
    let work = world.plan().start.unwrap().work;
    assert_eq!((work.without_parent, work.create), (WithoutParent::Newest, false));
    world.history = vec![earlier("11111111aa", 1, 100)];
    let work = world.plan().start.unwrap().work;
    assert_eq!(work.parent.as_deref(), Some("11111111aa"));
    (world.layout, world.others) = (Layout::PerNamespace, false);
    assert_eq!(world.plan().start.unwrap().work.without_parent, WithoutParent::Nothing);
}
