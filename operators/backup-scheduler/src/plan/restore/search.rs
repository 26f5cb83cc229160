//! The search for snapshots of volumes.
use std::time::Duration;

use kube::ResourceExt;

use super::{NO_CLAIM, Observed, Start};
use crate::crd::backup_run::{ClaimSpec, Item};
use crate::crd::restore_run::RestoreRunStatus;
use crate::plan::items::{self, JobState, MoverJob, Next};
use crate::task::{Find, Reason, Report, Verdict};

/// How far the search for snapshots is.
pub(super) enum Step {
    Found,
    Start(Start),
    Wait(String, Option<Duration>),
    Failed(&'static str, String),
}

pub(super) fn find(observed: &Observed<'_>, status: &mut RestoreRunStatus) -> Step {
    // Attempts of the search are pages too, so its Jobs stay until all pages are in the status.
    let last = observed
        .jobs
        .iter()
        .filter(|job| job.claim == NO_CLAIM)
        .max_by_key(|job| job.attempt);
    if let Some(MoverJob {
        state: JobState::Ended(_, Ok(report)),
        attempt,
        ..
    }) = last
        && report.verdict == Verdict::Completed
    {
        let new = report
            .found
            .iter()
            .filter(|found| status.volumes.iter().all(|item| item.claim < found.claim));
        let new: Vec<Item> = new
            .map(|found| Item {
                claim: found.claim.clone(),
                path: found.path.clone(),
                snapshot: Some(found.snapshot.clone()),
                files: i64::try_from(found.files).ok(),
                bytes: i64::try_from(found.bytes).ok(),
                claim_spec: Some(ClaimSpec {
                    size: found.volume.size.clone(),
                    storage_class: found.volume.storage_class.clone(),
                    access_modes: found.volume.access_modes.clone(),
                }),
                ..Item::default()
            })
            .collect();
        status.volumes.extend(new);
        if report.more {
            return Step::Start(Start::Find(attempt + 1, search(observed, status)));
        }
        if status.volumes.is_empty() {
            let message = "the repository of this namespace has no good snapshot that fits spec.from and spec.select";
            return Step::Failed("NothingFound", format!("{message}{}", without_volumes(observed)));
        }
        status.found = true;
        return Step::Found;
    }
    let mut item = Item {
        start_time: status.start_time.clone(),
        ..Item::default()
    };
    match items::advance(&mut item, observed.jobs, observed.now) {
        Next::Start(attempt) => Step::Start(Start::Find(attempt, search(observed, status))),
        Next::Wait(after) => Step::Wait(
            item.message.unwrap_or_else(|| "looking for snapshots".to_owned()),
            after,
        ),
        Next::Done => {
            let reason = last.and_then(|job| match &job.state {
                JobState::Ended(_, Ok(report)) => Some(reason(report)),
                _ => None,
            });
            let mut message = item.message.unwrap_or_default();
            if reason == Some(Reason::RepositoryMissing.as_str()) {
                message += without_volumes(observed);
            }
            Step::Failed(reason.unwrap_or("Failed"), message)
        }
    }
}

/// The reason of a report as a condition has it.
fn reason(report: &Report) -> &'static str {
    report.reason.as_str()
}

fn search(observed: &Observed<'_>, status: &RestoreRunStatus) -> Find {
    let (spec, namespace) = (&observed.run.spec, observed.run.namespace().unwrap_or_default());
    Find {
        host: observed.host.to_owned(),
        claims: spec
            .select
            .as_ref()
            .map(|select| select.claims.clone())
            .unwrap_or_default(),
        run: spec.from.run.as_ref().map(|run| format!("{namespace}/{run}")),
        snapshot: spec.from.snapshot.clone(),
        before: spec.from.before.clone(),
        foreign: observed.foreign,
        path: spec.from.path.clone(),
        not_good: observed.not_good.to_vec(),
        after: status.volumes.last().map(|item| item.claim.clone()),
    }
}

/// API objects alone are restored only on request: a workload whose volumes were not found would begin with empty ones.
fn without_volumes(observed: &Observed<'_>) -> &'static str {
    match observed.run.spec.objects {
        Some(_) => "; if this namespace had no volumes, set spec.objects.only",
        None => "",
    }
}
