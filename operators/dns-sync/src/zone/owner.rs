//! Whose a record set is. Every name that an owner TXT of it could have is computed and looked up; TXT names are never
//! parsed back, because `a-team` may be the old mark of `a-team` or the new one of `team`.
use std::collections::BTreeSet;

use crate::name::Name;
use crate::ownership::txt::{Affix, Form, Heritage, parse};
use crate::record_data::RecordType;
use crate::records::{Content, RecordSet, RecordSets, SetKey};

/// The owner of one record set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Marked as ours.
    Ours(Mark),
    /// Marked with another owner id.
    Other(Box<str>),
    /// Not marked.
    Nobody,
}

/// The owner record that proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Where it stands.
    pub txt: Name,
    /// In which of external-dns' forms.
    pub form: Form,
    /// The object that wanted the record (`service/namespace/name`).
    pub resource: Option<Box<str>>,
}

/// What is needed to recognize owners.
#[derive(Clone, Copy, Debug)]
pub struct Marks<'a> {
    /// How owner records are named.
    pub affix: &'a Affix,
    /// Our owner id.
    pub owner_id: &'a str,
    /// The zone's apex.
    pub apex: &'a Name,
    /// Sets that appeared beside an owner record which had stood alone: it says nothing of them.
    pub unrelated: &'a BTreeSet<SetKey>,
}

impl Marks<'_> {
    /// Whose the set is, by the first owner record among all forms that external-dns ever wrote.
    pub fn owner(&self, records: &RecordSets, key: &SetKey, set: &RecordSet) -> Owner {
        if self.unrelated.contains(key) {
            return Owner::Nobody;
        }
        let is_alias = matches!(set.content, Content::Alias { .. });
        for candidate in self.affix.candidates(&key.name, key.record_type, is_alias, self.apex) {
            let Some(heritage) = heritage_at(records, &candidate.name, key.set_identifier.as_deref()) else {
                continue;
            };
            // The mark may be the present one of another set. Then an old form says nothing of this one, and of two
            // sets with the same present form (`*` and its replacement) it is not known which one is meant.
            if self.marks_another(records, &candidate.name, key) {
                continue;
            }
            let Some(owner) = heritage.owner else {
                return Owner::Nobody;
            };
            return if *owner == *self.owner_id {
                Owner::Ours(Mark {
                    txt: candidate.name,
                    form: candidate.form,
                    resource: heritage.resource,
                })
            } else {
                Owner::Other(owner)
            };
        }
        Owner::Nobody
    }

    /// Whether an owner record of this name is, in today's form, the mark of a set of another name or type.
    pub fn marks_another(&self, records: &RecordSets, txt: &Name, key: &SetKey) -> bool {
        self.affix.claimed_by_current_form(txt, |name, record_type| {
            (*name != key.name || record_type != key.record_type)
                && records.at(name).sets.iter().any(|(found, _, _)| *found == record_type)
        })
    }

    /// The names of the records that an owner record may be for, if none of them exists. Empty: there is such a record, or the
    /// name is none that we give to owner records.
    pub fn alone(&self, records: &RecordSets, mark: &SetKey) -> Vec<Name> {
        let names = self.affix.readings(&mark.name, self.apex);
        let exists = |name: &Name| {
            records.at(name).sets.iter().any(|(record_type, id, set)| {
                let key = SetKey {
                    name: name.clone(),
                    record_type: *record_type,
                    set_identifier: id.clone(),
                };
                let is_mark = *record_type == RecordType::Txt && heritage(set).is_some();
                *id == mark.set_identifier && !is_mark && !self.unrelated.contains(&key)
            })
        };
        if names.iter().any(exists) { Vec::new() } else { names }
    }

    /// Owner records of ours that stand for this set and for no other. They go with it: left behind, they would make us
    /// the owner of whatever somebody makes at the name later.
    pub fn only_for(&self, records: &RecordSets, key: &SetKey, set: &RecordSet) -> Vec<Name> {
        let is_alias = matches!(set.content, Content::Alias { .. });
        let candidates = self.affix.candidates(&key.name, key.record_type, is_alias, self.apex);
        let only = candidates.into_iter().filter(|candidate| {
            let id = key.set_identifier.as_deref();
            let ours = heritage_at(records, &candidate.name, id)
                .and_then(|heritage| heritage.owner)
                .is_some_and(|owner| *owner == *self.owner_id);
            let shared = candidate.form == Form::Legacy && (key.name.is_wildcard() || has_siblings(records, key));
            ours && !shared && !self.marks_another(records, &candidate.name, key)
        });
        only.map(|candidate| candidate.name).collect()
    }
}

/// Whether other sets of the name may have the same mark without a type. AAAA records never had one.
fn has_siblings(records: &RecordSets, key: &SetKey) -> bool {
    records.at(&key.name).sets.iter().any(|(record_type, id, set)| {
        let other = *record_type != key.record_type && *record_type != RecordType::Aaaa && *id == key.set_identifier;
        other && !(*record_type == RecordType::Txt && heritage(set).is_some())
    })
}

/// The heritage text at a name, if there is one. As in external-dns only the first value counts.
pub fn heritage_at(records: &RecordSets, name: &Name, set_identifier: Option<&str>) -> Option<Heritage> {
    records
        .at(name)
        .sets
        .iter()
        .filter(|(record_type, id, _)| *record_type == RecordType::Txt && id.as_deref() == set_identifier)
        .find_map(|(_, _, set)| heritage(set))
}

/// The heritage text of a TXT set.
pub fn heritage(set: &RecordSet) -> Option<Heritage> {
    match &set.content {
        Content::Values { values, .. } => parse(&values.first()?.data),
        Content::Alias { .. } => None,
    }
}

#[cfg(test)]
mod tests;
