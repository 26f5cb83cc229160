//! A record as it is stored: what is written, read again, is equal; and written again it is the same text.
use jiff::Timestamp;
use jiff::tz::TimeZone;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::flapping::{Flapping, MOST};
use super::journal::{Journal, Run};
use super::learning::Verdict;
use super::ledger::{DAYS, Ledger};
use super::packing::{pack_rows, pack_week, unpack_rows, unpack_week};
use super::{FORMAT, FORMER, Present, Record, TRANSITIONS, Unreadable, seconds, time, timestamp};
use crate::crd::Availability;
use crate::crd::history::{NodeHistoryStatus, Penalty, Transition};
use crate::liveness::State;

/// Hours of two days.
const HOURS: usize = 48;

impl Record {
    /// Reads what was stored. A status in which nothing was stored yet is a node that was never seen.
    pub fn read(status: &NodeHistoryStatus) -> Result<Self, Unreadable> {
        match status.format {
            Some(FORMAT) => {}
            None if is_blank(status) => return Ok(Self::new(status.machine.clone().unwrap_or_default())),
            None => return Err(Unreadable("it names no format".to_owned())),
            Some(other) => {
                return Err(Unreadable(format!(
                    "its format is {other}, and this operator knows {FORMAT}"
                )));
            }
        }
        let mut record = Self::new(status.machine.clone().unwrap_or_default());
        record.former.clone_from(&status.former);
        record.former.drain(..status.former.len().saturating_sub(FORMER));
        record.transitions = transitions(&status.transitions);
        record.ledger = ledger(status)?;
        let week = unpack_week(status.hours_of_week.as_deref());
        record.week = week.map_err(|why| Unreadable(format!("hoursOfWeek: {why}")))?;
        record.flapping = flapping(status.penalty.as_ref())?;
        record.verdict = Verdict {
            learned: status.learned.unwrap_or(Availability::Unproven),
            since: status.learned_since.as_ref().map(second),
            calm_since: status.calm_since.as_ref().map(second),
        };
        record.longest_reboot = status.longest_reboot_seconds.unwrap_or(0).max(0);
        let present = present(status)?;
        let newest = record.transitions.iter().map(|transition| second(&transition.at)).max();
        if record.ledger.end() > present.map(|present| present.known_until).max(newest).unwrap_or(0) {
            return Err(Unreadable("hours: they go beyond knownUntil".to_owned()));
        }
        if let Some(present) = present {
            let planned = present.state == State::Down && record.open().is_some_and(|open| open.planned);
            let run = Run {
                from: present.since,
                state: present.state,
                planned,
            };
            record.journal = Some(Journal::new(run, present.known_until));
        }
        Ok(record)
    }

    /// NodeDiff all that is stored of it into a status; fields that are not the record's own (host, classes, conditions,
    /// observedGeneration) stay as they are in `status`. Statistics are those at `knownUntil`, so that nothing changes as
    /// long as nothing is accounted for.
    pub fn write(&self, status: &mut NodeHistoryStatus, _now: Timestamp, _zone: &TimeZone) {
        let present = self.present();
        let until = present.map(|present| timestamp(present.known_until));
        status.format = Some(FORMAT);
        status.machine = Some(self.machine.clone());
        status.state = present.map(|present| present.state.as_str().to_owned());
        status.since = present.map(|present| time(present.since));
        status.known_until = present.map(|present| time(present.known_until));
        status.learned = Some(self.verdict.learned);
        status.learned_since = self.verdict.since.map(time);
        status.calm_since = self.verdict.calm_since.map(time);
        status.availability = until.map(|until| self.windows(until));
        status.rates = until.map(|until| self.rates(until));
        let flapping = &self.flapping;
        let penalty = (flapping.penalty > 0 || flapping.since.is_some()).then(|| Penalty {
            value: flapping.penalty,
            at: time(flapping.at),
            flapping_since: flapping.since.map(time),
        });
        status.penalty = penalty;
        status.longest_reboot_seconds = (self.longest_reboot > 0).then_some(self.longest_reboot);
        status.transitions.clone_from(&self.transitions);
        status.hours_of_week = pack_week(&self.week);
        status.hours = pack_rows(&self.ledger.hours);
        status.days = pack_rows(&self.ledger.by_day());
        status.former.clone_from(&self.former);
    }
}

/// Whether nothing was ever stored in it.
fn is_blank(status: &NodeHistoryStatus) -> bool {
    let packed = [&status.hours_of_week, &status.days, &status.hours, &status.state];
    packed.iter().all(|text| text.is_none())
        && status.transitions.is_empty()
        && status.former.is_empty()
        && status.penalty.is_none()
        && status.known_until.is_none()
        && status.learned.is_none()
}

fn second(at: &Time) -> i64 {
    seconds(at.0)
}

fn transitions(stored: &[Transition]) -> Vec<Transition> {
    let whole = |at: &Time| time(second(at));
    let mut transitions: Vec<_> = stored
        .iter()
        .map(|transition| Transition {
            at: whole(&transition.at),
            back_at: transition.back_at.as_ref().map(whole),
            ..transition.clone()
        })
        .collect();
    transitions.sort_by(|a, b| a.at.cmp(&b.at));
    transitions.drain(..stored.len().saturating_sub(TRANSITIONS));
    transitions
}

fn ledger(status: &NodeHistoryStatus) -> Result<Ledger, Unreadable> {
    let wrong = |field: &str, why: String| Unreadable(format!("{field}: {why}"));
    let days = usize::try_from(DAYS).unwrap_or_default() + 1;
    let hours = unpack_rows(status.hours.as_deref(), HOURS, 3600).map_err(|why| wrong("hours", why))?;
    let days = unpack_rows(status.days.as_deref(), days, 1440).map_err(|why| wrong("days", why))?;
    if hours.rows.is_empty() && !days.rows.is_empty() {
        return Err(wrong("hours", "days without them".to_owned()));
    }
    let mut ledger = Ledger { hours, days };
    ledger.reopen();
    Ok(ledger)
}

fn flapping(penalty: Option<&Penalty>) -> Result<Flapping, Unreadable> {
    let mut flapping = Flapping::default();
    if let Some(penalty) = penalty {
        if !(0..=MOST).contains(&penalty.value) {
            return Err(Unreadable(format!("penalty: {} cannot be", penalty.value)));
        }
        flapping.penalty = penalty.value;
        flapping.at = second(&penalty.at);
        flapping.since = penalty.flapping_since.as_ref().map(second);
    }
    Ok(flapping)
}

fn present(status: &NodeHistoryStatus) -> Result<Option<Present>, Unreadable> {
    let (state, since, until) = match (&status.state, &status.since, &status.known_until) {
        (None, None, None) => return Ok(None),
        (Some(state), Some(since), Some(until)) => (state, second(since), second(until)),
        _ => return Err(Unreadable("state, since and knownUntil belong together".to_owned())),
    };
    let all = [State::Up, State::Down, State::Unknown, State::Gone, State::Missing];
    let Some(state) = all.into_iter().find(|known| known.as_str() == state) else {
        return Err(Unreadable(format!("`{state}` is no state")));
    };
    if since > until {
        return Err(Unreadable("since is after knownUntil".to_owned()));
    }
    Ok(Some(Present {
        state,
        since,
        known_until: until,
    }))
}
