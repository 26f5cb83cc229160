//! Secrets of ours whose SecretSync is gone: which may be deleted, and which are held.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::secret::Marked;

/// So long a Secret stays after its SecretSync.
pub const GRACE: Duration = Duration::from_mins(1);
/// So many orphans at once are always let through.
const FEW: usize = 3;
/// More than this share of all Secrets of ours at once, in percent, looks like an accident.
const MAX_PERCENT: usize = 30;

/// Namespace and name.
pub type Key = (String, String);

/// What is known.
#[derive(Debug, Default)]
pub struct Observed<'a> {
    /// Every Secret of ours.
    pub secrets: BTreeMap<&'a Key, &'a Marked>,
    /// The name of the Secret of each SecretSync that is there, and whether it is written for its present spec.
    pub syncs: BTreeMap<&'a Key, (&'a str, bool)>,
    /// How long ago the deletion of a SecretSync was seen by this process, the CRD being there all the time since.
    pub deleted: BTreeMap<&'a Key, Duration>,
    /// How long this process has seen a Secret that its SecretSync does not name any more.
    pub renamed: BTreeMap<&'a Key, Duration>,
    /// Whether both lists are complete: else what is absent proves nothing.
    pub complete: bool,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// These may be deleted now.
    pub delete: Vec<Key>,
    /// So many stay until a person deletes them: too many at once, or nobody has seen their SecretSync being deleted.
    pub held: usize,
    /// These belong to a SecretSync that now names another Secret.
    pub renamed: BTreeSet<Key>,
}

impl Observed<'_> {
    /// Decides about all orphans together.
    pub fn decide(&self) -> Decision {
        let mut decision = Decision::default();
        if !self.complete {
            return decision;
        }
        let mut orphans: Vec<(&Key, Option<Duration>)> = Vec::new();
        for (key, secret) in &self.secrets {
            // A copy that somebody made of one of ours, or one that was restored without its fields' owners.
            let written_by_us = !secret.owned_keys.is_empty();
            let owner = (key.0.clone(), secret.owner.to_string());
            match self.syncs.get(&owner) {
                Some((name, _)) if *name == key.1 => {}
                // The new one is not there yet.
                Some((_, false)) => {}
                Some(_) => {
                    decision.renamed.insert((*key).clone());
                    orphans.push((key, self.renamed.get(key).copied().filter(|_| written_by_us)));
                }
                None => orphans.push((key, self.deleted.get(&owner).copied().filter(|_| written_by_us))),
            }
        }
        let limit = FEW.max(self.secrets.len() * MAX_PERCENT / 100);
        if orphans.len() > limit {
            decision.held = orphans.len();
            return decision;
        }
        for (key, since) in orphans {
            match since {
                Some(since) if since >= GRACE => decision.delete.push(key.clone()),
                Some(_) => {}
                None if decision.renamed.contains(key) => {}
                None => decision.held += 1,
            }
        }
        decision
    }
}

#[cfg(test)]
mod tests;
