//! When a node is proven to be off, and Kubernetes may be told so (out-of-service taint, KEP-2268). Never on silence alone.
use std::time::Duration;

use jiff::Timestamp;

use crate::args::Timing;
use crate::crd::class::{Evidence, Failover};
use crate::crd::host::Power;
use crate::facts::NodeFacts;
use crate::liveness::Standing;

/// What the decision needs.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is one observation")]
pub struct Case<'a> {
    /// The node.
    pub node: &'a NodeFacts,
    /// Whether it is alive.
    pub standing: &'a Standing,
    /// What its class allows, if anything (already checked).
    pub failover: Option<&'a Failover>,
    /// What its host's power is said to be.
    pub power: Option<&'a Power>,
    /// The host's own address has answered since the node went silent.
    pub address_answers: bool,
    /// The longest reboot of this node seen.
    pub longest_reboot: Duration,
    /// Members of etcd that are up beyond the quorum; none if it cannot be judged.
    pub spare_members: Option<usize>,
    /// Liveness is clear: no guard, no blindness.
    pub sees: bool,
    /// The feature is on, and nothing is dry-run or suspended.
    pub allowed: bool,
    /// The out-of-service taint is there and ours by the mark.
    pub ours: bool,
    /// Pods on the node that are still terminating, and volume attachments; none if they were not looked at.
    pub leftovers: Option<usize>,
    /// How long it has been Ready again.
    pub ready_for: Option<Duration>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing is to be done, or nothing may be: the reason, when one is worth telling.
    Leave(Option<Hold>),
    /// Set the taint; the evidence in words.
    Place(Evidence, String),
    /// Keep the taint, and hold new pods off (the node is back, and not yet cleaned up).
    Hold,
    /// Take our taint (and the hold) away; a warning when it was not cleaned up in time.
    Remove(Option<String>),
}

/// Why nothing is done although the node is down.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// One word: `NoEvidence`, `TooEarly`, `QuorumAtRisk`, `PowerContradicted`, `NotSeeing`, `OthersTaint`.
    pub reason: &'static str,
    /// In words.
    pub message: String,
    /// When to look again, if time alone changes it.
    pub again: Option<Duration>,
}

/// Decides.
pub fn decide(_case: &Case<'_>, _timing: &Timing, _now: Timestamp) -> Decision {
    Decision::Leave(None)
}
