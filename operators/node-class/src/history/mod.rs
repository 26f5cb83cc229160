//! What a node did, and what follows from it. Kept in a NodeHistory; all times are wall-clock seconds.
//!
//! Time is accounted for as it passes ([`Record::advance`]) and corrected when it turns out to have been otherwise
//! ([`Record::take`]): that a node is down is known 40 s later at the earliest. Time in which nobody watched counts for
//! nothing.
mod codec;
mod flapping;
mod journal;
mod learning;
mod ledger;
mod packing;
mod transitions;
mod week;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use self::flapping::Flapping;
use self::journal::{Journal, Run};
use self::learning::Verdict;
use self::ledger::{DAY, DAYS, HOUR, Ledger, Sums};
use self::week::Week;
use crate::args::Learning;
use crate::crd::Availability;
use crate::crd::class::Dampening;
use crate::crd::history::{Former, Machine, Penalty, Rates, Share, Transition, Windows};
use crate::liveness::{Remembered, State};

/// The format of packed fields that this operator writes.
pub const FORMAT: i64 = 1;
/// Changes that are kept.
const TRANSITIONS: usize = 32;
/// Former machines that are kept.
const FORMER: usize = 4;

/// The history is of a newer format, or broken; it is left alone.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("the history cannot be read: {0}")]
pub struct Unreadable(pub String);

/// The history of one node. Two are equal if the same would be stored of them.
#[derive(Clone, Debug)]
pub struct Record {
    machine: Machine,
    /// Machines that bore the name before, the newest last.
    former: Vec<Former>,
    /// The newest last.
    transitions: Vec<Transition>,
    ledger: Ledger,
    week: Week,
    flapping: Flapping,
    verdict: Verdict,
    /// Seconds.
    longest_reboot: i64,
    /// None until time is accounted for. Only what its last run is gets stored.
    journal: Option<Journal>,
    /// Of the last [`Record::advance`]: corrections belong into the same hours. Not stored.
    zone: Option<TimeZone>,
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.present() == other.present()
            && self.machine == other.machine
            && self.former == other.former
            && self.transitions == other.transitions
            && self.ledger == other.ledger
            && self.week == other.week
            && self.flapping == other.flapping
            && self.verdict == other.verdict
            && self.longest_reboot == other.longest_reboot
    }
}

/// What a node is now, and until when that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Present {
    state: State,
    since: i64,
    known_until: i64,
}

impl Record {
    /// A node that is seen for the first time.
    pub fn new(machine: Machine) -> Self {
        Self {
            machine,
            former: Vec::new(),
            transitions: Vec::new(),
            ledger: Ledger::default(),
            week: Week::default(),
            flapping: Flapping::default(),
            verdict: Verdict::default(),
            longest_reboot: 0,
            journal: None,
            zone: None,
        }
    }

    /// What liveness needs to know of the time before this process. A node that was down when nobody could see any more is
    /// remembered as down.
    pub fn remembered(&self) -> Option<Remembered> {
        let present = self.present()?;
        let open = self.open().map(|transition| transition.at.0);
        let (state, down_at) = match (present.state, open) {
            (State::Up, _) => (State::Up, None),
            (State::Unknown, Some(_)) => (State::Down, open),
            (state, _) => (state, open),
        };
        Some(Remembered {
            machine: self.machine.clone(),
            state,
            known_until: timestamp(present.known_until),
            down_at,
            went: self.open().map(|transition| transition.kind),
            planned: self.open().is_some_and(|transition| transition.planned),
        })
    }

    /// Whether it went down, and is not known to be back.
    pub fn is_down(&self) -> bool {
        self.remembered()
            .is_some_and(|remembered| remembered.state == State::Down)
    }

    /// Accounts for the time since the last call (or since it was stored): the node was in `state` all the while. Time that
    /// is Unknown, Gone or Missing is not known time. A clock that went backwards accounts for nothing until it is where it
    /// was.
    pub fn advance(&mut self, state: State, planned: bool, now: Timestamp, zone: &TimeZone) {
        let now = seconds(now);
        let Some(journal) = &mut self.journal else {
            let planned = planned && state == State::Down;
            self.journal = Some(Journal::new(
                Run {
                    from: now,
                    state,
                    planned,
                },
                now,
            ));
            self.zone = Some(zone.clone());
            return;
        };
        let run = journal.go_on(state, planned, now);
        if run.from < now {
            self.ledger.enter(run.from, now, run.weight());
            self.week.enter(run.from, now, run.weight(), zone);
        }
        self.zone = Some(zone.clone());
    }

