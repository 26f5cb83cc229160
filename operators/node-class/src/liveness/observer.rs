//! The observer of all nodes.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::guard::{Guard, Moment};
use super::life::{Life, Verdict, wall};
use super::verdict::View;
use super::vision::{Clarity, Span, Vision};
use super::{Domains, Happening, Remembered, Sight, Standing, What};
use crate::args::Timing;
use crate::clock::Now;
use crate::facts::NodeFacts;

/// A node whose object is gone is forgotten after this time; its history is kept elsewhere.
const FORGET_AFTER: Duration = Duration::from_hours(7 * 24);
/// The wall clock has jumped, not merely been adjusted.
const JUMP: SignedDuration = SignedDuration::from_secs(5);

/// Watches the nodes' lives. Pure: time and events come from outside.
#[derive(Debug)]
pub struct Observer {
    timing: Timing,
    vision: Vision,
    guard: Guard,
    lives: BTreeMap<String, Box<Life>>,
    now: Now,
}

impl Observer {
    /// Nothing is known yet, and nothing is judged before [`Observer::watching`] says so.
    pub fn new(timing: Timing, now: Now) -> Self {
        Self {
            vision: Vision::new(&timing, now.mono),
            guard: Guard::default(),
            lives: BTreeMap::new(),
            timing,
            now,
        }
    }

    /// What an earlier process knew of a node, told once before the first [`Observer::step`] that follows. Ignored for a
    /// node that was judged already.
    pub fn recall(&mut self, node: &str, remembered: Remembered) {
        with(&mut self.lives, node, self.now, |life| {
            if life.verdict == Verdict::Unjudged && life.gone.is_none() {
                life.recall(remembered);
            }
        });
    }

    /// A lease was listed or has changed. The same `resource_version` again is no change, and a first sight proves no
    /// life by itself. `renewed` is by the node's clock.
    pub fn lease(&mut self, node: &str, resource_version: &str, renewed: Option<Timestamp>, now: Now) {
        self.follow_wall_clock(now);
        let changed = with(&mut self.lives, node, now, |life| {
            life.lease(resource_version, renewed, now)
        });
        if changed {
            self.vision.prove(now.mono);
        }
    }

    /// A lease was deleted. A living kubelet makes a new one within seconds; until then its silence says nothing.
    pub fn lease_gone(&mut self, node: &str, now: Now) {
        self.follow_wall_clock(now);
        if let Some(life) = self.lives.get_mut(node) {
            life.lease = false;
        }
    }

    /// A Node was listed or has changed.
    pub fn node(&mut self, facts: &Arc<NodeFacts>, now: Now) {
        self.follow_wall_clock(now);
        let since = self.vision.since();
        with(&mut self.lives, &facts.name, now, |life| life.node(facts, since, now));
    }

    /// A Node was deleted, or was missing from a complete list.
    pub fn node_gone(&mut self, node: &str, now: Now) {
        self.follow_wall_clock(now);
        if let Some(life) = self.lives.get_mut(node) {
            life.node_gone(now);
        }
    }

    /// Whether both watches work and are complete. While they do not, nothing is judged. Say it before the first
    /// [`Observer::step`], and after the events of the lists.
    pub fn watching(&mut self, both: bool, now: Now) {
        self.follow_wall_clock(now);
        self.vision.watching(both);
    }

