//! Records that are marked as ours, but of which nothing shows that this cluster has published them: those of a cluster that
//! is being rebuilt, and of another one with the same owner. That no object wants them proves nothing.
use std::collections::{BTreeSet, HashMap};

use super::ZoneState;
use crate::crd::zone::RegistryKind;
use crate::name::Name;
use crate::record_data::RecordType;
use crate::records::{NameSets, RecordSets, SetKey};
use crate::source::{ObjectKey, SourceKind};
use crate::zone::config::Config;
use crate::zone::fingerprints::{Fingerprints, MAX_RECORDS};
use crate::zone::owner::{Owner, heritage};
use crate::zone::plan::types::Rules;

/// A name, and which of its sets: an object claims all types of one set identifier together.
type Place = (Name, Option<Box<str>>);

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct NeverSeen {
    /// Objects that have not claimed these places yet.
    holders: HashMap<ObjectKey, BTreeSet<Place>>,
    /// Places whose owner records do not say for which object they were made.
    nameless: BTreeSet<Place>,
    /// Names at which a call of ours may have been carried out: what appears there is ours.
    pub(super) uncertain: BTreeSet<Name>,
    /// What an earlier process has published. Needed for the first list only.
    pub(super) past: Fingerprints,
    /// Sets that appeared beside an owner record which had stood there without them: it says nothing of them.
    pub(super) unrelated: BTreeSet<SetKey>,
}

impl NeverSeen {
    /// Whether the object that the owner record names has never claimed this set.
    pub(super) fn keeps(&self, object: Option<&ObjectKey>, key: &SetKey) -> bool {
        let places = object.map_or(Some(&self.nameless), |object| self.holders.get(object));
        places.is_some_and(|places| places.contains(&(key.name.clone(), key.set_identifier.clone())))
    }

    /// The object claims these places now; the names of those that were kept for it.
    pub(super) fn meet<'a>(
        &mut self,
        object: &ObjectKey,
        claimed: impl Iterator<Item = (&'a Name, Option<&'a str>)>,
    ) -> Vec<Name> {
        let Some(places) = self.holders.get_mut(object) else {
            return Vec::new();
        };
        let mut names = Vec::new();
        for (name, id) in claimed {
            if places.remove(&(name.clone(), id.map(Into::into))) {
                names.push(name.clone());
            }
        }
        if places.is_empty() {
            self.holders.remove(object);
        }
        names
    }

    fn keep(&mut self, object: Option<ObjectKey>, place: Place) {
        let places = match object {
            None => &mut self.nameless,
            Some(object) => self.holders.entry(object).or_default(),
        };
        places.insert(place);
    }
}

/// What is in `records` at `names`, was not in `old`, is marked as ours, and is claimed by nobody.
fn unclaimed<'a>(
    state: &ZoneState,
    rules: &Rules,
    old: &RecordSets,
    records: &RecordSets,
    names: impl Iterator<Item = (&'a Name, &'a NameSets)>,
) -> Vec<(Option<ObjectKey>, Place)> {
    let mut found = Vec::new();
    if rules.registry != RegistryKind::TXT {
        return found;
    }
    let NeverSeen { uncertain, past, .. } = &state.never_seen;
    let claimed = |object: Option<&ObjectKey>, (name, id): &Place| {
        let mut claims = state.names.claims(name).iter();
        claims.any(|claim| Some(&claim.object) == object && claim.set_identifier == *id)
    };
    for (name, at) in names {
        for (record_type, id, set) in &at.sets {
            let key = SetKey {
                name: name.clone(),
                record_type: *record_type,
                set_identifier: id.clone(),
            };
            if old.get(&key).is_some() {
                continue;
            }
            let (resource, names) = match heritage(set).filter(|_| *record_type == RecordType::Txt) {
                // An owner record that stands alone.
                Some(heritage) if heritage.owner.as_deref() == Some(rules.marks.owner_id) => {
                    let names = rules.marks.alone(records, &key);
                    (heritage.resource, names)
                }
                Some(_) => continue,
                None => match rules.marks.owner(records, &key, set) {
                    Owner::Ours(mark) if !past.contains(&key, mark.resource.as_deref(), set) => {
                        (mark.resource, vec![name.clone()])
                    }
                    _ => continue,
                },
            };
            let object = resource.as_deref().and_then(ObjectKey::from_resource);
            let may_come = |object: &ObjectKey| SourceKind::ALL.contains(&object.kind());
            if resource.is_some() && !object.as_ref().is_some_and(may_come) {
                // Nobody here could ever claim it.
                continue;
            }
            let places = names.into_iter().map(|name| (name, id.clone()));
            let kept = places.filter(|place| !uncertain.contains(&place.0) && !claimed(object.as_ref(), place));
            found.extend(kept.map(|place| (object.clone(), place)));
        }
    }
    found
}

impl ZoneState {
    /// What an earlier process of this cluster has published.
    pub fn recall(&mut self, past: Fingerprints) {
        self.never_seen.past = past;
    }

