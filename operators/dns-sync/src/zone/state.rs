//! All that is known of one zone, without any I/O: wishes, image, what is to be done, what became of it.
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::batch::Group;
use super::config::{Complete, Config};
use super::guard::{self, Guard};
use super::image::{Change, Image, NameSets, SetKey};
use super::plan::{self, Claim, NamePlan, Verdict};
use crate::name::Name;
use crate::source::ObjectKey;
use crate::source::endpoints::{Defect, Held, Wanted, wanted};
use crate::source::facts::Facts;

/// Monotonic time since the process began.
pub type Mono = Duration;

/// The state of one zone.
#[derive(Debug)]
pub struct State {
    /// The zone's configuration.
    pub config: Config,
    /// The provider's sets; `None` until the first look.
    pub image: Option<Image>,
    /// The delete guard's memory.
    pub guard: Guard,
    /// Deletes that wait for a confirmation.
    pub parked: BTreeMap<SetKey, Park>,
    /// Deletes were parked when an earlier process ended: those that the first look finds stay parked.
    pub park_all: bool,
    claims: HashMap<Name, Vec<Claim>>,
    names: HashMap<ObjectKey, Vec<Name>>,
    defects: HashMap<ObjectKey, Vec<Defect>>,
    dirty: BTreeMap<Name, Option<Mono>>,
    in_flight: HashMap<Name, Option<Mono>>,
    summaries: HashMap<Name, Summary>,
    totals: Totals,
    lines: BTreeMap<Name, Vec<String>>,
    verdicts: HashMap<ObjectKey, Vec<(SetKey, Verdict)>>,
    trouble: HashMap<Name, Trouble>,
    empty_since: HashMap<(ObjectKey, Name), Mono>,
    released: BTreeSet<SetKey>,
    changed: BTreeSet<ObjectKey>,
}

/// Why a delete waits for a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Park {
    /// Too many at once.
    Guard,
    /// Its source is off or does not cover its object.
    Unwatched,
}

/// A name that the provider refused.
#[derive(Clone, Debug)]
struct Trouble {
    failures: u32,
    not_before: Mono,
    message: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Summary {
    desired: u32,
    owned: u32,
    foreign: u32,
    pending: u32,
    conflicted: u32,
    failed: u32,
    unlisted: u32,
}

/// Record sets by what they are to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Wanted by objects.
    pub desired: i64,
    /// Marked as ours.
    pub owned: i64,
    /// Not ours.
    pub foreign: i64,
    /// Waiting to be changed.
    pub pending: i64,
    /// Wanted but held by another object or owner.
    pub conflicted: i64,
    /// Wanted but invalid or refused.
    pub failed: i64,
    /// Unwanted as it seems, but a source has not been listed.
    pub unlisted: i64,
}

/// What the actor shall send now.
#[derive(Debug, Default)]
pub struct Work {
    /// By name, deletes before creates.
    pub groups: Vec<Group>,
}

impl State {
    /// An empty zone.
    pub fn new(config: Config, guard: Guard) -> Self {
        Self {
            config,
            image: None,
            guard,
            parked: BTreeMap::new(),
            park_all: false,
            claims: HashMap::new(),
            names: HashMap::new(),
            defects: HashMap::new(),
            dirty: BTreeMap::new(),
            in_flight: HashMap::new(),
            summaries: HashMap::new(),
            totals: Totals::default(),
            lines: BTreeMap::new(),
            verdicts: HashMap::new(),
            trouble: HashMap::new(),
            empty_since: HashMap::new(),
            released: BTreeSet::new(),
            changed: BTreeSet::new(),
        }
    }

