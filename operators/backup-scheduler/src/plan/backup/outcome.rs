//! What a run says of itself.
use std::time::Duration;

use hearth_reconciler::outcome::Outcome;

use crate::crd::BackupRun;
use crate::crd::backup_run::{BackupRunStatus, Item, State, Volumes};
use crate::plan::consent::NEEDS_CONSENT;
use crate::plan::items;

/// Counts the volumes, and says how far the run is.
pub(super) fn outcome(run: &BackupRun, status: &mut BackupRunStatus, wait: Option<Duration>) -> Outcome {
    let (good, _) = items::count(&status.volumes);
    let total = status.volumes.len();
    status.good = i64::try_from(good).ok();
    status.total = i64::try_from(total).ok();
    let exported = |item: &Item| item.state == State::Completed;
    let some_exported = status.objects.iter().any(exported);
    if status.items().any(|item| !item.state.is_final()) {
        return unfinished(status, good, wait);
    }
    // Objects that the installation does not back up are told in the status, and are no failure of the run.
    let mut bad: Vec<Item> = status.objects.clone();
    bad.retain(|item| !exported(item) && item.state != State::Skipped);
    let volumes = run.spec.volumes.as_ref();
    let names_claims = volumes.is_some_and(Volumes::names_claims);
    if total == 0 && bad.is_empty() && (!some_exported || names_claims) {
        let message = "no claim of this namespace is selected: compare spec.volumes and the claims' annotations";
        return Outcome::Stalled("NothingSelected", message.to_owned());
    }
    if good == total && bad.is_empty() {
        let objects = if some_exported { " and the API objects" } else { "" };
        return Outcome::Ready("Completed", format!("all {total} volumes{objects} are backed up"));
    }
    // API objects alone are no backup of a namespace with volumes.
    let reason = if good == 0 && (total > 0 || !some_exported) {
        "Failed"
    } else {
        "Incomplete"
    };
    let mut complaints: Vec<Item> = status.volumes.clone();
    complaints.append(&mut bad);
    let complaints = items::complaints(&complaints);
    let objects = if some_exported { ", and the API objects" } else { "" };
    let message = format!("{good} of {total} volumes are backed up{objects}; {complaints}");
    Outcome::Stalled(reason, message)
}

fn unfinished(status: &BackupRunStatus, good: usize, wait: Option<Duration>) -> Outcome {
    let open = || status.items().filter(|item| !item.state.is_final());
    let told = open().find_map(|item| Some((item, item.message.as_deref()?)));
    let detail = told.map_or_else(String::new, |(item, message)| format!("; {}: {message}", item.claim));
    let consent = open().all(|item| item.reason.as_deref() == Some(NEEDS_CONSENT));
    let reason = if consent { NEEDS_CONSENT } else { "Running" };
    let message = format!("{good} of {} volumes are backed up{detail}", status.volumes.len());
    Outcome::Waiting(reason, message, wait)
}
