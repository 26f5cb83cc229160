//! Whether a SecretSync is to be read now.
use std::time::Duration;

use hearth_reconciler::conditions::{READY, get};
use jiff::Timestamp;

use super::schedule::{self, LastRead};
use super::secret::{Marked, joined};
use crate::crd::SecretSyncStatus;

/// The condition that says whether the values are those of the last time that they were due.
pub const FRESH: &str = "Fresh";

/// What is known about a SecretSync.
#[derive(Debug, Clone)]
pub struct Observed<'a> {
    /// The present time.
    pub now: Timestamp,
    /// The generation of the spec.
    pub generation: Option<i64>,
    /// What was reported last.
    pub status: &'a SecretSyncStatus,
    /// The annotation that requests a read now.
    pub requested: Option<&'a str>,
    /// The Secret as its metadata show it; None: there is none with our label.
    pub secret: Option<&'a Marked>,
    /// The name of the SecretSync.
    pub name: &'a str,
    /// The name of the Secret that the spec asks for.
    pub secret_name: &'a str,
    /// When it was read last.
    pub last_read: LastRead,
    /// After a failure: not before this time.
    pub not_before: Option<Timestamp>,
    /// How often it is read; None: once.
    pub refresh: Option<Duration>,
    /// See [`schedule::next_due`].
    pub seed: u64,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Read and write now.
    Read {
        /// Because a person asked: nothing that was read before may be used.
        requested: bool,
    },
    /// Nothing before this time, if ever.
    Wait(Option<Timestamp>),
}

impl Observed<'_> {
    /// Whether the Secret is there as the last good read for this spec has made it.
    pub fn is_in_place(&self) -> bool {
        let written = self.status.secret.as_deref() == Some(self.secret_name);
        written && self.is_of_this_spec() && self.secret.is_some_and(|secret| self.is_intact(secret))
    }

    /// Whether the status tells of this generation, and of a success.
    fn is_of_this_spec(&self) -> bool {
        let current = self.generation == Some(self.status.observed_generation);
        current && get(&self.status.conditions, READY).is_some_and(|ready| ready.status == "True")
    }

    fn is_intact(&self, secret: &Marked) -> bool {
        let keys = self.status.keys.iter().map(|written| written.key.as_str());
        *secret.owner == *self.name && *secret.owned_keys == *joined(keys) && !secret.terminating
    }

    /// What is to be done now.
    pub fn decide(&self) -> Step {
        let handled = self.status.last_handled_reconcile_at.as_deref();
        if self.requested.is_some() && self.requested != handled {
            return Step::Read { requested: true };
        }
        let fresh = get(&self.status.conditions, FRESH).is_some_and(|fresh| fresh.status == "True");
        if self.is_in_place() && fresh {
            let Some(refresh) = self.refresh else {
                return Step::Wait(None);
            };
            let due = schedule::due(self.last_read, refresh, self.seed);
            if due > self.now {
                return Step::Wait(Some(due));
            }
        }
        match self.not_before {
            Some(time) if time > self.now => Step::Wait(Some(time)),
            _ => Step::Read { requested: false },
        }
    }
}

#[cfg(test)]
mod tests;
