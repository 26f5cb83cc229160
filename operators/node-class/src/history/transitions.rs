//! Events of liveness, applied to a record: each once, by whichever process and however often it is reported.
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::uptime::Sums;
use super::{Record, TRANSITIONS, seconds, time};
use crate::crd::history::{Kind, Machine, Transition};
use crate::liveness::{LivenessEvent, State};

/// Two leaders, one after the other, do not see the same event at the same second.
const SAME: i64 = 5;
/// The longest time that counts as a reboot's.
const LONGEST_REBOOT: i64 = 3600;

impl Record {
    /// Applies an event. Applying it twice (after a change of the leader, for example) changes nothing. `machine` is the
    /// machine as it is now; its empty fields are not known and change nothing.
    pub fn apply(&mut self, event: &LivenessEvent, machine: &Machine, now: Timestamp) {
        // A clock that is behind what is stored tells how long ago something was, if not when.
        let (clock, latest) = (seconds(now), self.latest(now));
        let stored = |at: &Time| time((seconds(at.0).saturating_add(latest - clock)).clamp(0, latest));
        match event {
            LivenessEvent::Replaced => self.replaced(machine),
            LivenessEvent::Changed(new) => {
                let mut new = new.clone();
                new.back_at = new.back_at.as_ref().map(stored);
                new.at = stored(&new.at).min(new.back_at.clone().unwrap_or(time(latest)));
                match (new.kind, new.back_at.as_ref().map(|at| seconds(at.0))) {
                    (Kind::Reregistered, _) => self.reregistered(new),
                    (_, None) => self.down(new),
                    (_, Some(at)) => self.back(new, at),
                }
            }
        }
        // Only `Replaced` makes it another machine.
        self.machine.learn(machine, false);
    }

    /// The outage from which the node is not back.
    pub(super) fn open_outage(&self) -> Option<&Transition> {
        self.transitions.iter().rev().find(|transition| is_open(transition))
    }

    fn down(&mut self, new: Transition) {
        let at = seconds(new.at.0);
        let known = self.transitions.iter().any(|transition| covers(transition, at));
        if known || self.is_too_old(at) {
            return;
        }
        self.end_if_up(at);
        if self.open_outage().is_some() {
            // It cannot go down twice without being back.
            return;
        }
        self.insert(new);
        match self.current.map(|current| (current.state, current.since)) {
            Some((State::Up, _)) => self.enter(State::Down, at),
            // Others have seen it go down while the nodes were not watched here.
            Some((State::Unknown, since)) if since + SAME < at => self.enter(State::Down, at),
            _ => {}
        }
    }

    /// The node is back, and it is known now what the outage was.
    fn back(&mut self, new: Transition, at: i64) {
        let down_at = seconds(new.at.0);
        let known = |t: &Transition| t.back_at.is_some() && (covers(t, down_at) || ended(t, at));
        if self.transitions.iter().any(known) {
            return;
        }
        self.end_if_up(down_at);
        // Not an outage that began after this return.
        let is_of = |t: &Transition| is_open(t) && seconds(t.at.0) <= at + SAME;
        if !self.transitions.iter().any(is_of) {
            if self.open_outage().is_some() || self.is_too_old(down_at) {
                return;
            }
            self.insert(Transition {
                back_at: None,
                ..new.clone()
            });
            if self.current.is_some_and(|current| current.state == State::Up) {
                self.enter(State::Down, down_at);
            }
        }
        let Some(index) = self.transitions.iter().rposition(is_of) else {
            return;
        };
        let outage = &mut self.transitions[index];
        let (from, went, was_planned) = (seconds(outage.at.0), outage.kind, outage.planned);
        (outage.kind, outage.planned) = (new.kind, new.planned || was_planned);
        if !new.evidence.is_empty() {
            outage.evidence = new.evidence;
        }
        let planned = outage.planned;
        match self.current.map(|current| (current.state, current.since)) {
            Some((State::Down, _)) => self.enter(State::Up, at),
            Some((State::Unknown, since)) if since + SAME < at => self.enter(State::Up, at),
            // It was seen to be up before this was reported: its time is added already.
            Some((State::Up, _)) if planned && !was_planned => {
                let weight = Sums {
                    planned: 1,
                    ..Sums::default()
                };
                self.uptime.add(from, at, weight);
            }
            _ => {}
        }
        // A reboot is as unclean as its beginning was.
        let rebooted = matches!(new.kind, Kind::Reboot | Kind::Reinstall);
        self.end(index, at, if rebooted { went } else { new.kind });
        if new.kind == Kind::Reboot {
            self.longest_reboot = self.longest_reboot.max((at - from).clamp(0, LONGEST_REBOOT));
        }
    }

