//! Deletes that need a decision: which the guard admits, which wait for a confirmation, and which are confirmed.
use std::collections::{BTreeMap, BTreeSet};

use crate::name::Name;
use crate::record_data::RecordType;
use crate::records::{RecordChange, RecordSets, SetKey};
use crate::zone::config::Config;
use crate::zone::guard::{self, Guard, Limits};
use crate::zone::plan::NamePlan;

/// A set and the changes that delete it.
pub(super) type Delete = (SetKey, Vec<RecordChange>);

/// Why a delete waits for a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldReason {
    /// Too many at once.
    Guard,
    /// Its source is off or does not cover its object.
    Unwatched,
    /// Its object has never been in this cluster.
    NeverSeen,
}

/// All deletes of a zone that are not simply carried out.
#[derive(Debug)]
pub struct Deletes {
    /// Counts what was deleted recently.
    pub guard: Guard,
    /// Deletes that wait for a confirmation.
    pub parked: BTreeMap<SetKey, HoldReason>,
    /// Deletes were parked when an earlier process ended: those that the first plan finds stay parked.
    pub park_all: bool,
    /// The confirmation that an earlier process has used.
    pub used_confirmation: Option<String>,
    /// Sets that `park_all` found, while it was not known yet whether they are unwanted.
    doubtful: BTreeSet<SetKey>,
    /// A confirmation that has not been used. It came after the deletes were parked; an old one means nothing.
    confirmation: Option<String>,
    /// Confirmed deletes that have not been carried out.
    confirmed: BTreeSet<SetKey>,
    /// Deletes whose call's outcome is unknown. The guard counts those that turn out to be carried out.
    uncertain: BTreeSet<SetKey>,
}

/// The deletes of one preparation.
#[derive(Default)]
pub(super) struct PlannedDeletes {
    /// The guard decides, on all of them together.
    open: Vec<Delete>,
    /// A person has confirmed them.
    confirmed: Vec<Delete>,
}

impl Deletes {
    /// Nothing is parked; `guard` is what an earlier process has counted.
    pub(super) fn new(guard: Guard) -> Self {
        Self {
            guard,
            parked: BTreeMap::new(),
            park_all: false,
            used_confirmation: None,
            doubtful: BTreeSet::new(),
            confirmation: None,
            confirmed: BTreeSet::new(),
            uncertain: BTreeSet::new(),
        }
    }

    /// Takes over a changed configuration. Other limits are a new decision, another confirmation has not been used.
    pub(super) fn reconfigure(&mut self, old: &Config, new: &Config) {
        if new.limits != old.limits {
            self.parked.retain(|_, why| *why != HoldReason::Guard);
        }
        if new.confirmed != old.confirmed {
            self.confirmation.clone_from(&new.confirmed);
        }
    }

    /// Before planning. The guard counts deletes of which it turned out that they were carried out.
    pub(super) fn begin(&mut self, records: &RecordSets, at: i64, config: &Config) {
        let uncertain = std::mem::take(&mut self.uncertain);
        let done = uncertain.iter().filter(|key| records.get(key).is_none()).count();
        self.guard.record(done, at, &config.limits);
        if self.park_all {
            // It may have come while no process was there, but one that was used before means nothing.
            let used = self.used_confirmation.as_ref();
            self.confirmation = config.confirmed.clone().filter(|word| used != Some(word));
        }
    }