    /// What this cluster has published, for the process that comes next; nothing if it is too much to be kept.
    pub fn fingerprints(&self) -> Fingerprints {
        let mut all = Fingerprints::default();
        let too_many = usize::try_from(self.totals.owned).is_ok_and(|owned| owned > MAX_RECORDS);
        let Some(records) = self.records.as_ref().filter(|_| !too_many) else {
            return all;
        };
        let rules = self.rules();
        for (name, at) in records.iter() {
            for (record_type, id, set) in &at.sets {
                let key = SetKey {
                    name: name.clone(),
                    record_type: *record_type,
                    set_identifier: id.clone(),
                };
                if *record_type == RecordType::Txt && heritage(set).is_some() {
                    continue;
                }
                let Owner::Ours(mark) = rules.marks.owner(records, &key, set) else {
                    continue;
                };
                let object = mark.resource.as_deref().and_then(ObjectKey::from_resource);
                if !self.never_seen.keeps(object.as_ref(), &key) && !self.contested.keys.contains(&key) {
                    all.insert(&key, mark.resource.as_deref(), set);
                }
            }
        }
        all
    }

    /// Finds what has appeared at the provider since the last list, is marked as ours, and is claimed by no object. At the
    /// first list that is everything that no earlier process of this cluster is known to have published.
    pub(super) fn find_never_seen(&mut self, records: &RecordSets) {
        let nothing = RecordSets::default();
        let old = self.records.as_ref().unwrap_or(&nothing);
        if self.records.is_some() {
            let unrelated = self.find_unrelated(old, records, records.iter());
            self.never_seen.unrelated.extend(unrelated);
        }
        self.never_seen.unrelated.retain(|key| records.get(key).is_some());
        let old = self.records.as_ref().unwrap_or(&nothing);
        let found = unclaimed(self, &self.rules(), old, records, records.iter());
        for (object, place) in found {
            self.never_seen.keep(object, place);
        }
        self.never_seen.uncertain.clear();
        self.never_seen.past = Fingerprints::default();
    }

    /// Sets that are new beside an owner record which is not.
    fn find_unrelated<'a>(
        &self,
        old: &RecordSets,
        records: &RecordSets,
        names: impl Iterator<Item = (&'a Name, &'a NameSets)>,
    ) -> Vec<SetKey> {
        let rules = self.rules();
        let mut found = Vec::new();
        for (name, at) in names.filter(|(name, _)| !self.never_seen.uncertain.contains(name)) {
            for (record_type, id, set) in &at.sets {
                let key = SetKey {
                    name: name.clone(),
                    record_type: *record_type,
                    set_identifier: id.clone(),
                };
                let is_mark = *record_type == RecordType::Txt && heritage(set).is_some();
                if is_mark || old.get(&key).is_some() {
                    continue;
                }
                let Owner::Ours(mark) = rules.marks.owner(records, &key, set) else {
                    continue;
                };
                let mark = SetKey {
                    name: mark.txt,
                    record_type: RecordType::Txt,
                    set_identifier: id.clone(),
                };
                if old.get(&mark).is_some_and(|before| records.get(&mark) == Some(before)) {
                    found.push(key);
                }
            }
        }
        found
    }

    /// Under another owner or prefix other records are ours, and their objects may never have been here. Those that are
    /// here are met at once, since the caller of [`ZoneState::set_config`] gives every object anew.
    pub(super) fn adopt(&mut self, next: &Config) {
        if next.owner_id == self.config.owner_id && next.affix == self.config.affix {
            return;
        }
        let Some(records) = &self.records else { return };
        let found = unclaimed(self, &next.rules(), &RecordSets::default(), records, records.iter());
        for (object, place) in found {
            self.never_seen.keep(object, place);
        }
    }

    /// Takes over what was read at the names of a refused change; true when it was not what we thought. As with a list,
    /// what has appeared and is marked as ours may be for an object that has never been here.
    pub fn reread(&mut self, found: &[(Name, NameSets)]) -> bool {
        let mut old = RecordSets::default();
        let mut differs = false;
        for (name, sets) in found {
            let before = self.records.as_ref().map(|records| records.at(name).clone());
            old.replace(name, before.unwrap_or_default());
            differs |= self.read(name, sets.clone());
        }
        let Some(records) = &self.records else { return differs };
        let names = || found.iter().map(|(name, sets)| (name, sets));
        let unrelated = self.find_unrelated(&old, records, names());
        let unclaimed = unclaimed(self, &self.rules(), &old, records, names());
        let is_unrelated = |(_, place): &(Option<ObjectKey>, Place)| {
            unrelated
                .iter()
                .any(|key| key.name == place.0 && key.set_identifier == place.1)
        };
        let unclaimed: Vec<_> = unclaimed.into_iter().filter(|one| !is_unrelated(one)).collect();
        for (object, place) in unclaimed {
            self.never_seen.keep(object, place);
        }
        self.never_seen.unrelated.extend(unrelated);
        differs
    }
}
