//! What a node did, and what follows from it. Kept in a NodeHistory; all times are wall-clock seconds.
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::args::Learning;
use crate::crd::Availability;
use crate::crd::class::Dampening;
use crate::crd::history::{Machine, NodeHistoryStatus, Penalty, Rates, Windows};
use crate::liveness::{Remembered, State, What};

/// The format of packed fields that this operator writes.
pub const FORMAT: i64 = 1;

/// The history is of a newer format, or broken; it is left alone.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("the history cannot be read: {0}")]
pub struct Unreadable(pub String);

/// The history of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    machine: Machine,
}

impl Record {
    /// A node that is seen for the first time.
    pub fn new(machine: Machine) -> Self {
        Self { machine }
    }

    /// Reads what was stored.
    pub fn read(_status: &NodeHistoryStatus) -> Result<Self, Unreadable> {
        Ok(Self::new(Machine::default()))
    }

    /// Writes all that is stored of it into a status; fields that are not the record's own (host, classes, conditions,
    /// observedGeneration) stay as they are in `status`.
    pub fn write(&self, _status: &mut NodeHistoryStatus, _now: Timestamp, _zone: &TimeZone) {}

    /// What liveness needs to know of the time before this process.
    pub fn remembered(&self) -> Option<Remembered> {
        None
    }

    /// Accounts for the time since the last call (or since it was stored): the node was in `state` all the while. Time that
    /// is Unknown, Gone or Missing is not known time. A clock that went backwards accounts for nothing.
    pub fn advance(&mut self, _state: State, _planned: bool, _now: Timestamp, _zone: &TimeZone) {}

    /// Takes over what happened. Telling the same thing twice (after a change of the leader, for example) changes nothing.
    pub fn take(&mut self, _what: &What, _machine: &Machine, _now: Timestamp) {}

    /// Learns, with hysteresis and dwell. True if the verdict changed.
    pub fn learn(&mut self, _learning: &Learning, _now: Timestamp) -> bool {
        false
    }

    /// What was learned.
    pub fn learned(&self) -> Availability {
        let _ = &self.machine;
        Availability::Unproven
    }

    /// Decides whether the node counts as flapping under these parameters (already checked); keeps since when.
    pub fn dampen(&mut self, _params: &Dampening, _now: Timestamp) -> bool {
        false
    }

    /// The penalty, decayed to `now`.
    pub fn penalty(&self, now: Timestamp) -> Penalty {
        Penalty {
            value: 0,
            at: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now),
            flapping_since: None,
        }
    }

    /// Availability over a day, a week, a month.
    pub fn windows(&self, _now: Timestamp) -> Windows {
        Windows::default()
    }

    /// How often and how long it is off.
    pub fn rates(&self, _now: Timestamp) -> Rates {
        Rates::default()
    }

    /// The longest reboot seen, zero if none.
    pub fn longest_reboot(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }

    /// How likely it is up in this hour of the week, per mille; none if that hour was never watched.
    pub fn usual(&self, _at: Timestamp, _zone: &TimeZone) -> Option<i64> {
        None
    }
}
