//! Bridges the time between an earlier process and this one: of what was not watched only that is known what bootID and the
//! Ready condition's last transition prove.
use std::time::Duration;

use super::events::booted;
use super::node::{NodeLiveness, Return, Shown, Verdict, differ, reregistered, wall};
use super::verdict::View;
use super::{LivenessEvent, Remembered, State};
use crate::crd::history::{Kind, Transition};

impl NodeLiveness {
    /// Compares what is remembered with the first verdict.
    pub(super) fn resolve(&mut self, remembered: &Remembered, view: &View<'_>, out: &mut Vec<LivenessEvent>) {
        let now = view.now;
        let then = &remembered.machine;
        let created = self.facts.as_ref().and_then(|facts| facts.created);
        if differ(&then.system_uuid, &self.machine.system_uuid) {
            self.shown = Shown::Unknown;
            out.push(LivenessEvent::Replaced);
            return;
        }
        match &self.verdict {
            Verdict::Unjudged => {}
            Verdict::Alive => self.resolve_alive(remembered, view, out),
            Verdict::Silent(_) => self.resolve_silent(remembered, view, out),
        }
        if differ(&then.node_uid, &self.machine.node_uid) {
            let changed_at = created.filter(|created| *created > remembered.known_until && *created <= now.wall);
            out.push(reregistered(changed_at.unwrap_or(now.wall)));
        }
    }

    fn resolve_alive(&mut self, remembered: &Remembered, view: &View<'_>, out: &mut Vec<LivenessEvent>) {
        let first = wall(view.since, view.now);
        let ready = self.facts.as_ref().map(|facts| &facts.ready);
        let ready_since = ready
            .filter(|ready| ready.status == Some(true))
            .and_then(|ready| ready.since);
        let another = another_boot(remembered, self);
        // The last change of Ready, if that was in unwatched time.
        let since = ready_since.filter(|since| *since > remembered.known_until && *since < first);
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
                if another && !absent(remembered) {
                    let at = since.unwrap_or_else(|| wall(alive, view.now));
                    out.push(booted(&remembered.machine, &self.machine, false, at, at));
                }
            }
        }
    }

    fn resolve_silent(&mut self, remembered: &Remembered, view: &View<'_>, out: &mut Vec<LivenessEvent>) {
        let another = another_boot(remembered, self);
        let Verdict::Silent(new) = &mut self.verdict else {
            return;
        };
        if let Shown::Down(old) = &mut self.shown
            && !another
        {
            // Still down, since then; of how it went, more may be known now.
            if remembered.outage.is_none() {
                (old.kind, old.planned) = (new.kind, new.planned);
            }
            return;
        }
        let known_until = remembered.known_until;
        let seen = wall(view.since, view.now);
        if self.changed.is_none() {
            // Never seen alive: it is down since Ready says so, or since we first observed it.
            let said = new.at.filter(|at| *at > known_until && *at < seen);
            let at = said.unwrap_or_else(|| wall(new.mono, view.now)).max(known_until);
            new.at = Some(at);
        }
        match &self.shown {
            Shown::Down(old) => {
                // It was back in between; for how long is not known.
                let down_at = old.at(view.now);
                let length = Duration::try_from(known_until.duration_since(down_at)).unwrap_or_default();
                let quick = length <= view.timing.reboot_within;
                let kind = if quick { Kind::Reboot } else { old.kind };
                let evidence = "new boot, back in unwatched time".to_owned();
                out.push(LivenessEvent::Changed(Transition {
                    planned: old.planned,
                    ..Transition::new(kind, down_at, Some(known_until), evidence)
                }));
                self.shown = Shown::Up;
            }
            Shown::Up | Shown::Unknown if another && !absent(remembered) => {
                let (then, now) = (&remembered.machine, &self.machine);
                out.push(booted(then, now, false, known_until, known_until));
            }
            Shown::Up | Shown::Unknown => {}
        }
    }
}

/// Its Node object did not exist: what happened to the machine meanwhile does not matter.
fn absent(remembered: &Remembered) -> bool {
    matches!(remembered.state, State::Gone | State::Missing)
}

fn another_boot(remembered: &Remembered, liveness: &NodeLiveness) -> bool {
    let (then, now) = (&remembered.machine, &liveness.machine);
    differ(&then.boot_id, &now.boot_id) || differ(&then.machine_id, &now.machine_id)
}
