//! What a node did, and the statistics of it. Kept in a NodeHistory; all times are wall-clock seconds.
//!
//! Time is added as it passes ([`Record::advance`]). That a node is down is known 40 s later at the earliest, so an event
//! ([`Record::apply`]) corrects the time since the last change of state. Time in which the nodes were not watched is not known.
mod codec;
mod flapping;
mod learning;
mod transitions;
mod uptime;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use self::flapping::Flapping;
use self::learning::Learned;
use self::uptime::{DAY, DAYS, HOUR, Sums, Uptime};
use crate::args::Learning;
use crate::crd::Availability;
use crate::crd::history::{Machine, Rates, Share, Transition, Windows};
use crate::liveness::{Remembered, State};

/// The format of packed fields that this operator writes.
pub const FORMAT: i64 = 1;
/// Transitions that are kept.
const TRANSITIONS: usize = 32;

/// The history is of a newer format, or broken; it is left alone.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("the history cannot be read: {0}")]
pub struct Unreadable(pub String);

/// The history of one node. Two are equal if the same would be stored of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    machine: Machine,
    /// The newest last.
    transitions: Vec<Transition>,
    uptime: Uptime,
    flapping: Flapping,
    learned: Learned,
    /// Seconds.
    longest_reboot: i64,
    /// None until time is added.
    current: Option<Current>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Current {
    state: State,
    since: i64,
    known_until: i64,
}

impl Record {
    /// A node that is seen for the first time.
    pub fn new(machine: Machine) -> Self {
        Self {
            machine,
            ..Self::default()
        }
    }

    /// What liveness needs to know of the time before this process. A node that was down when the nodes were watched last is
    /// remembered as down.
    pub fn remembered(&self) -> Option<Remembered> {
        let current = self.current?;
        let open = self.open_outage();
        let state = if self.is_down() { State::Down } else { current.state };
        Some(Remembered {
            machine: self.machine.clone(),
            state,
            known_until: timestamp(current.known_until),
            down_at: open.filter(|_| state != State::Up).map(|outage| outage.at.0),
            went: open.map(|outage| outage.kind),
            planned: open.is_some_and(|outage| outage.planned),
        })
    }

    /// Whether it went down, and is not known to be back.
    pub fn is_down(&self) -> bool {
        self.current.is_some_and(|current| match current.state {
            State::Down => true,
            State::Unknown => self.open_outage().is_some(),
            State::Up | State::Gone | State::Missing => false,
        })
    }

    /// Adds the time since the last call (or since it was stored): the node was in `state` all the while. It may turn out to
    /// have been otherwise: call this before [`Record::apply`], with the state before the event. Time that is Unknown, Gone or
    /// Missing is not known. A clock that went backwards adds nothing until it is where it was.
    pub fn advance(&mut self, state: State, now: Timestamp) {
        let now = seconds(now);
        let mut current = self.current.unwrap_or(Current {
            state,
            since: now,
            known_until: now,
        });
        if current.state != state {
            (current.state, current.since) = (state, current.known_until);
        }
        if current.known_until < now {
            let weight = Sums::of(state, self.outage_is_planned());
            self.uptime.add(current.known_until, now, weight);
            current.known_until = now;
        }
        self.current = Some(current);
    }

    /// Learns, with hysteresis and dwell. True if what is learned changed.
    pub fn learn(&mut self, learning: &Learning, now: Timestamp) -> bool {
        let now = self.latest(now);
        let month = self.month(now);
        self.learned.update(&month, &self.uptime, learning, now)
    }

    pub fn learned(&self) -> Availability {
        self.learned.availability
    }

    /// Decides whether the node counts as flapping; keeps since when.
    pub fn update_flapping(&mut self, now: Timestamp) -> bool {
        self.flapping.update(seconds(now))
    }

    /// The flap penalty now.
    pub fn penalty(&self, now: Timestamp) -> i64 {
        self.flapping.value(seconds(now))
    }

    /// Availability over a day, a week, a month. Each window begins with a whole hour (the day) or UTC day (the others).
    pub fn windows(&self, now: Timestamp) -> Windows {
        let now = self.latest(now);
        let (hour, day) = (now.div_euclid(HOUR), now.div_euclid(DAY));
        let share = |begin: i64| {
            let sums = self.uptime.since(begin);
            Share {
                per_mille: (sums.up * 1000).checked_div(sums.known),
                coverage_per_mille: (sums.known * 1000).checked_div(now - begin).unwrap_or(0),
            }
        };
        Windows {
            day: share((hour - 24) * HOUR),
            week: share((day - 7) * DAY),
            month: share((day - DAYS) * DAY),
        }
    }

    pub fn rates(&self, now: Timestamp) -> Rates {
        let sums = self.month(self.latest(now));
        Rates {
            downs: sums.downs,
            downs_per_day_milli: (sums.downs * DAY * 1000).checked_div(sums.known).unwrap_or(0),
        }
    }

    /// The longest reboot seen, zero if none.
    pub fn longest_reboot(&self) -> std::time::Duration {
        std::time::Duration::from_secs(u64::try_from(self.longest_reboot).unwrap_or_default())
    }

    fn month(&self, now: i64) -> Sums {
        self.uptime.since((now.div_euclid(DAY) - DAYS) * DAY)
    }

    /// Now, or until when everything is known if the clock is behind that.
    fn latest(&self, now: Timestamp) -> i64 {
        seconds(now).max(self.current.map_or(0, |current| current.known_until))
    }
}

/// Whole seconds since 1970, as the API stores them.
fn seconds(at: Timestamp) -> i64 {
    at.as_second().max(0)
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn time(seconds: i64) -> Time {
    Time(timestamp(seconds))
}
