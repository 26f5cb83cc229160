//! The nodes' records between two plans: what is accounted for, and when it is stored.
use std::collections::BTreeMap;
use std::time::Duration;

use hearth_reconciler::conditions;

use super::Planner;
use super::types::{Entry, Plan, Shown, Step};
use crate::crd::NodeHistoryStatus;
use crate::crd::history::Machine;
use crate::history::Record;
use crate::liveness::{LivenessEvent, NodeEvent, State};

impl Shown {
    /// As it is stored; none if nothing is.
    pub(super) fn of(status: &NodeHistoryStatus) -> Option<Self> {
        let state = State::read(status.state.as_deref()?)?;
        Some(Self {
            state,
            host: status.host.clone(),
            classes: status.classes.clone(),
            learned: status.learned?,
            etcd: status.etcd_member,
            flapping: status.penalty.as_ref().is_some_and(|p| p.flapping_since.is_some()),
            findings: {
                let types = status.conditions.iter().map(|condition| &condition.type_);
                types.filter(|type_| *type_ != conditions::READY).cloned().collect()
            },
        })
    }
}

impl Planner {
    /// The records take over what happened and how long it lasted.
    pub(super) fn account(&mut self, step: &Step<'_>, events: &[NodeEvent], plan: &mut Plan) {
        let (observed, clear, now) = (step.observed, step.clear, step.now);
        for (name, node) in &observed.nodes {
            self.entries
                .entry(name.clone())
                .or_insert_with(|| Box::new(Entry::new(Record::new(node.machine.clone()))));
        }
        let mut reported: BTreeMap<&str, Vec<&LivenessEvent>> = BTreeMap::new();
        for (node, event) in events {
            reported.entry(node).or_default().push(event);
        }
        for (name, entry) in &mut self.entries {
            let reported = reported.remove(name.as_str()).unwrap_or_default();
            let liveness = self.tracker.liveness(name);
            if !clear && reported.is_empty() {
                continue;
            }
            let current = liveness.as_ref().map_or(State::Unknown, |liveness| liveness.state);
            // Accounted as what it was before; what happened puts the past right.
            let remembered = entry.record.remembered();
            let stored = remembered.as_ref().map(|remembered| remembered.state);
            // Nothing is known of what a node without an object did meanwhile.
            let there = observed.nodes.contains_key(name);
            let stored = stored.filter(|state| there && matches!(state, State::Up | State::Down));
            let before = entry.state.or(stored).unwrap_or(current);
            entry.record.advance(before, now.wall);
            let node = observed.nodes.get(name);
            let machine = node.map(|node| node.machine.clone()).unwrap_or_default();
            for what in reported {
                // A standby was blind before it began to watch; the leader of that time was not, and has stored it.
                let stored = |until: &jiff::Timestamp| remembered.as_ref().is_some_and(|r| *until <= r.known_until);
                if matches!(what, LivenessEvent::Blind { until, .. } if stored(until)) {
                    continue;
                }
                let known = matches!(what, LivenessEvent::Down { .. }) && entry.record.is_down();
                entry.record.apply(what, &machine, now.wall);
                entry.dirty = true;
                if let Some((reason, text)) = event(what).filter(|_| !known) {
                    plan.events.push((name.clone(), reason, text));
                }
            }
            if clear {
                let absent = |state| matches!(state, State::Gone | State::Missing);
                if absent(current) || absent(before) {
                    // No event reports an object that comes or goes: the new state holds from now on.
                    entry.record.advance(current, now.wall);
                }
                entry.state = Some(current);
                entry.dirty |= entry.record.learn(&self.learning, now.wall);
                entry.flapping = entry.record.update_flapping(now.wall);
            }
        }
    }

    /// What is to be stored now: what happened at once, the rest at the checkpoint. Spread by name, so that not all nodes
    /// are written in the same second.
    pub(super) fn store(&mut self, step: &Step<'_>, plan: &Plan) {
        for (name, entry) in &mut self.entries {
            if entry.unreadable.is_some() || entry.state.is_none() {
                continue;
            }
            let node_plan = plan.nodes.get(name);
            let shown = Shown {
                state: entry.state.unwrap_or(State::Unknown),
                host: step.claims.host.get(name).cloned(),
                // A removed node keeps what it had.
                classes: {
                    let planned = node_plan.map(|node_plan| &node_plan.wanted.classes);
                    let before = entry.shown.as_ref().map(|shown| &shown.classes);
                    planned.or(before).cloned().unwrap_or_default()
                },
                learned: entry.record.learned(),
                flapping: entry.flapping,
                etcd: entry.etcd,
                findings: {
                    let found = plan.findings.get(name).into_iter().flatten();
                    found.map(|(type_, ..)| (*type_).to_owned()).collect()
                },
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
            self.serial += 1;
            self.outbox.insert(name.clone(), (self.serial, status));
        }
    }
}

impl Entry {
    /// As it was stored. What cannot be read is left alone.
    pub(crate) fn stored(status: Result<&NodeHistoryStatus, String>) -> Box<Self> {
        let nothing = NodeHistoryStatus::default();
        let (status, error) = match status {
            Ok(status) => (status, None),
            Err(error) => (&nothing, Some(error)),
        };
        let (record, unreadable) = match Record::read(status) {
            Ok(record) => (record, error),
            Err(error) => (Record::new(Machine::default()), Some(error.to_string())),
        };
        Box::new(Self {
            unreadable,
            flapping: status.penalty.as_ref().is_some_and(|p| p.flapping_since.is_some()),
            shown: Shown::of(status),
            etcd: status.etcd_member,
            ..Self::new(record)
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
fn event(what: &LivenessEvent) -> Option<(&'static str, String)> {
    Some(match what {
        LivenessEvent::Down {
            at,
            kind,
            planned,
            evidence,
        } => {
            let planned = if *planned { ", planned" } else { "" };
            (
                "NodeWentDown",
                format!("down since {at} ({kind:?}{planned}): {evidence}"),
            )
        }
        LivenessEvent::Back {
            down_at,
            at,
            kind,
            evidence,
            ..
        } => (
            "NodeReturned",
            format!("back at {at}; it was gone since {down_at} ({kind:?}): {evidence}"),
        ),
        LivenessEvent::Reregistered { .. } => (
            "NodeReregistered",
            "the same machine registered again; its history continues".to_owned(),
        ),
        LivenessEvent::Replaced => (
            "NodeReplaced",
            "another machine has this name now; its history begins again".to_owned(),
        ),
        LivenessEvent::Blind { .. } => return None,
    })
}
