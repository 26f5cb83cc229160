//! What a schedule's status says of its runs.
use std::collections::BTreeMap;

use hearth_reconciler::outcome::Outcome;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::{Parsed, moment};
use crate::crd::{BackupRun, BackupScheduleStatus};

/// What came of the runs of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Results {
    /// The newest slot whose runs are all good.
    pub last_good: Option<Timestamp>,
    /// The runs of the newest slot that have ended and are not good, as `namespace/name: reason`.
    pub bad: Vec<String>,
    /// The median of how long the last runs took.
    pub median: Option<SignedDuration>,
}

/// Reads the runs of a schedule, by its UID.
pub fn results<'a>(runs: impl Iterator<Item = &'a BackupRun>, uid: &str) -> Results {
    let mut slots: BTreeMap<Timestamp, Vec<&BackupRun>> = BTreeMap::new();
    for run in runs {
        let Some(schedule) = run.spec.schedule.as_ref().filter(|schedule| schedule.uid == uid) else {
            continue;
        };
        if let Ok(slot) = schedule.slot.parse() {
            slots.entry(slot).or_default().push(run);
        }
    }
    let newest = slots
        .last_key_value()
        .map(|(_, runs)| runs.as_slice())
        .unwrap_or_default();
    let bad = newest.iter().filter(|run| has_ended(run) && !is_good(run));
    let mut lengths: Vec<SignedDuration> = slots.values().flatten().filter_map(|run| length(run)).collect();
    lengths.sort();
    Results {
        bad: bad.map(|run| describe(run)).collect(),
        median: lengths.get(lengths.len() / 2).copied(),
        last_good: slots
            .iter()
            .rev()
            .find(|(_, runs)| runs.iter().all(|run| is_good(run)))
            .map(|(slot, _)| *slot),
    }
}

fn has_ended(run: &BackupRun) -> bool {
    run.status
        .as_ref()
        .is_some_and(|status| status.completion_time.is_some())
}

/// All volumes are good, and there is one.
fn is_good(run: &BackupRun) -> bool {
    let status = run.status.as_ref().filter(|status| status.completion_time.is_some());
    status.is_some_and(|status| status.good.is_some_and(|good| good > 0) && status.good == status.total)
}

fn length(run: &BackupRun) -> Option<SignedDuration> {
    let status = run.status.as_ref()?;
    let end = moment(status.completion_time.as_ref())?;
    Some(end.duration_since(moment(status.start_time.as_ref())?))
}

fn describe(run: &BackupRun) -> String {
    let conditions = run.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let ready = hearth_reconciler::conditions::get(conditions, hearth_reconciler::conditions::READY);
    let reason = ready.map_or("Unknown", |ready| ready.reason.as_str());
    format!("{}/{}: {reason}", run.namespace().unwrap_or_default(), run.name_any())
}

/// What the conditions say of a schedule that nothing stands in the way of. What was good once stays recorded when its run is
/// deleted.
pub fn outcome(status: &mut BackupScheduleStatus, parsed: &Parsed, results: &Results, now: Timestamp) -> Outcome {
    let interval = parsed.cron.interval(now, &parsed.zone);
    let known = moment(status.last_good.as_ref()).filter(|known| *known <= now);
    status.last_good = known.max(results.last_good).map(|good| good.to_string());
    if status.suspended {
        return Outcome::suspended(
            "spec.suspend is set; no run is made, and the slots of this time are not made up for",
        );
    }
    let mut parts = Vec::new();
    if let Some(next) = &status.next_slot {
        let zoned = next.parse().map(|next: Timestamp| next.to_zoned(parsed.zone.clone()));
        let local = zoned.map_or(String::new(), |zoned| {
            zoned.strftime(" (%Y-%m-%d %H:%M %Z)").to_string()
        });
        parts.push(format!("the next slot is {next}{local}"));
    }
    parts.extend(parsed.cron.remarks().iter().map(|remark| (*remark).to_owned()));
    if let (Some(median), Some(interval)) = (results.median, interval)
        && median > interval
    {
        parts.push(format!(
            "runs take {median:#}, and there is a slot each {interval:#}: choose a longer interval"
        ));
    }
    parts.extend(status.left_out.iter().cloned());
    if results.bad.is_empty() {
        return Outcome::Ready("Scheduled", parts.join("; "));
    }
    parts.insert(
        0,
        format!("not all of the last runs are good: {}", super::names(&results.bad)),
    );
    Outcome::Ready("LastRunNotGood", parts.join("; "))
}
