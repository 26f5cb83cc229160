//! When a node is proven to be off, so that it may get the out-of-service taint (KEP-2268). Never on silence alone.
//!
//! The taint makes Kubernetes delete the node's pods by force and detach its volumes. If the machine is on after all, two
//! writers may meet on one volume. So only two things count as proof: power that is said to be off (`power`), and a
//! clean shutdown of which every step was seen, after a time in which no reboot was ever unfinished. Silence, an answer
//! that does not come, or all nodes of a host going silent at once (a switch that failed looks the same) prove nothing.
mod power;
#[cfg(test)]
mod tests;

use std::time::Duration;

use hearth_reconciler::duration;
use jiff::Timestamp;

use crate::args::Timing;
use crate::crd::OUT_OF_SERVICE;
use crate::crd::class::{Evidence, Failover};
use crate::crd::host::Power;
use crate::facts::NodeFacts;
use crate::liveness::{LivenessStatus, State};

/// How long a node that is back may keep the taint for the sake of what is not cleaned up.
pub const CLEANUP: Duration = Duration::from_mins(10);
/// How long a node must be silent with its power off, unless the class says otherwise.
const AFTER: Duration = Duration::from_mins(1);

#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is one observation")]
pub struct Case<'a> {
    pub node: &'a NodeFacts,
    pub liveness: &'a LivenessStatus,
    /// What its class allows, if anything (already checked).
    pub failover: Option<&'a Failover>,
    pub power: Option<&'a Power>,
    /// What the host's own address says.
    pub address: Address,
    /// Another node of the host that is not down, and how long it has been silent: power is off for all of them or for none.
    pub alive: Option<(&'a str, Duration)>,
    /// Another writer removed the out-of-service taint that we had set.
    pub removed: bool,
    pub longest_reboot: Duration,
    /// It is a member of etcd, or may be.
    pub member: bool,
    /// Members of etcd that are up beyond the quorum and not expected to go off; none if it cannot be judged.
    pub spare_members: Option<usize>,
    /// Liveness is clear: no guard, no blindness.
    pub sees: bool,
    /// The feature is on, and nothing is dry-run or suspended. While it is not, nothing is added and nothing is removed.
    pub allowed: bool,
    /// The out-of-service taint is there and ours by the mark.
    pub ours: bool,
    /// Pods on the node that are still terminating, and volume attachments; none if they were not counted.
    pub leftovers: Option<usize>,
    pub ready_for: Option<Duration>,
}

/// What is known of the address of a host that is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// It has none, or it is not asked while other nodes of the host are alive.
    None,
    /// It was not tried since the host went silent.
    Untried,
    /// It did not answer, which proves nothing.
    Silent,
    Answers,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing is to be done, or nothing may be: the reason, if it is to be reported. A taint that is ours stays.
    Leave(Option<Hold>),
    /// Set the taint; the evidence in words.
    Place(Evidence, String),
    /// Keep the taint, and hold new pods off (the node is back, and not yet cleaned up).
    Hold,
    /// Take our taint (and the hold) away; a warning when it was not cleaned up in time.
    Remove(Option<String>),
}

/// Why nothing is done although the node is down (or said to be).
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// One word: `NoEvidence`, `TooEarly`, `QuorumAtRisk`, `PowerContradicted`, `NotSeeing`, `OthersTaint`,
    /// `TaintRemoved`, `NotAllowed`.
    pub reason: &'static str,
    pub message: String,
}

impl Hold {
    fn because(reason: &'static str, message: String) -> Self {
        Self { reason, message }
    }

    /// With what a person may run who knows better.
    fn unless_sure(reason: &'static str, message: &str, node: &str) -> Self {
        Self::because(
            reason,
            format!(
                "{message}. If you are sure that the machine is off: kubectl taint nodes {node} \
                 {OUT_OF_SERVICE}=nodeshutdown:NoExecute (and {OUT_OF_SERVICE}- when it is back)"
            ),
        )
    }
}

