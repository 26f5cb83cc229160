//! All that is known of one zone, without any I/O: wishes, image, what is to be done, what became of it.
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::batch::Group;
use super::config::Config;
use super::guard::Guard;
use super::plan::types::{Claim, RecordVerdict};
use crate::name::Name;
use crate::records::{NameSets, RecordSets, SetKey};
use crate::source::ObjectKey;
use crate::source::endpoints::{Defect, Endpoint, Wanted};
use crate::source::facts::{Facts, wanted};

/// Monotonic time since the process began.
pub type Mono = Duration;

/// The state of one zone.
#[derive(Debug)]
pub struct ZoneState {
    /// The zone's configuration.
    pub config: Config,
    /// The provider's sets; `None` until the first look.
    pub records: Option<RecordSets>,
    /// The delete guard's memory.
    pub guard: Guard,
    /// Deletes that wait for a confirmation.
    pub parked: BTreeMap<SetKey, HoldReason>,
    /// The last preparation left names for the next one.
    pub backlog: bool,
    /// Deletes were parked when an earlier process ended: those that the first plan finds stay parked.
    pub park_all: bool,
    /// Sets that `park_all` found, while it could not be told whether they are unwanted.
    doubtful: BTreeSet<SetKey>,
    /// The confirmation that an earlier process has used.
    pub used: Option<String>,
    /// A confirmation that has not been used. It came after the deletes were parked; an old one means nothing.
    armed: Option<String>,
    /// Confirmed deletes that have not been carried out.
    released: BTreeSet<SetKey>,
    /// Deletes whose call's outcome is unknown; the guard counts those that turn out to be carried out.
    uncertain: BTreeSet<SetKey>,
    /// Records whose objects have never been here.
    never_seen: NeverSeen,
    claims: HashMap<Name, Vec<Claim>>,
    names: HashMap<ObjectKey, Box<[Name]>>,
    defects: HashMap<ObjectKey, Vec<Defect>>,
    dirty: BTreeMap<Name, Option<Mono>>,
    in_flight: HashMap<Name, InFlight>,
    summaries: HashMap<Name, Summary>,
    totals: Totals,
    lines: BTreeMap<Name, Vec<String>>,
    verdicts: HashMap<ObjectKey, Vec<(SetKey, RecordVerdict)>>,
    refusals: HashMap<Name, Refusal>,
    /// Names that were blamed in a batch with others: they go alone until it is known whether they are at fault.
    suspected: BTreeSet<Name>,
    /// Names that a change at another name may mend.
    awaiting: BTreeSet<Name>,
    empty: HashMap<ObjectKey, BTreeMap<Name, Empty>>,
    /// Which generation of an object's spec the verdicts speak of.
    generations: HashMap<ObjectKey, i64>,
    changed: BTreeSet<ObjectKey>,
}

/// What was sent for a name.
#[derive(Debug, Default)]
struct InFlight {
    /// When the first event came that it answers.
    since: Option<Mono>,
    /// Deletes that count for the guard.
    deletes: Vec<SetKey>,
}

/// Since when an object's name has no address.
#[derive(Clone, Copy, Debug)]
enum Empty {
    Since(Mono),
    /// For longer than it is kept.
    Over,
}

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

/// A name that the provider refused.
#[derive(Clone, Debug)]
struct Refusal {
    failures: u32,
    not_before: Mono,
    message: String,
    /// What the refused change touched.
    names: Vec<Name>,
}

/// What one object wants of the zone.
#[derive(Default)]
struct ObjectClaims {
    claims: Vec<(Name, Claim)>,
    /// Names of claims that are held for want of an address.
    empty: BTreeSet<Name>,
    defects: Vec<Defect>,
}

