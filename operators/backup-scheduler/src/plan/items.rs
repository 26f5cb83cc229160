//! One volume of a run, followed through its movers to its end. The same for backups and restores.
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::crd::backup_run::{Item, PathProblem, Progress, State};
use crate::task::{Reason, Report, Verdict};

/// A failure that time may heal is tried again for so long.
const RETRY_FOR: Duration = Duration::from_mins(15);
/// Before the second attempt; the third waits twice as long, and so on.
const RETRY_AFTER: Duration = Duration::from_secs(20);
/// A mover that ended without a report (its node went, or its memory was too small) is started so often in all.
const LOST_LIMIT: i64 = 5;
/// So many problems of an item are kept in the status.
const PROBLEMS: usize = 20;

/// A mover's Job, as it was observed.
#[derive(Debug, Clone, PartialEq)]
pub struct MoverJob {
    /// The Job's name.
    pub name: String,
    /// The claim that it works on.
    pub claim: String,
    /// Which attempt it is, from 1.
    pub attempt: i64,
    /// The hash of the spec that it was started for, where a run may get another spec.
    pub spec: Option<String>,
    /// How far it is.
    pub state: JobState,
}

/// How far a Job is.
#[derive(Debug, Clone, PartialEq)]
pub enum JobState {
    /// Its pod is at work or waits; what it waits for.
    Active(Option<String>),
    /// It ended at this time, with a report, or with what is known instead of one.
    Ended(Timestamp, Result<Box<Report>, String>),
}

/// What an item needs next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Start this attempt.
    Start(i64),
    /// Wait for a mover, or for this long before the next attempt.
    Wait(Option<Duration>),
    /// Nothing any more.
    Done,
}

/// Follows an item. A mover that was started and not recorded counts: only the Jobs say what was started.
pub fn advance(item: &mut Item, jobs: &[MoverJob], now: Timestamp) -> Next {
    let jobs = jobs.iter().filter(|job| job.claim == item.claim);
    let last = jobs.max_by_key(|job| job.attempt);
    item.attempts = item.attempts.max(last.map_or(0, |job| job.attempt));
    if item.state.is_final() {
        return Next::Done;
    }
    let Some(job) = last.filter(|job| job.attempt == item.attempts) else {
        if item.attempts == 0 {
            return Next::Start(1);
        }
        // Somebody deleted it. Nothing says when, so there is nothing to wait for.
        return match lost(item, "its Job was deleted", now, now) {
            Next::Done => Next::Done,
            _ => Next::Start(item.attempts + 1),
        };
    };
    item.start_time.get_or_insert_with(|| now.to_string());
    match &job.state {
        JobState::Active(waits) => {
            item.state = State::Running;
            item.reason = waits.as_ref().map(|_| "Waiting".to_owned());
            item.message.clone_from(waits);
            Next::Wait(None)
        }
        JobState::Ended(at, Err(why)) => lost(item, why, *at, now),
        JobState::Ended(at, Ok(report)) => {
            if report.retry && since(item.start_time.as_deref(), now) < RETRY_FOR {
                item.state = State::Running;
                item.reason = Some(report.reason.as_str().to_owned());
                item.message = Some(format!("{}; it is tried again", report.message));
                return again(item, *at, now);
            }
            finish(item, report, now);
            Next::Done
        }
    }
}

/// Ends an item without a mover.
pub fn fail(item: &mut Item, state: State, reason: &str, message: String, now: Timestamp) {
    item.state = state;
    item.reason = Some(reason.to_owned());
    item.message = Some(message);
    item.completion_time = Some(now.to_string());
}

fn lost(item: &mut Item, why: &str, at: Timestamp, now: Timestamp) -> Next {
    if item.attempts - item.earlier_attempts >= LOST_LIMIT {
        let message = format!("the mover ended {LOST_LIMIT} times without a report: {why}");
        fail(item, State::Failed, "MoverLost", message, now);
        return Next::Done;
    }
    item.state = State::Running;
    item.reason = Some("MoverLost".to_owned());
    item.message = Some(format!("the mover ended without a report: {why}; it is started again"));
    again(item, at, now)
}