    /// An outage is over. Only now it counts, as it is known only now what it was.
    fn end(&mut self, index: usize, at: i64, kind: Kind) {
        let outage = &mut self.transitions[index];
        let from = seconds(outage.at.0);
        outage.back_at = Some(time(at.max(from)));
        if !outage.planned {
            self.uptime.count_outage(at.max(from));
            self.flapping.add(points(kind), from);
        }
    }

    fn reregistered(&mut self, new: Transition) {
        let at = seconds(new.at.0);
        let same = |t: &Transition| t.kind == Kind::Reregistered && near(seconds(t.at.0), at);
        if !self.transitions.iter().any(same) {
            self.insert(new);
        }
    }

    /// Another machine has the name now. Reported twice, or if one of the two is not known, that proves nothing.
    fn replaced(&mut self, machine: &Machine) {
        let (old, new) = (&self.machine.system_uuid, &machine.system_uuid);
        if old != new && !old.is_empty() && !new.is_empty() {
            *self = Self::new(machine.clone());
        }
    }

    /// Whether a transition at this time would be dropped at once: it may have been there, and have been dropped.
    fn is_too_old(&self, at: i64) -> bool {
        let before_all = |oldest: &Transition| at <= seconds(oldest.at.0);
        self.transitions.len() >= TRANSITIONS && self.transitions.first().is_some_and(before_all)
    }

    /// If the node was up again before this time, the return from the open outage was never reported.
    fn end_if_up(&mut self, before: i64) {
        if let Some(up) = self.current
            && up.state == State::Up
            && up.since <= before
            && let Some(index) = self.transitions.iter().rposition(is_open)
            && seconds(self.transitions[index].at.0) < up.since
        {
            self.end(index, up.since, self.transitions[index].kind);
        }
    }

    /// Adds a transition in the order of time; the oldest is dropped.
    fn insert(&mut self, new: Transition) {
        let place = self.transitions.partition_point(|other| other.at <= new.at);
        self.transitions.insert(place, new);
        if self.transitions.len() > TRANSITIONS {
            self.transitions.remove(0);
        }
    }
}

fn is_outage(transition: &Transition) -> bool {
    transition.kind != Kind::Reregistered
}

fn is_open(transition: &Transition) -> bool {
    is_outage(transition) && transition.back_at.is_none()
}

fn near(a: i64, b: i64) -> bool {
    a.abs_diff(b) <= SAME.unsigned_abs()
}

/// Whether an outage that began at `at` is this one: it began at the same time, or the node was down already.
fn covers(transition: &Transition, at: i64) -> bool {
    let from = seconds(transition.at.0);
    let back = transition.back_at.as_ref().map(|back| seconds(back.0));
    is_outage(transition) && (near(from, at) || back.is_some_and(|back| from <= at && at < back))
}

/// Whether it is an outage that ended at this time.
fn ended(transition: &Transition, at: i64) -> bool {
    let back = transition.back_at.as_ref();
    is_outage(transition) && back.is_some_and(|back| near(seconds(back.0), at))
}

/// The penalty of an outage. A boot of which only the return was seen was short: it costs what a clean one does.
fn points(kind: Kind) -> i64 {
    match kind {
        Kind::Lost | Kind::Suspend => 1000,
        Kind::Clean | Kind::Reboot | Kind::Reinstall => 500,
        Kind::Reregistered | Kind::Blind => 0,
    }
}
