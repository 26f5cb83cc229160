//! What happened, taken over: each happening once, whoever tells it and however often.
use jiff::Timestamp;

use super::journal::Run;
use super::ledger::HOUR;
use super::{FORMER, Record, TRANSITIONS, seconds, time};
use crate::crd::history::{Former, Kind, Machine, Transition};
use crate::liveness::{LivenessEvent, State};

/// Two leaders, one after the other, do not see the same moment at the same second.
const SAME: i64 = 5;
/// Shorter blindness is accounted for, but no change worth a line.
const BLIND: i64 = 300;
/// The longest time that counts as a reboot's.
const LONGEST_REBOOT: i64 = HOUR;
/// Bytes of evidence in JSON.
const EVIDENCE: usize = 80;

/// A node's return.
struct Return<'a> {
    down_at: i64,
    at: i64,
    kind: Kind,
    planned: bool,
    evidence: &'a str,
}

impl Record {
    /// Takes over what happened. Telling the same thing twice (after a change of the leader, for example) changes nothing.
    /// `machine` is the machine as it is now; what is empty of it is not known and changes nothing.
    pub fn take(&mut self, what: &LivenessEvent, machine: &Machine, now: Timestamp) {
        // A clock that is behind what is stored tells how long ago something was, if not when.
        let (clock, latest) = (seconds(now), self.latest(now));
        let on_record = |at: Timestamp| (seconds(at).saturating_add(latest - clock)).clamp(0, latest);
        match what {
            LivenessEvent::Down {
                at,
                kind,
                planned,
                evidence,
            } => self.went(on_record(*at), *kind, *planned, evidence),
            LivenessEvent::Back {
                down_at,
                at,
                kind,
                planned,
                evidence,
            } => {
                let at = on_record(*at);
                self.came(&Return {
                    down_at: on_record(*down_at).min(at),
                    at,
                    kind: *kind,
                    planned: *planned,
                    evidence,
                });
            }
            LivenessEvent::Reregistered { at } => self.registered(on_record(*at)),
            LivenessEvent::Blind { from, until } => self.was_unseen(on_record(*from), on_record(*until)),
            LivenessEvent::Replaced { .. } => self.replace(machine, latest),
        }
        self.identify(machine);
    }

    /// The outage from which the node is not back.
    pub(super) fn open(&self) -> Option<&Transition> {
        self.transitions.iter().rev().find(|transition| is_open(transition))
    }

    fn went(&mut self, at: i64, kind: Kind, planned: bool, evidence: &str) {
        if self.is_told(at) || self.is_forgotten(at) {
            return;
        }
        self.close_missed(at);
        if self.open().is_some() {
            // It cannot go down twice without being back; its return was neither told nor seen.
            return;
        }
        self.insert(Transition {
            at: time(at),
            kind,
            planned,
            back_at: None,
            evidence: short(evidence),
        });
        if !planned {
            self.ledger.count_down(at);
        }
        self.flapping.add(points(kind, planned), at);
        // In what was Unknown nobody saw it go, and it stays Unknown; unless its going lies within, and thus has been seen by
        // others.
        let unseen = self.unseen_around(at);
        self.correct((at, i64::MAX), (State::Down, planned), |run| run.state == State::Up);
        if let Some(end) = unseen {
            self.correct((at, end), (State::Down, planned), |run| run.state == State::Unknown);
        }
    }

