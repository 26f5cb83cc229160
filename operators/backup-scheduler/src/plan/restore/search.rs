//! The search for snapshots: of volumes here, of namespaces for a run of several.
use std::time::Duration;

use kube::ResourceExt;

use super::{NO_CLAIM, Observed, Start};
use crate::crd::backup_run::{ClaimSpec, Item};
use crate::crd::restore_run::RestoreRunStatus;
use crate::plan::items::{self, JobState, Next};
use crate::task::{Find, Found, Reason, Verdict};

/// How far the search for snapshots is.
pub(super) enum Step {
    Found,
    Start(Start),
    Wait(String, Option<Duration>),
    Failed(&'static str, String),
}

/// How far a search is.
pub(super) enum Search {
    /// A page was found; the attempt that gets the next page, if there is more.
    Page(Vec<Found>, Option<i64>),
    /// This attempt is to be started.
    Start(i64),
    Wait(String, Option<Duration>),
    Failed(Option<&'static str>, String),
}

/// Looks how far the search of this name is. Attempts are pages too, so its Jobs stay until all pages are in the status.
pub(super) fn look(observed: &Observed<'_>, claim: &str, start_time: Option<&String>) -> Search {
    let jobs = observed.jobs.iter().filter(|job| job.claim == claim);
    let last = jobs.max_by_key(|job| job.attempt);
    let report = last.and_then(|job| match &job.state {
        JobState::Ended(_, Ok(report)) => Some((job.attempt, report)),
        _ => None,
    });
    if let Some((attempt, report)) = report
        && report.verdict == Verdict::Completed
    {
        return Search::Page(report.found.clone(), report.more.then_some(attempt + 1));
    }
    let mut item = Item {
        claim: claim.to_owned(),
        start_time: start_time.cloned(),
        ..Item::default()
    };
    match items::advance(&mut item, observed.jobs, observed.now) {
        Next::Start(attempt) => Search::Start(attempt),
        Next::Wait(after) => Search::Wait(
            item.message.unwrap_or_else(|| "looking for snapshots".to_owned()),
            after,
        ),
        Next::Done => Search::Failed(
            report.map(|(_, report)| report.reason.as_str()),
            item.message.unwrap_or_default(),
        ),
    }
}

pub(super) fn find(observed: &Observed<'_>, status: &mut RestoreRunStatus) -> Step {
    match look(observed, NO_CLAIM, status.start_time.as_ref()) {
        Search::Page(found, next) => {
            let new = found
                .into_iter()
                .filter(|found| status.volumes.iter().all(|item| item.claim < found.claim));
            let new: Vec<Item> = new.map(volume).collect();
            status.volumes.extend(new);
            if let Some(attempt) = next {
                return Step::Start(Start::Find(attempt, search(observed, status)));
            }
            if status.volumes.is_empty() {
                let message =
                    "the repository of this namespace has no good snapshot that fits spec.from and spec.select";
                return Step::Failed("NothingFound", format!("{message}{}", without_volumes(observed)));
            }
            status.found = true;
            Step::Found
        }
        Search::Start(attempt) => Step::Start(Start::Find(attempt, search(observed, status))),
        Search::Wait(message, after) => Step::Wait(message, after),
        Search::Failed(reason, mut message) => {
            if reason == Some(Reason::RepositoryMissing.as_str()) {
                message += without_volumes(observed);
            }
            Step::Failed(reason.unwrap_or("Failed"), message)
        }
    }
}

/// A volume that was found.
fn volume(found: Found) -> Item {
    Item {
        claim: found.claim,
        path: found.path,
        snapshot: Some(found.snapshot),
        files: i64::try_from(found.files).ok(),
        bytes: i64::try_from(found.bytes).ok(),
        claim_spec: Some(ClaimSpec {
            size: found.volume.size,
            storage_class: found.volume.storage_class,
            access_modes: found.volume.access_modes,
        }),
        ..Item::default()
    }
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
        root: None,
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
