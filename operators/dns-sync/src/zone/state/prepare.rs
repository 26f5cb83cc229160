//! Planning what is due, and what to send of it.
use std::collections::{HashMap, HashSet};

use super::deletes::{Delete, PlannedDeletes};
use super::names::InFlight;
use super::objects::ObjectState;
use super::results::News;
use super::{Mono, Work, ZoneState};
use crate::endpoint::AliasMode;
use crate::name::Name;
use crate::records::{RecordChange, RecordSets, SetKey};
use crate::source::ObjectKey;
use crate::source::scope::Complete;
use crate::zone::batch::Group;
use crate::zone::plan::plan;
use crate::zone::plan::types::Absence;

/// Names that get changes in one preparation. More are many only when a zone is filled or everything moves at once, and
/// what is to be changed is held in memory until it is sent.
const MAX_NAMES: usize = 1_000;

impl ZoneState {
    /// Plans what is due and says what to send: all deletes, since they are judged together, and up to a thousand names
    /// with other changes. `at` is wall-clock time in seconds since 1970, for the guard.
    pub fn prepare(&mut self, now: Mono, at: i64, complete: &Complete) -> Work {
        self.expire_empty(now);
        let Some(records) = self.records.take() else {
            return Work::default();
        };
        self.deletes.begin(&records, at, &self.config);
        let due = self.queue.take_due(&self.names, now);
        let mut since: HashMap<Name, Mono> = HashMap::new();
        let mut work = Work::default();
        let mut deletes = PlannedDeletes::default();
        // By how much the counts are behind what is ours, at names that are planned later.
        let mut uncounted: i64 = 0;
        let mut touched: HashSet<Name> = HashSet::new();
        // Names that an object has left, and whose records are gone already.
        let mut lonely: Vec<Name> = Vec::new();
        let mut news = News::new();
        for (name, first) in due {
            let enough = work.groups.len() >= MAX_NAMES;
            let counted = i64::from(self.names.counts(&name).owned);
            // Where nothing is, nothing can be deleted: the guard misses nothing when the name is planned later.
            if enough && records.at(&name).is_empty() {
                uncounted -= counted;
                self.queue.add(name, first);
                work.more = true;
                continue;
            }
            // Nor where one object publishes the only set that is there: at most it is changed.
            if enough && counted == 1 && self.is_only_changed(&name, &records) {
                self.queue.add(name, first);
                work.more = true;
                continue;
            }
            let mut found = plan(
                &name,
                self.names.claims(&name),
                self.names.publishers(&name),
                &records,
                &self.rules(),
                |key, resource| self.absence(key, resource, *complete),
            );
            if self.names.claims(&name).is_empty() {
                found.writes.extend(self.orphaned_marks(&name, &records, *complete));
                if first.is_some() && found.owned == 0 {
                    lonely.push(name.clone());
                }
            }
            let ours = i64::try_from(found.owned).unwrap_or(0);
            // Two names that want one owner record: the second is planned when the first has it.
            if found.writes.iter().any(|change| touched.contains(&change.key.name)) {
                uncounted += ours - counted;
                self.queue.add(name, first);
                continue;
            }
            // What seems unwanted is noted now too: `park_all` is about the first preparation only.
            let removes = found.removals().next().is_some() || !found.unlisted.is_empty();
            if enough && !found.writes.is_empty() && !removes {
                uncounted += ours - counted;
                self.queue.add(name, first);
                work.more = true;
                continue;
            }
            touched.extend(found.writes.iter().map(|change| change.key.name.clone()));
            if found.writes.is_empty() && found.removals().next().is_none() {
                self.names.update_progress(&name, |progress| {
                    (progress.refusal, progress.suspected) = (None, false);
                });
            }
            self.note(&name, &found, &mut news);
            self.deletes.sort(&name, &mut found, &mut deletes);
            if !found.writes.is_empty() {
                work.groups.push(Group {
                    name: name.clone(),
                    changes: found.writes,
                });
            }
            since.extend(first.map(|first| (name, first)));
        }
        self.records = Some(records);
        self.set_verdicts(news);
        for name in lonely {
            self.queue_marks_of(&name);
        }
        self.backlog = work.more;
        // All that is ours: where a zone is filled or moves, most of it is planned only later.
        let owned = usize::try_from(self.totals.owned + uncounted).unwrap_or(0);
        let (deletes, counted) = self.deletes.admit(deletes, owned, at, &self.config.limits);
        work.add_deletes(deletes);
        for name in self.deletes.release_confirmed() {
            self.touch(name, None);
        }
        for group in &work.groups {
            let in_flight = InFlight {
                since: since.get(&group.name).copied(),
                deletes: Vec::new(),
            };
            self.names.update(&group.name, |state| {
                state.update_progress(|progress| progress.in_flight = Some(in_flight));
            });
        }
        for key in counted {
            self.names.update(&key.name.clone(), |state| {
                state.update_progress(|progress| progress.in_flight.get_or_insert_default().deletes.push(key));
            });
        }
        work
    }

    /// Claims of names that have had no address for too long end.
    fn expire_empty(&mut self, now: Mono) {
        let Some(after) = self.config.empty_after else { return };
        for (object, name) in self.empty.expire(after, now) {
            self.names.update(&name, |state| {
                state.retain_claims(|claim| claim.object != object || claim.endpoint.is_some());
            });
            self.touch(name, None);
        }
    }

    /// Whether planning the name can only give a change of the set that is there, and no delete.
    fn is_only_changed(&self, name: &Name, records: &RecordSets) -> bool {
        let [claim] = self.names.claims(name) else {
            return false;
        };
        let [(record_type, id, _)] = records.at(name).sets.as_slice() else {
            return false;
        };
        let endpoint = claim.endpoint.as_ref();
        endpoint.is_some_and(|endpoint| {
            endpoint.record_type == *record_type && endpoint.set_identifier == *id && endpoint.alias == AliasMode::No
        })
    }

    /// Whether it is certain that the object which an owner record names does not want this set.
    pub(super) fn absence(&self, key: &SetKey, resource: Option<&str>, complete: Complete) -> Absence {
        let object = resource.and_then(ObjectKey::from_resource);
        match self.config.absence(&key.name, resource, &complete) {
            Absence::Proven if self.contested.keys.contains(key) || self.never_seen.keeps(object.as_ref(), key) => {
                Absence::NeverSeen
            }
            // It exists, and what it names cannot be read: it may well mean this.
            Absence::Proven
                if object
                    .as_ref()
                    .is_some_and(|object| self.objects.get(object).is_some_and(ObjectState::is_vague)) =>
            {
                Absence::Unlisted
            }
            Absence::Proven if object.is_some_and(|object| self.selection.is_cause(&object, &key.name)) => {
                Absence::Unwatched
            }
            absence => absence,
        }
    }
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
