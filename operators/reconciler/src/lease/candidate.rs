//! The decisions of a candidate for the lease, as a state machine without I/O: the clock, what was read and how writes
//! ended come in as values; what to do next goes out as one.
//!
//! Why it is safe. A holder counts its term from the moment **before** it sent the write that was stored last, and
//! ends it after [`Rules::renew_deadline`]. A rival counts from a moment **after** that write was stored (its own read
//! of it), and waits for the longer [`Rules::duration`]. Both use their own monotonic clock and no clock of the other;
//! times inside the lease object decide nothing. Every write carries the `resourceVersion` it is based on, so of two
//! rivals one loses, and a write that arrives late does nothing once anything else was stored. Who creates the lease
//! after it was deleted waits the duration out as well.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};

/// A moment on the candidate's own clock, see [`super::term::Clock`].
pub(crate) type Moment = Duration;

/// The times of the lease, client-go's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// A rival takes the lease over when it has not changed for this long.
    pub(crate) duration: Duration,
    /// The holder stops when it has not renewed for this long. Shorter than `duration`: the difference is what a call
    /// that is under way may take to stop.
    pub(crate) renew_deadline: Duration,
    /// Between two renewals, and between two looks of a standby.
    pub(crate) retry: Duration,
    /// One request may take this long; three fit into the deadline.
    pub(crate) attempt: Duration,
}

impl Rules {
    pub(crate) const DEFAULT: Self = Self {
        duration: Duration::from_secs(15),
        renew_deadline: Duration::from_secs(10),
        retry: Duration::from_secs(2),
        attempt: Duration::from_secs(3),
    };
    /// Another version's duration is respected, but not for ever.
    const LONGEST: Duration = Duration::from_mins(5);
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// Read the lease, then call [`Candidate::read`].
    Read,
    /// Create (no `resourceVersion`) or replace the lease by this one, then call [`Candidate::wrote`].
    Write(Box<Lease>),
    /// Nothing for so long.
    Sleep(Duration),
}

/// A request failed. A write may have been stored all the same (a conflict may be with our own, whose answer was lost):
/// reading tells. While the holder is us, the term goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failed;

/// A term: from a stored write until a moment that renewals move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) until: Moment,
    pub(crate) number: u64,
    /// When the write was sent that began the term. Numbers begin anew when the lease is deleted; this moment does not
    /// come again.
    pub(crate) since: Moment,
    /// When the lease was renewed last before this term, on the clock of whoever held it.
    pub(crate) former_renewal: Option<Timestamp>,
}

/// The state of a candidate.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    me: String,
    rules: Rules,
    /// The lease as last read or written, an empty one if it is absent. None: it must be read first.
    known: Option<Lease>,
    /// The version of the lease that must stay unchanged before we may take it, since when on our clock, for how long.
    rival: Option<(String, Moment, Duration)>,
    /// The UID of the lease last seen: another one means that somebody deleted it meanwhile.
    pub(super) object: Option<String>,
    held: Option<Held>,
    /// No request before this moment.
    pause: Moment,
    /// The write under way is a renewal.
    renewing: bool,
    /// `renewTime` as it was before we wrote the lease to begin a term.
    former_renewal: Option<Timestamp>,
    /// A term began with that write. If not, its answer was lost, and the lease may have been ours since.
    begun: bool,
}

impl Candidate {
    /// `me` must be unique to this run of the process: a restarted container is another candidate.
    pub(crate) fn new(me: String, rules: Rules) -> Self {
        Self {
            me,
            rules,
            known: None,
            rival: None,
            object: None,
            held: None,
            pause: Duration::ZERO,
            renewing: false,
            former_renewal: None,
            begun: true,
        }
    }

    /// The term, if there is one at this moment.
    pub(crate) fn held(&self, now: Moment) -> Option<Held> {
        self.held.filter(|held| now < held.until)
    }

    /// The term ends now, whatever the server says.
    pub(crate) fn resign(&mut self) {
        self.held = None;
    }

    /// What to do now. `wall` goes into the lease for human eyes; nothing is decided by it.
    pub(crate) fn step(&mut self, now: Moment, wall: Timestamp) -> Step {
        self.held = self.held(now);
        if let Some(wait) = self.pause.checked_sub(now).filter(|wait| !wait.is_zero()) {
            // While holding, wake up at the deadline at the latest.
            return Step::Sleep(self.held.map_or(wait, |held| wait.min(held.until.saturating_sub(now))));
        }
        let Some(known) = &self.known else {
            return Step::Read;
        };
        let renew = holder(known) == Some(&self.me) && self.held.is_some();
        let waiting = |(_, since, wait): &(_, Moment, Duration)| now.saturating_sub(*since) < *wait;
        if !renew && self.rival.as_ref().is_some_and(waiting) {
            // Read again later: only a fresh read may lead to a take-over.
            self.known = None;
            self.pause = now + self.rules.retry;
            return Step::Sleep(self.rules.retry);
        }
        let lease = self.next_lease(known, renew, wall);
        if !renew && (self.begun || holder(known) != Some(&self.me)) {
            let renewed = known.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
            (self.former_renewal, self.begun) = (renewed.map(|time| time.0), false);
        }
        self.renewing = renew;
        Step::Write(Box::new(lease))
    }

