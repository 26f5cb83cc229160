//! The tracker of all nodes.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::mass_guard::{MassGuard, Moment};
use super::node::{NodeLiveness, Verdict, wall};
use super::verdict::View;
use super::visibility::{Span, VisibilityTracker};
use super::{Domains, LivenessEvent, LivenessStatus, NodeEvent, Remembered, Visibility};
use crate::args::Timing;
use crate::clock::Now;
use crate::facts::NodeFacts;

/// A node without an object is dropped after this time; its history is kept elsewhere.
const FORGET_AFTER: Duration = Duration::from_hours(7 * 24);
/// The wall clock has jumped, not merely been adjusted.
const JUMP: SignedDuration = SignedDuration::from_secs(5);

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
        with(&mut self.nodes, node, self.now, |liveness| {
            if liveness.verdict == Verdict::Unjudged && liveness.gone.is_none() {
                liveness.restore(remembered);
            }
        });
    }

    /// A lease was listed or has changed. The same `resource_version` is no change, and a first observation alone is no
    /// renewal. `renewed` is by the node's clock.
    pub fn lease(&mut self, node: &str, resource_version: &str, renewed: Option<Timestamp>, now: Now) {
        self.follow_wall_clock(now);
        let changed = with(&mut self.nodes, node, now, |liveness| {
            liveness.lease(resource_version, renewed, now)
        });
        if changed {
            self.visibility.prove(now.mono);
        }
    }

    /// A lease was deleted. A living kubelet makes a new one within seconds; until then its silence says nothing.
    pub fn lease_gone(&mut self, node: &str, now: Now) {
        self.follow_wall_clock(now);
        if let Some(liveness) = self.nodes.get_mut(node) {
            liveness.lease = false;
        }
    }

    /// A Node was listed or has changed.
    pub fn node(&mut self, facts: &Arc<NodeFacts>, now: Now) {
        self.follow_wall_clock(now);
        let since = self.visibility.since();
        with(&mut self.nodes, &facts.name, now, |liveness| {
            liveness.node(facts, since, now);
        });
    }

    /// A Node was deleted, or was missing from a complete list.
    pub fn node_gone(&mut self, node: &str, now: Now) {
        self.follow_wall_clock(now);
        if let Some(liveness) = self.nodes.get_mut(node) {
            liveness.node_gone(now);
        }
    }

    /// Whether both watches work and are complete. While they do not, nothing is judged. Say it before the first
    /// [`LivenessTracker::step`], and after the events of the lists.
    pub fn watching(&mut self, both: bool, now: Now) {
        self.follow_wall_clock(now);
        self.visibility.watching(both);
    }

    /// Judges. Call it at least every few seconds; a longer pause counts as blindness of the process itself.
    pub fn step(&mut self, domains: &Domains, now: Now) -> Vec<NodeEvent> {
        self.follow_wall_clock(now);
        let mut events = Vec::new();
        for span in self.visibility.step(now.mono) {
            self.blinded(span, now, &mut events);
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
        if !hold(&mut self.guard, changed, fallen, &self.nodes, &view, domains) {
            let mut what = Vec::new();
            for (name, liveness) in &mut self.nodes {
                liveness.emit(&view, &mut what);
                events.extend(what.drain(..).map(|what| (name.clone(), what)));
            }
        }
        let forgotten = |liveness: &NodeLiveness| {
            let gone = liveness.gone.filter(|_| !liveness.present);
            gone.is_some_and(|gone| now.mono.saturating_sub(liveness.base.max(gone)) > FORGET_AFTER)
        };
        self.nodes.retain(|_, liveness| !forgotten(liveness));
        events
    }

    /// Sight is back after blindness.
    fn blinded(&mut self, span: Span, now: Now, events: &mut Vec<NodeEvent>) {
        for (name, liveness) in &mut self.nodes {
            let watched = span.from.saturating_sub(liveness.base);
            liveness.blinded(span.until, watched, self.timing.blind_after);
            // What is remembered is bridged up to the first judgement.
            let from = span.from.max(liveness.known);
            if liveness.present && liveness.restored.is_none() && from < span.until {
                let (from, until) = (wall(from, now), wall(span.until, now));
                events.push((name.clone(), LivenessEvent::Blind { from, until }));
            }
        }
    }

    /// Times that are shown were stamped on a wall clock that has jumped since (1970 before NTP): correct them.
    fn follow_wall_clock(&mut self, now: Now) {
        let passed = now.mono.saturating_sub(self.now.mono);
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
        let jump = now.wall.duration_since(self.now.wall).saturating_sub(passed);
        self.now = now;
        if jump.abs() > JUMP {
            for liveness in self.nodes.values_mut() {
                if let Some(since) = liveness.since.0 {
                    liveness.since.1 = wall(since, now);
                }
            }
        }
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

/// Calls `act` with the liveness of that node, a new one if there is none. Allocates for new names only.
fn with<T>(
    nodes: &mut BTreeMap<String, Box<NodeLiveness>>,
    node: &str,
    now: Now,
    act: impl FnOnce(&mut NodeLiveness) -> T,
) -> T {
    if let Some(liveness) = nodes.get_mut(node) {
        return act(liveness);
    }
    let mut liveness = Box::new(NodeLiveness::new(now));
    let result = act(&mut liveness);
    nodes.insert(node.to_owned(), liveness);
    result
}

/// Asks the mass guard. Quick when nothing has changed.
fn hold(
    guard: &mut MassGuard,
    changed: Vec<String>,
    fallen: bool,
    nodes: &BTreeMap<String, Box<NodeLiveness>>,
    view: &View<'_>,
    domains: &Domains,
) -> bool {
    let select = |wanted: bool, which: &dyn Fn(&NodeLiveness) -> bool| -> Vec<&str> {
        let all = nodes.iter().filter(|(_, liveness)| wanted && which(liveness));
        all.map(|(name, _)| name.as_str()).collect()
    };
    let any = !changed.is_empty();
    let moment = Moment {
        mono: view.now.mono,
        watched_since: &|from| view.visibility.watched_since(from),
        grace: view.timing.grace,
        nodes: &select(any, &NodeLiveness::counts),
        suspects: &select(any && fallen, &|liveness| liveness.suspect(view)),
        domains,
    };
    guard.update(changed, &moment)
}
