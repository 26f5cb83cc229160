//! Whether a silent lease would be noticed. A stalled watch looks like one on which nothing happens, so visibility is proven
//! only by leases that change: with a renewal every 10 s from each node, some lease changes all the time.
use std::time::Duration;

use super::Visibility;
use crate::args::Timing;

/// A pause between two steps beyond this (or beyond `blind_after`, if that is longer) means that our process was stopped.
const STOPPED: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct VisibilityTracker {
    grace: Duration,
    blind_after: Duration,
    watching: bool,
    started: Duration,
    stepped: Duration,
    /// The last change of any lease.
    proof: Option<Duration>,
    /// Since when proof has followed proof; none while blind.
    since: Option<Duration>,
    /// The same, kept while blind: silence before it does not count.
    epoch: Duration,
    /// It was lost, and is not back.
    lost: bool,
    /// When blindness ended, until that is reported.
    ended: Option<Duration>,
}

impl VisibilityTracker {
    pub(super) fn new(timing: &Timing, mono: Duration) -> Self {
        Self {
            grace: timing.grace,
            blind_after: timing.blind_after,
            started: mono,
            stepped: mono,
            epoch: mono,
            ..Self::default()
        }
    }

    /// Some lease has changed.
    pub(super) fn prove(&mut self, mono: Duration) {
        if !self.watching {
            return;
        }
        self.check(mono);
        if self.since.is_none() {
            self.since = Some(mono);
            self.epoch = mono;
            if std::mem::take(&mut self.lost) {
                self.ended = Some(mono);
            }
        }
        self.proof = Some(mono);
    }

    pub(super) fn watching(&mut self, both: bool) {
        if !both {
            self.lose();
        }
        self.watching = both;
    }

    /// Time has passed. Returns when blindness ended, if it did.
    pub(super) fn step(&mut self, mono: Duration) -> Option<Duration> {
        let pause = mono.saturating_sub(self.stepped);
        // Sight that began after the pause has accounted for it already.
        let through = self.since.is_some_and(|since| since <= self.stepped);
        if through && pause > self.blind_after.max(STOPPED) {
            self.lose();
        }
        self.check(mono);
        self.stepped = mono;
        self.ended.take()
    }

    /// Loses visibility if the last proof is too old.
    fn check(&mut self, mono: Duration) {
        let old = |proof| mono.saturating_sub(proof) > self.blind_after;
        if self.proof.is_some_and(old) {
            self.lose();
        }
    }

    fn lose(&mut self) {
        self.lost |= self.since.take().is_some();
    }

    /// How well we see, without the mass guard.
    pub(super) fn visibility(&self) -> Visibility {
        match self.since {
            Some(_) if self.settled().is_some() => Visibility::Clear,
            Some(_) => Visibility::Settling,
            None if !self.lost && self.stepped.saturating_sub(self.started) <= self.blind_after => Visibility::Settling,
            None => Visibility::Blind,
        }
    }

    /// Since when we have seen, if that is long enough to judge: every silence is then counted from there at the earliest.
    pub(super) fn settled(&self) -> Option<Duration> {
        let (since, proof) = (self.since?, self.proof?);
        (proof.saturating_sub(since) >= self.grace).then_some(since)
    }

    /// Since when we have seen without a break.
    pub(super) fn since(&self) -> Option<Duration> {
        self.since
    }

    /// How much of the time after `from` is proven to have been watched; blindness sets it back to nothing.
    pub(super) fn watched_since(&self, from: Duration) -> Duration {
        let proof = self.proof.unwrap_or_default();
        proof.saturating_sub(from.max(self.epoch))
    }
}
