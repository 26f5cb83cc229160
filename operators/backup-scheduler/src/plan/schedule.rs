//! A BackupSchedule: which slot is due, which namespaces it is for, and which runs are made, skipped or cancelled.
//!
//! A run's name follows from the schedule's UID and the slot, so that no crash and no second operator makes two runs for a slot.
pub mod ping;
mod report;
mod runs;
mod targets;
mod timing;

use std::time::Duration;

use hearth_cron::{Cron, CronError, share, time_zone};
use hearth_reconciler::duration;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::maintenance;
use crate::crd::{BackupSchedule, FORGET};

pub use report::{Results, outcome, results};
pub use runs::{Decision, RUN_NAME_CUT, SLOT, decide, record, run_name};
pub use targets::{NamespaceFacts, TargetFacts, Targets, may_use, targets};
pub use timing::{Due, Note, Timing, timing};

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "tests write JSON where they pass it")]
mod tests;

/// A reason, one word, and a message that says what to change.
pub type Problem = (&'static str, String);

/// Without `catchUp`: a slot that is older than this is missed.
const ON_TIME: Duration = Duration::from_mins(10);

/// A schedule that can be evaluated.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// When.
    pub cron: Cron,
    /// Where its days begin.
    pub zone: TimeZone,
    /// The cron and the zone, as the status has them.
    pub key: String,
    jitter: Duration,
    deadline: Option<Duration>,
    rpo: Option<Duration>,
    uid: String,
}

/// Reads what must be read.
pub fn parse(schedule: &BackupSchedule) -> Result<Parsed, Problem> {
    let (spec, uid) = (&schedule.spec, schedule.uid().unwrap_or_default());
    let cron = Cron::parse(&spec.cron, Some(&uid)).map_err(|why| {
        let hint = if why == CronError::Fields(6) {
            "; leave out the seconds"
        } else {
            ""
        };
        ("InvalidCron", why.describe("spec.cron", &spec.cron) + hint)
    })?;
    let name = spec.time_zone.as_deref().unwrap_or("UTC");
    let zone = time_zone(name).map_err(|why| ("InvalidTimeZone", format!("spec.timeZone: {why}")))?;
    let length = |field: &str, text: Option<&String>| {
        text.map(|text| duration::parse(text).map_err(|why| ("InvalidDuration", format!("{field}: {why}"))))
            .transpose()
    };
    let rpo = spec.objectives.as_ref().and_then(|objectives| objectives.rpo.as_ref());
    Ok(Parsed {
        key: format!("{} {name}", spec.cron),
        jitter: length("spec.jitter", spec.jitter.as_ref())?.unwrap_or_default(),
        deadline: length("spec.startingDeadline", spec.starting_deadline.as_ref())?
            .or((!spec.catch_up).then_some(ON_TIME)),
        rpo: length("spec.objectives.rpo", rpo)?,
        cron,
        zone,
        uid,
    })
}

impl Parsed {
    /// How much later than its slot a run starts: the schedule's share of the jitter, in whole seconds.
    fn delay(&self, slot: Timestamp) -> SignedDuration {
        let next = self.cron.next(slot, &self.zone);
        let interval = next.map_or(SignedDuration::ZERO, |next| next.duration_since(slot));
        let half = Duration::try_from(interval / 2).unwrap_or_default();
        let most = u128::from(self.jitter.min(half).as_secs());
        // A share below 1, so that the whole is never reached.
        let seconds = (most * u128::from(share(&self.uid, "jitter"))) >> 64;
        SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0))
    }

    /// How old the newest good backup may become: as promised, else twice the interval.
    pub fn rpo(&self, now: Timestamp) -> Option<Duration> {
        let twice = || {
            let interval = self.cron.interval(now, &self.zone)?;
            Duration::try_from(interval.saturating_mul(2)).ok()
        };
        self.rpo.or_else(twice)
    }
}

/// What the retention needs to know of a schedule. None while its time zone cannot be read: its snapshots stay.
pub fn retention(schedule: &BackupSchedule) -> Option<maintenance::Schedule> {
    let zone = time_zone(schedule.spec.time_zone.as_deref().unwrap_or("UTC")).ok()?;
    Some(maintenance::Schedule {
        uid: schedule.uid()?,
        name: format!("{}/{}", schedule.namespace().unwrap_or_default(), schedule.name_any()),
        keep: schedule.spec.keep.clone(),
        zone,
        consent: schedule.annotations().get(FORGET).cloned(),
    })
}

fn moment(text: Option<&String>) -> Option<Timestamp> {
    text?.parse().ok()
}

/// The same moment in whole seconds, which is what a status and a name hold.
fn seconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

/// Names in a message, the first of them.
fn names(all: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown = all.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
