//! Owner records of ours whose records are gone. Left behind they would make us the owner of whatever somebody makes at the
//! name later.
use super::ZoneState;
use crate::crd::zone::{Policy, RegistryKind};
use crate::name::Name;
use crate::record_data::RecordType;
use crate::records::{Action, RecordChange, RecordSets, SetKey};
use crate::source::scope::Complete;
use crate::zone::owner::heritage;
use crate::zone::plan::types::Absence;

impl ZoneState {
    /// The deletes of owner records at `name` that stand for no record and whose objects are gone for certain.
    pub(super) fn orphaned_marks(&self, name: &Name, records: &RecordSets, complete: Complete) -> Vec<RecordChange> {
        let rules = self.rules();
        let mut changes = Vec::new();
        if rules.policy != Policy::Sync || rules.registry != RegistryKind::TXT {
            return changes;
        }
        for (record_type, id, set) in &records.at(name).sets {
            if *record_type != RecordType::Txt {
                continue;
            }
            let Some(heritage) = heritage(set).filter(|found| found.owner.as_deref() == Some(rules.marks.owner_id))
            else {
                continue;
            };
            let key = SetKey {
                name: name.clone(),
                record_type: RecordType::Txt,
                set_identifier: id.clone(),
            };
            let places = rules.marks.alone(records, &key);
            let free = |place: &Name| {
                let place = SetKey {
                    name: place.clone(),
                    record_type: RecordType::A,
                    set_identifier: id.clone(),
                };
                rules.filter.admits(&place.name)
                    && self.names.claims(&place.name).is_empty()
                    && !self.never_seen.uncertain.contains(&place.name)
                    && self.absence(&place, heritage.resource.as_deref(), complete) == Absence::Proven
            };
            if !places.is_empty() && places.iter().all(free) {
                changes.push(RecordChange {
                    action: Action::Delete,
                    key,
                    set: set.clone(),
                });
            }
        }
        changes
    }

    /// Owner records that any record of this name may have had are planned too: they may stand alone now.
    pub(super) fn queue_marks_of(&mut self, name: &Name) {
        for record_type in RecordType::ALL {
            self.queue_marks_of_set(&SetKey::simple(name, record_type));
        }
    }

    /// The same for one record that is gone.
    pub(super) fn queue_marks_of_set(&mut self, key: &SetKey) {
        let gone = |records: &&RecordSets| records.get(key).is_none() || self.never_seen.unrelated.contains(key);
        let Some(records) = self.records.as_ref().filter(gone) else {
            return;
        };
        let affix = &self.config.affix;
        for mark in affix.candidates(&key.name, key.record_type, true, &self.config.domain) {
            if !records.at(&mark.name).is_empty() {
                self.queue.add(mark.name, None);
            }
        }
    }
}
