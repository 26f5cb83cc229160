//! All that is known of one zone, without any I/O: what objects want, what is at the provider, what is to be done, and what
//! became of it.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::batch::Group;
use super::config::Config;
use super::guard::Guard;
use super::owner::Marks;
use super::plan::types::{RecordVerdict, Rules};
use crate::name::Name;
use crate::records::{NameSets, RecordSets, SetKey};
use crate::source::ObjectKey;
use crate::source::facts::{Facts, selects};

mod contested;
mod deletes;
mod empty;
mod names;
mod never_seen;
mod objects;
mod orphans;
mod prepare;
mod queue;
mod results;
mod selection;
mod totals;

use contested::Contested;
pub use deletes::{Deletes, HoldReason};
use empty::{Empty, EmptyTargets};
use names::Names;
use never_seen::NeverSeen;
use objects::{ObjectClaims, Objects};
use queue::Queue;
use selection::Selection;
use totals::NameCounts;
pub use totals::Totals;

/// Monotonic time since the process began.
pub type Mono = Duration;

/// The state of one zone.
#[derive(Debug)]
pub struct ZoneState {
    /// The zone's configuration.
    pub config: Config,
    /// The provider's sets; `None` until the first list.
    pub records: Option<RecordSets>,
    /// Deletes that need a decision.
    pub deletes: Deletes,
    /// The last preparation left names for the next one.
    pub backlog: bool,
    names: Names,
    objects: Objects,
    totals: Totals,
    queue: Queue,
    empty: EmptyTargets,
    /// Records of which nothing shows that this cluster has published them.
    never_seen: NeverSeen,
    /// Records that another writer changes back.
    contested: Contested,
    /// What the settings leave out.
    selection: Selection,
    /// Objects of which something new is to be reported.
    changed: BTreeSet<ObjectKey>,
}

/// What the worker is to send now.
#[derive(Debug, Default)]
pub struct Work {
    /// By name, deletes before creates.
    pub groups: Vec<Group>,
    /// More names wait to be planned at once.
    pub more: bool,
}

impl ZoneState {
    /// An empty zone.
    pub fn new(config: Config, guard: Guard) -> Self {
        Self {
            config,
            records: None,
            deletes: Deletes::new(guard),
            backlog: false,
            names: Names::default(),
            objects: Objects::default(),
            totals: Totals::default(),
            queue: Queue::default(),
            empty: EmptyTargets::default(),
            never_seen: NeverSeen::default(),
            contested: Contested::default(),
            selection: Selection::default(),
            changed: BTreeSet::new(),
        }
    }

