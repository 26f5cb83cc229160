mod objects;
mod single;

use serde_json::{Value, json};

use super::*;
use crate::crd::backup_run::State;
use crate::crd::{FORGET, REPAIR, SCHEDULE_UID};
use crate::plan::items::JobState;
use crate::task::{Reason, Report, Verdict};

const NOW: &str = "2026-11-30T04:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

struct World {
    repository: BackupRepository,
    runs: Vec<Arc<BackupRun>>,
    schedules: Vec<Schedule>,
    jobs: Vec<MoverJob>,
    busy: BTreeSet<String>,
    in_use: BTreeSet<String>,
    check_slot: Option<Timestamp>,
    prune_slot: Option<Timestamp>,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        let repository = json!({
            "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": "BackupRepository", "metadata": {"name": "b2", "uid": "r1"},
            "spec": {
                "s3": {"endpoint": "https://s3", "bucket": "home", "secretRef": {"name": "b2"}},
                "passphraseSecretRef": {"name": "p"}, "initialize": "WhenEmpty",
            },
            "status": {"capabilities": {"delete": true}, "namespaces": {"home": "2026-11-01T00:00:00Z"}},
        });
        Self {
            repository: serde_json::from_value(repository).unwrap(),
            runs: Vec::new(),
            schedules: vec![Schedule {
                uid: "s1".to_owned(),
                name: "home/nightly".to_owned(),
                keep: Keep {
                    last: Some(2),
                    ..Keep::default()
                },
                zone: TimeZone::UTC,
                consent: None,
            }],
            jobs: Vec::new(),
            busy: BTreeSet::new(),
            in_use: BTreeSet::new(),
            check_slot: None,
            prune_slot: None,
            now: at(NOW),
        }
    }

    /// With a good run of each of these days of November.
    fn with_runs(days: &[u32]) -> Self {
        let mut world = Self::new();
        world.runs = days.iter().map(|day| run(*day, "Completed")).collect();
        world
    }

    fn plan(&self) -> Plan {
        plan(&Observed {
            repository: &self.repository,
            runs: &self.runs,
            schedules: &self.schedules,
            in_use: &self.in_use,
            jobs: &self.jobs,
            busy: &self.busy,
            check_slot: self.check_slot,
            parts: Some(14),
            prune_slot: self.prune_slot,
            cluster: "attic",
            now: self.now,
        })
    }

    /// Plans, and keeps the status as the reconciler does.
    fn step(&mut self) -> Plan {
        let plan = self.plan();
        self.repository.status = Some(plan.status.clone());
        for run in &mut self.runs {
            for item in Arc::make_mut(run).status.as_mut().unwrap().items_mut() {
                item.note_gone(&plan.forgotten);
            }
        }
        plan
    }

    /// Steps until a Job starts, ends it with this report, and steps once more.
    fn work(&mut self, report: Report) -> (Work, Plan) {
        self.step();
        let start = self.step().start.expect("nothing was started");
        self.jobs.push(MoverJob {
            name: format!("job-{}", start.name),
            claim: start.name,
            attempt: start.attempt,
            spec: None,
            state: JobState::Ended(self.now, Ok(Box::new(report))),
        });
        (start.work, self.step())
    }

    fn record(&self) -> crate::crd::repository::Maintenance {
        let status = self.repository.status.clone().unwrap();
        status.maintenance.get("home").cloned().unwrap_or_default()
    }

    fn work_kind(&self) -> Option<WorkKind> {
        self.repository
            .status
            .as_ref()
            .unwrap()
            .work
            .as_ref()
            .map(|work| work.kind)
    }
}

fn run(day: u32, state: &str) -> Arc<BackupRun> {
    let volume = json!({"claim": "data", "state": state, "snapshot": id(day)});
    run_with(day, &json!([volume]))
}

fn run_with(day: u32, volumes: &Value) -> Arc<BackupRun> {
    let run = json!({
        "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": "BackupRun",
        "metadata": {
            "name": format!("nightly-{day}"), "namespace": "home", "uid": format!("run-{day}"), "labels": {(SCHEDULE_UID): "s1"},
            "creationTimestamp": format!("2026-11-{day:02}T03:00:00Z"),
        },
        "spec": {"repository": "b2"},
        "status": {"completionTime": format!("2026-11-{day:02}T03:09:00Z"), "volumes": volumes},
    });
    Arc::new(serde_json::from_value(run).unwrap())
}

