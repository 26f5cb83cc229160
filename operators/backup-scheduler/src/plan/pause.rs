//! Volumes of a backup that wait before their next mover: for a person's consent, or for a pod that needs the volume.
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;

use super::consent::Question;
use super::items::{JobState, MoverJob};
use super::yields::{self, Holder};
use crate::crd::backup_run::Item;
use crate::task::Reason;

/// Before it is looked again whether a mover that makes room is gone.
const SOON: Duration = Duration::from_secs(2);
/// Before it is looked again whether the pod has a node: pods are not watched.
const RECHECK: Duration = Duration::from_secs(10);

/// What is known of a volume.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Whether it may be uploaded.
    pub question: Question<'a>,
    /// The pods of its namespace.
    pub pods: &'a [Pod],
    /// The movers that hold volumes.
    pub holders: &'a [Holder],
    /// The movers of its run.
    pub jobs: &'a [MoverJob],
}

/// What a volume that waits, or waited, needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Nothing before this time has passed.
    Wait(Duration),
    /// The wait is over: start this attempt.
    Start(i64),
    /// It has ended without its backup.
    Ended,
}

/// Whether the item pauses. Its Jobs up to its last attempt may go then: they have said what they had to say.
pub fn pause(facts: &Facts<'_>, item: &mut Item) -> Option<Pause> {
    if item.state.is_final() {
        return None;
    }
    let jobs = facts.jobs.iter().filter(|job| job.claim == item.claim);
    let last = jobs.max_by_key(|job| job.attempt);
    if let Some(job) = last.filter(|job| job.attempt > item.attempts) {
        // It was started, and the operator stopped before it was recorded.
        resume(item, job.attempt);
    }
    if let Some(job) = last.filter(|job| job.attempt >= item.attempts && !item.is_paused()) {
        begin(facts, item, job);
    }
    let next = Pause::Start(item.attempts + 1);
    if last.is_some_and(|job| job.attempt >= item.attempts && has_saved(job)) {
        (item.first_upload, item.yielded) = (None, None);
        return None;
    }
    if item.yielded.is_some() {
        let ended = last.is_none_or(|job| !matches!(job.state, JobState::Active(_)));
        let over = yields::is_over(item, ended, facts.pods, facts.question.now);
        let after = if ended { RECHECK } else { SOON };
        return Some(if over { next } else { Pause::Wait(after) });
    }
    let bytes = item.first_upload?;
    Some(match facts.question.ask(item, bytes) {
        Ok(()) => next,
        Err(Some(after)) => Pause::Wait(after),
        Err(None) => Pause::Ended,
    })
}

/// Whether an item pauses, or is to pause for consent: the report of its mover is no end.
pub fn is_held(item: &Item, jobs: &[MoverJob]) -> bool {
    let last = jobs.iter().filter(|job| job.claim == item.claim);
    let last = last
        .max_by_key(|job| job.attempt)
        .filter(|job| job.attempt >= item.attempts);
    let asks =
        |job: &MoverJob| matches!(&job.state, JobState::Ended(_, Ok(report)) if report.reason == Reason::NeedsConsent);
    // A newer attempt is at work, and the pause is over.
    let resumed = last.is_some_and(|job| job.attempt > item.attempts || has_saved(job));
    !item.state.is_final() && (item.is_paused() && !resumed || last.is_some_and(asks))
}

/// Whether a mover has made a snapshot that counts: it was done before it was ended.
fn has_saved(job: &MoverJob) -> bool {
    matches!(&job.state, JobState::Ended(_, Ok(report)) if report.snapshot.is_some())
}

/// Ends a pause: this attempt begins. Attempts before it do not count as failures, and it has all the time of a first one.
pub fn resume(item: &mut Item, attempt: i64) {
    if item.is_paused() {
        item.earlier_attempts = attempt - 1;
        (item.first_upload, item.yielded, item.start_time) = (None, None, None);
    }
}

/// Begins a pause, if what the last mover says or does is a reason.
fn begin(facts: &Facts<'_>, item: &mut Item, job: &MoverJob) {
    let now = facts.question.now;
    match &job.state {
        JobState::Ended(_, Ok(report)) if report.reason == Reason::NeedsConsent => {
            let Some(bytes) = report.upload_bytes else { return };
            item.first_upload = Some(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        JobState::Active(_) => {
            let claim = facts.question.claim;
            let pod = claim.and_then(|claim| yields::kept_out(claim, facts.pods, facts.holders));
            if !pod.is_some_and(|pod| yields::begin(item, &pod, now)) {
                return;
            }
        }
        JobState::Ended(..) => return,
    }
    item.attempts = job.attempt;
    item.start_time.get_or_insert_with(|| now.to_string());
}
