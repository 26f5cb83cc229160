//! Bridges the time between an earlier process and this one: what was not watched is unknown, except for what bootID and
//! the Ready condition's last transition prove.
use std::time::Duration;

use jiff::Timestamp;

use super::node::{Boot, NodeLiveness, ObjectChange, Return, Shown, Verdict, differ, wall};
use super::verdict::View;
use super::{LivenessEvent, Remembered, State};
use crate::crd::history::Kind;

impl NodeLiveness {
    /// Compares what is remembered with the first verdict.
    pub(super) fn resolve(&mut self, remembered: &Remembered, view: &View<'_>, out: &mut Vec<LivenessEvent>) {
        let now = view.now;
        let then = &remembered.machine;
        let created = self.facts.as_ref().and_then(|facts| facts.created);
        if differ(&then.system_uuid, &self.machine.system_uuid) {
            self.object_change = Some(ObjectChange::Replaced);
            self.shown = Shown::Unknown;
            self.emit_object_change(out);
            return;
        }
        if differ(&then.node_uid, &self.machine.node_uid) {
            let changed_at = created.filter(|created| *created > remembered.known_until && *created <= now.wall);
            self.object_change = Some(ObjectChange::Reregistered(changed_at.unwrap_or(now.wall)));
        }
        match &self.verdict {
            Verdict::Unjudged => {}
            Verdict::Alive => self.resolve_alive(remembered, view, out),
            Verdict::Silent(_) => self.resolve_silent(remembered, view, out),
        }
        self.emit_object_change(out);
    }

    fn resolve_alive(&mut self, remembered: &Remembered, view: &View<'_>, out: &mut Vec<LivenessEvent>) {
        let first = wall(view.since, view.now);
        let ready = self.facts.as_ref().map(|facts| &facts.ready);
        let ready_since = ready
            .filter(|ready| ready.status == Some(true))
            .and_then(|ready| ready.since);
        let booted = booted(remembered, self);
        let through = remembered.state == State::Up
            && !booted
            && ready_since.is_some_and(|since| since <= remembered.known_until);
        // The last change of Ready: what was before it is not known.
        let since = ready_since.filter(|since| *since > remembered.known_until && *since < first);
        if !through {
            blind(remembered, since.unwrap_or(first), out);
        }
        let alive = self.revived.unwrap_or(self.base);
        match &self.shown {
            Shown::Down(outage) => {
                let at = since.unwrap_or_else(|| wall(alive, view.now));
                let length = at.duration_since(outage.at(view.now));
                self.back = Some(Box::new(Return {
                    outage: outage.clone(),
                    mono: alive,
                    at: Some(at),
                    length: Duration::try_from(length).unwrap_or_default(),
                    reported: false,
                }));
                self.shown = Shown::Up;
                self.since = (None, at);
            }
            Shown::Up | Shown::Unknown => {
                if booted && !absent(remembered) {
                    let at = since.unwrap_or_else(|| wall(alive, view.now));
                    out.push(unwatched(remembered).back(&self.machine, at, at));
                }
            }
        }
    }

    fn resolve_silent(&mut self, remembered: &Remembered, view: &View<'_>, out: &mut Vec<LivenessEvent>) {
        let booted = booted(remembered, self);
        let Verdict::Silent(new) = &mut self.verdict else {
            return;
        };
        if let Shown::Down(old) = &mut self.shown
            && !booted
        {
            // Still down, since then; of how it went, more may be known now.
            if remembered.went.is_none() {
                (old.kind, old.planned) = (new.kind, new.planned);
            }
            return;
        }
        let known_until = remembered.known_until;
        let seen = wall(view.since, view.now);
        if self.changed.is_none() {
            // Never seen alive: only the Ready condition says since when; else it is when we first observed it.
            let ready = self.facts.as_ref().map(|facts| &facts.ready);
            let ready_until = ready
                .filter(|ready| ready.status != Some(true))
                .and_then(|ready| ready.since);
            let gone = ready_until.filter(|until| *until > known_until && *until < seen);
            let at = gone.unwrap_or_else(|| wall(new.mono, view.now)).max(known_until);
            new.at = Some(at);
            blind(remembered, at, out);
        } else {
            blind(remembered, seen, out);
        }
        match &self.shown {
            Shown::Down(old) => {
                // It was back in between; for how long is not known.
                let down_at = old.at(view.now);
                let length = Duration::try_from(known_until.duration_since(down_at)).unwrap_or_default();
                let quick = length <= view.timing.reboot_within;
                out.push(LivenessEvent::Back {
                    down_at,
                    at: known_until,
                    kind: if quick { Kind::Reboot } else { old.kind },
                    planned: old.planned,
                    evidence: "new boot, back in unwatched time".to_owned(),
                });
                self.shown = Shown::Up;
            }
            Shown::Up | Shown::Unknown if booted && !absent(remembered) => {
                out.push(unwatched(remembered).back(&self.machine, known_until, known_until));
            }
            Shown::Up | Shown::Unknown => {}
        }
    }
}

/// Its Node object did not exist: what happened to the machine meanwhile does not matter.
fn absent(remembered: &Remembered) -> bool {
    matches!(remembered.state, State::Gone | State::Missing)
}

fn booted(remembered: &Remembered, liveness: &NodeLiveness) -> bool {
    let (then, now) = (&remembered.machine, &liveness.machine);
    differ(&then.boot_id, &now.boot_id) || differ(&then.machine_id, &now.machine_id)
}

fn unwatched(remembered: &Remembered) -> Boot {
    Boot {
        from: Duration::ZERO,
        to: Duration::ZERO,
        watched: false,
        planned: false,
        machine: remembered.machine.clone(),
    }
}

fn blind(remembered: &Remembered, until: Timestamp, out: &mut Vec<LivenessEvent>) {
    let from = remembered.known_until;
    if until > from {
        out.push(LivenessEvent::Blind { from, until });
    }
}
