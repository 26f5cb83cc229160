//! What happened to which node: from when its lease changed, on our own clock. Silence that we cannot have noticed is not
//! silence.
//!
//! Events are noted per node ([`node`]), while [`visibility`] keeps whether silence would be noticed at all. Every step gives each
//! node a [`verdict`]; [`mass_guard`] holds verdicts back when too many change at once, [`events`] makes happenings of what is
//! left, and [`restore`] bridges the time between two processes.
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub use crate::crd::history::State;
use crate::crd::history::{Kind, Machine, Transition};

mod events;
mod mass_guard;
mod node;
mod restore;
mod shutdown_signs;
#[cfg(test)]
mod tests;
mod tracker;
mod verdict;
mod visibility;

pub use tracker::LivenessTracker;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LivenessStatus {
    pub state: State,
    /// Since when, on the wall clock: the last change of the lease for a node that is down.
    pub since: Timestamp,
    /// While it is down: how it went (`Clean` or `Lost`).
    pub went: Option<Kind>,
    /// While it is down and `went` is `Clean`: every mark of a clean shutdown was seen in order (announced, then silent) and
    /// no new boot since.
    pub clean_trace: bool,
    /// How long the lease has been silent, counting only time in which we would have seen it change.
    pub silent: std::time::Duration,
}

/// How well we see.
#[derive(Clone, Debug, PartialEq)]
pub enum Visibility {
    /// Just started, or leases have just begun to change: nothing is judged yet.
    Settling,
    /// No lease changes, or a watch does not work.
    Blind,
    /// Much changed at once, which is rather our mistake than the truth: nothing is written or recorded until it is
    /// stable. The reason is for people.
    Guarded(String),
    Clear,
}

impl Visibility {
    /// In a word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Settling => "settling",
            Self::Blind => "blind",
            Self::Guarded(_) => "guarded",
            Self::Clear => "clear",
        }
    }
}

/// Something that happened to the node of this name; reported once, in order.
pub type NodeEvent = (String, LivenessEvent);

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum LivenessEvent {
    /// An outage, first without its end: `Clean` or `Lost`, which may turn out to be another kind. Its end is also reported alone,
    /// when a boot was so quick that nothing was noticed. Or the same machine registered again.
    Changed(Transition),
    /// Another machine has the name now: a new history begins.
    Replaced,
}

/// What is remembered of a node from an earlier process.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered {
    pub machine: Machine,
    pub state: State,
    pub known_until: Timestamp,
    /// The outage from which it was not back then.
    pub outage: Option<Transition>,
}

/// Which nodes go off together, and which should not go off at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Domains {
    /// The host of each node (the node's own name where no NodeHost claims it).
    pub host: BTreeMap<String, String>,
    /// Nodes that are not volatile (declared or learned always on, or unproven).
    pub steady: BTreeSet<String>,
}
