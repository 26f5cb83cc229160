//! What is known of each object in one zone: what it wants, and what became of it.
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::endpoint::Endpoint;
use crate::name::Name;
use crate::records::SetKey;
use crate::source::ObjectKey;
use crate::source::endpoints::{Defect, Wanted};
use crate::source::facts::{Facts, wanted};
use crate::source::scope::ZoneView;
use crate::zone::plan::types::{Claim, RecordVerdict};

/// What is known of one object. There is one for each object that the zone takes, so it is kept small.
#[derive(Debug, Default)]
pub(super) struct ObjectState {
    /// The names that it wants.
    pub(super) names: Box<[Name]>,
    /// What became of its record sets. What is published needs no memory, but DNSRecords report it.
    pub(super) verdicts: Box<[(SetKey, RecordVerdict)]>,
    /// What is wrong with it.
    pub(super) defects: Box<[Defect]>,
    /// Which generation of its spec this is about.
    pub(super) generation: Option<i64>,
}

impl ObjectState {
    /// Whether it names something that cannot be read, so that nobody knows which names it no longer wants.
    pub(super) fn is_vague(&self) -> bool {
        let mut defects = self.defects.iter();
        defects.any(|defect| defect.name.is_none() && matches!(defect.reason, "InvalidHostname" | "InvalidTemplate"))
    }

    /// Whether it has a defect that keeps it from being published.
    pub(super) fn is_defective(&self) -> bool {
        self.defects.iter().any(|defect| !defect.is_note())
    }

    /// Takes over the verdicts of some names, all at once; true when they are new.
    pub(super) fn set_verdicts(&mut self, new: BTreeMap<Name, Vec<(SetKey, RecordVerdict)>>) -> bool {
        let old = self.verdicts.iter().filter(|(key, _)| new.contains_key(&key.name));
        if old.eq(new.values().flatten()) {
            return false;
        }
        let mut all = std::mem::take(&mut self.verdicts).into_vec();
        all.retain(|(key, _)| !new.contains_key(&key.name));
        all.extend(new.into_values().flatten());
        // By name, so that those of some names can be compared with new ones.
        all.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        self.verdicts = all.into();
        true
    }
}

/// Every object that the zone takes.
#[derive(Debug, Default)]
pub(super) struct Objects(HashMap<ObjectKey, ObjectState>);

impl Objects {
    pub(super) fn get(&self, object: &ObjectKey) -> Option<&ObjectState> {
        self.0.get(object)
    }

    pub(super) fn get_mut(&mut self, object: &ObjectKey) -> Option<&mut ObjectState> {
        self.0.get_mut(object)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &ObjectState> {
        self.0.values()
    }

    pub(super) fn take(&mut self, object: &ObjectKey) -> ObjectState {
        self.0.remove(object).unwrap_or_default()
    }

    /// Keeps what is known of an object, unless that is nothing.
    pub(super) fn put(&mut self, object: &ObjectKey, state: ObjectState) {
        if !state.names.is_empty() || !state.defects.is_empty() {
            self.0.insert(object.clone(), state);
        }
    }
}

/// What one object wants of the zone.
#[derive(Default)]
pub(super) struct ObjectClaims {
    pub(super) claims: Vec<(Name, Claim)>,
    /// Names of claims that are held for want of an address.
    pub(super) empty: BTreeSet<Name>,
    pub(super) defects: Vec<Defect>,
}

impl ObjectClaims {
    /// What an object wants, by name. A name with a defect keeps what was published there before.
    pub(super) fn of(facts: &Facts, zone: &ZoneView<'_>) -> Self {
        let Wanted {
            endpoints,
            held,
            defects,
            suspended,
            ..
        } = wanted(facts, zone);
        let claim = |set_identifier: Option<Box<str>>, record_type, endpoint: Option<Endpoint>| Claim {
            object: facts.object.key.clone(),
            created: facts.object.created,
            endpoint,
            set_identifier,
            record_type,
        };
        let mut claims: Vec<(Name, Claim)> = Vec::with_capacity(endpoints.len() + held.len());
        for endpoint in endpoints {
            let (name, set_identifier) = (endpoint.name.clone(), endpoint.set_identifier.clone());
            let record_type = Some(endpoint.record_type);
            claims.push((
                name,
                claim(set_identifier, record_type, (!suspended).then_some(endpoint)),
            ));
        }
        // Only a missing address is a question of time; a defect or a suspension is not.
        let defective: BTreeSet<&Name> = defects.iter().filter_map(|defect| defect.name.as_ref()).collect();
        let all_defective = defects.iter().any(|defect| defect.name.is_none());
        let faultless = |name: &Name| !all_defective && !defective.contains(name);
        let empty = held
            .iter()
            .filter(|held| !suspended && faultless(&held.name))
            .map(|held| held.name.clone())
            .collect();
        claims.extend(
            held.into_iter()
                .map(|held| (held.name, claim(held.set_identifier, held.record_type, None))),
        );
        if defects.iter().any(|defect| defect.name.is_some()) {
            let mut claimed: BTreeSet<Name> = claims.iter().map(|(name, _)| name.clone()).collect();
            for name in defects.iter().filter_map(|defect| defect.name.as_ref()) {
                if claimed.insert(name.clone()) {
                    claims.push((name.clone(), claim(None, None, None)));
                }
            }
        }
        Self { claims, empty, defects }
    }
}
