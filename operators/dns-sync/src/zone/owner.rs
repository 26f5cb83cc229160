//! Whose a record set is. Every name that an owner TXT of it could have is computed and looked up; TXT names are never
//! parsed back, because `a-team` may be the old mark of `a-team` or the new one of `team`.
use super::image::{Content, Image, RecordSet, Routing, SetKey};
use crate::data::RecordType;
use crate::name::Name;
use crate::ownership::txt::{Affix, Form, Heritage, parse};

/// The owner of one record set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Marked as ours.
    Ours(Mark),
    /// Marked as somebody else's, with their name.
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

/// What is needed to tell owners.
#[derive(Clone, Copy, Debug)]
pub struct Marks<'a> {
    /// How owner records are named.
    pub affix: &'a Affix,
    /// Who we are.
    pub owner_id: &'a str,
    /// The zone's apex.
    pub apex: &'a Name,
}

impl Marks<'_> {
    /// Whose the set is, by the first owner record among all forms that external-dns ever wrote.
    pub fn owner(&self, image: &Image, key: &SetKey, set: &RecordSet) -> Owner {
        let is_alias = matches!(set.content, Content::Alias { .. });
        for candidate in self.affix.candidates(&key.name, key.record_type, is_alias, self.apex) {
            let Some(heritage) = heritage_at(image, &candidate.name, key.set_identifier.as_deref()) else {
                continue;
            };
            // A mark in an old form may be the present mark of another set; then it says nothing of this one.
            if candidate.form == Form::Legacy
                && self
                    .affix
                    .claimed_by_current_form(&candidate.name, |name, record_type| {
                        image.at(name).sets.iter().any(|(found, _, _)| *found == record_type)
                    })
            {
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
}

/// The heritage text at a name, if there is one. As in external-dns only the first value counts.
pub fn heritage_at(image: &Image, name: &Name, set_identifier: Option<&str>) -> Option<Heritage> {
    image
        .at(name)
        .sets
        .iter()
        .filter(|(record_type, id, _)| *record_type == RecordType::Txt && id.as_deref() == set_identifier)
        .find_map(|(_, _, set)| heritage(set))
}

/// The heritage text of a TXT set.
pub fn heritage(set: &RecordSet) -> Option<Heritage> {
    match &set.content {
        Content::Values { values, .. } => parse(values.first()?),
        Content::Alias { .. } => None,
    }
}

/// The owner record for a set, with the routing of the set that it belongs to: Route 53 demands it of sets that share a
/// name, and external-dns writes it so.
pub fn mark(value: Box<str>, routing: &Routing) -> RecordSet {
    RecordSet {
        content: Content::Values {
            ttl: MARK_TTL,
            values: Box::new([value]),
        },
        routing: routing.clone(),
    }
}

/// Seconds to live of owner records: what external-dns' Route 53 provider gives a record without one.
pub const MARK_TTL: u32 = 300;