    /// The lease was read: the answer, or none; `now` is the moment after the answer.
    pub(crate) fn read(&mut self, answer: Result<Option<Lease>, Failed>, now: Moment) {
        self.held = self.held(now);
        let Ok(lease) = answer else {
            return self.failed(now);
        };
        let lease = lease.unwrap_or_default();
        if holder(&lease).is_some_and(|name| *name != self.me) || self.is_replaced(&lease) {
            self.wait(&lease, now);
        } else if holder(&lease).is_none() {
            // Given back: free at once. Absent: created at once, and then `wrote` waits if it had been there before.
            (self.held, self.rival) = (None, None);
        }
        self.known = Some(lease);
    }

    /// A write ended. `sent` is the moment before it was sent, `now` the moment after its end.
    pub(crate) fn wrote(&mut self, answer: Result<Lease, Failed>, sent: Moment, now: Moment) {
        self.held = self.held(now);
        let Ok(lease) = answer else {
            return self.failed(now);
        };
        let until = sent + self.rules.renew_deadline;
        if self.is_replaced(&lease) {
            self.wait(&lease, now);
        } else {
            // A renewal that came back after the deadline does not revive the term; the next write begins one.
            if self.renewing == self.held.is_some() && now < until {
                let (number, since) = (transitions(&lease), self.held.map_or(sent, |held| held.since));
                self.begun = true;
                self.held = Some(Held {
                    until,
                    number,
                    since,
                    former_renewal: self.former_renewal,
                });
                self.pause = sent + self.rules.retry;
            }
            self.rival = None;
            self.object.clone_from(&lease.metadata.uid);
        }
        self.known = Some(lease);
    }

    /// The write that gives the lease back, if it is known to be ours. Call [`Candidate::resign`] and stop working first.
    pub(crate) fn release(&self, wall: Timestamp) -> Option<Lease> {
        let mut lease = self.known.clone().filter(|lease| holder(lease) == Some(&self.me))?;
        let spec = lease.spec.as_mut()?;
        spec.holder_identity = None;
        spec.renew_time = Some(MicroTime(wall));
        Some(lease)
    }

    /// Whether this is another lease than the one seen before: somebody deleted that one, and whoever held it may not
    /// know yet. That is so even if the new one is ours, created after the deletion or by a late request.
    fn is_replaced(&self, lease: &Lease) -> bool {
        lease.metadata.uid.is_some() && self.object.is_some() && self.object != lease.metadata.uid
    }

    /// Nobody may begin before the term is over that may be running now: the lease must stay as it is for its time.
    fn wait(&mut self, lease: &Lease, now: Moment) {
        self.held = None;
        self.object.clone_from(&lease.metadata.uid);
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        if self.rival.as_ref().is_none_or(|(seen, ..)| *seen != version) {
            let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
            let wait = Duration::from_secs(seconds.unwrap_or(0).unsigned_abs().into());
            let wait = wait.clamp(self.rules.duration, Rules::LONGEST);
            self.rival = Some((version, now, wait));
        }
    }

    fn failed(&mut self, now: Moment) {
        self.known = None;
        // A holder has little time left.
        self.pause = now + self.rules.retry / if self.held.is_some() { 4 } else { 1 };
    }

    fn next_lease(&self, old: &Lease, renew: bool, wall: Timestamp) -> Lease {
        let spec = old.spec.clone().unwrap_or_default();
        let taken = spec.acquire_time.clone().filter(|_| renew).or(Some(MicroTime(wall)));
        Lease {
            metadata: old.metadata.clone(),
            spec: Some(LeaseSpec {
                acquire_time: taken,
                holder_identity: Some(self.me.clone()),
                lease_duration_seconds: self.rules.duration.as_secs().try_into().ok(),
                lease_transitions: Some(spec.lease_transitions.unwrap_or(0).saturating_add((!renew).into())),
                renew_time: Some(MicroTime(wall)),
                ..spec
            }),
        }
    }
}

/// Who holds the lease; nobody after a release.
pub(crate) fn holder(lease: &Lease) -> Option<&String> {
    let spec = lease.spec.as_ref()?;
    spec.holder_identity.as_ref().filter(|name| !name.is_empty())
}

fn transitions(lease: &Lease) -> u64 {
    let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
    transitions.unwrap_or(0).unsigned_abs().into()
}
