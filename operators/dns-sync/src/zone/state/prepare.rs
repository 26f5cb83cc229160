//! Planning what is due, and which of the deletes may go.
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Empty, HoldReason, InFlight, Mono, Work, ZoneState};
use crate::name::Name;
use crate::record_data::RecordType;
use crate::records::{RecordChange, RecordSets, SetKey};
use crate::source::ObjectKey;
use crate::source::scope::Complete;
use crate::zone::batch::Group;
use crate::zone::guard;
use crate::zone::plan::types::Absence;
use crate::zone::plan::{NamePlan, plan};

/// A set and the changes that remove it.
type Delete = (SetKey, Vec<RecordChange>);

/// Names that get changes in one preparation. More are many only when a zone is filled or everything moves at once, and
/// what is to be changed is held in memory until it is sent.
const MAX_NAMES: usize = 1_000;

/// The deletes of one preparation.
#[derive(Default)]
struct Deletes {
    /// The guard decides, on all of them together.
    open: Vec<Delete>,
    /// A person has confirmed them.
    released: Vec<Delete>,
    /// By how much the counts are behind what is ours, at names that are planned later.
    unnoted: i64,
}

impl ZoneState {
    /// Plans what is due and says what to send: all deletes, since they are judged together, and up to a thousand names
    /// with other changes. `at` is wall-clock time in seconds since 1970, for the guard.
    pub fn prepare(&mut self, now: Mono, at: i64, complete: &Complete) -> Work {
        self.expire_empty(now);
        let Some(records) = self.records.take() else {
            return Work::default();
        };
        self.count_uncertain(&records, at);
        if self.park_all {
            // It may have come while no process was there, but one that was used before means nothing.
            self.armed = self
                .config
                .confirmed
                .clone()
                .filter(|word| self.used.as_ref() != Some(word));
        }
        let due = self.take_due(now);
        let mut since: HashMap<Name, Option<Mono>> = HashMap::new();
        let mut work = Work::default();
        let mut deletes = Deletes::default();
        let mut touched: HashSet<Name> = HashSet::new();
        for (name, first) in due {
            let enough = work.groups.len() >= MAX_NAMES;
            // Where nothing is, nothing can be deleted: the guard misses nothing when the name is planned later.
            if enough && records.at(&name).is_empty() {
                deletes.unnoted -= self.noted(&name);
                self.dirty.insert(name, first);
                work.more = true;
                continue;
            }
            let claims = self.claims.get(&name).map_or(&[][..], Vec::as_slice);
            let mut found = plan(&name, claims, &records, &self.config.rules(), |resource| {
                self.absence(&name, resource, *complete)
            });
            // Two names that want one owner record: the second is planned when the first has it.
            let ours = i64::try_from(found.owned).unwrap_or(0);
            if found.writes.iter().any(|change| touched.contains(&change.key.name)) {
                deletes.unnoted += ours - self.noted(&name);
                self.dirty.insert(name, first);
                continue;
            }
            // What seems unwanted is noted now too: `park_all` speaks of the first preparation only.
            let removes = found.removals().next().is_some() || !found.unlisted.is_empty();
            if enough && !found.writes.is_empty() && !removes {
                deletes.unnoted += ours - self.noted(&name);
                self.dirty.insert(name, first);
                work.more = true;
                continue;
            }
            touched.extend(found.writes.iter().map(|change| change.key.name.clone()));
            if found.writes.is_empty() && found.removals().next().is_none() {
                self.refusals.remove(&name);
                self.suspected.remove(&name);
            }
            self.note(&name, &found);
            self.sort_deletes(&name, &mut found, &mut deletes);
            if !found.writes.is_empty() {
                work.groups.push(Group {
                    name: name.clone(),
                    changes: found.writes,
                });
            }
            if first.is_some() {
                since.insert(name, first);
            }
        }
        self.park_all = false;
        self.records = Some(records);
        self.backlog = work.more;
        let counted = self.guarded(deletes, at, &mut work);
        self.release_confirmed();
        for group in &work.groups {
            let flight = InFlight {
                since: since.get(&group.name).copied().flatten(),
                deletes: Vec::new(),
            };
            self.in_flight.insert(group.name.clone(), flight);
        }
        for key in counted {
            self.in_flight.entry(key.name.clone()).or_default().deletes.push(key);
        }
        work
    }

    /// Claims of names that have had no address for too long end.
    fn expire_empty(&mut self, now: Mono) {
        let Some(after) = self.config.empty_after else { return };
        let mut over: Vec<(ObjectKey, Name)> = Vec::new();
        for (object, names) in &mut self.empty {
            for (name, empty) in names {
                if matches!(empty, Empty::Since(since) if *since + after <= now) {
                    *empty = Empty::Over;
                    over.push((object.clone(), name.clone()));
                }
            }
        }
        for (object, name) in over {
            if let Some(claims) = self.claims.get_mut(&name) {
                claims.retain(|claim| claim.object != object || claim.endpoint.is_some());
            }
            self.touch(name, None);
        }
    }

    fn take_due(&mut self, now: Mono) -> BTreeMap<Name, Option<Mono>> {
        if self.refusals.is_empty() {
            return std::mem::take(&mut self.dirty);
        }
        let (due, later) = std::mem::take(&mut self.dirty)
            .into_iter()
            .partition(|(name, _)| self.due(name, now));
        self.dirty = later;
        due
    }