fn id(day: u32) -> String {
    format!("{day:08}").repeat(8)
}

fn ids(snapshots: &[Recorded]) -> Vec<String> {
    snapshots.iter().map(|one| one.id.clone()).collect()
}

#[test]
fn snapshots_are_forgotten_by_explicit_ids_and_their_runs_are_told() {
    let mut world = World::with_runs(&[27, 28, 29, 30]);
    let recorded = world.step();
    assert_eq!((recorded.start, recorded.after), (None, Some(Duration::ZERO)));
    let (work, plan) = world.work(Report::completed(None));
    let Work::Forget(forget) = work else { panic!("{work:?}") };
    assert_eq!(ids(&forget.snapshots), [id(27), id(28)]);
    assert_eq!(forget.snapshots[0].run_uid, "run-27");
    assert_eq!(ids(&forget.kept), [id(29), id(30)]);
    assert_eq!(plan.forgotten, [id(28), id(27)]);
    assert_eq!(world.step().status.work, None);
}

#[test]
fn what_does_not_count_and_could_not_be_removed_goes_after_a_newer_good_run() {
    let left = json!([{"claim": "data", "state": "Completed", "snapshot": id(29), "notGood": ["bad1"]}]);
    let mut world = World::with_runs(&[30]);
    world.runs.insert(0, run_with(29, &left));
    world.in_use = ["bad1".to_owned()].into();
    world.step();
    assert_eq!(world.step().start, None, "a restore reads it");
    world.in_use.clear();
    let (work, plan) = world.work(Report::completed(None));
    let Work::Forget(forget) = work else { panic!("{work:?}") };
    assert_eq!(
        (ids(&forget.snapshots), forget.snapshots[0].run_uid.as_str()),
        (vec!["bad1".to_owned()], "run-29")
    );
    assert_eq!(ids(&forget.kept), [id(29), id(30)]);
    assert_eq!(plan.forgotten, ["bad1"]);
    assert!(world.runs[0].status.as_ref().unwrap().volumes[0].not_good.is_empty());
    assert_eq!(world.step().status.work, None);

    // While the newest run is not good, everything stays.
    let mut world = World::with_runs(&[]);
    world.runs = vec![run_with(29, &left), run(30, "Failed")];
    world.step();
    assert_eq!(world.step().start, None);
}

#[test]
fn an_operator_that_was_stopped_finds_what_it_has_begun() {
    let mut world = World::with_runs(&[27, 28, 29, 30]);
    world.step();
    let first = world.plan().start.unwrap();
    // The Job was made, and nothing was written.
    world.jobs.push(MoverJob {
        name: "job".to_owned(),
        claim: first.name.clone(),
        attempt: 1,
        spec: None,
        state: JobState::Active(None),
    });
    let again = world.step();
    assert_eq!(again.start, None);
    assert_eq!(again.status.work.unwrap().progress.claim, first.name);
    assert_eq!(
        superseded(world.repository.status.as_ref().unwrap(), &world.jobs),
        Vec::<String>::new()
    );
}

#[test]
fn nothing_is_forgotten_while_the_newest_run_is_not_good_or_not_at_its_end() {
    for newest in [run(30, "Failed"), run(30, "Partial"), run(30, "Suspicious"), {
        let mut running = run(30, "Completed");
        Arc::make_mut(&mut running).status.as_mut().unwrap().completion_time = None;
        running
    }] {
        let mut world = World::with_runs(&[26, 27, 28, 29]);
        world.runs.push(newest);
        assert_eq!(world.step().status.work, None);
    }
}

#[test]
fn runs_of_an_unknown_schedule_and_runs_by_hand_keep_their_snapshots() {
    let mut world = World::with_runs(&[26, 27, 28, 29]);
    world.schedules.clear();
    assert_eq!(world.step().status.work, None);
}

#[test]
fn a_snapshot_that_a_restore_reads_stays() {
    let mut world = World::with_runs(&[28, 29, 30]);
    world.in_use.insert(id(28));
    assert_eq!(world.step().status.work, None);
}

