//! The tracker of all nodes.
use std::collections::BTreeMap;
use std::sync::Arc;

use super::mass_guard::MassGuard;
use super::node::{NodeLiveness, Verdict};
use super::verdict::View;
use super::visibility::VisibilityTracker;
use super::{Domains, LivenessStatus, NodeEvent, Remembered, Visibility};
use crate::args::Timing;
use crate::clock::Now;
use crate::facts::NodeFacts;

/// Tracks which nodes are alive. Pure: time and events come from outside.
#[derive(Debug)]
pub struct LivenessTracker {
    timing: Timing,
    visibility: VisibilityTracker,
    guard: MassGuard,
    nodes: BTreeMap<String, Box<NodeLiveness>>,
    now: Now,
}

impl LivenessTracker {
    /// Nothing is known yet, and nothing is judged before [`LivenessTracker::watching`] says so.
    pub fn new(timing: Timing, now: Now) -> Self {
        Self {
            visibility: VisibilityTracker::new(&timing, now.mono),
            guard: MassGuard::default(),
            nodes: BTreeMap::new(),
            timing,
            now,
        }
    }

    /// What an earlier process knew of a node, given once before the first [`LivenessTracker::step`] that follows. Ignored for a
    /// node that was judged already.
    pub fn restore(&mut self, node: &str, remembered: Remembered) {
        let liveness = self.node_liveness(node);
        if liveness.verdict == Verdict::Unjudged && liveness.gone.is_none() {
            liveness.restore(remembered);
        }
    }

    /// A lease was listed or has changed. The same `resource_version` is no change, and a first observation alone is no
    /// renewal.
    pub fn lease(&mut self, node: &str, resource_version: &str, now: Now) {
        self.now = now;
        if self.node_liveness(node).lease(resource_version, now) {
            self.visibility.prove(now.mono);
        }
    }

    /// A lease was deleted. A living kubelet makes a new one within seconds; until then its silence says nothing.
    pub fn lease_gone(&mut self, node: &str, now: Now) {
        self.now = now;
        if let Some(liveness) = self.nodes.get_mut(node) {
            liveness.lease = false;
        }
    }

    /// A Node was listed or has changed.
    pub fn node(&mut self, facts: &Arc<NodeFacts>, now: Now) {
        self.now = now;
        let since = self.visibility.since();
        self.node_liveness(&facts.name).node(facts, since, now);
    }

    /// A Node was deleted, or was missing from a complete list.
    pub fn node_gone(&mut self, node: &str, now: Now) {
        self.now = now;
        if let Some(liveness) = self.nodes.get_mut(node) {
            liveness.node_gone(now);
        }
    }

    /// Whether both watches work and are complete. While they do not, nothing is judged. Say it before the first
    /// [`LivenessTracker::step`], and after the events of the lists.
    pub fn watching(&mut self, both: bool, now: Now) {
        self.now = now;
        self.visibility.watching(both);
    }

    /// Judges. Call it at least every few seconds; a longer pause counts as blindness of the process itself.
    pub fn step(&mut self, domains: &Domains, now: Now) -> Vec<NodeEvent> {
        self.now = now;
        let mut events = Vec::new();
        if let Some(until) = self.visibility.step(now.mono) {
            self.nodes.values_mut().for_each(|liveness| liveness.blinded(until));
        }
        let Some(since) = self.visibility.settled() else {
            return events;
        };
        let view = View {
            timing: &self.timing,
            visibility: &self.visibility,
            since,
            now,
        };
        let mut changed = Vec::new();
        let mut fallen = false;
        for (name, liveness) in &mut self.nodes {
            if liveness.judge(&view) {
                fallen |= matches!(liveness.verdict, Verdict::Silent(_));
                changed.push(name.clone());
            }
        }
        if !self.guard.update(changed, fallen, &self.nodes, &view, domains) {
            let mut what = Vec::new();
            for (name, liveness) in &mut self.nodes {
                liveness.emit(&view, &mut what);
                events.extend(what.drain(..).map(|what| (name.clone(), what)));
            }
        }
        events
    }

    /// That of a node, a new one if there is none.
    fn node_liveness(&mut self, node: &str) -> &mut NodeLiveness {
        let new = || Box::new(NodeLiveness::new(self.now));
        self.nodes.entry(node.to_owned()).or_insert_with(new)
    }

    /// What is known of a node.
    pub fn liveness(&self, node: &str) -> Option<LivenessStatus> {
        let liveness = self.nodes.get(node)?;
        let clear = self.visibility() == Visibility::Clear;
        Some(liveness.liveness(&self.timing, &self.visibility, clear, self.now))
    }

    /// How well we see.
    pub fn visibility(&self) -> Visibility {
        match (self.visibility.visibility(), self.guard.reason()) {
            (Visibility::Clear, Some(reason)) => Visibility::Guarded(reason.to_owned()),
            (visibility, _) => visibility,
        }
    }
}
