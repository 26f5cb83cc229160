//! Makes happenings of verdicts that nothing holds back any more.
use std::time::Duration;

use jiff::Timestamp;

use super::LivenessEvent;
use super::node::{NodeLiveness, Outage, Return, Shown, Verdict, differ, wall};
use super::verdict::View;
use crate::crd::history::{Kind, Machine, Transition};

/// A booting kubelet posts its status within seconds of its first renewal, sometimes before. Then it is known whether it
/// was a boot.
const BOOT_SHOWN_WITHIN: Duration = Duration::from_secs(15);

impl NodeLiveness {
    /// Confirms the verdict, and reports what is new.
    pub(super) fn emit(&mut self, view: &View<'_>, out: &mut Vec<LivenessEvent>) {
        out.extend(self.object_change.take().map(|change| *change));
        if !self.present {
            // It was back before its Node was deleted; no new boot will be posted there.
            self.emit_return(view, true, out);
            return;
        }
        if self.verdict == Verdict::Unjudged {
            return;
        }
        if let Some(remembered) = self.restored.take() {
            self.resolve(&remembered, view, out);
        }
        match (&self.verdict, &self.shown) {
            (Verdict::Alive, Shown::Unknown | Shown::Down(_)) => {
                let mono = self.revived.unwrap_or(self.base);
                if let Shown::Down(outage) = &self.shown {
                    self.back = Some(Box::new(Return {
                        outage: outage.clone(),
                        mono,
                        at: None,
                        length: mono.saturating_sub(outage.mono),
                        reported: false,
                    }));
                }
                self.shown = Shown::Up;
                self.since = (Some(mono), wall(mono, view.now));
            }
            (Verdict::Silent(outage), Shown::Unknown | Shown::Up) => {
                let outage = outage.clone();
                self.emit_return(view, true, out);
                // A boot since then belongs to this outage: it is seen when it is back.
                self.boot = self.boot.take().filter(|boot| boot.from < outage.mono);
                self.emit_boot(view, out);
                self.emit_down(outage, view, out);
            }
            (Verdict::Unjudged, _) | (Verdict::Alive, Shown::Up) | (Verdict::Silent(_), Shown::Down(_)) => {}
        }
        self.emit_return(view, false, out);
        if self.shown == Shown::Up {
            self.emit_boot(view, out);
        }
    }

    fn emit_down(&mut self, mut outage: Box<Outage>, view: &View<'_>, out: &mut Vec<LivenessEvent>) {
        let at = outage.at(view.now);
        outage.at = Some(at);
        out.push(LivenessEvent::Changed(Transition {
            planned: outage.planned,
            ..Transition::new(outage.kind, at, None, outage.evidence.clone())
        }));
        self.shown = Shown::Down(outage);
        // Its time stays as it was reported.
        self.since = (None, at);
    }

    /// Reports a return as soon as its kind is clear, or at once.
    fn emit_return(&mut self, view: &View<'_>, at_once: bool, out: &mut Vec<LivenessEvent>) {
        let Some(back) = self.back.as_mut().filter(|back| !back.reported) else {
            return;
        };
        let booted = differ(&back.outage.machine.boot_id, &self.machine.boot_id);
        let waited = view.now.mono.saturating_sub(back.mono) >= BOOT_SHOWN_WITHIN;
        if !(booted || waited || at_once) {
            return;
        }
        back.reported = true;
        let kind = returned(back, &self.machine, view.timing.reboot_within);
        let evidence = format!("back after {} s", back.length.as_secs());
        let at = back.at.unwrap_or_else(|| wall(back.mono, view.now));
        out.push(LivenessEvent::Changed(Transition {
            planned: back.outage.planned || updated(kind, &back.outage.machine, &self.machine),
            ..Transition::new(kind, back.outage.at(view.now), Some(at), evidence)
        }));
    }

    /// Reports a boot that was so quick that nothing else was noticed, or that was in unwatched time.
    fn emit_boot(&mut self, view: &View<'_>, out: &mut Vec<LivenessEvent>) {
        let Some(boot) = self.boot.take() else { return };
        let at = wall(boot.to, view.now);
        let down_at = if boot.watched { wall(boot.from, view.now) } else { at };
        out.push(booted(&boot.machine, &self.machine, boot.planned, down_at, at));
    }
}

/// A boot, as an outage that is over. One in unwatched time takes no time, because its length is not known, and the longest
/// reboot must not be too long.
pub(super) fn booted(then: &Machine, now: &Machine, planned: bool, down_at: Timestamp, at: Timestamp) -> LivenessEvent {
    let kind = if differ(&then.machine_id, &now.machine_id) {
        Kind::Reinstall
    } else {
        Kind::Reboot
    };
    LivenessEvent::Changed(Transition {
        planned: planned || updated(kind, then, now),
        ..Transition::new(kind, down_at, Some(at), "new boot".to_owned())
    })
}

/// What an outage was, now that it is over.
fn returned(back: &Return, machine: &Machine, reboot_within: Duration) -> Kind {
    let then = &back.outage.machine;
    let booted = differ(&then.boot_id, &machine.boot_id);
    if differ(&then.machine_id, &machine.machine_id) {
        Kind::Reinstall
    } else if booted && back.length <= reboot_within {
        Kind::Reboot
    } else if booted || then.boot_id.is_empty() || machine.boot_id.is_empty() {
        back.outage.kind
    } else {
        Kind::Suspend
    }
}

/// A boot into other versions was an update.
fn updated(kind: Kind, then: &Machine, now: &Machine) -> bool {
    matches!(kind, Kind::Reboot | Kind::Reinstall) && differ(&then.versions, &now.versions)
}
