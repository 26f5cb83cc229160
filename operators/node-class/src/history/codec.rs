//! A record as it is stored: what is written, read again, is equal; and written again it is the same text. Tables are
//! big-endian numbers in base64.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::flapping::{Flapping, MOST};
use super::learning::Learned;
use super::uptime::{DAYS, Row, Rows, Uptime};
use super::{Current, FORMAT, Record, TRANSITIONS, Unreadable, seconds, time, timestamp};
use crate::crd::Availability;
use crate::crd::history::{NodeHistoryStatus, Penalty, Transition};
use crate::liveness::State;

/// Hours of two days.
const HOURS: usize = 48;

impl Record {
    /// Reads what was stored. A status in which nothing was stored yet is a node that was never seen. Fields of earlier
    /// versions that are not used any more are ignored.
    pub fn read(status: &NodeHistoryStatus) -> Result<Self, Unreadable> {
        let mut record = Self::new(status.machine.clone().unwrap_or_default());
        match status.format {
            Some(FORMAT) => {}
            None if is_blank(status) => return Ok(record),
            None => return Err(Unreadable("it names no format".to_owned())),
            Some(other) => {
                return Err(Unreadable(format!(
                    "its format is {other}, and this operator knows {FORMAT}"
                )));
            }
        }
        record.transitions = transitions(&status.transitions);
        record.uptime = uptime(status)?;
        record.flapping = flapping(status.penalty.as_ref())?;
        record.learned = Learned {
            availability: status.learned.unwrap_or(Availability::Unproven),
            since: status.learned_since.as_ref().map(second),
            calm_since: status.calm_since.as_ref().map(second),
        };
        record.longest_reboot = status.longest_reboot_seconds.unwrap_or(0).max(0);
        record.current = current(status)?;
        let newest = record.transitions.iter().map(|transition| second(&transition.at)).max();
        let known_until = record.current.map(|current| current.known_until);
        if record.uptime.newest_hour() > known_until.max(newest).unwrap_or(0) {
            return Err(Unreadable("hours: they go beyond knownUntil".to_owned()));
        }
        Ok(record)
    }

    /// Writes all that is stored of it into a status; fields that are not the record's own (host, classes, conditions,
    /// observedGeneration) stay as they are in `status`. Statistics are those at `knownUntil`, so that nothing changes as
    /// long as no time is added.
    pub fn write(&self, status: &mut NodeHistoryStatus) {
        let until = self.current.map(|current| timestamp(current.known_until));
        // Between its beginning and our notice there may be time in which the nodes were not watched.
        let down_since = self.open_outage().map(|outage| seconds(outage.at.0));
        let since = |current: Current| match down_since {
            Some(at) if current.state == State::Down => at.min(current.since),
            _ => current.since,
        };
        status.format = Some(FORMAT);
        status.machine = Some(self.machine.clone());
        status.state = self.current.map(|current| current.state.as_str().to_owned());
        status.since = self.current.map(|current| time(since(current)));
        status.known_until = until.map(Time);
        status.learned = Some(self.learned.availability);
        status.learned_since = self.learned.since.map(time);
        status.calm_since = self.learned.calm_since.map(time);
        status.availability = until.map(|until| self.windows(until));
        status.rates = until.map(|until| self.rates(until));
        let flapping = &self.flapping;
        status.penalty = (flapping.penalty > 0 || flapping.since.is_some()).then(|| Penalty {
            value: flapping.penalty,
            at: time(flapping.at),
            flapping_since: flapping.since.map(time),
        });
        status.longest_reboot_seconds = (self.longest_reboot > 0).then_some(self.longest_reboot);
        status.transitions.clone_from(&self.transitions);
        status.hours = pack(&self.uptime.hours);
        status.days = pack(&self.uptime.days);
    }
}

/// Whether nothing was ever stored in it.
fn is_blank(status: &NodeHistoryStatus) -> bool {
    let packed = [&status.days, &status.hours, &status.state];
    packed.iter().all(|text| text.is_none())
        && status.transitions.is_empty()
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

fn uptime(status: &NodeHistoryStatus) -> Result<Uptime, Unreadable> {
    let wrong = |field: &str, why: String| Unreadable(format!("{field}: {why}"));
    let days = usize::try_from(DAYS).unwrap_or_default() + 1;
    let hours = unpack(status.hours.as_deref(), HOURS, 3600).map_err(|why| wrong("hours", why))?;
    let days = unpack(status.days.as_deref(), days, 1440).map_err(|why| wrong("days", why))?;
    if hours.rows.is_empty() && !days.rows.is_empty() {
        return Err(wrong("hours", "days without them".to_owned()));
    }
    Ok(Uptime::stored(hours, days))
}

fn flapping(penalty: Option<&Penalty>) -> Result<Flapping, Unreadable> {
    let mut flapping = Flapping::default();
    if let Some(penalty) = penalty {
        if !(0..=MOST).contains(&penalty.value) {
            return Err(Unreadable(format!("penalty: {} is not possible", penalty.value)));
        }
        flapping.penalty = penalty.value;
        flapping.at = second(&penalty.at);
        flapping.since = penalty.flapping_since.as_ref().map(second);
    }
    Ok(flapping)
}

fn current(status: &NodeHistoryStatus) -> Result<Option<Current>, Unreadable> {
    let (state, since, known_until) = match (&status.state, &status.since, &status.known_until) {
        (None, None, None) => return Ok(None),
        (Some(state), Some(since), Some(until)) => (state, second(since), second(until)),
        _ => return Err(Unreadable("state, since and knownUntil belong together".to_owned())),
    };
    let Some(state) = State::read(state) else {
        return Err(Unreadable(format!("`{state}` is no state")));
    };
    if since > known_until {
        return Err(Unreadable("since is after knownUntil".to_owned()));
    }
    Ok(Some(Current {
        state,
        since,
        known_until,
    }))
}

/// The number of the first row as 32 bits, then up, known, planned and downs of each as 16 bits; none for no rows.
fn pack(rows: &Rows) -> Option<String> {
    let mut bytes = u32::try_from(rows.first).unwrap_or_default().to_be_bytes().to_vec();
    for row in &rows.rows {
        let numbers = [row.up, row.known, row.planned, row.downs];
        bytes.extend(numbers.into_iter().flat_map(u16::to_be_bytes));
    }
    (!rows.rows.is_empty()).then(|| STANDARD.encode(bytes))
}

/// Reads rows, of which there are at most `count` with at most `most` known.
pub(super) fn unpack(text: Option<&str>, count: usize, most: u16) -> Result<Rows, String> {
    let Some(text) = text else { return Ok(Rows::default()) };
    let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
    let (first, rest) = bytes.split_first_chunk::<4>().ok_or("too short")?;
    let (rows, left) = rest.as_chunks::<8>();
    if rows.is_empty() || rows.len() > count || !left.is_empty() {
        return Err(format!("{} bytes are no table", bytes.len()));
    }
    let row = |[a, b, c, d, e, f, g, h]: [u8; 8]| Row {
        up: u16::from_be_bytes([a, b]),
        known: u16::from_be_bytes([c, d]),
        planned: u16::from_be_bytes([e, f]),
        downs: u16::from_be_bytes([g, h]),
    };
    let rows: Vec<Row> = rows.iter().copied().map(row).collect();
    if rows.iter().any(|row| !row.is_valid(most)) {
        return Err("more up than known, or more known than there is".to_owned());
    }
    let first = i64::from(u32::from_be_bytes(*first));
    Ok(Rows { first, rows })
}