    /// Takes over an object's present wishes; `None`: it has gone. `since`: when the event came, for the latency.
    pub fn set_object(&mut self, key: &ObjectKey, facts: Option<&Facts>, now: Mono, since: Option<Mono>) {
        let (claims, defects) = match facts {
            Some(facts) => self.claims_of(facts),
            None => (Vec::new(), Vec::new()),
        };
        for name in self.names.remove(key).unwrap_or_default() {
            let all = self.claims.get_mut(&name);
            let left = all.map_or(0, |all| {
                all.retain(|claim| claim.object != *key);
                all.len()
            });
            if left == 0 {
                self.claims.remove(&name);
            }
            self.touch(name, since);
        }
        let mut names: Vec<Name> = Vec::with_capacity(claims.len());
        let mut empty: Vec<Name> = Vec::new();
        for (name, claim) in claims {
            if claim.endpoint.is_none() {
                empty.push(name.clone());
            }
            self.claims.entry(name.clone()).or_default().push(claim);
            self.touch(name.clone(), since);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        self.empty_since
            .retain(|(object, name), _| object != key || empty.contains(name));
        for name in empty {
            self.empty_since.entry((key.clone(), name)).or_insert(now);
        }
        if self.defects.get(key).map_or(&[][..], Vec::as_slice) != defects.as_slice() {
            self.changed.insert(key.clone());
        }
        // Verdicts of names that the object no longer wants are no longer its business.
        if let Some(verdicts) = self.verdicts.get_mut(key) {
            verdicts.retain(|(set, _)| names.contains(&set.name));
            if verdicts.is_empty() {
                self.verdicts.remove(key);
            }
            self.changed.insert(key.clone());
        }
        if defects.is_empty() {
            self.defects.remove(key);
        } else {
            self.defects.insert(key.clone(), defects);
        }
        if !names.is_empty() {
            self.names.insert(key.clone(), names);
        }
    }

    /// The object's wishes by name. What is wrong with a name holds what was published there before.
    fn claims_of(&self, facts: &Facts) -> (Vec<(Name, Claim)>, Vec<Defect>) {
        let Wanted {
            endpoints,
            held,
            defects,
            suspended,
            ..
        } = wanted(facts, &self.config.view());
        let hold = |name: Name, set_identifier: Option<Box<str>>| {
            (
                name,
                Claim {
                    object: facts.key.clone(),
                    created: facts.created,
                    endpoint: None,
                    set_identifier,
                },
            )
        };
        let mut claims: Vec<(Name, Claim)> = Vec::with_capacity(endpoints.len() + held.len());
        for endpoint in endpoints {
            if suspended {
                claims.push(hold(endpoint.name, endpoint.set_identifier));
                continue;
            }
            let claim = Claim {
                object: facts.key.clone(),
                created: facts.created,
                set_identifier: endpoint.set_identifier.clone(),
                endpoint: Some(endpoint.clone()),
            };
            claims.push((endpoint.name, claim));
        }
        claims.extend(
            held.into_iter()
                .map(|Held { name, set_identifier }| hold(name, set_identifier)),
        );
        let faulty: Vec<Name> = defects.iter().filter_map(|defect| defect.name.clone()).collect();
        for name in faulty {
            if !claims.iter().any(|(claimed, _)| *claimed == name) {
                claims.push(hold(name, None));
            }
        }
        (claims, defects)
    }

    fn touch(&mut self, name: Name, since: Option<Mono>) {
        // An event about a refused name is a reason to try at once.
        if since.is_some() {
            self.trouble.remove(&name);
        }
        let first = self.dirty.entry(name).or_insert(since);
        *first = match (*first, since) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    /// Takes over a full look at the zone; every name is considered anew.
    pub fn looked(&mut self, image: Image) {
        let names: Vec<Name> = image.iter().map(|(name, _)| name.clone()).collect();
        self.image = Some(image);
        let known: Vec<Name> = self.summaries.keys().chain(self.claims.keys()).cloned().collect();
        for name in names.into_iter().chain(known) {
            self.touch(name, None);
        }
    }

    /// Takes over what was read at one name; true when it was not what we thought.
    pub fn read(&mut self, name: &Name, sets: NameSets) -> bool {
        let differs = self.image.as_mut().is_some_and(|image| image.replace(name, sets));
        self.touch(name.clone(), None);
        differs
    }

    /// Another configuration. The caller gives every object anew.
    pub fn set_config(&mut self, config: Config) {
        if config.limits != self.config.limits {
            self.parked.retain(|_, why| *why != Park::Guard);
        }
        self.config = config;
        self.trouble.clear();
        let all: Vec<Name> = self.summaries.keys().chain(self.claims.keys()).cloned().collect();
        for name in all {
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
        self.image.is_some() && self.dirty.keys().any(|name| self.due(name, now))
    }

    fn due(&self, name: &Name, now: Mono) -> bool {
        self.trouble.get(name).is_none_or(|trouble| trouble.not_before <= now)
    }

    /// When something is due by time alone: a refused name's next try, an empty target's end.
    pub fn next_due(&self) -> Option<Mono> {
        let tries = self
            .dirty
            .keys()
            .filter_map(|name| self.trouble.get(name))
            .map(|trouble| trouble.not_before);
        let empties = self
            .config
            .empty_after
            .into_iter()
            .flat_map(|after| self.empty_since.values().map(move |since| *since + after));
        tries.chain(empties).min()
    }

    /// Plans every due name and says what to send. `at` is wall-clock time in seconds since 1970, for the guard.
    pub fn prepare(&mut self, now: Mono, at: i64, complete: &Complete) -> Work {
        self.expire_empty(now);
        let Some(image) = self.image.take() else {
            return Work::default();
        };
        let due: Vec<(Name, Option<Mono>)> = self
            .dirty
            .iter()
            .filter(|(name, _)| self.due(name, now))
            .map(|(name, since)| (name.clone(), *since))
            .collect();
        let mut work = Work::default();
        let mut open: Vec<(SetKey, Vec<Change>)> = Vec::new();
        let mut released: Vec<(SetKey, Vec<Change>)> = Vec::new();
        for (name, _) in &due {
            self.dirty.remove(name);
            let claims = self.claims.get(name).map_or(&[][..], Vec::as_slice);
            let found = plan::plan(name, claims, &image, &self.config.rules(), |resource| {
                self.config.gone(resource, complete)
            });
            self.note(name, &found);
            if !found.writes.is_empty() {
                work.groups.push(Group {
                    name: name.clone(),
                    changes: found.writes,
                });
            }
            let before: BTreeMap<SetKey, Park> = self
                .parked
                .iter()
                .filter(|(key, _)| key.name == *name)
                .map(|(key, why)| (key.clone(), *why))
                .collect();
            self.parked.retain(|key, _| key.name != *name);
            for (key, changes) in found.deletes {
                if self.released.contains(&key) {
                    released.push((key, changes));
                } else if self.park_all || before.get(&key) == Some(&Park::Guard) {
                    self.parked.insert(key, Park::Guard);
                } else {
                    open.push((key, changes));
                }
            }
            for (key, changes) in found.unwatched {
                if self.released.contains(&key) {
                    released.push((key, changes));
                } else {
                    self.parked.insert(key, Park::Unwatched);
                }
            }
        }
        self.park_all = false;
        self.image = Some(image);
        let owned = usize::try_from(self.totals.owned).unwrap_or(0);
        if self.guard.admits(open.len(), owned, at, &self.config.limits) {
            released.extend(open);
        } else {
            self.parked.extend(open.into_iter().map(|(key, _)| (key, Park::Guard)));
        }
        work.add_deletes(released);
        self.release_confirmed();
        let sent: BTreeSet<&Name> = work.groups.iter().map(|group| &group.name).collect();
        self.in_flight
            .extend(due.into_iter().filter(|(name, _)| sent.contains(name)));
        work
    }

    /// A person has confirmed exactly the parked set: it goes with the next batch.
    fn release_confirmed(&mut self) {
        let Some(confirmed) = &self.config.confirmed else {
            return;
        };
        if self.parked.is_empty() || *confirmed != self.parked_hash() {
            return;
        }
        for key in std::mem::take(&mut self.parked).into_keys() {
            self.touch(key.name.clone(), None);
            self.released.insert(key);
        }
    }

    /// The hash that confirms the present parked set.
    pub fn parked_hash(&self) -> String {
        guard::hash(self.parked.keys())
    }

    fn expire_empty(&mut self, now: Mono) {
        let Some(after) = self.config.empty_after else { return };
        let over: Vec<(ObjectKey, Name)> = self
            .empty_since
            .iter()
            .filter(|(_, since)| **since + after <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for (object, name) in over {
            self.empty_since.remove(&(object.clone(), name.clone()));
            if let Some(claims) = self.claims.get_mut(&name) {
                claims.retain(|claim| claim.object != object || claim.endpoint.is_some());
            }
            self.touch(name, None);
        }
    }
}

impl Work {
    /// Deletes go with the other changes of their name, before them.
    fn add_deletes(&mut self, deletes: Vec<(SetKey, Vec<Change>)>) {
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
                let more: Vec<Change> = changes
                    .into_iter()
                    .filter(|change| !group.changes.contains(change))
                    .collect();
                group.changes.splice(0..0, more);
            }
        }
    }
}

mod outcome;