    fn came(&mut self, back: &Return<'_>) {
        let told = |t: &Transition| t.back_at.is_some() && (covers(t, back.down_at) || ended(t, back.at));
        if self.transitions.iter().any(told) {
            return;
        }
        self.close_missed(back.down_at);
        let (mut from, mut planned) = (back.down_at, back.planned);
        // Not one that began after this return.
        let returned = |t: &&mut Transition| is_open(t) && seconds(t.at.0) <= back.at + SAME;
        if let Some(open) = self.transitions.iter_mut().rev().find(returned) {
            from = seconds(open.at.0);
            planned |= open.planned;
            if planned && !open.planned {
                self.ledger.uncount_down(from);
            }
            let deserved = match back.kind {
                // A reboot is as unclean as its beginning was.
                Kind::Reboot | Kind::Reinstall if !planned => points(open.kind, false),
                kind => points(kind, planned),
            };
            self.flapping.refund(points(open.kind, open.planned) - deserved, from);
            open.kind = back.kind;
            open.planned = planned;
            open.back_at = Some(time(back.at.max(from)));
            if !back.evidence.is_empty() {
                open.evidence = short(back.evidence);
            }
        } else if self.is_forgotten(from) {
            return;
        } else {
            self.insert(Transition {
                at: time(from),
                kind: back.kind,
                planned,
                back_at: Some(time(back.at)),
                evidence: short(back.evidence),
            });
            if !planned {
                self.ledger.count_down(from);
            }
            self.flapping.add(points(back.kind, planned), from);
        }
        if back.kind == Kind::Reboot {
            self.longest_reboot = self.longest_reboot.max((back.at - from).clamp(0, LONGEST_REBOOT));
        }
        let went = |run: Run| run.state == State::Up || run.state == State::Down && planned;
        self.correct((from, back.at), (State::Down, planned), went);
        let unseen = self.unseen_around(back.at);
        self.correct((back.at, i64::MAX), (State::Up, false), |run| run.state == State::Down);
        if let Some(end) = unseen {
            self.correct((back.at, end), (State::Up, false), |run| run.state == State::Unknown);
        }
    }

    fn registered(&mut self, at: i64) {
        let told = |t: &Transition| t.kind == Kind::Reregistered && seconds(t.at.0).abs_diff(at) <= SAME.unsigned_abs();
        if !self.transitions.iter().any(told) {
            self.insert(Transition {
                at: time(at),
                kind: Kind::Reregistered,
                planned: false,
                // It is an instant; without an end it would read as if the node were down.
                back_at: Some(time(at)),
                evidence: String::new(),
            });
        }
    }

    fn was_unseen(&mut self, from: i64, until: i64) {
        let known = |run: Run| matches!(run.state, State::Up | State::Down);
        self.correct((from, until), (State::Unknown, false), known);
        if until - from <= BLIND {
            return;
        }
        // Told piece by piece, it is still one blindness.
        let touches = |t: &&mut Transition| {
            let end = t.back_at.as_ref().map_or(i64::MAX, |end| seconds(end.0));
            t.kind == Kind::Blind && from <= end.saturating_add(SAME) && until >= seconds(t.at.0) - SAME
        };
        if let Some(known) = self.transitions.iter_mut().rev().find(touches) {
            let end = known.back_at.as_ref().map_or(until, |end| seconds(end.0));
            // A few seconds more are another leader's clock.
            if until > end + SAME {
                known.back_at = Some(time(until));
            }
            return;
        }
        self.insert(Transition {
            at: time(from),
            kind: Kind::Blind,
            planned: false,
            back_at: Some(time(until)),
            evidence: String::new(),
        });
    }

    fn replace(&mut self, machine: &Machine, now: i64) {
        let (old, now_here) = (&self.machine.system_uuid, &machine.system_uuid);
        // Told twice; or one of the two is not known, which proves nothing.
        if old == now_here || old.is_empty() || now_here.is_empty() {
            return;
        }
        let mut new = Self::new(machine.clone());
        new.former = std::mem::take(&mut self.former);
        new.former.push(Former {
            system_uuid: self.machine.system_uuid.clone(),
            until: time(self.present().map_or(now, |present| present.known_until)),
            learned: self.verdict.learned,
        });
        new.former.drain(..new.former.len().saturating_sub(FORMER));
        *self = new;
    }

    /// Takes over what is known of the machine. That it is another one is told by [`What::Replaced`] only.
    fn identify(&mut self, machine: &Machine) {
        let learn = |old: &mut String, new: &String| {
            if !new.trim().is_empty() {
                old.clone_from(new);
            }
        };
        learn(&mut self.machine.node_uid, &machine.node_uid);
        learn(&mut self.machine.machine_id, &machine.machine_id);
        learn(&mut self.machine.boot_id, &machine.boot_id);
        learn(&mut self.machine.versions, &machine.versions);
        if self.machine.system_uuid.is_empty() {
            learn(&mut self.machine.system_uuid, &machine.system_uuid);
        }
    }