    /// Judges. Call it at least every few seconds; a longer pause counts as blindness of the process itself.
    pub fn step(&mut self, domains: &Domains, now: Now) -> Vec<Happening> {
        self.follow_wall_clock(now);
        let mut told = Vec::new();
        for span in self.vision.step(now.mono) {
            self.blinded(span, now, &mut told);
        }
        let Some(since) = self.vision.settled() else {
            return told;
        };
        let view = View {
            timing: &self.timing,
            vision: &self.vision,
            since,
            now,
        };
        let mut changed = Vec::new();
        let mut fallen = false;
        for (name, life) in &mut self.lives {
            if life.judge(&view) {
                fallen |= matches!(life.verdict, Verdict::Silent(_));
                changed.push(name.clone());
            }
        }
        if !hold(&mut self.guard, changed, fallen, &self.lives, &view, domains) {
            let mut what = Vec::new();
            for (name, life) in &mut self.lives {
                life.tell(&view, &mut what);
                told.extend(what.drain(..).map(|what| happening(name, what)));
            }
        }
        let forgotten = |life: &Life| {
            let gone = life.gone.filter(|_| !life.present);
            gone.is_some_and(|gone| now.mono.saturating_sub(life.base.max(gone)) > FORGET_AFTER)
        };
        self.lives.retain(|_, life| !forgotten(life));
        told
    }

    /// Sight is back after blindness.
    fn blinded(&mut self, span: Span, now: Now, told: &mut Vec<Happening>) {
        for (name, life) in &mut self.lives {
            let watched = span.from.saturating_sub(life.base);
            life.blinded(span.until, watched, self.timing.blind_after);
            // What is remembered is bridged up to the first judgement.
            let from = span.from.max(life.known);
            if life.present && life.recalled.is_none() && from < span.until {
                let (from, until) = (wall(from, now), wall(span.until, now));
                told.push(happening(name, What::Blind { from, until }));
            }
        }
    }

    /// Times that are shown were stamped on a wall clock that has jumped since (1970 before NTP): stamp them anew.
    fn follow_wall_clock(&mut self, now: Now) {
        let passed = now.mono.saturating_sub(self.now.mono);
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
        let jump = now.wall.duration_since(self.now.wall).saturating_sub(passed);
        self.now = now;
        if jump.abs() > JUMP {
            for life in self.lives.values_mut() {
                if let Some(since) = life.since.0 {
                    life.since.1 = wall(since, now);
                }
            }
        }
    }

    /// What is known of a node.
    pub fn standing(&self, node: &str) -> Option<Standing> {
        let life = self.lives.get(node)?;
        let clear = self.sight() == Sight::Clear;
        Some(life.standing(&self.timing, &self.vision, clear, self.now))
    }

    /// How well we see.
    pub fn sight(&self) -> Sight {
        match (self.vision.clarity(), self.guard.reason()) {
            (Clarity::Blind, _) => Sight::Blind,
            (Clarity::Settling, _) => Sight::Settling,
            (Clarity::Clear, Some(reason)) => Sight::Guarded(reason.to_owned()),
            (Clarity::Clear, None) => Sight::Clear,
        }
    }
}

/// Does something with the life of that name, a new one if there is none. Allocates for new names only.
fn with<T>(lives: &mut BTreeMap<String, Box<Life>>, node: &str, now: Now, act: impl FnOnce(&mut Life) -> T) -> T {
    if let Some(life) = lives.get_mut(node) {
        return act(life);
    }
    let mut life = Box::new(Life::new(now));
    let result = act(&mut life);
    lives.insert(node.to_owned(), life);
    result
}

fn happening(node: &str, what: What) -> Happening {
    Happening {
        node: node.to_owned(),
        what,
    }
}

/// Asks the mass guard. Quick when nothing has changed.
fn hold(
    guard: &mut Guard,
    changed: Vec<String>,
    fallen: bool,
    lives: &BTreeMap<String, Box<Life>>,
    view: &View<'_>,
    domains: &Domains,
) -> bool {
    let select = |wanted: bool, which: &dyn Fn(&Life) -> bool| -> Vec<&str> {
        let all = lives.iter().filter(|(_, life)| wanted && which(life));
        all.map(|(name, _)| name.as_str()).collect()
    };
    let any = !changed.is_empty();
    let moment = Moment {
        mono: view.now.mono,
        watched_since: &|from| view.vision.watched_since(from),
        grace: view.timing.grace,
        nodes: &select(any, &Life::counts),
        suspects: &select(any && fallen, &|life| life.suspect(view)),
        domains,
    };
    guard.update(changed, &moment)
}
