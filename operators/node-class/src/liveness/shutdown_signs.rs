//! What was announced of a node before it went.
use std::time::Duration;

use crate::crd;
use crate::crd::history::Kind;
use crate::facts::NodeFacts;

/// An announced shutdown takes minutes (Talos caps it at 20). A mark that is older was left behind.
const FRESH: Duration = Duration::from_mins(30);

/// Marks of a shutdown, with the time at which they were first seen.
#[derive(Debug, Default)]
pub(super) struct ShutdownSigns {
    /// The kubelet says that it shuts down.
    shutting_down: Option<Duration>,
    /// And we have watched without a break since.
    traced: bool,
    /// Talos' cordon is there.
    talos: Option<Duration>,
    /// A person cordoned it, before anything else did.
    by_hand: bool,
}

impl ShutdownSigns {
    pub(super) fn see(&mut self, facts: &NodeFacts, mono: Duration) {
        if facts.shutting_down() {
            self.shutting_down.get_or_insert(mono);
            self.traced = true;
        } else if facts.ready.status.is_some() {
            // Only the kubelet says True or False; Unknown is the cluster's opinion and takes nothing back.
            self.shutting_down = None;
        }
        if facts.talos_cordoned() {
            self.talos.get_or_insert(mono);
        } else {
            self.talos = None;
            self.by_hand = facts.unschedulable;
        }
    }

    /// Another boot, or another object: what was announced is over.
    pub(super) fn over(&mut self) {
        (self.shutting_down, self.talos) = (None, None);
    }

    /// In unwatched time a shutdown may have been cancelled, unless it is still announced.
    pub(super) fn blinded(&mut self, facts: Option<&NodeFacts>) {
        self.traced = facts.is_some_and(NodeFacts::shutting_down);
    }

    /// How a node went whose last renewal was at `last`: the kind, that in words, and whether every step was seen. Talos' cordon
    /// alone is no trace: it may have been left behind by a drain that failed.
    pub(super) fn announced(&self, last: Duration) -> (Kind, &'static str, bool) {
        let fresh = |mark: Option<Duration>| mark.is_some_and(|at| last.saturating_sub(at) <= FRESH);
        if fresh(self.shutting_down) {
            (Kind::Clean, "the kubelet announced its shutdown", self.traced)
        } else if fresh(self.talos) {
            (Kind::Clean, "Talos had cordoned it", false)
        } else {
            (Kind::Lost, "nothing was announced", false)
        }
    }

    /// A person or we wanted it off.
    pub(super) fn planned(&self, facts: &NodeFacts) -> bool {
        self.by_hand || facts.annotations.contains_key(crd::CORDONED)
    }
}