    /// Learns, with hysteresis and dwell. True if the verdict changed.
    pub fn learn(&mut self, learning: &Learning, now: Timestamp) -> bool {
        let now = self.latest(now);
        let month = self.month(now);
        self.verdict.judge(&month, &self.ledger, learning, now)
    }

    /// What was learned.
    pub fn learned(&self) -> Availability {
        self.verdict.learned
    }

    /// Decides whether the node counts as flapping under these parameters (already checked); keeps since when.
    pub fn dampen(&mut self, params: &Dampening, now: Timestamp) -> bool {
        self.flapping.dampen(params, seconds(now))
    }

    /// The penalty, decayed to `now` with the half-life that [`Record::dampen`] was told last, or an hour.
    pub fn penalty(&self, now: Timestamp) -> Penalty {
        let now = seconds(now);
        Penalty {
            value: self.flapping.value(now),
            at: time(now),
            flapping_since: self.flapping.since.map(time),
        }
    }

    /// Availability over a day, a week, a month. Each window begins with a whole hour (the day) or UTC day (the others).
    pub fn windows(&self, now: Timestamp) -> Windows {
        let now = self.latest(now);
        let (hour, day) = (now.div_euclid(HOUR), now.div_euclid(DAY));
        let share = |sums: Sums, begin: i64| Share {
            per_mille: (sums.up * 1000).checked_div(sums.known),
            coverage_per_mille: (sums.known * 1000).checked_div(now - begin).unwrap_or(0),
        };
        Windows {
            day: share(self.ledger.since_hour(hour - 24), (hour - 24) * HOUR),
            week: share(self.ledger.since_day(day - 7), (day - 7) * DAY),
            month: share(self.month(now), (day - DAYS) * DAY),
        }
    }

    /// How often and how long it is off.
    pub fn rates(&self, now: Timestamp) -> Rates {
        let sums = self.month(self.latest(now));
        let off = sums.known - sums.up - sums.planned;
        let bound = sums.downs == 0;
        // Without a failure in the time T, the mean time between failures is T/3 at least, at 95 % (-ln 0.05 is 3.0).
        let mtbf = sums.up / if bound { 3 } else { sums.downs };
        Rates {
            downs: sums.downs,
            downs_per_day_milli: (sums.downs * DAY * 1000).checked_div(sums.known).unwrap_or(0),
            mtbf_seconds: (sums.known > 0).then_some(mtbf),
            mtbf_is_bound: sums.known > 0 && bound,
            mttr_seconds: off.checked_div(sums.downs),
        }
    }

    /// The longest reboot seen, zero if none.
    pub fn longest_reboot(&self) -> std::time::Duration {
        std::time::Duration::from_secs(u64::try_from(self.longest_reboot).unwrap_or_default())
    }

    /// How likely it is up in this hour of the week, per mille; none if that hour was never watched.
    pub fn usual(&self, at: Timestamp, zone: &TimeZone) -> Option<i64> {
        self.week.usual(seconds(at), zone)
    }

    fn present(&self) -> Option<Present> {
        let journal = self.journal.as_ref()?;
        let (mut state, mut since) = (journal.last().state, journal.since());
        // Back in the very second until which it is known: no time has passed in which it was up.
        let back = |transition: &Transition| {
            transition
                .back_at
                .as_ref()
                .is_some_and(|at| seconds(at.0) >= journal.until())
        };
        if state == State::Down && self.open().is_none() && self.transitions.last().is_some_and(back) {
            (state, since) = (State::Up, journal.until());
        }
        let went = self.open().map(|transition| seconds(transition.at.0));
        Some(Present {
            state,
            // Between its going and our notice there may be time in which we were blind: it is down since it went.
            since: went.filter(|_| state == State::Down).map_or(since, |at| at.min(since)),
            known_until: journal.until(),
        })
    }

    fn month(&self, now: i64) -> Sums {
        self.ledger.since_day(now.div_euclid(DAY) - DAYS)
    }

    /// Now, or until when everything is known if the clock is behind that.
    fn latest(&self, now: Timestamp) -> i64 {
        let until = self.journal.as_ref().map(Journal::until);
        seconds(now).max(until.unwrap_or(0))
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
