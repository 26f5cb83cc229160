//! What a node did, and the statistics of it. Kept in a NodeHistory; all times are wall-clock seconds.
//!
//! The time in a state is added to its days when the state ends. That a node is down is known 40 s later at the earliest, so an
//! event ([`Record::apply`]) says when the state before it ended. Time in which the nodes were not watched is not known.
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
use self::uptime::{DAY, DAYS, Sums, Uptime};
use crate::args::Learning;
use crate::crd::Availability;
use crate::crd::history::{Machine, Share, Transition, Windows};
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

/// The state now. Its time is not added to the days yet.
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
            outage: open.filter(|_| state != State::Up).cloned(),
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

    /// Accounts for the time since the last call (or since it was stored): the node was in `state` all the while. It may turn
    /// out to have been otherwise: call this before [`Record::apply`], with the state before the event. Time that is Unknown,
    /// Gone or Missing is not known. A clock that went backwards adds nothing until it is where it was.
    pub fn advance(&mut self, state: State, now: Timestamp) {
        let now = seconds(now);
        let new = Current {
            state,
            since: now,
            known_until: now,
        };
        let known_until = self.current.get_or_insert(new).known_until;
        self.enter(state, known_until);
        if let Some(current) = &mut self.current {
            current.known_until = now.max(known_until);
        }
    }

    /// The state before ended at this second, as far as that is within its time; since then it is this one.
    fn enter(&mut self, state: State, at: i64) {
        let weight = self.weight();
        if let Some(current) = self.current.as_mut().filter(|current| current.state != state) {
            let at = at.clamp(current.since, current.known_until);
            self.uptime.add(current.since, at, weight);
            (current.state, current.since) = (state, at);
        }
    }

    /// What a second of the state now counts for.
    fn weight(&self) -> Sums {
        let planned = self.open_outage().is_some_and(|outage| outage.planned);
        self.current
            .map(|current| Sums::of(current.state, planned))
            .unwrap_or_default()
    }

    /// Learns, with hysteresis and dwell. True if what is learned changed.
    pub fn learn(&mut self, learning: &Learning, now: Timestamp) -> bool {
        let now = self.latest(now);
        let month = self.sums_of(DAYS, now);
        let mut learned = self.learned;
        let changed = learned.update(&month, |since| self.known_since(since, now), learning, now);
        self.learned = learned;
        changed
    }

    pub fn learned(&self) -> Availability {
        self.learned.availability
    }

    /// Decides whether the node counts as flapping; keeps since when.
    pub fn update_flapping(&mut self, now: Timestamp) -> bool {
        self.flapping.update(seconds(now))
    }

    pub fn is_flapping(&self) -> bool {
        self.flapping.since.is_some()
    }

    /// Availability over a day, a week, a month: so many days before today, and today.
    pub fn windows(&self, now: Timestamp) -> Windows {
        let now = self.latest(now);
        let share = |days: i64| {
            let sums = self.sums_of(days, now);
            let all = now - (now.div_euclid(DAY) - days) * DAY;
            Share {
                per_mille: (sums.up * 1000).checked_div(sums.known),
                coverage_per_mille: sums.known * 1000 / all,
            }
        };
        Windows {
            day: share(1),
            week: share(7),
            month: share(DAYS),
        }
    }

    /// Outages of the last 30 days that are over and were not planned.
    pub fn downs(&self, now: Timestamp) -> i64 {
        self.sums_of(DAYS, self.latest(now)).downs
    }

    /// The longest reboot seen, zero if none.
    pub fn longest_reboot(&self) -> std::time::Duration {
        std::time::Duration::from_secs(u64::try_from(self.longest_reboot).unwrap_or_default())
    }

    /// The sums of so many days before today, and of today.
    fn sums_of(&self, days: i64, now: i64) -> Sums {
        let begin = (now.div_euclid(DAY) - days) * DAY;
        let sums = self.uptime.since(begin);
        sums.plus(self.weight(), self.current_since(begin))
    }

    /// Known seconds from `at` to `now`, of those that the statistics cover.
    fn known_since(&self, at: i64, now: i64) -> i64 {
        let at = at.max((now.div_euclid(DAY) - DAYS) * DAY);
        let known = self.uptime.known_since(at) + self.weight().known * self.current_since(at);
        known.min(now - at).max(0)
    }

    /// How long the state now has lasted since this second.
    fn current_since(&self, at: i64) -> i64 {
        let lasted = |current: Current| current.known_until - current.since.max(at);
        self.current.map_or(0, lasted).max(0)
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