fn again(item: &Item, ended: Timestamp, now: Timestamp) -> Next {
    let wait = RETRY_AFTER.saturating_mul(u32::try_from(item.attempts - item.earlier_attempts).unwrap_or(1));
    let passed = Duration::try_from(now.duration_since(ended)).unwrap_or_default();
    match wait.checked_sub(passed) {
        Some(left) if !left.is_zero() => Next::Wait(Some(left)),
        _ => Next::Start(item.attempts + 1),
    }
}

/// The time since a moment of a status; none since one that cannot be read.
pub(super) fn since(text: Option<&str>, now: Timestamp) -> Duration {
    let at: Option<Timestamp> = text.and_then(|text| text.parse().ok());
    at.map_or(Duration::MAX, |at| {
        Duration::try_from(now.duration_since(at)).unwrap_or_default()
    })
}

fn finish(item: &mut Item, report: &Report, now: Timestamp) {
    let number = |value: u64| Some(i64::try_from(value).unwrap_or(i64::MAX));
    item.state = match report.verdict {
        Verdict::Completed => State::Completed,
        Verdict::Partial => State::Partial,
        Verdict::Failed => State::Failed,
    };
    let plain = report.reason == Reason::Completed;
    item.reason = (!plain).then(|| report.reason.as_str().to_owned());
    item.message = (!report.message.is_empty()).then(|| report.message.clone());
    item.not_good.clone_from(&report.not_good);
    if let Some(snapshot) = &report.snapshot {
        item.snapshot = Some(snapshot.id.clone());
        (item.files, item.bytes) = (number(snapshot.files), number(snapshot.bytes));
        item.added_bytes = number(snapshot.added_bytes);
    }
    let problems = report.problems.iter().take(PROBLEMS).map(|problem| PathProblem {
        path: problem.path.clone(),
        message: match &problem.pack {
            Some(pack) => format!("{} (pack {pack})", problem.message),
            None => problem.message.clone(),
        },
    });
    item.problems = problems.collect();
    item.completion_time = Some(now.to_string());
}

/// Jobs that are no longer needed: those of items that have ended or pause, and attempts before the last. Called with items whose end is
/// in the status already, so that no report is lost.
pub fn superseded(recorded: &[Item], jobs: &[MoverJob]) -> Vec<String> {
    let needless = |job: &&MoverJob| {
        let item = recorded.iter().find(|item| item.claim == job.claim);
        item.is_some_and(|item| {
            let paused = item.is_paused() && job.attempt == item.attempts;
            item.state.is_final() || paused || job.attempt < item.attempts
        })
    };
    jobs.iter().filter(needless).map(|job| job.name.clone()).collect()
}

/// Shows how far movers are, by claim. Of what is not at work nothing is shown.
pub fn show<'a>(items: impl Iterator<Item = &'a mut Item>, known: &BTreeMap<String, Progress>) {
    for item in items {
        let is_at_work = item.state == State::Running;
        item.progress = known.get(&item.claim).filter(|_| is_at_work).cloned();
    }
}

/// How many items are good, and whether all have ended.
pub fn count(items: &[Item]) -> (usize, bool) {
    let good = items.iter().filter(|item| item.state == State::Completed).count();
    (good, items.iter().all(|item| item.state.is_final()))
}

