//! What is noted of one node as events arrive. Nothing is judged here.
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::shutdown_signs::ShutdownSigns;
use super::{LivenessEvent, Remembered, State};
use crate::clock::Now;
use crate::crd::history::{Kind, Machine, Transition};
use crate::facts::NodeFacts;

/// A pause between two renewals (every 10 s, retries after 7 s at most) from which on it may have been a boot.
const PAUSE: Duration = Duration::from_secs(15);
/// How long after a pause the kubelet may take to post the new boot's id (it does so when it starts).
const POSTED_WITHIN: Duration = Duration::from_mins(5);

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outage {
    /// Since when it is silent.
    pub(super) mono: Duration,
    /// The same on the wall clock, once it is reported or known from elsewhere.
    pub(super) at: Option<Timestamp>,
    pub(super) kind: Kind,
    pub(super) planned: bool,
    /// The kubelet had announced its shutdown, and was silent then.
    pub(super) trace: bool,
    pub(super) machine: Machine,
    pub(super) evidence: String,
}

impl Outage {
    pub(super) fn at(&self, now: Now) -> Timestamp {
        self.at.unwrap_or_else(|| wall(self.mono, now))
    }
}

/// The moment on the wall clock.
pub(super) fn wall(mono: Duration, now: Now) -> Timestamp {
    now.ago(now.mono.saturating_sub(mono))
}

/// What is true as far as can be seen now.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Verdict {
    #[default]
    Unjudged,
    Alive,
    Silent(Box<Outage>),
}

/// What was last confirmed: the verdict that was not held back.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Shown {
    #[default]
    Unknown,
    Up,
    Down(Box<Outage>),
}

/// A return that is to be reported, once the Node object had time to show a new boot.
#[derive(Clone, Debug)]
pub(super) struct Return {
    /// What it returns from; its time is fixed.
    pub(super) outage: Box<Outage>,
    /// When the lease changed first after that.
    pub(super) mono: Duration,
    /// The same on the wall clock, if it is known from elsewhere.
    pub(super) at: Option<Timestamp>,
    pub(super) length: Duration,
    pub(super) reported: bool,
}

/// A boot without an outage that was noticed.
#[derive(Clone, Debug)]
pub(super) struct Boot {
    pub(super) from: Duration,
    pub(super) to: Duration,
    /// Its beginning was seen, so that it is known how long it took.
    pub(super) watched: bool,
    pub(super) planned: bool,
    pub(super) machine: Machine,
}

/// All that is noted of one node. There is one for each, so what most of the time is not there takes no room.
#[derive(Debug, Default)]
pub(super) struct NodeLiveness {
    /// Since when it is known at all.
    pub(super) known: Duration,
    pub(super) facts: Option<Arc<NodeFacts>>,
    pub(super) present: bool,
    /// Since when there is no Node object.
    pub(super) gone: Option<Duration>,
    /// Fields once known are kept when a new object does not say them yet.
    pub(super) machine: Machine,
    /// Version of the lease that was seen last; empty before the first.
    version: String,
    pub(super) lease: bool,
    /// The last change of the lease that we saw.
    pub(super) changed: Option<Duration>,
    /// The last pause between two changes.
    pause: Option<(Duration, Duration)>,
    /// From when on silence counts: the last renewal, or when visibility came back after it.
    pub(super) base: Duration,
    /// The first change since it was judged silent, or since we started.
    pub(super) revived: Option<Duration>,
    shutdown_signs: ShutdownSigns,
    pub(super) verdict: Verdict,
    pub(super) shown: Shown,
    /// Since when that is shown; the monotonic time if we measured it.
    pub(super) since: (Option<Duration>, Timestamp),
    pub(super) back: Option<Box<Return>>,
    pub(super) boot: Option<Box<Boot>>,
    /// The Node object is another one.
    pub(super) object_change: Option<Box<LivenessEvent>>,
    pub(super) restored: Option<Box<Remembered>>,
}

/// The same machine registered again. That takes no time.
pub(super) fn reregistered(at: Timestamp) -> LivenessEvent {
    LivenessEvent::Changed(Transition::new(Kind::Reregistered, at, Some(at), String::new()))
}

pub(super) fn differ(a: &str, b: &str) -> bool {
    !a.trim().is_empty() && !b.trim().is_empty() && !a.eq_ignore_ascii_case(b)
}

impl NodeLiveness {
    pub(super) fn new(now: Now) -> Self {
        Self {
            known: now.mono,
            base: now.mono,
            since: (Some(now.mono), now.wall),
            ..Self::default()
        }
    }

    /// True if the lease has changed since it was seen last.
    pub(super) fn lease(&mut self, version: &str, now: Now) -> bool {
        self.lease = true;
        if self.version == version {
            return false;
        }
        let first = self.version.is_empty();
        version.clone_into(&mut self.version);
        if first {
            return false;
        }
        if let Some(before) = self.changed
            && now.mono.saturating_sub(before) > PAUSE
        {
            self.pause = Some((before, now.mono));
        }
        self.changed = Some(now.mono);
        self.base = now.mono;
        self.revived.get_or_insert(now.mono);
        true
    }