/// What the actor shall send now.
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
            guard,
            parked: BTreeMap::new(),
            backlog: false,
            park_all: false,
            doubtful: BTreeSet::new(),
            used: None,
            armed: None,
            released: BTreeSet::new(),
            uncertain: BTreeSet::new(),
            never_seen: NeverSeen::default(),
            claims: HashMap::new(),
            names: HashMap::new(),
            defects: HashMap::new(),
            dirty: BTreeMap::new(),
            in_flight: HashMap::new(),
            summaries: HashMap::new(),
            totals: Totals::default(),
            lines: BTreeMap::new(),
            verdicts: HashMap::new(),
            refusals: HashMap::new(),
            suspected: BTreeSet::new(),
            awaiting: BTreeSet::new(),
            empty: HashMap::new(),
            generations: HashMap::new(),
            changed: BTreeSet::new(),
        }
    }

    /// Takes over an object's present wishes; `None`: it has gone. `since`: when the event came, for the latency.
    pub fn set_object(&mut self, key: &ObjectKey, facts: Option<&Facts>, now: Mono, since: Option<Mono>) {
        let desired = facts.map(|facts| self.claims_of(facts)).unwrap_or_default();
        if facts.is_some() {
            for name in self.never_seen.meet(key) {
                self.touch(name, None);
            }
        }
        let before = self.names.remove(key).unwrap_or_default();
        for name in &before {
            let all = self.claims.get_mut(name);
            let left = all.map_or(0, |all| {
                all.retain(|claim| claim.object != *key);
                all.len()
            });
            if left == 0 {
                self.claims.remove(name);
            }
            self.touch(name.clone(), since);
        }
        let mut names: Vec<Name> = Vec::with_capacity(desired.claims.len());
        let mut empty: BTreeMap<Name, Empty> = BTreeMap::new();
        let mut known = self.empty.remove(key).unwrap_or_default();
        for (name, claim) in desired.claims {
            self.touch(name.clone(), since);
            if !names.contains(&name) {
                names.push(name.clone());
            }
            if claim.endpoint.is_none() && desired.empty.contains(&name) {
                let since = known.remove(&name).unwrap_or(Empty::Since(now));
                empty.insert(name.clone(), since);
                if matches!(since, Empty::Over) {
                    continue;
                }
            }
            let all = self.claims.entry(name).or_default();
            // Nearly every name has one claim; a vector's first push would make room for four.
            all.reserve_exact(1);
            all.push(claim);
        }
        if !empty.is_empty() {
            self.empty.insert(key.clone(), empty);
        }
        // Verdicts of names that the object no longer wants are no longer its business.
        let mut changed = !before.is_empty() && *before != *names;
        if let Some(verdicts) = self.verdicts.get_mut(key) {
            // Those of names that it still wants speak of what it wanted before an event.
            verdicts.retain(|(set, _)| since.is_none() && names.contains(&set.name));
            if verdicts.is_empty() {
                self.verdicts.remove(key);
            }
            changed = true;
        }
        let speaks = !names.is_empty() || !desired.defects.is_empty();
        match facts.and_then(|facts| facts.object.generation).filter(|_| speaks) {
            Some(generation) => _ = self.generations.insert(key.clone(), generation),
            None => _ = self.generations.remove(key),
        }
        if !names.is_empty() {
            self.names.insert(key.clone(), names.into());
        }
        if self.set_defects(key, desired.defects) || changed {
            self.changed.insert(key.clone());
        }
    }

    /// Takes over what is wrong with an object; true when that is new.
    fn set_defects(&mut self, key: &ObjectKey, defects: Vec<Defect>) -> bool {
        let was_vague = self.is_vague(key);
        let new = self.defects.get(key).map_or(&[][..], Vec::as_slice) != defects.as_slice();
        if defects.is_empty() {
            self.defects.remove(key);
        } else {
            self.defects.insert(key.clone(), defects);
        }
        // What was held for what the object might mean can be told now.
        if was_vague && !self.is_vague(key) {
            self.reconsider_deletes();
        }
        new
    }

    /// Whether the object names something that cannot be read, so that nobody knows which names it no longer wants.
    fn is_vague(&self, key: &ObjectKey) -> bool {
        let mut defects = self.defects.get(key).into_iter().flatten();
        defects.any(|defect| defect.name.is_none() && matches!(defect.reason, "InvalidHostname" | "InvalidTemplate"))
    }

    /// The object's wishes by name. What is wrong with a name holds what was published there before.
    fn claims_of(&self, facts: &Facts) -> ObjectClaims {
        let Wanted {
            endpoints,
            held,
            defects,
            suspended,
            ..
        } = wanted(facts, &self.config.view());
        let claim = |set_identifier: Option<Box<str>>, endpoint: Option<Endpoint>| Claim {
            object: facts.object.key.clone(),
            created: facts.object.created,
            endpoint,
            set_identifier,
        };
        let mut claims: Vec<(Name, Claim)> = Vec::with_capacity(endpoints.len() + held.len());
        for endpoint in endpoints {
            let (name, set_identifier) = (endpoint.name.clone(), endpoint.set_identifier.clone());
            claims.push((name, claim(set_identifier, (!suspended).then_some(endpoint))));
        }
        // Only an address that is not there is a question of time; a fault or a suspension is not.
        let faultless = |name: &Name| {
            defects
                .iter()
                .all(|defect| defect.name.as_ref().is_some_and(|of| of != name))
        };
        let empty = held
            .iter()
            .filter(|held| !suspended && faultless(&held.name))
            .map(|held| held.name.clone())
            .collect();
        claims.extend(
            held.into_iter()
                .map(|held| (held.name, claim(held.set_identifier, None))),
        );
        for name in defects.iter().filter_map(|defect| defect.name.as_ref()) {
            if !claims.iter().any(|(claimed, _)| claimed == name) {
                claims.push((name.clone(), claim(None, None)));
            }
        }
        ObjectClaims { claims, empty, defects }
    }

    fn touch(&mut self, name: Name, since: Option<Mono>) {
        // An event about a refused name is a reason to try at once.
        if since.is_some() {
            self.refusals.remove(&name);
        }
        let first = self.dirty.entry(name).or_insert(since);
        *first = match (*first, since) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    /// Takes over a full look at the zone; every name is considered anew. `known`: objects that the cluster has.
    pub fn set_records(&mut self, records: RecordSets, known: impl Fn(&ObjectKey) -> bool) {
        self.find_never_seen(&records, known);
        if let Some(old) = &self.records {
            let same = |refusal: &Refusal| refusal.names.iter().all(|name| old.at(name) == records.at(name));
            self.refusals.retain(|_, refusal| same(refusal));
        }
        let names: Vec<Name> = records.iter().map(|(name, _)| name.clone()).collect();
        self.records = Some(records);
        for name in names {
            self.touch(name, None);
        }
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
        if config.limits != self.config.limits {
            self.parked.retain(|_, why| *why != HoldReason::Guard);
        }
        if config.empty_after != self.config.empty_after {
            self.empty.clear();
        }
        if config.confirmed != self.config.confirmed {
            self.armed.clone_from(&config.confirmed);
        }
        self.adopt(&config);
        self.config = config;
        self.refusals.clear();
        self.touch_known();
    }

    fn touch_known(&mut self) {
        let known: Vec<Name> = self.summaries.keys().chain(self.claims.keys()).cloned().collect();
        for name in known {
            self.touch(name, None);
        }
    }

    /// A source has become complete or the clock has moved on: names with withheld deletes are considered anew.
    pub fn reconsider_deletes(&mut self) {
        let waiting: Vec<Name> = self
            .summaries
            .iter()
            .filter(|(_, summary)| summary.unlisted > 0)
            .map(|(name, _)| name.clone())
            .collect();
        let parked: Vec<Name> = self.parked.keys().map(|key| key.name.clone()).collect();
        for name in waiting.into_iter().chain(parked) {
            self.touch(name, None);
        }
    }

    /// Whether anything is to be considered before `now`.
    pub fn has_work(&self, now: Mono) -> bool {
        self.records.is_some() && self.dirty.keys().any(|name| self.due(name, now))
    }

    fn due(&self, name: &Name, now: Mono) -> bool {
        self.refusals.get(name).is_none_or(|refusal| refusal.not_before <= now)
    }

    /// When something is due by time alone: a refused name's next try, an empty target's end.
    pub fn next_due(&self) -> Option<Mono> {
        let waiting = self.refusals.iter().filter(|(name, _)| self.dirty.contains_key(*name));
        let tries = waiting.map(|(_, refusal)| refusal.not_before);
        let empties = self.config.empty_after.into_iter().flat_map(|after| {
            let all = self.empty.values().flat_map(BTreeMap::values);
            all.filter_map(move |empty| match empty {
                Empty::Since(since) => Some(*since + after),
                Empty::Over => None,
            })
        });
        tries.chain(empties).min()
    }
}

mod never_seen;
mod prepare;
mod results;
mod totals;

use never_seen::NeverSeen;
use totals::Summary;
pub use totals::Totals;

#[cfg(test)]
mod tests;
