//! Work on repositories as a whole: snapshots are forgotten, repositories checked, pruned and repaired. One Job at a time, each
//! recorded in the status before it starts, so that whoever comes next knows what it was for.
mod due;
mod finish;
mod surplus;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::items::{self, MoverJob, Next};
use super::place;
use crate::crd::repository::{BackupRepositoryStatus, Layout, MaintenanceWork, WorkKind};
use crate::crd::{BackupRepository, BackupRun, Keep};
use crate::task::{self, Part, Recorded, Work};

pub use finish::{Health, health};
pub use surplus::surplus;

#[cfg(test)]
mod tests;

/// Before it is looked again whether movers are at work.
const BUSY_RECHECK: Duration = Duration::from_secs(30);
/// After work that failed for a reason that time may heal.
const RETRY_AFTER: Duration = Duration::from_hours(1);

/// What a schedule says of its snapshots.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Its UID, which its runs have as a label.
    pub uid: String,
    /// Its namespace and name.
    pub name: String,
    /// What it keeps.
    pub keep: Keep,
    /// Where its days begin.
    pub zone: TimeZone,
    /// What a person has agreed to forget at once.
    pub consent: Option<String>,
}

/// What was observed.
#[derive(Debug, Clone)]
pub struct Observed<'a> {
    /// The repository, as the API server has it now.
    pub repository: &'a BackupRepository,
    /// All runs into it.
    pub runs: &'a [Arc<BackupRun>],
    /// The schedules. Runs of one that is not here keep their snapshots.
    pub schedules: &'a [Schedule],
    /// Snapshots that restores read.
    pub in_use: &'a BTreeSet<String>,
    /// The Jobs of this work.
    pub jobs: &'a [MoverJob],
    /// Namespaces in which movers are.
    pub busy: &'a BTreeSet<String>,
    /// The newest slot of checks; none: no checks.
    pub check_slot: Option<Timestamp>,
    /// Into how many parts the data is cut for checks; none: it is not read.
    pub parts: Option<u64>,
    /// The newest slot of prunes; none: no prunes.
    pub prune_slot: Option<Timestamp>,
    /// The cluster's name.
    pub cluster: &'a str,
    /// The present time.
    pub now: Timestamp,
}

/// A Job to start.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Whose repository.
    pub namespace: String,
    /// The name of the work.
    pub name: String,
    /// Which attempt.
    pub attempt: i64,
    /// What it does.
    pub work: Work,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The status after it: `maintenance` and `work`.
    pub status: BackupRepositoryStatus,
    /// Snapshots that were forgotten: their runs are told, before the status is written.
    pub forgotten: Vec<String>,
    /// The Job to start, when the status is written.
    pub start: Option<Start>,
    /// When to look again; none: when something changes.
    pub after: Option<Duration>,
}

/// Plans the next step.
pub fn plan(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan {
        status: observed.repository.status.clone().unwrap_or_default(),
        forgotten: Vec::new(),
        start: None,
        after: None,
    };
    if let Some(mut work) = plan.status.work.take() {
        match items::advance(&mut work.progress, observed.jobs, observed.now) {
            Next::Done => {
                finish::finish(observed, &mut plan, &work);
                plan.after = Some(Duration::from_secs(1));
                return plan;
            }
            Next::Wait(after) => plan.after = after,
            Next::Start(_) if waits(observed, &work) => plan.after = Some(BUSY_RECHECK),
            Next::Start(attempt) => {
                work.progress.attempts = attempt;
                work.progress.start_time.get_or_insert_with(|| observed.now.to_string());
                plan.start = Some(Start {
                    namespace: work.namespace.clone(),
                    name: work.progress.claim.clone(),
                    attempt,
                    work: task(observed, &work),
                });
            }
        }
        plan.status.work = Some(work);
        return plan;
    }
    let due = due::due(observed, &mut plan.status.maintenance);
    plan.after = due.after;
    if let Some(work) = due.work {
        plan.status.work = Some(work);
        plan.after = Some(Duration::ZERO);
    }
    plan
}

/// restic's locks keep this work and movers apart, but the one that waits for a lock does so in a running pod.
fn waits(observed: &Observed<'_>, work: &MaintenanceWork) -> bool {
    let busy = match observed.repository.spec.layout {
        Layout::PerNamespace => observed.busy.contains(&work.namespace),
        Layout::Single => !observed.busy.is_empty(),
    };
    work.kind != WorkKind::Check && busy
}

/// Jobs whose end is in the recorded status.
pub fn superseded(recorded: &BackupRepositoryStatus, jobs: &[MoverJob]) -> Vec<String> {
    let current = recorded.work.as_ref().map(|work| &work.progress);
    let needless =
        |job: &&MoverJob| current.is_none_or(|progress| progress.claim != job.claim || job.attempt < progress.attempts);
    jobs.iter().filter(needless).map(|job| job.name.clone()).collect()
}

fn task(observed: &Observed<'_>, work: &MaintenanceWork) -> Work {
    let record = observed.repository.status.as_ref();
    let record = record.and_then(|status| status.maintenance.get(&work.namespace));
    match work.kind {
        WorkKind::Forget => {
            let forget: BTreeSet<&String> = work.snapshots.iter().collect();
            let (mut snapshots, kept): (Vec<_>, Vec<_>) = recorded(observed, &work.namespace)
                .into_iter()
                .partition(|one| forget.contains(&one.id));
            let not_good = due::not_good(observed, &work.namespace);
            snapshots.extend(not_good.filter(|one| forget.contains(&one.id)));
            Work::Forget(task::Forget {
                host: place::host(&observed.repository.spec, observed.cluster, &work.namespace),
                snapshots,
                kept,
            })
        }
        WorkKind::Check => {
            let done = record.and_then(|record| record.parts_read).unwrap_or(0);
            let done = u64::try_from(done).unwrap_or(0);
            Work::Check(task::Check {
                read: observed.parts.map(|of| Part {
                    number: done % of.max(1) + 1,
                    of: of.max(1),
                }),
                damaged: record
                    .map(|record| record.damaged_snapshots.clone())
                    .unwrap_or_default(),
            })
        }
        WorkKind::Prune => Work::Prune(task::Prune {
            only_delete: due::full_since(observed, &work.namespace).is_some(),
        }),
        WorkKind::Repair => Work::RepairPacks(task::RepairPacks {
            packs: record
                .and_then(|record| record.damage.as_ref())
                .map(|damage| damage.packs.clone())
                .unwrap_or_default(),
        }),
    }
}

/// All snapshots of a namespace that runs have recorded.
fn recorded(observed: &Observed<'_>, namespace: &str) -> Vec<Recorded> {
    let mut all = BTreeMap::new();
    for (run, item) in due::present(observed, namespace) {
        let id = item.snapshot.clone().unwrap_or_default();
        let run_uid = run.metadata.uid.clone().unwrap_or_default();
        all.insert(id.clone(), Recorded { id, run_uid });
    }
    all.into_values().collect()
}