    /// The Node was seen. `clear_since`: since when visibility is unbroken.
    pub(super) fn node(&mut self, facts: &Arc<NodeFacts>, clear_since: Option<Duration>, now: Now) {
        let new = &facts.machine;
        let created = facts.created.filter(|created| *created <= now.wall).unwrap_or(now.wall);
        if !self.present {
            // A new or regained object: it has a full grace to renew its lease.
            self.base = self.base.max(now.mono);
            (self.present, self.gone) = (true, None);
        }
        if self.facts.is_none() || self.restored.is_some() {
            // Compared with what is remembered, if anything, when it is judged.
        } else if differ(&self.machine.system_uuid, &new.system_uuid) {
            self.replace(now);
        } else if differ(&self.machine.node_uid, &new.node_uid) {
            self.object_change = Some(Box::new(reregistered(created)));
            self.shutdown_signs.over();
            if differ(&self.machine.machine_id, &new.machine_id) {
                self.boot = Some(self.booted(now.mono, now.mono, None));
            }
        } else if differ(&self.machine.boot_id, &new.boot_id) {
            self.new_boot(clear_since, now);
        }
        self.machine.learn(new, true);
        self.shutdown_signs.see(facts, now.mono);
        self.facts = Some(Arc::clone(facts));
    }

    /// Another machine has the name: nothing that is known is about it.
    fn replace(&mut self, now: Now) {
        let mut liveness = Self::new(now);
        (liveness.facts, liveness.present) = (self.facts.take(), self.present);
        (liveness.lease, liveness.version) = (self.lease, std::mem::take(&mut self.version));
        liveness.object_change = Some(Box::new(LivenessEvent::Replaced));
        *self = liveness;
    }

    fn new_boot(&mut self, clear_since: Option<Duration>, now: Now) {
        // The kubelet has written it, so that it was alive; only its lease says whether it still is.
        self.base = self.base.max(now.mono);
        self.shutdown_signs.over();
        let last = self.changed.unwrap_or(now.mono);
        let silent = now.mono.saturating_sub(last) > PAUSE;
        if let Some(back) = &mut self.back {
            // The kubelet pauses when it boots: without a newer pause, this is the boot of the return.
            self.pause = self.pause.filter(|(_, to)| *to > back.mono);
            let newer = silent || self.pause.is_some();
            let same_boot = !differ(&back.outage.machine.boot_id, &self.machine.boot_id);
            if back.reported && !newer && same_boot && now.mono.saturating_sub(back.mono) <= POSTED_WITHIN {
                // It was reported as a suspend because the Node came so late: report it once more, as what it was.
                back.reported = false;
            }
            if !back.reported {
                return;
            }
        }
        if matches!(self.shown, Shown::Down(_)) {
            return;
        }
        let recent = |pause: &(Duration, Duration)| now.mono.saturating_sub(pause.1) <= POSTED_WITHIN;
        let (from, to) = if silent {
            (last, now.mono)
        } else {
            self.pause.take().filter(recent).unwrap_or((last, now.mono))
        };
        self.boot = Some(self.booted(from, to, clear_since));
    }

    fn booted(&self, from: Duration, to: Duration, clear_since: Option<Duration>) -> Box<Boot> {
        Box::new(Boot {
            from,
            to,
            watched: clear_since.is_some_and(|since| since <= from),
            planned: self.planned(),
            machine: self.machine.clone(),
        })
    }

    fn planned(&self) -> bool {
        self.facts
            .as_ref()
            .is_some_and(|facts| self.shutdown_signs.planned(facts))
    }

    /// Visibility is back. Silence before does not count, and in unwatched time an announced shutdown may have been cancelled.
    pub(super) fn blinded(&mut self, until: Duration) {
        self.base = self.base.max(until);
        self.shutdown_signs.blinded(self.facts.as_deref());
    }

    /// The Node was deleted.
    pub(super) fn node_gone(&mut self, now: Now) {
        if self.present {
            self.present = false;
            self.gone = Some(now.mono);
            self.boot = None;
            self.since = (Some(now.mono), now.wall);
        }
    }

    /// How it went, if it went now.
    pub(super) fn outage(&self, now: Now) -> Box<Outage> {
        let ready = self.facts.as_deref().map(|facts| &facts.ready);
        let (kind, how, trace) = self.shutdown_signs.announced(self.changed.unwrap_or(self.base));
        // Never seen alive: the cluster may know since when it is not ready.
        let at = ready
            .filter(|ready| self.changed.is_none() && ready.status != Some(true))
            .and_then(|ready| ready.since)
            .filter(|since| *since < wall(self.base, now));
        Box::new(Outage {
            mono: self.base,
            at,
            kind,
            planned: self.planned(),
            trace,
            machine: self.machine.clone(),
            evidence: format!("lease silent, {how}"),
        })
    }

    /// Takes what an earlier process knew.
    pub(super) fn restore(&mut self, remembered: Remembered) {
        let outage = remembered.outage.as_ref();
        self.shown = match remembered.state {
            State::Up => Shown::Up,
            State::Down => Shown::Down(Box::new(Outage {
                mono: self.base,
                at: Some(outage.map_or(remembered.known_until, |outage| outage.at.0)),
                kind: outage.map_or(Kind::Lost, |outage| outage.kind),
                planned: outage.is_some_and(|outage| outage.planned),
                trace: false,
                machine: remembered.machine.clone(),
                evidence: String::new(),
            })),
            State::Unknown | State::Gone | State::Missing => Shown::Unknown,
        };
        self.since = (None, remembered.known_until);
        self.restored = Some(Box::new(remembered));
    }
}