#[test]
fn records_that_disagree_with_the_repository_stop_until_the_next_run() {
    let mut world = World::with_runs(&[27, 28, 29, 30]);
    let (_, plan) = world.work(Report::failed(Reason::RecordsDisagree, "00000029 is not there"));
    assert_eq!(plan.forgotten, Vec::<String>::new());
    assert_eq!(world.step().status.work, None);
    let health = health("b2", &world.repository.status.as_ref().unwrap().maintenance);
    assert!(
        !health.maintained.0 && health.maintained.2.contains("00000029"),
        "{health:?}"
    );
    world.runs.push(run_with(
        30,
        &json!([{"claim": "data", "state": "Completed", "snapshot": id(31)}]),
    ));
    Arc::make_mut(world.runs.last_mut().unwrap())
        .status
        .as_mut()
        .unwrap()
        .completion_time = Some("2026-11-30T03:30:00Z".to_owned());
    assert_eq!(world.step().status.work.map(|work| work.kind), Some(WorkKind::Forget));
}

#[test]
fn many_snapshots_wait_for_consent_and_say_how_it_is_given() {
    let days: Vec<u32> = (10..=30).collect();
    let mut world = World::with_runs(&days);
    assert_eq!(world.step().status.work, None);
    let health = health("b2", &world.repository.status.as_ref().unwrap().maintenance);
    assert_eq!(health.maintained.1, "NeedsConsent");
    let command = format!("kubectl annotate --overwrite backupschedule -n home nightly {FORGET}=19-");
    let (_, token) = health.maintained.2.split_once(&command).expect(&health.maintained.2);
    let token = token.split_once('`').unwrap().0;
    world.schedules[0].consent = Some(format!("19-{token}"));
    assert_eq!(world.step().status.work.unwrap().snapshots.len(), 19);
    assert_eq!(world.record().problems, BTreeMap::new());
}

#[test]
fn a_key_that_cannot_delete_is_never_asked_to() {
    let mut world = World::with_runs(&[27, 28, 29, 30]);
    world.prune_slot = Some(at("2026-11-30T01:00:00Z"));
    world.repository.status.as_mut().unwrap().capabilities = None;
    assert_eq!(world.step().status.work, None);
    let mut world = World::with_runs(&[27, 28, 29, 30]);
    world.repository.spec.append_only = true;
    assert_eq!(world.step().status.work, None);
}

#[test]
fn a_repository_is_checked_once_for_each_slot_and_reads_another_part_each_time() {
    let mut world = World::new();
    let mut parts = Vec::new();
    for day in 1..=15 {
        world.check_slot = Some(
            at("2026-11-10T01:00:00Z")
                .checked_add(jiff::SignedDuration::from_hours(24 * day))
                .unwrap(),
        );
        let (work, _) = world.work(Report::completed(None));
        let Work::Check(check) = work else { panic!("{work:?}") };
        parts.push(check.read.unwrap().number);
        assert_eq!(world.step().status.work, None);
    }
    assert_eq!(parts, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 1]);
}

#[test]
fn a_slot_of_before_the_repository_was_made_is_none() {
    let mut world = World::new();
    world.check_slot = Some(at("2026-10-31T01:00:00Z"));
    world.prune_slot = world.check_slot;
    assert_eq!(world.step().status.work, None);
}

#[test]
fn an_outage_is_tried_again_after_an_hour_and_holds_up_no_other_namespace() {
    let mut world = World::new();
    let status = world.repository.status.as_mut().unwrap();
    status
        .namespaces
        .insert("work".to_owned(), "2026-11-01T00:00:00Z".to_owned());
    world.check_slot = Some(at("2026-11-30T01:00:00Z"));
    let outage = Report::failed(Reason::Unreachable, "no answer").with_retry(true);
    world.step();
    let first = world.step().start.unwrap();
    assert_eq!(first.namespace, "home");
    world.jobs.push(MoverJob {
        name: "job".to_owned(),
        claim: first.name,
        attempt: 1,
        spec: None,
        state: JobState::Ended(world.now, Ok(Box::new(outage))),
    });
    world.now = at("2026-11-30T04:20:00Z");
    world.step();
    assert_eq!(world.record().checked, None);
    // The other one is next.
    world.step();
    assert_eq!(world.step().start.unwrap().namespace, "work");
    world.repository.status.as_mut().unwrap().work = None;
    world.repository.status.as_mut().unwrap().namespaces.remove("work");
    assert_eq!(world.step().status.work, None);
    world.now = at("2026-11-30T05:21:00Z");
    world.jobs.clear();
    assert_eq!(world.step().status.work.map(|work| work.kind), Some(WorkKind::Check));
}

