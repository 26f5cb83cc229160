//! Objects without an address: since when each of their names has none, and when its record is to be deleted.
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::Mono;
use crate::name::Name;
use crate::source::ObjectKey;

/// Since when an object's name has no address.
#[derive(Clone, Copy, Debug)]
pub(super) enum Empty {
    /// Since then; its record is kept.
    Since(Mono),
    /// For longer than its record is kept.
    Over,
}

/// The names without address, by object.
#[derive(Debug, Default)]
pub(super) struct EmptyTargets(HashMap<ObjectKey, BTreeMap<Name, Empty>>);

impl EmptyTargets {
    pub(super) fn take(&mut self, object: &ObjectKey) -> BTreeMap<Name, Empty> {
        self.0.remove(object).unwrap_or_default()
    }

    pub(super) fn put(&mut self, object: &ObjectKey, names: BTreeMap<Name, Empty>) {
        if !names.is_empty() {
            self.0.insert(object.clone(), names);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The names whose records are kept no longer, each once. `after`: how long a record without address is kept.
    pub(super) fn expire(&mut self, after: Duration, now: Mono) -> Vec<(ObjectKey, Name)> {
        let mut over: Vec<(ObjectKey, Name)> = Vec::new();
        for (object, names) in &mut self.0 {
            for (name, empty) in names {
                if matches!(empty, Empty::Since(since) if *since + after <= now) {
                    *empty = Empty::Over;
                    over.push((object.clone(), name.clone()));
                }
            }
        }
        over
    }

    /// When the next record is kept no longer.
    pub(super) fn next(&self, after: Duration) -> Option<Mono> {
        let all = self.0.values().flat_map(BTreeMap::values);
        let ends = all.filter_map(|empty| match empty {
            Empty::Since(since) => Some(*since + after),
            Empty::Over => None,
        });
        ends.min()
    }
}
