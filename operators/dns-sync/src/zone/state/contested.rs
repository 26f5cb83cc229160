//! Records that another writer changes back again and again: another cluster with the same owner has objects of the same
//! names. A change by hand is restored; one that comes back after that is left alone, and the zone says so.
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::{Mono, ZoneState};
use crate::records::{RecordSets, SetKey};
use crate::zone::fingerprints::content_hash;
use crate::zone::owner::{Owner, heritage};

/// What others have written.
#[derive(Debug, Default)]
pub(super) struct Contested {
    /// Sets that are left alone.
    pub(super) keys: BTreeSet<SetKey>,
    /// What others have written over records of ours, and when it was seen last.
    seen: HashMap<SetKey, (u64, Mono)>,
}

impl ZoneState {
    /// Compares a list with what we left at the provider. The same foreign value a second time is another writer's.
    pub(super) fn find_contested(&mut self, records: &RecordSets, now: Mono) {
        let memory = Duration::from_hours(1).max(self.config.drift_interval * 4);
        let Some(old) = &self.records else { return };
        self.contested.seen.retain(|key, (hash, at)| {
            let still = records.get(key).is_some_and(|set| content_hash(key, set) == *hash);
            let recent = now.saturating_sub(*at) < memory;
            if !still || !recent {
                self.contested.keys.remove(key);
            }
            recent
        });
        let rules = self.rules();
        let mut found: Vec<(SetKey, u64)> = Vec::new();
        for (name, at) in records.iter() {
            let before = old.at(name);
            if before == at || self.never_seen.uncertain.contains(name) {
                continue;
            }
            for (record_type, id, set) in &at.sets {
                let key = SetKey {
                    name: name.clone(),
                    record_type: *record_type,
                    set_identifier: id.clone(),
                };
                let changed = old.get(&key).is_some_and(|old| !old.same(set));
                if changed && heritage(set).is_none() && matches!(rules.marks.owner(records, &key, set), Owner::Ours(_))
                {
                    let hash = content_hash(&key, set);
                    found.push((key, hash));
                }
            }
        }
        for (key, hash) in found {
            let last = self.contested.seen.insert(key.clone(), (hash, now));
            if last.is_some_and(|(before, _)| before == hash) {
                tracing::warn!(zone = &*self.config.zone, record = %key, "another writer with the same owner changes the record again and again; it is left alone");
                self.contested.keys.insert(key);
            }
        }
    }

    /// Somebody asks for another try.
    pub fn forget_contested(&mut self) {
        let contested = std::mem::take(&mut self.contested);
        for key in contested.keys {
            self.queue.add(key.name, None);
        }
    }

    /// How many records are left alone because another writer changes them back.
    pub fn contested(&self) -> usize {
        self.contested.keys.len()
    }
}