    /// Which of a name's deletes wait for a person, which are confirmed, and which the guard has to decide on.
    pub(super) fn sort(&mut self, name: &Name, found: &mut NamePlan, planned: &mut PlannedDeletes) {
        let before = take_of(&mut self.parked, name);
        let confirmed: BTreeSet<SetKey> = take_of_set(&mut self.confirmed, name);
        for (key, changes) in std::mem::take(&mut found.deletes) {
            if confirmed.contains(&key) {
                self.confirmed.insert(key.clone());
                planned.confirmed.push((key, changes));
            } else if self.park_all || self.doubtful.remove(&key) || before.get(&key) == Some(&HoldReason::Guard) {
                self.parked.insert(key, HoldReason::Guard);
            } else {
                planned.open.push((key, changes));
            }
        }
        let unwatched = std::mem::take(&mut found.unwatched).into_iter();
        let never_seen = std::mem::take(&mut found.never_seen).into_iter();
        let waiting = unwatched
            .map(|delete| (delete, HoldReason::Unwatched))
            .chain(never_seen.map(|delete| (delete, HoldReason::NeverSeen)));
        for ((key, changes), why) in waiting {
            if confirmed.contains(&key) {
                self.confirmed.insert(key.clone());
                planned.confirmed.push((key, changes));
            } else {
                self.parked.insert(key, why);
            }
        }
        let still_doubtful = take_of_set(&mut self.doubtful, name);
        for key in std::mem::take(&mut found.unlisted) {
            if confirmed.contains(&key) {
                self.confirmed.insert(key);
            } else if let Some(why) = before.get(&key) {
                self.parked.insert(key, *why);
            } else if self.park_all || still_doubtful.contains(&key) {
                self.doubtful.insert(key);
            }
        }
    }

    /// After planning: the deletes to send, and those of them that count for the guard. The others are parked. `owned`:
    /// how many sets of ours the zone holds.
    pub(super) fn admit(
        &mut self,
        planned: PlannedDeletes,
        owned: usize,
        at: i64,
        limits: &Limits,
    ) -> (Vec<Delete>, Vec<SetKey>) {
        self.park_all = false;
        let PlannedDeletes { open, mut confirmed } = planned;
        let mut counted = Vec::new();
        if self.guard.admits(open.len(), owned, at, limits) {
            counted.extend(open.iter().map(|(key, _)| key.clone()));
            confirmed.extend(open);
        } else {
            self.parked
                .extend(open.into_iter().map(|(key, _)| (key, HoldReason::Guard)));
        }
        (confirmed, counted)
    }

    /// If a person has confirmed exactly the parked deletes, they go with the next batch; their names. A confirmation is
    /// valid once.
    pub(super) fn release_confirmed(&mut self) -> Vec<Name> {
        if self.parked.is_empty() && self.doubtful.is_empty() {
            self.confirmation = None;
        }
        if self.parked.is_empty() || self.confirmation.as_ref() != Some(&self.hash()) {
            return Vec::new();
        }
        self.confirmation = None;
        let released = std::mem::take(&mut self.parked);
        let names = released.keys().map(|key| key.name.clone()).collect();
        self.confirmed.extend(released.into_keys());
        names
    }

    /// The provider has deleted the set.
    pub(super) fn carried_out(&mut self, key: &SetKey) {
        self.confirmed.remove(key);
    }

    /// Nobody knows whether the provider has deleted these sets.
    pub(super) fn outcome_unknown(&mut self, keys: impl IntoIterator<Item = SetKey>) {
        self.uncertain.extend(keys);
    }

    /// The present confirmation if it has been used, for the process that comes next.
    pub fn handled_confirmation<'a>(&self, config: &'a Config) -> Option<&'a String> {
        config.confirmed.as_ref().filter(|_| self.confirmation.is_none())
    }

    /// The hash that confirms the parked deletes.
    pub fn hash(&self) -> String {
        guard::hash(self.parked.keys())
    }

    /// Nothing is on its way.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.confirmed.is_empty() && self.uncertain.is_empty()
    }
}

/// The first key that a name can have.
fn first_of(name: &Name) -> SetKey {
    SetKey::simple(name, RecordType::A)
}

fn take_of(all: &mut BTreeMap<SetKey, HoldReason>, name: &Name) -> BTreeMap<SetKey, HoldReason> {
    let of_name = all.range(first_of(name)..).take_while(|(key, _)| key.name == *name);
    let taken: BTreeMap<SetKey, HoldReason> = of_name.map(|(key, why)| (key.clone(), *why)).collect();
    for key in taken.keys() {
        all.remove(key);
    }
    taken
}

fn take_of_set(all: &mut BTreeSet<SetKey>, name: &Name) -> BTreeSet<SetKey> {
    let of_name = all.range(first_of(name)..).take_while(|key| key.name == *name);
    let taken: BTreeSet<SetKey> = of_name.cloned().collect();
    for key in &taken {
        all.remove(key);
    }
    taken
}
