//! Records that are marked as ours but were made for objects that this cluster has never had: those of a cluster that is
//! being rebuilt, and of another one with the same owner id. Their absence proves nothing.
use std::collections::{BTreeSet, HashMap};

use super::ZoneState;
use crate::crd::zone::{Policy, RegistryKind};
use crate::name::Name;
use crate::records::{NameSets, RecordSets, SetKey};
use crate::source::ObjectKey;
use crate::zone::config::Config;
use crate::zone::owner::Owner;
use crate::zone::plan::types::Rules;

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct NeverSeen {
    /// Nothing shows that this cluster had the zone's objects before: no object's absence is taken for granted.
    pub(super) cautious: bool,
    /// Objects that have not come yet, with the names that are kept for them.
    holders: HashMap<ObjectKey, BTreeSet<Name>>,
    /// Names whose owner records do not say for which object they were made.
    nameless: BTreeSet<Name>,
    /// Names at which a call of ours may have been carried out: what appears there is ours.
    pub(super) uncertain: BTreeSet<Name>,
}

impl NeverSeen {
    /// Whether the object that the owner record at `name` names has never been here.
    pub(super) fn keeps(&self, object: Option<&ObjectKey>, name: &Name) -> bool {
        let names = object.map_or(Some(&self.nameless), |object| self.holders.get(object));
        names.is_some_and(|names| names.contains(name))
    }

    /// The object is here; the names that were kept for it.
    pub(super) fn meet(&mut self, object: &ObjectKey) -> BTreeSet<Name> {
        self.holders.remove(object).unwrap_or_default()
    }

    fn keep(&mut self, object: Option<ObjectKey>, name: &Name) {
        let names = match object {
            None => &mut self.nameless,
            Some(object) => self.holders.entry(object).or_default(),
        };
        names.insert(name.clone());
    }

    /// Keeps what is in `records` at `names`, was not in `old`, is marked as ours, and is for no `known` object.
    fn note<'a>(
        &mut self,
        rules: &Rules,
        old: &RecordSets,
        records: &RecordSets,
        names: impl Iterator<Item = (&'a Name, &'a NameSets)>,
        known: impl Fn(&ObjectKey) -> bool,
    ) {
        // The other policies change no existing record, and a change of the policy is a person's decision.
        if !matches!(rules.policy, Policy::UpsertOnly | Policy::Sync) || rules.registry != RegistryKind::TXT {
            return;
        }
        for (name, at) in names {
            for (record_type, set_identifier, set) in &at.sets {
                let key = SetKey {
                    name: name.clone(),
                    record_type: *record_type,
                    set_identifier: set_identifier.clone(),
                };
                if self.uncertain.contains(name) || old.get(&key).is_some() {
                    continue;
                }
                let Owner::Ours(mark) = rules.marks.owner(records, &key, set) else {
                    continue;
                };
                let object = mark.resource.as_deref().and_then(ObjectKey::from_resource);
                if mark.resource.is_some() == object.is_some() && !object.as_ref().is_some_and(&known) {
                    self.keep(object, name);
                }
            }
        }
    }
}

impl ZoneState {
    /// From the beginning on no record is deleted or given to another object only because this process has not seen the
    /// object that it was made for. For zones that this cluster has never had records in.
    pub fn begin_cautiously(&mut self) {
        self.never_seen.cautious = true;
    }

    /// Finds what has appeared at the provider since the last list, is marked as ours, and was made for an object that is
    /// not `known`. Without an earlier list that is everything where [`ZoneState::begin_cautiously`] was called, else nothing.
    pub(super) fn find_never_seen(&mut self, records: &RecordSets, known: impl Fn(&ObjectKey) -> bool) {
        let nothing = RecordSets::default();
        let old = self.records.as_ref().or(self.never_seen.cautious.then_some(&nothing));
        if let Some(old) = old {
            self.never_seen
                .note(&self.config.rules(), old, records, records.iter(), known);
        }
        self.never_seen.uncertain.clear();
    }

    /// Under another owner or prefix other records are ours, and their objects may never have been here. Those that are
    /// here are met at once, since the caller of [`ZoneState::set_config`] gives every object anew.
    pub(super) fn adopt(&mut self, next: &Config) {
        if next.owner_id == self.config.owner_id && next.affix == self.config.affix {
            return;
        }
        if let Some(records) = &self.records {
            let nothing = RecordSets::default();
            self.never_seen
                .note(&next.rules(), &nothing, records, records.iter(), |_| false);
        }
    }

    /// Takes over what was read at the names of a refused change; true when it was not what we thought. As with a list,
    /// what has appeared and is marked as ours may be for an object that is not `known`.
    pub fn reread(&mut self, found: &[(Name, NameSets)], known: impl Fn(&ObjectKey) -> bool) -> bool {
        let mut old = RecordSets::default();
        let mut differs = false;
        for (name, sets) in found {
            let before = self.records.as_ref().map(|records| records.at(name).clone());
            old.replace(name, before.unwrap_or_default());
            differs |= self.read(name, sets.clone());
        }
        if let Some(records) = &self.records {
            let names = found.iter().map(|(name, sets)| (name, sets));
            self.never_seen.note(&self.config.rules(), &old, records, names, known);
        }
        differs
    }
}
