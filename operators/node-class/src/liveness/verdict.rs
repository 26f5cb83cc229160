//! Whether a node is alive or silent, as far as can be seen now.
use std::time::Duration;

use super::node::{NodeLiveness, Shown, Verdict, differ, wall};
use super::visibility::VisibilityTracker;
use super::{LivenessStatus, State};
use crate::args::Timing;
use crate::clock::Now;
use crate::crd::history::Kind;
use crate::facts::NodeFacts;

/// What a judgement needs beside the node.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) timing: &'a Timing,
    pub(super) visibility: &'a VisibilityTracker,
    /// Since when visibility is unbroken; long enough to judge.
    pub(super) since: Duration,
    pub(super) now: Now,
}

impl NodeLiveness {
    /// How long it has been silent in watched time.
    fn silence(&self, visibility: &VisibilityTracker) -> Duration {
        visibility.watched_since(self.base)
    }

    /// Silent for so long that it is down. Where no lease exists, its silence says nothing.
    fn silent(&self, timing: &Timing, visibility: &VisibilityTracker) -> bool {
        let silence = self.silence(visibility);
        // Ready stays True while the controller manager is down.
        let ready = self.facts.as_deref().is_some_and(NodeFacts::is_ready);
        let needed = if ready {
            timing.grace.saturating_mul(2)
        } else {
            timing.grace
        };
        self.lease && silence >= needed
    }

    /// Alive, but silent for longer than between renewals (10 s, retries after 7 s at most): it may be about to be judged.
    pub(super) fn suspect(&self, view: &View<'_>) -> bool {
        let long = view.timing.grace.saturating_mul(5) / 8;
        self.present && self.verdict == Verdict::Alive && self.silence(view.visibility) >= long
    }

    /// Whether it takes part in what the mass guard counts.
    pub(super) fn counts(&self) -> bool {
        self.present && self.verdict != Verdict::Unjudged
    }

    /// Judges. True if it is another state than before.
    pub(super) fn judge(&mut self, view: &View<'_>) -> bool {
        if !self.present {
            // Its Node is neither in the list nor was it ever.
            self.gone.get_or_insert(self.known);
            return false;
        }
        match self.verdict {
            Verdict::Silent(_) if self.revived.is_none() => false,
            Verdict::Silent(_) => {
                self.verdict = Verdict::Alive;
                true
            }
            Verdict::Unjudged if self.revived.is_some() => {
                self.verdict = Verdict::Alive;
                matches!(self.shown, Shown::Down(_))
            }
            Verdict::Unjudged | Verdict::Alive => {
                if !self.silent(view.timing, view.visibility) {
                    return false;
                }
                let known = self.verdict == Verdict::Alive || self.shown == Shown::Up;
                self.verdict = Verdict::Silent(self.outage(view.now));
                self.revived = None;
                known
            }
        }
    }

    /// What is to be shown of it.
    pub(super) fn liveness(
        &self,
        timing: &Timing,
        visibility: &VisibilityTracker,
        clear: bool,
        now: Now,
    ) -> LivenessStatus {
        let silent = self.silence(visibility);
        let state = match &self.shown {
            _ if self.gone.is_some() => self.absent(timing, silent),
            // What is seen to be alive is not down, also before the next step.
            Shown::Down(_) if clear && self.revived.is_some() => State::Up,
            Shown::Down(_) => State::Down,
            Shown::Up if clear && !self.lease && silent >= timing.grace => State::Unknown,
            Shown::Up => State::Up,
            Shown::Unknown => State::Unknown,
        };
        let (down, since) = match (&self.shown, self.revived) {
            (Shown::Down(outage), _) if state == State::Down => (Some(outage), outage.at(now)),
            (Shown::Down(_), Some(revived)) if state == State::Up => (None, wall(revived, now)),
            // By the wall clock as it is now: it may have jumped.
            _ => (None, self.since.0.map_or(self.since.1, |since| wall(since, now))),
        };
        let same_boot = |then: &str| !then.is_empty() && !differ(then, &self.machine.boot_id);
        LivenessStatus {
            state,
            since,
            went: down.map(|outage| outage.kind),
            clean_trace: down
                .is_some_and(|outage| outage.kind == Kind::Clean && outage.trace && same_boot(&outage.machine.boot_id)),
            silent,
        }
    }

    /// Without a Node object.
    fn absent(&self, timing: &Timing, silent: Duration) -> State {
        let Some(gone) = self.gone else { return State::Unknown };
        let alive = self.lease && silent < timing.grace && self.changed.is_some_and(|changed| changed > gone);
        if alive { State::Missing } else { State::Gone }
    }
}
