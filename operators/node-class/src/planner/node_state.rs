//! The nodes' records between two plans: what is accounted for, and when it is stored.
use std::collections::BTreeMap;
use std::time::Duration;

use super::types::{Entry, Plan, Shown, Step};
use super::{Planner, ToStore};
use crate::crd::NodeHistoryStatus;
use crate::crd::history::Kind;
use crate::history::{Record, Unreadable};
use crate::liveness::{LivenessEvent, NodeEvent, State};

impl Shown {
    /// As it is stored; none if nothing is.
    pub(super) fn of(status: &NodeHistoryStatus) -> Option<Self> {
        Some(Self {
            state: status.state?,
            host: status.host.clone(),
            classes: status.classes.clone(),
            learned: status.learned?,
            etcd: status.etcd_member,
            flapping: status.penalty.as_ref().is_some_and(|p| p.flapping_since.is_some()),
        })
    }
}

impl Planner {
    /// The records take over what happened and how long it lasted.
    pub(super) fn account(&mut self, step: &Step<'_>, events: &[(Duration, NodeEvent)], plan: &mut Plan) {
        let (observed, clear, now) = (step.observed, step.clear, step.now);
        for (name, node) in &observed.nodes {
            self.entries
                .entry(name.clone())
                .or_insert_with(|| Box::new(Entry::new(Record::new(node.machine.clone()))));
        }
        let mut reported: BTreeMap<&str, Vec<&LivenessEvent>> = BTreeMap::new();
        for (_, (node, event)) in events {
            reported.entry(node).or_default().push(event);
        }
        for (name, entry) in &mut self.entries {
            let reported = reported.remove(name.as_str()).unwrap_or_default();
            if !clear {
                entry.state = State::Unknown;
            }
            if !clear && reported.is_empty() {
                continue;
            }
            let current = self.tracker.liveness(name).unwrap_or_default().state;
            // Accounted as what it was before; what happened puts the past right.
            let before = entry.state;
            entry.record.advance(before, now.wall);
            let node = observed.nodes.get(name);
            let machine = node.map(|node| node.machine.clone()).unwrap_or_default();
            for what in reported {
                let fell = matches!(what, LivenessEvent::Changed(t) if t.back_at.is_none());
                let known = fell && entry.record.is_down();
                entry.record.apply(what, &machine, now.wall);
                entry.dirty = true;
                if !known {
                    let (reason, text) = event(what);
                    plan.events.push((name.clone(), reason, text));
                }
            }
            if clear {
                let known = |state| matches!(state, State::Up | State::Down);
                if !known(current) || !known(before) {
                    // No event reports that: the new state holds from now on.
                    entry.record.advance(current, now.wall);
                }
                entry.state = current;
                entry.dirty |= entry.record.learn(&self.learning, now.wall);
                entry.record.update_flapping(now.wall);
            }
        }
    }

    /// What is to be stored now: what happened at once, the rest at the checkpoint. Spread by name, so that not all nodes
    /// are written in the same second.
    pub(super) fn store(&mut self, step: &Step<'_>, plan: &Plan) {
        for (name, entry) in &mut self.entries {
            if entry.unreadable {
                continue;
            }
            let node_plan = plan.nodes.get(name);
            let shown = Shown {
                state: entry.state,
                host: step.claims.host.get(name).cloned(),
                // A removed node keeps what it had.
                classes: {
                    let planned = node_plan.map(|node_plan| &node_plan.wanted.classes);
                    let before = entry.shown.as_ref().map(|shown| &shown.classes);
                    planned.or(before).cloned().unwrap_or_default()
                },
                learned: entry.record.learned(),
                flapping: entry.record.is_flapping(),
                etcd: entry.etcd,
            };
            let exists = step.observed.nodes.contains_key(name);
            let stored = *entry
                .stored
                .get_or_insert_with(|| spread(name, self.timing.checkpoint, step.now.mono));
            let due = exists && step.now.mono.saturating_sub(stored) >= self.timing.checkpoint;
            if !(entry.dirty || due || entry.shown.as_ref() != Some(&shown)) {
                continue;
            }
            let mut status = NodeHistoryStatus {
                host: shown.host.clone(),
                classes: shown.classes.clone(),
                etcd_member: entry.etcd,
                ..NodeHistoryStatus::default()
            };
            entry.record.write(&mut status);
            entry.shown = Some(shown);
            entry.dirty = false;
            if due {
                entry.stored = Some(step.now.mono);
            }
            self.outbox.insert(name.clone(), ToStore { status, asked: None });
        }
    }
}

impl Entry {
    /// As it was stored. What cannot be read is left alone.
    pub(crate) fn stored(status: &NodeHistoryStatus) -> Result<Box<Self>, Unreadable> {
        Ok(Box::new(Self {
            shown: Shown::of(status),
            etcd: status.etcd_member,
            ..Self::new(Record::read(status)?)
        }))
    }

    pub(crate) fn unreadable() -> Box<Self> {
        Box::new(Self {
            unreadable: true,
            ..Self::default()
        })
    }

    pub(super) fn new(record: Record) -> Self {
        Self {
            record,
            ..Self::default()
        }
    }
}

/// Each node's checkpoint has a place of its own in the interval: as if it had been stored a part of it ago.
fn spread(name: &str, interval: Duration, now: Duration) -> Duration {
    let sum = name
        .bytes()
        .fold(17_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    // A checkpoint soon after a start stores nothing new: the first comes in the second half at the earliest.
    now.saturating_sub(interval.mul_f64(f64::from(sum % 1000) / 2000.0))
}

/// The event on the Node for what happened.
fn event(what: &LivenessEvent) -> (&'static str, String) {
    let LivenessEvent::Changed(new) = what else {
        let text = "another machine has this name now; its history begins again";
        return ("NodeReplaced", text.to_owned());
    };
    let (at, kind, evidence) = (new.at.0, new.kind, &new.evidence);
    match (kind, &new.back_at) {
        (Kind::Reregistered, _) => (
            "NodeReregistered",
            "the same machine registered again; its history continues".to_owned(),
        ),
        (_, None) => {
            let planned = if new.planned { ", planned" } else { "" };
            (
                "NodeWentDown",
                format!("down since {at} ({kind:?}{planned}): {evidence}"),
            )
        }
        (_, Some(back)) => (
            "NodeReturned",
            format!("back at {}; it was gone since {at} ({kind:?}): {evidence}", back.0),
        ),
    }
}
