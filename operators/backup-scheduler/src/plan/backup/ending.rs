//! A run that starts no mover any more: it is cancelled, or held up. What its movers report is recorded all the same.
use std::sync::Arc;

use hearth_reconciler::outcome::Outcome;
use jiff::Timestamp;

use super::{outcome, sizes};
use crate::crd::backup_run::{BackupRunStatus, State};
use crate::crd::{BackupRun, CANCEL};
use crate::plan::consent::NEEDS_CONSENT;
use crate::plan::items::{self, JobState, MoverJob, Next};
use crate::plan::place;
use crate::plan::{doubt, pause};
use kube::ResourceExt;

/// Why an item of a cancelled run is not good.
const CANCELLED: &str = "Cancelled";
/// Why an item has no backup whose node was off all the time. It does not count as a failure: the age of the last good backup does.
pub const NODE_OFF: &str = "NodeOff";

/// What was observed.
#[derive(Debug, Clone)]
pub struct Ending<'a> {
    /// The run.
    pub run: &'a BackupRun,
    /// Its movers, also those in the operator's namespace.
    pub jobs: Vec<MoverJob>,
    /// The runs of this namespace.
    pub history: Vec<Arc<BackupRun>>,
    /// Data in the repository is damaged, and nobody has agreed to a repair.
    pub damaged: bool,
    /// The same for the repository of API objects.
    pub objects_damaged: bool,
    /// The present time.
    pub now: Timestamp,
}

/// Whether a run is cancelled.
pub fn is_cancelled(run: &BackupRun) -> bool {
    run.annotations().get(CANCEL).is_some_and(|value| value == "true")
}

/// Records what the movers of a run report, and starts none.
pub fn record(ending: &Ending<'_>) -> BackupRunStatus {
    let mut status = ending.run.status.clone().unwrap_or_default();
    for item in status.items_mut() {
        if pause::is_held(item, &ending.jobs) {
            continue;
        }
        let had_ended = item.state.is_final();
        let mut next = item.clone();
        let ended_now = items::advance(&mut next, &ending.jobs, ending.now) == Next::Done && !had_ended;
        // Without a Job there is nothing new.
        if ending.jobs.iter().any(|job| job.claim == item.claim) {
            if ended_now {
                if place::is_objects(&item.claim) {
                    doubt::judge(&mut next, &[], ending.objects_damaged);
                } else {
                    let former = sizes(ending.run, &ending.history, &item.claim);
                    doubt::judge(&mut next, &former, ending.damaged);
                }
            }
            *item = next;
        }
    }
    status
}

/// What is to be done for a cancelled run.
#[derive(Debug, Clone, PartialEq)]
pub struct Cancelled {
    /// The status after it, without conditions.
    pub status: BackupRunStatus,
    /// Jobs to stop.
    pub stop: Vec<String>,
    /// What the conditions say.
    pub outcome: Outcome,
}

/// Ends a run that is cancelled, when none of its movers is left.
pub fn cancel(ending: &Ending<'_>) -> Cancelled {
    let mut status = record(ending);
    let now = ending.now;
    let active = ending
        .jobs
        .iter()
        .filter(|job| matches!(job.state, JobState::Active(_)));
    let stop: Vec<String> = active.clone().map(|job| job.name.clone()).collect();
    if !stop.is_empty() {
        let message = format!("the run is cancelled; {} movers are being stopped", stop.len());
        return Cancelled {
            status,
            stop,
            outcome: Outcome::Waiting("Cancelling", message, None),
        };
    }
    let mut broken_off = status.start_time.is_none();
    for item in status.items_mut().filter(|item| !item.state.is_final()) {
        if item.state == State::Deferred {
            let message = "its node was off until the run was cancelled; the next run tries again";
            items::fail(item, State::Skipped, NODE_OFF, message.to_owned(), now);
        } else if item.first_upload.is_some() {
            let message = item.message.clone().unwrap_or_default();
            let message =
                format!("{message}; the run was cancelled before somebody agreed, and the next run asks again");
            items::fail(item, State::Failed, NEEDS_CONSENT, message, now);
        } else {
            broken_off = true;
            items::fail(item, State::Failed, CANCELLED, "the run was cancelled".to_owned(), now);
        }
    }
    status.completion_time.get_or_insert_with(|| now.to_string());
    let ended = outcome(ending.run, &mut status, None);
    let outcome = match ended {
        Outcome::Stalled(_, message) if broken_off => {
            let message = if status.start_time.is_some() {
                format!("the run was cancelled; {message}")
            } else {
                "the run was cancelled before it began".to_owned()
            };
            Outcome::Stalled(CANCELLED, message)
        }
        other => other,
    };
    Cancelled { status, stop, outcome }
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "tests write JSON where they pass it")]
mod tests;
