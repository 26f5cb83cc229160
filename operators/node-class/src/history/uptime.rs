//! How many seconds of each UTC day a node was up, known, and down on purpose.
use crate::crd::history::Day;
use crate::liveness::State;

pub(super) const DAY: i64 = 24 * 3600;
/// Days before today that the statistics cover.
pub(super) const DAYS: i64 = 30;

/// Sums, in seconds; or what a second counts for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub up: i64,
    /// It is known whether it was up.
    pub known: i64,
    /// It was down on purpose.
    pub planned: i64,
    /// Outages that ended and were not planned.
    pub downs: i64,
}

impl Sums {
    /// Of a second in this state. Only Up and Down are known.
    pub(super) fn of(state: State, planned: bool) -> Self {
        Self {
            up: i64::from(state == State::Up),
            known: i64::from(matches!(state, State::Up | State::Down)),
            planned: i64::from(state == State::Down && planned),
            downs: 0,
        }
    }

    /// With so many seconds more that count for `weight`.
    pub(super) fn plus(self, weight: Self, seconds: i64) -> Self {
        Self {
            up: self.up + weight.up * seconds,
            known: self.known + weight.known * seconds,
            planned: self.planned + weight.planned * seconds,
            downs: self.downs + weight.downs * seconds,
        }
    }
}

/// The days of one node in which something is known, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Uptime(pub Vec<Day>);

impl Uptime {
    /// What was stored; none if it is not possible.
    pub(super) fn stored(days: &[Day]) -> Option<Self> {
        let possible = |day: &Day| {
            let numbers = [day.up, day.known, day.planned, day.downs, day.day];
            numbers.iter().all(|number| (0..=DAY).contains(number)) && day.up + day.planned <= day.known
        };
        let ordered = days.is_sorted_by(|a, b| a.day < b.day);
        (ordered && days.iter().all(possible)).then(|| Self(days.to_vec()))
    }

    /// Adds a time between two seconds.
    pub(super) fn add(&mut self, from: i64, to: i64, weight: Sums) {
        if weight == Sums::default() {
            return;
        }
        let oldest = (to.div_euclid(DAY) - DAYS) * DAY;
        let from = from.max(oldest);
        for number in from.div_euclid(DAY)..=(to - 1).div_euclid(DAY) {
            let seconds = to.min((number + 1) * DAY) - from.max(number * DAY);
            let day = self.day(number);
            day.known += weight.known * seconds;
            day.up += weight.up * seconds;
            day.planned = (day.planned + weight.planned * seconds).min(day.known - day.up);
        }
    }

    /// Counts an outage that ended at this second.
    pub(super) fn count_outage(&mut self, at: i64) {
        self.day(at.div_euclid(DAY)).downs += 1;
    }

    /// The day of this number, which counts from 1970. Days that are too old for the statistics then are dropped.
    fn day(&mut self, number: i64) -> &mut Day {
        let old = self.0.partition_point(|day| day.day < number - DAYS);
        self.0.drain(..old);
        let at = self.0.partition_point(|day| day.day < number);
        if self.0.get(at).is_none_or(|day| day.day != number) {
            let day = number;
            self.0.insert(at, Day { day, ..Day::default() });
        }
        &mut self.0[at]
    }

    /// Sums of the day in which this second is, and of the days after it.
    pub(super) fn since(&self, at: i64) -> Sums {
        let counted = self.0.iter().filter(|day| day.day >= at.div_euclid(DAY));
        counted.fold(Sums::default(), |sums, day| Sums {
            up: sums.up + day.up,
            known: sums.known + day.known,
            planned: sums.planned + day.planned,
            downs: sums.downs + day.downs,
        })
    }

    /// Known seconds since this one. Of the day in which it is, as much counts as can have been after it.
    pub(super) fn known_since(&self, at: i64) -> i64 {
        let after = |day: &Day| ((day.day + 1) * DAY - at).max(0);
        self.0.iter().map(|day| day.known.min(after(day))).sum()
    }
}
