//! The runs of a slot: which are made, which runs before them are in the way, and what the status records.
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use super::timing::{Due, Note};
use super::{names, seconds};
use crate::MANAGER;
use crate::crd::backup_run::{BackupRunSpec, Item, ScheduleRef, State};
use crate::crd::backup_schedule::{ConcurrencyPolicy, LastRun};
use crate::crd::{BackupRun, BackupSchedule, BackupScheduleStatus, CANCEL, SCHEDULE_UID};
use crate::plan::job::hex;

/// On a run: its slot, in UTC and readable: `20261130T030000Z`.
pub const SLOT: &str = "backup.hearth.home.arpa/slot";
/// So many characters of a schedule's name are in the names of its runs.
pub const RUN_NAME_CUT: usize = 40;
/// A run that starts later than this has caught up, and people are told.
const LATE: SignedDuration = SignedDuration::from_mins(10);

/// What is to be done for a slot.
#[derive(Debug, Clone, Default)]
pub struct Decision {
    /// Runs to make, in the order of their namespaces.
    pub create: Vec<BackupRun>,
    /// Runs to cancel.
    pub cancel: Vec<BackupRun>,
    /// The namespaces whose run of this slot is there already.
    pub there: Vec<String>,
    /// Runs that must end first, as `namespace/name`.
    pub wait_for: Vec<String>,
    /// Runs in whose favour the slot is skipped, as `namespace/name`.
    pub overlap: Vec<String>,
}

/// The name of the run of a slot: the same for the same slot of the same schedule.
pub fn run_name(schedule: &BackupSchedule, due: &Due) -> String {
    let readable: String = schedule.name_any().chars().take(RUN_NAME_CUT).collect();
    let uid = schedule.uid().unwrap_or_default();
    let what = match &due.token {
        Some(token) => format!("{uid}/manual/{token}"),
        None => format!("{uid}/{}", due.slot.as_second()),
    };
    let hash = hex(what.as_bytes(), 5);
    format!("{}-{hash}", readable.trim_matches(['-', '.']))
}

/// Decides about the runs of a slot. `runs` are all runs of this schedule, as the API server has them now.
pub fn decide(schedule: &BackupSchedule, due: &Due, namespaces: &[String], runs: &[BackupRun]) -> Decision {
    let name = run_name(schedule, due);
    let mut decision = Decision::default();
    for namespace in namespaces {
        let here = || runs.iter().filter(|run| run.namespace().as_ref() == Some(namespace));
        if here().any(|run| run.name_any() == name) {
            decision.there.push(namespace.clone());
            continue;
        }
        let open = |run: &&BackupRun| {
            run.status
                .as_ref()
                .is_none_or(|status| status.completion_time.is_none())
        };
        let (at_work, idle): (Vec<_>, Vec<_>) = here().filter(open).partition(|run| is_at_work(run));
        let uncancelled = |run: &&BackupRun| run.annotations().get(CANCEL).is_none_or(|value| value != "true");
        let label = |run: &BackupRun| format!("{namespace}/{}", run.name_any());
        match schedule.spec.concurrency_policy {
            ConcurrencyPolicy::Forbid if !at_work.is_empty() => {
                let place = if due.token.is_some() {
                    &mut decision.wait_for
                } else {
                    &mut decision.overlap
                };
                place.extend(at_work.iter().map(|run| label(run)));
                continue;
            }
            ConcurrencyPolicy::Replace if !at_work.is_empty() => {
                decision.wait_for.extend(at_work.iter().map(|run| label(run)));
                let cancel = at_work.into_iter().filter(uncancelled).cloned();
                decision.cancel.extend(cancel);
                continue;
            }
            _ => {}
        }
        // They wait for a node, for a repository, or for consent. The new run waits in their place, with a slot that is nearer to the data.
        decision.cancel.extend(idle.into_iter().filter(uncancelled).cloned());
        decision.create.push(run(schedule, due, namespace, &name));
    }
    decision
}

/// Whether movers of a run are at work, or are to start as soon as there is room.
fn is_at_work(run: &BackupRun) -> bool {
    let begun = run.status.as_ref().filter(|status| status.start_time.is_some());
    let open = begun.map(|status| status.items().filter(|item| !item.state.is_final()));
    // One without an open item is about to end.
    let waits = |item: &Item| item.state == State::Deferred || item.first_upload.is_some();
    open.is_some_and(|mut open| open.any(|item| !waits(item)))
}

fn run(schedule: &BackupSchedule, due: &Due, namespace: &str, name: &str) -> BackupRun {
    let (spec, uid) = (&schedule.spec, schedule.uid().unwrap_or_default());
    let slot = TimeZone::UTC
        .to_datetime(due.slot)
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let own = schedule.namespace().unwrap_or_default();
    BackupRun {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(
                [
                    ("app.kubernetes.io/managed-by".to_owned(), MANAGER.to_owned()),
                    (SCHEDULE_UID.to_owned(), uid.clone()),
                    (SLOT.to_owned(), slot),
                ]
                .into(),
            ),
            ..ObjectMeta::default()
        },
        spec: BackupRunSpec {
            repository: spec.repository.clone(),
            volumes: spec.volumes.clone(),
            objects: spec.objects.clone(),
            allow_partial: spec.allow_partial,
            mover: spec.mover.clone(),
            suspend: false,
            schedule: Some(ScheduleRef {
                name: if own == namespace {
                    schedule.name_any()
                } else {
                    format!("{own}/{}", schedule.name_any())
                },
                uid,
                slot: seconds(due.slot).to_string(),
            }),
        },
        status: None,
    }
}

/// Records a slot in the status, when all of its runs are there or are not to be made; what there is to say. `made` are the
/// namespaces of the runs.
pub fn record(
    status: &mut BackupScheduleStatus,
    schedule: &BackupSchedule,
    due: &Due,
    made: &[String],
    overlap: &[String],
) -> Vec<Note> {
    let mut notes = Vec::new();
    if !made.is_empty() {
        status.last_run = Some(LastRun {
            name: run_name(schedule, due),
            namespaces: made.to_vec(),
        });
    }
    if let Some(token) = &due.token {
        status.last_manual_token = Some(token.clone());
        return notes;
    }
    let mut missed = i64::from(due.missed);
    if made.is_empty() {
        missed += 1;
    } else {
        status.last_slot = Some(due.slot.to_string());
    }
    if !overlap.is_empty() {
        let message = format!(
            "slot {} is skipped where the run before is still at work: {}",
            due.slot,
            names(overlap)
        );
        notes.push(("Overlap", message));
    }
    if !made.is_empty() && (due.missed > 0 || due.late > LATE) {
        let message = format!(
            "the run for slot {} starts {:#} late; {} slots before it have no run",
            due.slot, due.late, due.missed
        );
        notes.push(("CaughtUp", message));
    }
    if missed > 0 {
        status.missed = Some(status.missed.unwrap_or(0).saturating_add(missed));
    }
    let known: Option<Timestamp> = super::moment(status.cursor.as_ref());
    status.cursor = Some(known.map_or(due.slot, |known| known.max(due.slot)).to_string());
    notes
}
