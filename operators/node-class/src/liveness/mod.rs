//! What happened to which node: from when its lease changed, on our own clock. Silence that we cannot have noticed is not
//! silence.
//!
//! Events are noted per node ([`node`]), while [`visibility`] keeps whether silence would be noticed at all. Every step gives each
//! node a [`verdict`]; [`mass_guard`] holds verdicts back when too many change at once, [`events`] makes happenings of what is
//! left, and [`restore`] bridges the time between two processes.
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::crd::history::{Kind, Machine};

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

/// Whether a node is alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Its lease changes.
    Up,
    /// Its lease is silent, and others' leases prove that we would have seen it change.
    Down,
    /// Not watched, or not for long enough.
    #[default]
    Unknown,
    /// There is no Node object and no living lease.
    Gone,
    /// There is no Node object, but its kubelet renews the lease: it must be restarted to register.
    Missing,
}

impl State {
    /// The state of this name.
    pub fn read(name: &str) -> Option<Self> {
        let all = [Self::Up, Self::Down, Self::Unknown, Self::Gone, Self::Missing];
        all.into_iter().find(|state| state.as_str() == name)
    }

    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "Up",
            Self::Down => "Down",
            Self::Unknown => "Unknown",
            Self::Gone => "Gone",
            Self::Missing => "Missing",
        }
    }
}

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
    /// The node's clock minus ours when its lease last changed, in seconds; none while unknown.
    pub clock_offset: Option<f64>,
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
    /// It went down at this time. `kind` is `Clean` or `Lost`; it may turn out as a reboot or suspend when it is back.
    Down {
        at: Timestamp,
        kind: Kind,
        planned: bool,
        evidence: String,
    },
    /// It is back. The outage at `down_at` is now known to have been of this `kind` (`Clean`, `Lost`, `Reboot`, `Suspend`,
    /// `Reinstall`). Also reported without an earlier `Down`, when a boot was so quick that nothing was noticed.
    Back {
        down_at: Timestamp,
        /// When its lease changed first after that.
        at: Timestamp,
        kind: Kind,
        /// Whether it was announced, or brought new versions.
        planned: bool,
        evidence: String,
    },
    /// The same machine registered again (its Node object was deleted and created).
    Reregistered { at: Timestamp },
    /// Another machine has the name now: a new history begins.
    Replaced,
    /// The nodes were not watched between the two.
    Blind { from: Timestamp, until: Timestamp },
}

/// What is remembered of a node from an earlier process.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered {
    pub machine: Machine,
    pub state: State,
    pub known_until: Timestamp,
    /// When it went down, if it was down then.
    pub down_at: Option<Timestamp>,
    /// How it went then (`Clean` or `Lost`).
    pub went: Option<Kind>,
    pub planned: bool,
}

/// Which nodes go off together, and which should not go off at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Domains {
    /// The host of each node (the node's own name where no NodeHost claims it).
    pub host: BTreeMap<String, String>,
    /// Nodes that are not volatile (declared or learned always on, or unproven).
    pub steady: BTreeSet<String>,
}
