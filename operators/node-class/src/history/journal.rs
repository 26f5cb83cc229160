//! What was accounted lately, run by run, so that it can be corrected exactly when it turns out to have been otherwise: that
//! a node is down is noticed 40 s after the fact at the earliest.
use crate::liveness::State;

/// Runs that are remembered. A node that changes every half minute fills them in half an hour.
const RUNS: usize = 64;

/// A time in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Its first second.
    pub from: i64,
    /// The state.
    pub state: State,
    /// Down on purpose.
    pub planned: bool,
}

impl Run {
    /// What a second of it counts for.
    pub(super) fn weight(self) -> Weight {
        let known = matches!(self.state, State::Up | State::Down);
        Weight {
            up: i64::from(self.state == State::Up),
            known: i64::from(known),
            planned: i64::from(self.state == State::Down && self.planned),
        }
    }
}

/// What a second counts for, or by how much that changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// It was up.
    pub up: i64,
    /// It is known whether it was up.
    pub known: i64,
    /// It was down on purpose.
    pub planned: i64,
}

impl Weight {
    /// Nothing is known.
    pub(super) const UNKNOWN: Self = Self {
        up: 0,
        known: 0,
        planned: 0,
    };

    /// The change from `old`.
    pub(super) fn minus(self, old: Self) -> Self {
        Self {
            up: self.up - old.up,
            known: self.known - old.known,
            planned: self.planned - old.planned,
        }
    }
}

/// A stretch that counts for something else now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Its first second.
    pub from: i64,
    /// The first second after it.
    pub to: i64,
    /// By how much.
    pub by: Weight,
}

/// The last runs without a gap, the newest last; never empty.
#[derive(Clone, Debug)]
pub(super) struct Journal {
    runs: Vec<Run>,
    until: i64,
}

impl Journal {
    /// It begins with a run that goes on until `until`.
    pub(super) fn new(run: Run, until: i64) -> Self {
        Self { runs: vec![run], until }
    }

    /// Until when everything is accounted for.
    pub(super) fn until(&self) -> i64 {
        self.until
    }

    /// The run that is on.
    pub(super) fn last(&self) -> Run {
        self.runs.last().copied().unwrap_or(Run {
            from: self.until,
            state: State::Unknown,
            planned: false,
        })
    }

    /// Since when the state is what it is, planned or not.
    pub(super) fn since(&self) -> i64 {
        let last = self.last();
        let same = self.runs.iter().rev().take_while(|run| run.state == last.state);
        same.last().unwrap_or(&last).from
    }

    /// The first second of the first run of this state that began after `after`.
    pub(super) fn first(&self, state: State, after: i64) -> Option<i64> {
        let run = self.runs.iter().find(|run| run.state == state && run.from > after)?;
        Some(run.from)
    }

    /// Goes on until `to` in this state; returns what is new. Time never goes back.
    pub(super) fn go_on(&mut self, state: State, planned: bool, to: i64) -> Run {
        let run = Run {
            from: self.until,
            state,
            planned: planned && state == State::Down,
        };
        let last = self.last();
        if (last.state, last.planned) != (run.state, run.planned) {
            self.runs.push(run);
            self.tidy();
        }
        self.until = self.until.max(to);
        run
    }

    /// The run that goes on at `at`, with its end.
    pub(super) fn at(&self, at: i64) -> Option<(Run, i64)> {
        let index = self.runs.partition_point(|run| run.from <= at).checked_sub(1)?;
        let end = self.runs.get(index + 1).map_or(self.until, |next| next.from);
        (at < end).then_some((*self.runs.get(index)?, end))
    }

    /// Puts another state in the place of those runs between `from` and `to` that `which` picks, as far as runs are
    /// remembered.
    pub(super) fn overwrite(
        &mut self,
        (from, to): (i64, i64),
        (state, planned): (State, bool),
        which: impl Fn(Run) -> bool,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut runs = Vec::with_capacity(self.runs.len() + 2);
        for (index, run) in self.runs.iter().enumerate() {
            let end = self.runs.get(index + 1).map_or(self.until, |next| next.from);
            let (begin, stop) = (from.max(run.from), to.min(end));
            if begin >= stop || !which(*run) {
                runs.push(*run);
                continue;
            }
            let new = Run {
                from: begin,
                state,
                planned: planned && state == State::Down,
            };
            changes.push(Change {
                from: begin,
                to: stop,
                by: new.weight().minus(run.weight()),
            });
            if run.from < begin {
                runs.push(*run);
            }
            runs.push(new);
            if stop < end {
                runs.push(Run { from: stop, ..*run });
            }
        }
        self.runs = runs;
        self.tidy();
        changes.retain(|change| change.by != Weight::UNKNOWN);
        changes
    }

    /// Drops runs that took no time, joins equal ones, forgets the oldest.
    fn tidy(&mut self) {
        let mut tidy: Vec<Run> = Vec::with_capacity(self.runs.len());
        for run in &self.runs {
            tidy.pop_if(|last| last.from >= run.from);
            let same = |last: &Run| (last.state, last.planned) == (run.state, run.planned);
            if !tidy.last().is_some_and(same) {
                tidy.push(*run);
            }
        }
        tidy.drain(..tidy.len().saturating_sub(RUNS));
        self.runs = tidy;
    }
}