pub fn decide(case: &Case<'_>, timing: &Timing, now: Timestamp) -> Decision {
    let down = case.liveness.state == State::Down;
    let theirs = case.node.taints.iter().any(|taint| taint.key == OUT_OF_SERVICE);
    if case.ours {
        placed(case)
    } else if theirs {
        let message =
            format!("the taint {OUT_OF_SERVICE} was set by another writer, who has to remove it when the node is back");
        Decision::Leave(down.then(|| Hold::because("OthersTaint", message)))
    } else if down && case.removed {
        let message = format!(
            "the taint {OUT_OF_SERVICE} was removed by another writer, so it is not set again until the node has been back"
        );
        let hold = Hold::unless_sure("TaintRemoved", &message, &case.node.name);
        Decision::Leave(Some(hold))
    } else if down {
        silent(case, timing, now)
    } else {
        Decision::Leave(power::contradicted(case, timing.grace, now))
    }
}

/// The taint is ours. It never expires while the node is down: time alone proves nothing.
fn placed(case: &Case<'_>) -> Decision {
    let name = &case.node.name;
    if !case.sees {
        return Decision::Leave(Some(not_seeing()));
    }
    if !case.allowed {
        let message = format!(
            "the taint {OUT_OF_SERVICE} stays, because failover is switched off, suspended or a dry run; to take it away: \
             kubectl taint nodes {name} {OUT_OF_SERVICE}-"
        );
        return Decision::Leave(Some(Hold::because("NotAllowed", message)));
    }
    if case.failover.is_none() {
        return Decision::Remove(None);
    }
    // A boot changes nothing here: a node is back when its kubelet is and Kubernetes calls it Ready.
    let back = case.liveness.state == State::Up;
    match (back, case.node.ready.status, case.leftovers) {
        (false, ..) => Decision::Leave(None),
        (true, Some(true), Some(0)) => Decision::Remove(None),
        (true, Some(true), left) if case.ready_for.is_some_and(|ready| ready >= CLEANUP) => {
            let left = left.map_or("an unknown number of".to_owned(), |left| left.to_string());
            Decision::Remove(Some(format!(
                "{name} is back for {} and {left} old pods and volume attachments are still not cleaned up",
                rounded(CLEANUP)
            )))
        }
        (true, ..) => Decision::Hold,
    }
}

/// The node is down, without the taint.
fn silent(case: &Case<'_>, timing: &Timing, now: Timestamp) -> Decision {
    let Some(failover) = case.failover.filter(|_| case.allowed) else {
        return Decision::Leave(None);
    };
    if !case.sees {
        return Decision::Leave(Some(not_seeing()));
    }
    let proofs = proofs(case, failover, timing, now);
    match hold(case, failover, &proofs, timing, now) {
        Some(hold) => Decision::Leave(Some(hold)),
        None => match proofs.into_iter().find(|proof| proof.wait.is_zero()) {
            Some(proof) => Decision::Place(proof.evidence, proof.words),
            None => Decision::Leave(None),
        },
    }
}

/// A proof that the machine is off, or will be one when it has been silent for longer.
struct Proof {
    evidence: Evidence,
    words: String,
    wait: Duration,
}

fn proofs(case: &Case<'_>, failover: &Failover, timing: &Timing, now: Timestamp) -> Vec<Proof> {
    let liveness = case.liveness;
    let after = failover.after.as_deref().and_then(|text| duration::parse(text).ok());
    let since = stamp(liveness.since);
    let proof = |evidence, needed: Duration, words: String| Proof {
        evidence,
        words,
        wait: needed.saturating_sub(liveness.silent),
    };
    let mut proofs = Vec::new();
    if let Some(power) = case.power
        && case.alive.is_none()
        && failover.evidence.contains(&Evidence::PowerOff)
        && power::off(power, liveness.since, timing.grace, now).is_ok()
    {
        let (source, at) = (power::source(power), stamp(power.observed_at.0));
        let words = format!("{source} says at {at} that its power is off; silent since {since}");
        proofs.push(proof(Evidence::PowerOff, after.unwrap_or(AFTER), words));
    }
    if liveness.clean_trace && failover.evidence.contains(&Evidence::CleanShutdown) {
        let reboot = case.longest_reboot.saturating_add(case.longest_reboot / 2);
        let needed = timing.clean_off_after.max(reboot).max(after.unwrap_or_default());
        let words = format!(
            "it shut down in an orderly way, is silent since {since}, and did not come back within {}",
            rounded(needed)
        );
        proofs.push(proof(Evidence::CleanShutdown, needed, words));
    }
    proofs
}