#[test]
fn a_wrong_passphrase_is_not_tried_again_before_the_next_slot() {
    let mut world = World::new();
    world.check_slot = Some(at("2026-11-30T01:00:00Z"));
    world.work(Report::failed(Reason::WrongPassphrase, "the passphrase opens nothing"));
    assert_eq!(world.step().status.work, None);
    assert!(world.record().problems["Check"].contains("passphrase"));
}

#[test]
fn work_waits_while_movers_of_the_namespace_are_at_work() {
    let mut world = World::with_runs(&[28, 29, 30]);
    world.step();
    world.busy.insert("home".to_owned());
    let plan = world.step();
    assert_eq!((plan.start, plan.after), (None, Some(BUSY_RECHECK)));
    world.busy.clear();
    assert!(world.step().start.is_some());
}

#[test]
fn damage_stops_forgetting_and_pruning_until_a_person_agrees_to_the_repair() {
    let mut world = World::with_runs(&[27, 28, 29, 30]);
    world.check_slot = Some(at("2026-11-30T01:00:00Z"));
    let mut report = Report::failed(Reason::DataDamaged, "pack abc");
    report.damaged_packs = vec!["abc0123456789".to_owned()];
    report.damaged_snapshots = vec!["00000029".to_owned()];
    world.work(report);
    world.prune_slot = Some(at("2026-11-30T02:00:00Z"));
    world.check_slot = Some(at("2026-11-30T03:00:00Z"));
    assert_eq!(world.step().status.work, None);
    let check = world.record().damage.unwrap().check;
    let said = health("b2", &world.repository.status.as_ref().unwrap().maintenance).healthy;
    assert_eq!((said.0, said.1), (Some(false), "DataDamaged"));
    for word in ["abc01234", "00000029", &format!("{REPAIR}={check}")] {
        assert!(said.2.contains(word), "{}", said.2);
    }
    let annotations = world.repository.metadata.annotations.get_or_insert_default();
    annotations.insert(REPAIR.to_owned(), "another".to_owned());
    assert_eq!(world.step().status.work, None);
    let annotations = world.repository.metadata.annotations.get_or_insert_default();
    annotations.insert(REPAIR.to_owned(), check);
    let (work, _) = world.work(Report::completed(None));
    let Work::RepairPacks(repair) = work else {
        panic!("{work:?}")
    };
    assert_eq!(repair.packs, ["abc0123456789"]);
    assert_eq!(world.record().damage, None);
    assert_eq!(world.record().damaged_snapshots, ["00000029"]);
    // The next is the check of the slot that has passed, which knows of them.
    let mut report = Report::completed(None);
    report.damaged_snapshots = vec!["00000029".to_owned()];
    let (work, _) = world.work(report);
    let Work::Check(check) = work else { panic!("{work:?}") };
    assert_eq!(check.damaged, ["00000029"]);
    assert_eq!(world.record().damaged_snapshots, ["00000029"]);
    assert_eq!(
        health("b2", &world.repository.status.as_ref().unwrap().maintenance)
            .healthy
            .0,
        Some(true)
    );
}

#[test]
fn a_damaged_snapshot_is_not_counted_as_good() {
    let mut world = World::with_runs(&[28, 29, 30]);
    let record = crate::crd::repository::Maintenance {
        damaged_snapshots: vec!["00000029".to_owned()],
        ..crate::crd::repository::Maintenance::default()
    };
    world
        .repository
        .status
        .as_mut()
        .unwrap()
        .maintenance
        .insert("home".to_owned(), record);
    // Two good ones are kept: those of the 28th and the 30th.
    assert_eq!(world.step().status.work, None);
}