    fn absence(&self, name: &Name, resource: Option<&str>, complete: Complete) -> Absence {
        let object = resource.and_then(ObjectKey::from_resource);
        match self.config.absence(name, resource, &complete) {
            Absence::Proven if self.never_seen.keeps(object.as_ref(), name) => Absence::NeverSeen,
            // It exists, and what it names cannot be read: it may well mean this.
            Absence::Proven if object.is_some_and(|object| self.is_vague(&object)) => Absence::Unlisted,
            absence => absence,
        }
    }

    /// The guard counts deletes of which it turned out that they were carried out.
    fn count_uncertain(&mut self, records: &RecordSets, at: i64) {
        let uncertain = std::mem::take(&mut self.uncertain);
        let done = uncertain.iter().filter(|key| records.get(key).is_none()).count();
        self.guard.record(done, at, &self.config.limits);
    }

    /// Which of a name's deletes wait for a person, which are confirmed, and which the guard has to decide on.
    fn sort_deletes(&mut self, name: &Name, found: &mut NamePlan, deletes: &mut Deletes) {
        let before = take_of(&mut self.parked, name);
        let confirmed: BTreeSet<SetKey> = take_of_set(&mut self.released, name);
        for (key, changes) in std::mem::take(&mut found.deletes) {
            if confirmed.contains(&key) {
                self.released.insert(key.clone());
                deletes.released.push((key, changes));
            } else if self.park_all || self.doubtful.remove(&key) || before.get(&key) == Some(&HoldReason::Guard) {
                self.parked.insert(key, HoldReason::Guard);
            } else {
                deletes.open.push((key, changes));
            }
        }
        let unwatched = std::mem::take(&mut found.unwatched).into_iter();
        let never_seen = std::mem::take(&mut found.never_seen).into_iter();
        let waiting = unwatched
            .map(|delete| (delete, HoldReason::Unwatched))
            .chain(never_seen.map(|delete| (delete, HoldReason::NeverSeen)));
        for ((key, changes), why) in waiting {
            if confirmed.contains(&key) {
                self.released.insert(key.clone());
                deletes.released.push((key, changes));
            } else {
                self.parked.insert(key, why);
            }
        }
        let still_doubtful = take_of_set(&mut self.doubtful, name);
        for key in std::mem::take(&mut found.unlisted) {
            if confirmed.contains(&key) {
                self.released.insert(key);
            } else if let Some(why) = before.get(&key) {
                self.parked.insert(key, *why);
            } else if self.park_all || still_doubtful.contains(&key) {
                self.doubtful.insert(key);
            }
        }
    }

    /// How many sets of ours the counts have at a name.
    fn noted(&self, name: &Name) -> i64 {
        self.summaries.get(name).map_or(0, |summary| i64::from(summary.owned))
    }

    /// Adds the deletes that may go to the work, and parks the others. Returns those that count for the guard.
    fn guarded(&mut self, deletes: Deletes, at: i64, work: &mut Work) -> Vec<SetKey> {
        let Deletes {
            open,
            mut released,
            unnoted,
        } = deletes;
        // All that is ours: where a zone is filled or moves, most of it is planned only later.
        let owned = usize::try_from(self.totals.owned + unnoted).unwrap_or(0);
        let mut counted = Vec::new();
        if self.guard.admits(open.len(), owned, at, &self.config.limits) {
            counted.extend(open.iter().map(|(key, _)| key.clone()));
            released.extend(open);
        } else {
            self.parked
                .extend(open.into_iter().map(|(key, _)| (key, HoldReason::Guard)));
        }
        work.add_deletes(released);
        counted
    }

    /// A person has confirmed exactly the parked set: it goes with the next batch. A confirmation is good for once.
    fn release_confirmed(&mut self) {
        if self.parked.is_empty() && self.doubtful.is_empty() {
            self.armed = None;
        }
        if self.parked.is_empty() || self.armed.as_ref() != Some(&self.parked_hash()) {
            return;
        }
        self.armed = None;
        for key in std::mem::take(&mut self.parked).into_keys() {
            self.touch(key.name.clone(), None);
            self.released.insert(key);
        }
    }

    /// The present confirmation if it has done its work, for the process that comes next.
    pub fn used_confirmation(&self) -> Option<&String> {
        self.config.confirmed.as_ref().filter(|_| self.armed.is_none())
    }

    /// The hash that confirms the present parked set.
    pub fn parked_hash(&self) -> String {
        guard::hash(self.parked.keys())
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

impl Work {
    /// Deletes go with the other changes of their name, before them.
    fn add_deletes(&mut self, deletes: Vec<Delete>) {
        let mut at: HashMap<Name, usize> = self
            .groups
            .iter()
            .enumerate()
            .map(|(position, group)| (group.name.clone(), position))
            .collect();
        for (key, changes) in deletes {
            let position = *at.entry(key.name.clone()).or_insert(self.groups.len());
            if position == self.groups.len() {
                self.groups.push(Group {
                    name: key.name,
                    changes,
                });
            } else if let Some(group) = self.groups.get_mut(position) {
                let more: Vec<RecordChange> = changes
                    .into_iter()
                    .filter(|change| !group.changes.contains(change))
                    .collect();
                group.changes.splice(0..0, more);
            }
        }
    }
}