/// What is wrong with the items that are not good, in one line each; the first of them.
pub fn complaints(items: &[Item]) -> String {
    const SHOWN: usize = 5;
    let bad: Vec<&Item> = items.iter().filter(|item| item.state != State::Completed).collect();
    let lines = bad.iter().take(SHOWN).map(|item| {
        let reason = item.reason.as_deref().unwrap_or("Unknown");
        let message = item.message.as_deref().unwrap_or("no more is known");
        format!("{}: {reason}: {message}", item.claim)
    });
    let mut text = lines.collect::<Vec<_>>().join("; ");
    if bad.len() > SHOWN {
        text = format!("{text}; and {} more", bad.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::SnapshotReport;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn item() -> Item {
        Item {
            claim: "data".to_owned(),
            ..Item::default()
        }
    }

    fn job(attempt: i64, state: JobState) -> MoverJob {
        MoverJob {
            name: format!("job-{attempt}"),
            claim: "data".to_owned(),
            attempt,
            spec: None,
            state,
        }
    }

    fn outage() -> Box<Report> {
        let mut report = Report::failed(Reason::Unreachable, "no answer");
        report.retry = true;
        Box::new(report)
    }

    #[test]
    fn an_item_begins_with_its_first_attempt() {
        assert_eq!(advance(&mut item(), &[], NOW), Next::Start(1));
    }

    #[test]
    fn a_job_that_was_not_recorded_before_a_crash_is_adopted() {
        let mut item = item();
        let next = advance(&mut item, &[job(1, JobState::Active(None))], NOW);
        assert_eq!((next, item.attempts, item.state), (Next::Wait(None), 1, State::Running));
    }

    #[test]
    fn a_report_ends_an_item_and_only_then_its_jobs_may_go() {
        let mut item = item();
        let snapshot = SnapshotReport {
            id: "abc".to_owned(),
            files: 3,
            bytes: 7,
            ..SnapshotReport::default()
        };
        let jobs = [job(
            1,
            JobState::Ended(NOW, Ok(Box::new(Report::completed(Some(snapshot))))),
        )];
        assert_eq!(superseded(&[item.clone()], &jobs), Vec::<String>::new());
        assert_eq!(advance(&mut item, &jobs, NOW), Next::Done);
        assert_eq!(
            (item.state, item.snapshot.as_deref(), item.files),
            (State::Completed, Some("abc"), Some(3))
        );
        assert_eq!(superseded(&[item.clone()], &jobs), ["job-1"]);
        // The Job is gone: nothing begins anew.
        assert_eq!(advance(&mut item, &[], at(9999)), Next::Done);
    }

    #[test]
    fn an_outage_is_tried_again_with_growing_pauses_for_a_quarter_of_an_hour() {
        let mut item = item();
        item.start_time = Some(NOW.to_string());
        let jobs = [job(1, JobState::Ended(at(10), Ok(outage())))];
        assert_eq!(
            advance(&mut item, &jobs, at(15)),
            Next::Wait(Some(Duration::from_secs(15)))
        );
        assert_eq!(advance(&mut item, &jobs, at(30)), Next::Start(2));
        let jobs = [jobs[0].clone(), job(2, JobState::Ended(at(60), Ok(outage())))];
        assert_eq!(
            advance(&mut item, &jobs, at(99)),
            Next::Wait(Some(Duration::from_secs(1)))
        );
        assert_eq!(superseded(&[item.clone()], &jobs), ["job-1"]);
        assert_eq!(advance(&mut item, &jobs, at(16 * 60)), Next::Done);
        assert_eq!(
            (item.state, item.reason.as_deref()),
            (State::Failed, Some("Unreachable"))
        );
    }

    #[test]
    fn a_mover_without_a_report_is_started_again_a_few_times() {
        let mut item = item();
        let gone = |attempt| [job(attempt, JobState::Ended(NOW, Err("the node is gone".to_owned())))];
        assert_eq!(advance(&mut item, &gone(1), at(20)), Next::Start(2));
        assert_eq!(advance(&mut item, &gone(5), at(999)), Next::Done);
        assert_eq!(item.reason.as_deref(), Some("MoverLost"));
        assert!(item.message.unwrap().contains("the node is gone"));
    }

    #[test]
    fn progress_is_shown_while_a_mover_is_at_work() {
        let known = BTreeMap::from([("data".to_owned(), Progress::default())]);
        let mut items = [item(), item()];
        (items[0].state, items[1].claim) = (State::Running, "other".to_owned());
        show(items.iter_mut(), &known);
        assert_eq!(items.each_ref().map(|item| item.progress.is_some()), [true, false]);
        items[0].state = State::Completed;
        show(items.iter_mut(), &known);
        assert_eq!(items[0].progress, None);
    }

    #[test]
    fn a_job_that_somebody_deleted_is_a_lost_mover() {
        let mut item = item();
        (item.attempts, item.state) = (1, State::Running);
        assert_eq!(advance(&mut item, &[], NOW), Next::Start(2));
        assert_eq!(
            (item.state, item.reason.as_deref()),
            (State::Running, Some("MoverLost"))
        );
    }
}