    /// The rules of planning, with what is known of single records.
    pub(super) fn rules(&self) -> Rules<'_> {
        let rules = self.config.rules();
        Rules {
            marks: Marks {
                unrelated: &self.never_seen.unrelated,
                ..rules.marks
            },
            contested: &self.contested.keys,
            ..rules
        }
    }

    /// Takes over what an object wants now; `None`: it was removed. `since`: when the event came, for the latency; `None`:
    /// the object is as it was, but the settings may have changed.
    pub fn set_object(&mut self, key: &ObjectKey, facts: Option<&Facts>, now: Mono, since: Option<Mono>) {
        let desired = facts.map(|facts| ObjectClaims::of(facts, &self.config.view()));
        let desired = desired.unwrap_or_default();
        let claimed = desired.claims.iter();
        let claimed = claimed.map(|(name, claim)| (name, claim.set_identifier.as_deref()));
        for name in self.never_seen.meet(key, claimed) {
            self.touch(name, None);
        }
        let mut object = self.objects.take(key);
        let was_vague = object.is_vague();
        for name in &object.names {
            self.names
                .update(name, |state| state.retain_claims(|claim| claim.object != *key));
            self.touch(name.clone(), since);
        }
        let mut names: Vec<Name> = Vec::with_capacity(desired.claims.len());
        let mut empty: BTreeMap<Name, Empty> = BTreeMap::new();
        let mut known = self.empty.take(key);
        for (name, claim) in desired.claims {
            self.touch(name.clone(), since);
            names.push(name.clone());
            if claim.endpoint.is_none() && desired.empty.contains(&name) {
                let since = known.remove(&name).unwrap_or(Empty::Since(now));
                empty.insert(name.clone(), since);
                if matches!(since, Empty::Over) {
                    continue;
                }
            }
            self.names.update(&name, |state| state.add_claim(claim));
        }
        names.sort_unstable();
        names.dedup();
        match facts {
            None => self.selection.remove(key),
            Some(facts) => {
                let selected = selects(facts, &self.config.view());
                self.selection
                    .update(key, selected, since.is_some(), &object.names, &names);
            }
        }
        self.empty.put(key, empty);
        let mut changed = !object.names.is_empty() && *object.names != *names;
        if !object.verdicts.is_empty() {
            // Verdicts of names that the object no longer wants are no longer its business; those of names that it still
            // wants are about what it wanted before an event.
            let mut verdicts = std::mem::take(&mut object.verdicts).into_vec();
            verdicts.retain(|(set, _)| since.is_none() && names.binary_search(&set.name).is_ok());
            object.verdicts = verdicts.into();
            changed = true;
        }
        changed |= *object.defects != *desired.defects;
        object.names = names.into();
        object.defects = desired.defects.into();
        object.generation = facts.and_then(|facts| facts.object.generation);
        // What was held for what the object might mean can be decided now.
        if was_vague && !object.is_vague() {
            self.reconsider_deletes();
        }
        self.objects.put(key, object);
        if changed {
            self.changed.insert(key.clone());
        }
    }

    /// The name is to be planned; `since`: when the event came that is the reason.
    fn touch(&mut self, name: Name, since: Option<Mono>) {
        // An event about a refused name is a reason to try at once.
        if since.is_some() {
            self.names.update_progress(&name, |progress| progress.refusal = None);
        }
        self.queue.add(name, since);
    }

    /// Takes over a list of the whole zone; every name is planned anew.
    pub fn set_records(&mut self, records: RecordSets, now: Mono) {
        self.find_contested(&records, now);
        self.find_never_seen(&records);
        if let Some(old) = &self.records {
            self.names
                .retain_refusals(|refusal| refusal.names.iter().all(|name| old.at(name) == records.at(name)));
        }
        for (name, _) in records.iter() {
            self.queue.add(name.clone(), None);
        }
        self.records = Some(records);
        self.touch_known();
    }

    /// Takes over what was read at one name; true when it was not what we thought.
    pub fn read(&mut self, name: &Name, sets: NameSets) -> bool {
        let differs = self.records.as_mut().is_some_and(|records| records.replace(name, sets));
        self.touch(name.clone(), None);
        differs
    }

    /// Another configuration. The caller gives every object anew.
    pub fn set_config(&mut self, config: Config) {
        self.deletes.reconfigure(&self.config, &config);
        if config.empty_after != self.config.empty_after {
            self.empty.clear();
        }
        self.adopt(&config);
        self.config = config;
        self.names.retain_refusals(|_| false);
        self.touch_known();
    }

    fn touch_known(&mut self) {
        for (name, _) in self.names.iter() {
            self.queue.add(name.clone(), None);
        }
    }

    /// A source has become complete or the clock has moved on: names with withheld deletes are planned anew.
    pub fn reconsider_deletes(&mut self) {
        let waiting = self.names.iter().filter(|(_, state)| state.counts.unlisted > 0);
        let parked = self.deletes.parked.keys().map(|key| &key.name);
        for name in waiting.map(|(name, _)| name).chain(parked) {
            self.queue.add(name.clone(), None);
        }
    }

    /// Whether anything is to be planned before `now`.
    pub fn has_work(&self, now: Mono) -> bool {
        self.records.is_some() && self.queue.names().any(|name| self.names.is_due(name, now))
    }

    /// When something is due by time alone: a refused name's next try, an empty target's end.
    pub fn next_due(&self) -> Option<Mono> {
        let refusals = self.queue.names().filter_map(|name| self.names.refusal(name));
        let tries = refusals.map(|refusal| refusal.not_before).min();
        let empty = self.config.empty_after.and_then(|after| self.empty.next(after));
        tries.into_iter().chain(empty).min()
    }
}

#[cfg(test)]
mod tests;
