//! A record as it is stored: what is written, read again, is equal; and written again it is the same text.
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::flapping::{CEILING, Flapping};
use super::learning::Learned;
use super::uptime::Uptime;
use super::{Current, FORMAT, Record, TRANSITIONS, Unreadable, seconds, time, timestamp};
use crate::crd::Availability;
use crate::crd::history::{Kind, NodeHistoryStatus, Penalty};

impl Record {
    /// Reads what was stored. A status in which nothing was stored yet is a node that was never seen. Fields of earlier
    /// versions that are not used any more are ignored.
    pub fn read(status: &NodeHistoryStatus) -> Result<Self, Unreadable> {
        let mut record = Self::new(status.machine.clone().unwrap_or_default());
        match status.format {
            Some(FORMAT) => {}
            None if status.state.is_none() => return Ok(record),
            None => return Err(Unreadable("it names no format".to_owned())),
            Some(other) => {
                return Err(Unreadable(format!(
                    "its format is {other}, and this operator knows {FORMAT}"
                )));
            }
        }
        record.transitions.clone_from(&status.transitions);
        record.transitions.retain(|transition| transition.kind != Kind::Blind);
        record.transitions.truncate(TRANSITIONS);
        let impossible = || Unreadable("uptime: more up than known, or more known than there is".to_owned());
        record.uptime = Uptime::stored(&status.uptime).ok_or_else(impossible)?;
        if let Some(penalty) = &status.penalty {
            record.flapping = Flapping {
                penalty: penalty.value.clamp(0, CEILING),
                at: second(&penalty.at),
                since: penalty.flapping_since.as_ref().map(second),
            };
        }
        record.learned = Learned {
            availability: status.learned.unwrap_or(Availability::Unproven),
            since: status.learned_since.as_ref().map(second),
            calm_since: status.calm_since.as_ref().map(second),
        };
        record.longest_reboot = status.longest_reboot_seconds.unwrap_or(0).max(0);
        record.current = current(status)?;
        Ok(record)
    }

    /// Writes all that is stored of it into a status; fields that are not the record's own (host, classes, conditions,
    /// observedGeneration) stay as they are in `status`. Statistics are those at `knownUntil`, so that nothing changes as
    /// long as no time is added.
    pub fn write(&self, status: &mut NodeHistoryStatus) {
        let until = self.current.map(|current| timestamp(current.known_until));
        status.format = Some(FORMAT);
        status.machine = Some(self.machine.clone());
        status.state = self.current.map(|current| current.state);
        status.since = self.current.map(|current| time(current.since));
        status.known_until = until.map(Time);
        status.learned = Some(self.learned.availability);
        status.learned_since = self.learned.since.map(time);
        status.calm_since = self.learned.calm_since.map(time);
        status.availability = until.map(|until| self.windows(until));
        status.downs = until.map(|until| self.downs(until));
        let flapping = &self.flapping;
        status.penalty = (flapping.penalty > 0 || flapping.since.is_some()).then(|| Penalty {
            value: flapping.penalty,
            at: time(flapping.at),
            flapping_since: flapping.since.map(time),
        });
        status.longest_reboot_seconds = (self.longest_reboot > 0).then_some(self.longest_reboot);
        status.transitions.clone_from(&self.transitions);
        status.uptime.clone_from(&self.uptime.0);
    }
}

fn second(at: &Time) -> i64 {
    seconds(at.0)
}

fn current(status: &NodeHistoryStatus) -> Result<Option<Current>, Unreadable> {
    match (status.state, &status.since, &status.known_until) {
        (None, None, None) => Ok(None),
        (Some(state), Some(since), Some(until)) if since <= until => Ok(Some(Current {
            state,
            since: second(since),
            known_until: second(until),
        })),
        _ => Err(Unreadable(
            "state, since and knownUntil belong together, in this order".to_owned(),
        )),
    }
}
