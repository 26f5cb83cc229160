//! Events of liveness, applied to a record: each once, by whichever process and however often it is reported.
use jiff::Timestamp;

use super::uptime::{HOUR, Sums};
use super::{Record, TRANSITIONS, seconds, time};
use crate::crd::history::{Kind, Machine, Transition};
use crate::liveness::{LivenessEvent, State};

/// Two leaders, one after the other, do not see the same event at the same second.
const SAME: i64 = 5;
/// A shorter time in which the nodes were not watched is no transition.
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
    /// Applies an event. Applying it twice (after a change of the leader, for example) changes nothing. `machine` is the
    /// machine as it is now; its empty fields are not known and change nothing.
    pub fn apply(&mut self, event: &LivenessEvent, machine: &Machine, now: Timestamp) {
        // A clock that is behind what is stored tells how long ago something was, if not when.
        let (clock, latest) = (seconds(now), self.latest(now));
        let stored = |at: Timestamp| (seconds(at).saturating_add(latest - clock)).clamp(0, latest);
        match event {
            LivenessEvent::Down {
                at,
                kind,
                planned,
                evidence,
            } => self.down(stored(*at), *kind, *planned, evidence),
            LivenessEvent::Back {
                down_at,
                at,
                kind,
                planned,
                evidence,
            } => self.back(&Return {
                down_at: stored(*down_at).min(stored(*at)),
                at: stored(*at),
                kind: *kind,
                planned: *planned,
                evidence,
            }),
            LivenessEvent::Reregistered { at } => self.reregistered(stored(*at)),
            LivenessEvent::Blind { from, until } => self.blind(stored(*from), stored(*until)),
            LivenessEvent::Replaced => self.replaced(machine),
        }
        // Only `Replaced` makes it another machine.
        self.machine.learn(machine, false);
    }

    /// The outage from which the node is not back.
    pub(super) fn open_outage(&self) -> Option<&Transition> {
        self.transitions.iter().rev().find(|transition| is_open(transition))
    }

    pub(super) fn outage_is_planned(&self) -> bool {
        self.open_outage().is_some_and(|outage| outage.planned)
    }

    fn down(&mut self, at: i64, kind: Kind, planned: bool, evidence: &str) {
        let known = self.transitions.iter().any(|transition| covers(transition, at));
        if known || self.is_too_old(at) {
            return;
        }
        self.close_if_up(at);
        if self.open_outage().is_some() {
            // It cannot go down twice without being back.
            return;
        }
        match self.current.map(|current| (current.state, current.since)) {
            Some((State::Up, _)) => self.rewrite(at, i64::MAX, State::Down, planned),
            // Others have seen it go down while the nodes were not watched here.
            Some((State::Unknown, since)) if since + SAME < at => self.rewrite(at, i64::MAX, State::Down, planned),
            _ => {}
        }
        self.add_outage(at, None, kind, planned, evidence);
    }

    fn back(&mut self, back: &Return<'_>) {
        let known = |t: &Transition| t.back_at.is_some() && (covers(t, back.down_at) || ended(t, back.at));
        if self.transitions.iter().any(known) {
            return;
        }
        self.close_if_up(back.down_at);
        // Not an outage that began after this return.
        let is_of = |t: &Transition| is_open(t) && seconds(t.at.0) <= back.at + SAME;
        if let Some(index) = self.transitions.iter().rposition(is_of) {
            self.close_outage(index, back);
        } else if !self.is_too_old(back.down_at) {
            if self.current.is_some_and(|current| current.state == State::Up) {
                self.rewrite(back.down_at, back.at, State::Down, back.planned);
                self.up_since(back.at);
            }
            self.add_outage(back.down_at, Some(back.at), back.kind, back.planned, back.evidence);
            self.measure_reboot(back.kind, back.at - back.down_at);
        }
    }

    fn add_outage(&mut self, at: i64, back_at: Option<i64>, kind: Kind, planned: bool, evidence: &str) {
        self.insert(at, back_at, kind, planned, evidence);
        if !planned {
            self.uptime.count_outage(at, 1);
        }
        self.flapping.add(points(kind, planned), at);
    }

    /// The node is back, and it is known now what the outage was.
    fn close_outage(&mut self, index: usize, back: &Return<'_>) {
        let open = self.transitions[index].clone();
        let (from, planned) = (seconds(open.at.0), back.planned || open.planned);
        let (was, up) = (Sums::of(State::Down, open.planned), Sums::of(State::Up, false));
        if planned && !open.planned {
            self.uptime.count_outage(from, -1);
            self.uptime
                .correct(from, back.at, Sums::of(State::Down, true).minus(was));
        }
        match &mut self.current {
            Some(current) if current.state == State::Up && current.since <= back.at => {
                self.rewrite(from, back.at, State::Down, planned);
                self.up_since(back.at);
            }
            // It counted as down until the return was noticed.
            Some(current) if matches!(current.state, State::Up | State::Down) => {
                let counted = if current.state == State::Up {
                    current.since
                } else {
                    current.known_until
                };
                self.uptime.correct(back.at.max(from), counted, up.minus(was));
                (current.state, current.since) = (State::Up, back.at.min(current.known_until));
            }
            Some(current) if current.state == State::Unknown && current.since + SAME < back.at => {
                self.up_since(back.at);
            }
            _ => {}
        }
        let deserved = match back.kind {
            // A reboot is as unclean as its beginning was.
            Kind::Reboot | Kind::Reinstall if !planned => points(open.kind, false),
            kind => points(kind, planned),
        };
        self.flapping.refund(points(open.kind, open.planned) - deserved, from);
        self.measure_reboot(back.kind, back.at - from);
        let transition = &mut self.transitions[index];
        (transition.kind, transition.planned) = (back.kind, planned);
        transition.back_at = Some(time(back.at.max(from)));
        if !back.evidence.is_empty() {
            transition.evidence = short(back.evidence);
        }
    }

    fn measure_reboot(&mut self, kind: Kind, took: i64) {
        if kind == Kind::Reboot {
            self.longest_reboot = self.longest_reboot.max(took.clamp(0, LONGEST_REBOOT));
        }
    }

    fn reregistered(&mut self, at: i64) {
        let same = |t: &Transition| t.kind == Kind::Reregistered && near(seconds(t.at.0), at);
        if !self.transitions.iter().any(same) {
            // It takes no time; without an end it would read as if the node were down.
            self.insert(at, Some(at), Kind::Reregistered, false, "");
        }
    }

    fn blind(&mut self, from: i64, until: i64) {
        if self
            .current
            .is_some_and(|current| matches!(current.state, State::Up | State::Down))
        {
            self.rewrite(from, until, State::Unknown, false);
        }
        if until - from <= BLIND {
            return;
        }
        // Reported piece by piece, it is still one.
        let touches = |t: &&mut Transition| {
            let end = t.back_at.as_ref().map_or(i64::MAX, |end| seconds(end.0));
            t.kind == Kind::Blind && from <= end.saturating_add(SAME) && until >= seconds(t.at.0) - SAME
        };
        match self.transitions.iter_mut().rev().find(touches) {
            Some(known) => {
                let end = known.back_at.as_ref().map_or(until, |end| seconds(end.0));
                // A few seconds more are another leader's clock.
                if until > end + SAME {
                    known.back_at = Some(time(until));
                }
            }
            None => self.insert(from, Some(until), Kind::Blind, false, ""),
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
        let oldest = self.transitions.get(self.first_that_may_go());
        self.transitions.len() >= TRANSITIONS && oldest.is_some_and(|oldest| at <= seconds(oldest.at.0))
    }

    /// If the node was up again before this time, the return from the open outage was never reported.
    fn close_if_up(&mut self, before: i64) {
        let up = self.current.filter(|current| current.state == State::Up);
        let Some(up) = up.map(|up| up.since).filter(|since| *since <= before) else {
            return;
        };
        if let Some(open) = self.transitions.iter_mut().rev().find(|t| is_open(t))
            && seconds(open.at.0) < up
        {
            open.back_at = Some(time(up));
        }
    }

    /// Counts a part of the time in the current state as another state. If it reaches to the end, that is the state now.
    fn rewrite(&mut self, from: i64, to: i64, state: State, planned: bool) {
        let was_planned = self.outage_is_planned();
        let Some(current) = self.current.as_mut().filter(|current| from <= current.known_until) else {
            return;
        };
        let (begin, end) = (from.max(current.since), to.min(current.known_until));
        if begin < end {
            let change = Sums::of(state, planned).minus(Sums::of(current.state, was_planned));
            self.uptime.correct(begin, end, change);
        }
        if to >= current.known_until {
            (current.state, current.since) = (state, begin.min(current.known_until));
        } else if begin < end {
            current.since = end;
        }
    }

    fn up_since(&mut self, at: i64) {
        let known_until = self.current.map_or(at, |current| current.known_until);
        self.rewrite(at.min(known_until), i64::MAX, State::Up, false);
    }

    /// Adds a transition in the order of time; the oldest is dropped, but not the outage from which the node is not back.
    fn insert(&mut self, at: i64, back_at: Option<i64>, kind: Kind, planned: bool, evidence: &str) {
        let place = self.transitions.partition_point(|other| seconds(other.at.0) <= at);
        self.transitions.insert(
            place,
            Transition {
                at: time(at),
                kind,
                planned,
                back_at: back_at.map(time),
                evidence: short(evidence),
            },
        );
        if self.transitions.len() > TRANSITIONS {
            self.transitions.remove(self.first_that_may_go());
        }
    }

    fn first_that_may_go(&self) -> usize {
        usize::from(self.transitions.first().is_some_and(is_open))
    }
}

fn is_outage(transition: &Transition) -> bool {
    !matches!(transition.kind, Kind::Reregistered | Kind::Blind)
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