    /// Whether an outage at this time is on record.
    fn is_told(&self, at: i64) -> bool {
        self.transitions.iter().any(|transition| covers(transition, at))
    }

    /// Whether what happened at this time would fall out at once: it may have been told, and have fallen out.
    fn is_forgotten(&self, at: i64) -> bool {
        let oldest = self
            .transitions
            .get(usize::from(self.transitions.first().is_some_and(is_open)));
        self.transitions.len() >= TRANSITIONS && oldest.is_some_and(|oldest| at <= seconds(oldest.at.0))
    }

    /// If the node was up again after the outage that is open, and before this time, then its return was never told.
    fn close_missed(&mut self, before: i64) {
        let Some(journal) = &self.journal else { return };
        let Some(open) = self.transitions.iter_mut().rev().find(|transition| is_open(transition)) else {
            return;
        };
        let up = journal.first(State::Up, seconds(open.at.0));
        if let Some(back) = up.filter(|up| *up <= before) {
            open.back_at = Some(time(back));
        }
    }

    /// The end of the time without visibility around this moment: strictly, as its edge is where visibility was lost.
    fn unseen_around(&self, at: i64) -> Option<i64> {
        let (run, end) = self.journal.as_ref()?.at(at)?;
        (run.state == State::Unknown && run.from + SAME < at).then_some(end)
    }

    /// Accounts anew for what was another state, as far as it is remembered and kept to the second.
    fn correct(&mut self, (from, to): (i64, i64), new: (State, bool), which: impl Fn(Run) -> bool) {
        let (Some(journal), Some(begin)) = (&mut self.journal, self.ledger.begin()) else {
            return;
        };
        for change in journal.overwrite((from.max(begin), to), new, which) {
            self.ledger.correct(change);
            if let Some(zone) = &self.zone {
                self.week.correct(change, zone);
            }
        }
    }

    /// Puts it where it belongs in time; the oldest falls out, but not the one from which the node is not back.
    fn insert(&mut self, transition: Transition) {
        let place = self.transitions.partition_point(|other| other.at <= transition.at);
        self.transitions.insert(place, transition);
        if self.transitions.len() > TRANSITIONS {
            let oldest = usize::from(self.transitions.first().is_some_and(is_open));
            self.transitions.remove(oldest);
        }
    }
}

fn is_down(kind: Kind) -> bool {
    !matches!(kind, Kind::Reregistered | Kind::Blind)
}

fn is_open(transition: &Transition) -> bool {
    is_down(transition.kind) && transition.back_at.is_none()
}

/// Whether an outage at `at` is this one: it was at the same time, or the node was down already.
fn covers(transition: &Transition, at: i64) -> bool {
    let from = seconds(transition.at.0);
    let back = transition.back_at.as_ref().map(|back| seconds(back.0));
    let near = from.abs_diff(at) <= SAME.unsigned_abs();
    is_down(transition.kind) && (near || back.is_some_and(|back| from <= at && at < back))
}

/// Whether its end was at this time.
fn ended(transition: &Transition, at: i64) -> bool {
    let back = transition.back_at.as_ref().map(|back| seconds(back.0));
    is_down(transition.kind) && back.is_some_and(|back| back.abs_diff(at) <= SAME.unsigned_abs())
}

/// What an outage costs. A boot of which only the return was seen was short: it costs what a clean one does.
fn points(kind: Kind, planned: bool) -> i64 {
    match kind {
        _ if planned => 0,
        Kind::Lost | Kind::Suspend => 1000,
        Kind::Clean | Kind::Reboot | Kind::Reinstall => 500,
        Kind::Reregistered | Kind::Blind => 0,
    }
}

/// Cuts text to what 80 bytes of JSON hold.
fn short(text: &str) -> String {
    let mut room = EVIDENCE;
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let fits = plain.take_while(|c| {
        let size = c.len_utf8() + usize::from(matches!(c, '"' | '\\'));
        let fits = size <= room;
        room = room.saturating_sub(size);
        fits
    });
    fits.collect()
}