/// What keeps the taint off a node that is down.
fn hold(case: &Case<'_>, failover: &Failover, proofs: &[Proof], timing: &Timing, now: Timestamp) -> Option<Hold> {
    let (name, since) = (&case.node.name, stamp(case.liveness.since));
    let Some(next) = proofs.iter().min_by_key(|proof| proof.wait) else {
        if let Some(hold) = power::sibling_alive(case, failover, timing.grace, now) {
            return Some(hold);
        }
        let wanted = wanted(case, failover, timing, now);
        let message = format!("silent since {since}, which proves nothing; needed: {wanted}");
        return Some(Hold::unless_sure("NoEvidence", &message, name));
    };
    if case.address == Address::Untried {
        let message = "it seems to be off; its host's address is tried first".to_owned();
        return Some(Hold::because("TooEarly", message));
    }
    if case.address == Address::Answers {
        // A hung shutdown looks like this: kubelet and lease are silent, but processes still write.
        let message = format!(
            "it seems to be off since {since}, but its host's address answers. If the host runs on without its nodes, take \
             spec.address off its NodeHost"
        );
        return Some(Hold::unless_sure("PowerContradicted", &message, name));
    }
    // The node's own member is off already. With no other to spare, the API server must not get what is asked of it next.
    if case.member && case.spare_members.is_none_or(|spare| spare == 0) {
        let etcd = match case.spare_members {
            Some(_) => "etcd has no member to spare",
            None => "etcd's members cannot be judged",
        };
        let message = format!("it is a control-plane node, and {etcd}");
        return Some(Hold::unless_sure("QuorumAtRisk", &message, name));
    }
    if case.node.is_ready() {
        let message = "Kubernetes still calls it Ready, and would evict its pods without releasing them".to_owned();
        return Some(Hold::because("TooEarly", message));
    }
    (!next.wait.is_zero()).then(|| {
        let message = format!("it seems to be off, or reboots; failover in {}", rounded(next.wait));
        Hold::because("TooEarly", message)
    })
}

/// Which evidence would do, and why there is none.
fn wanted(case: &Case<'_>, failover: &Failover, timing: &Timing, now: Timestamp) -> String {
    let power = match case.power {
        None => Err("it was never reported".to_owned()),
        Some(power) => power::off(power, case.liveness.since, timing.grace, now),
    };
    let lacking = power.err().unwrap_or_default();
    let each = failover.evidence.iter().map(|evidence| match evidence {
        Evidence::PowerOff => format!("power Off in status.power of its NodeHost ({lacking})"),
        Evidence::CleanShutdown => "an orderly shutdown (not all of one was seen)".to_owned(),
    });
    each.collect::<Vec<_>>().join(", or ")
}

fn not_seeing() -> Hold {
    let message = "the nodes are not seen clearly now, so nothing is done".to_owned();
    Hold::because("NotSeeing", message)
}

/// A time in a message.
pub(crate) fn stamp(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// A duration, rounded up so coarsely that a message does not change all the time: `40 s`, `3 min`, `2 h`.
fn rounded(duration: Duration) -> String {
    let seconds = duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0));
    match seconds {
        0..60 => format!("{} s", seconds.div_ceil(10).saturating_mul(10)),
        60..7200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    }
}