#[test]
fn jobs_whose_end_is_recorded_go_and_no_others() {
    let mut world = World::with_runs(&[28, 29, 30]);
    world.step();
    let job = |claim: &str, attempt| MoverJob {
        name: format!("{claim}-{attempt}"),
        claim: claim.to_owned(),
        attempt,
        spec: None,
        state: JobState::Active(None),
    };
    let current = world
        .repository
        .status
        .as_ref()
        .unwrap()
        .work
        .clone()
        .unwrap()
        .progress
        .claim;
    let status = world.repository.status.as_mut().unwrap();
    status.work.as_mut().unwrap().progress.attempts = 2;
    let jobs = [job("other", 1), job(&current, 1), job(&current, 2), job(&current, 3)];
    let names = superseded(world.repository.status.as_ref().unwrap(), &jobs);
    assert_eq!(names, ["other-1".to_owned(), format!("{current}-1")]);
    assert_eq!(world.work_kind(), Some(WorkKind::Forget));
}

#[test]
fn a_mover_that_is_lost_five_times_is_an_outage() {
    let mut world = World::new();
    world.check_slot = Some(at("2026-11-30T01:00:00Z"));
    world.step();
    let name = world.step().start.unwrap().name;
    world.jobs = vec![MoverJob {
        name: "job".to_owned(),
        claim: name,
        attempt: 5,
        spec: None,
        state: JobState::Ended(world.now, Err("the node is gone".to_owned())),
    }];
    let plan = world.step();
    assert_eq!(plan.status.work, None);
    assert!(world.record().retry_at.is_some() && world.record().problems["Check"].contains("the node is gone"));
}

#[test]
fn the_verdict_of_the_item_is_that_of_the_report() {
    // `advance` and `finish` read the same Job.
    let mut world = World::new();
    world.prune_slot = Some(at("2026-11-30T01:00:00Z"));
    let mut report = Report::completed(None);
    report.repository_bytes = Some(7);
    assert_eq!(report.verdict, Verdict::Completed);
    let (work, plan) = world.work(report);
    assert!(matches!(work, Work::Prune(_)));
    let record = &plan.status.maintenance["home"];
    assert_eq!(
        (record.bytes, record.pruned.as_deref()),
        (Some(7), Some("2026-11-30T01:00:00Z"))
    );
    assert_eq!(State::default(), State::Pending);
}

#[test]
fn a_bucket_that_is_full_is_pruned_at_once_without_repacking_and_once_for_each_run() {
    let mut world = World::with_runs(&[28, 29]);
    let full = json!([{"claim": "data", "state": "Failed", "reason": "QuotaExceeded"}]);
    world.runs.push(run_with(30, &full));
    let full = Report::failed(Reason::QuotaExceeded, "no room for a lock");
    let (work, _) = world.work(full);
    assert_eq!(work, Work::Prune(task::Prune { only_delete: true }));
    assert_eq!(world.step().status.work, None);
    assert!(world.record().problems["Prune"].starts_with("QuotaExceeded: "));
    // In order again: the next prune is the usual one.
    world.runs.pop();
    world.prune_slot = Some(at("2026-11-30T03:30:00Z"));
    let (work, _) = world.work(Report::completed(None));
    assert_eq!(work, Work::Prune(task::Prune { only_delete: false }));
    assert_eq!(world.record().problems, BTreeMap::new());
}

#[test]
fn a_repair_that_fails_is_not_tried_again_at_once() {
    let mut world = World::with_runs(&[29, 30]);
    world.check_slot = Some(at("2026-11-30T01:00:00Z"));
    world.work(Report::failed(Reason::DataDamaged, "pack abc"));
    let check = world.record().damage.unwrap().check;
    let annotations = world.repository.metadata.annotations.get_or_insert_default();
    annotations.insert(REPAIR.to_owned(), check);
    world.work(Report::failed(Reason::AccessDenied, "the key may not delete"));
    assert_eq!(world.step().status.work, None);
    assert!(world.record().damage.is_some());
    world.now = at("2026-11-30T05:01:00Z");
    world.jobs.clear();
    assert_eq!(world.step().status.work.map(|work| work.kind), Some(WorkKind::Repair));
}
