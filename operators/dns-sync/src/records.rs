//! Record sets: those of a zone as the provider last listed them, and changes of them. Every accepted change is applied.
use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::name::Name;
use crate::record_data::{RecordData, RecordType};

/// The identity of a record set: where routing policies are used, there are several of one name and type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SetKey {
    /// The record's name.
    pub name: Name,
    /// Its type.
    pub record_type: RecordType,
    /// `SetIdentifier`, where a routing policy is used.
    pub set_identifier: Option<Box<str>>,
}

impl SetKey {
    /// A set without routing policy.
    pub fn simple(name: &Name, record_type: RecordType) -> Self {
        Self {
            name: name.clone(),
            record_type,
            set_identifier: None,
        }
    }
}

impl std::fmt::Display for SetKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.record_type.as_str())?;
        self.set_identifier.as_ref().map_or(Ok(()), |id| write!(f, " [{id}]"))
    }
}

/// What a record set answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Values in the provider's order.
    Values {
        /// Seconds to live.
        ttl: u32,
        /// Each value.
        values: Box<[Value]>,
    },
    /// Answered as if it were another record.
    Alias {
        /// The hosted zone of the target.
        zone_id: Box<str>,
        /// The target's name, without final dot.
        target: Box<str>,
        /// `EvaluateTargetHealth`.
        evaluate_target_health: bool,
    },
}

/// A value as it is at the provider, or as it is to be written. Two are equal if they are so to the letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// What it says.
    pub data: RecordData,
    /// The provider's text where it is not ours: a delete must repeat it. Seldom there, so it takes little room.
    spelling: Option<Box<Box<str>>>,
}

impl Value {
    /// A value that a provider has written as this text.
    pub fn listed(record_type: RecordType, text: &str) -> Self {
        let data = record_type.read(text);
        let spelling = (data.to_string() != text).then(|| Box::new(text.into()));
        Self { data, spelling }
    }

    /// The provider's text, or ours of a value that we write.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.spelling {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(self.data.to_string()),
        }
    }
}

impl From<RecordData> for Value {
    fn from(data: RecordData) -> Self {
        Self { data, spelling: None }
    }
}

/// How the answer is chosen among the sets of a name and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routing {
    /// The only set.
    Simple,
    /// By weight, 0 to 255.
    Weighted(u8),
    /// A policy that is not managed here (latency, failover, geolocation, health checks …): such a set is never changed.
    Unmanaged,
}

/// One record set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSet {
    /// What it answers.
    pub content: Content,
    /// When it answers.
    pub routing: Routing,
}

impl RecordSet {
    /// Whether two sets answer the same, whatever their spelling.
    pub fn same(&self, wanted: &Self) -> bool {
        if self.routing != wanted.routing {
            return false;
        }
        match (&self.content, &wanted.content) {
            (
                Content::Values { ttl, values },
                Content::Values {
                    ttl: wanted_ttl,
                    values: wanted_values,
                },
            ) => ttl == wanted_ttl && sorted(values) == sorted(wanted_values),
            (
                Content::Alias {
                    zone_id,
                    target,
                    evaluate_target_health,
                },
                Content::Alias {
                    zone_id: wanted_zone,
                    target: wanted_target,
                    evaluate_target_health: wanted_health,
                },
            ) => {
                zone_id == wanted_zone
                    && evaluate_target_health == wanted_health
                    && target
                        .trim_end_matches('.')
                        .eq_ignore_ascii_case(wanted_target.trim_end_matches('.'))
            }
            _ => false,
        }
    }

    /// Short text of the answer for plans and messages.
    pub fn summary(&self) -> String {
        match &self.content {
            Content::Values { values, .. } => {
                let shown: Vec<Cow<'_, str>> = values.iter().take(4).map(Value::text).collect();
                let more = values.len().saturating_sub(4);
                if more > 0 {
                    format!("{} and {more} more", shown.join(", "))
                } else {
                    shown.join(", ")
                }
            }
            Content::Alias { target, .. } => format!("alias {target}"),
        }
    }
}

fn sorted(values: &[Value]) -> Vec<&RecordData> {
    let mut all: Vec<&RecordData> = values.iter().map(|value| &value.data).collect();
    all.sort_unstable();
    all
}

/// The sets at one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameSets {
    /// Sets of types that we know, sorted by type and identifier.
    pub sets: Vec<(RecordType, Option<Box<str>>, RecordSet)>,
    /// Whether there are sets of other types too (SOA, PTR, DS …); a CNAME cannot stand beside them.
    pub other_types: bool,
}

impl NameSets {
    /// No set at all.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty() && !self.other_types
    }
}

/// All of a zone's record sets.
#[derive(Clone, Debug, Default)]
pub struct RecordSets {
    names: BTreeMap<Name, NameSets>,
}

static NOTHING: NameSets = NameSets {
    sets: Vec::new(),
    other_types: false,
};

impl RecordSets {
    /// What is at a name.
    pub fn at(&self, name: &Name) -> &NameSets {
        self.names.get(name).unwrap_or(&NOTHING)
    }

    /// One set.
    pub fn get(&self, key: &SetKey) -> Option<&RecordSet> {
        let found = self.at(&key.name).sets.iter();
        found
            .filter(|(record_type, id, _)| *record_type == key.record_type && *id == key.set_identifier)
            .map(|(_, _, set)| set)
            .next()
    }

    /// Every name with its sets.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &NameSets)> {
        self.names.iter()
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// No names.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Adds one set that the provider listed.
    pub fn insert(&mut self, key: SetKey, set: RecordSet) {
        let at = self.names.entry(key.name).or_default();
        // Sorted, so that what we wrote and what the provider lists compare equal whatever their order.
        let place = at
            .sets
            .binary_search_by(|(record_type, id, _)| (record_type, id).cmp(&(&key.record_type, &key.set_identifier)));
        match place {
            Ok(at_place) => at.sets[at_place].2 = set,
            Err(at_place) => {
                // Most names have one set; a vector's first insert would make room for four.
                at.sets.reserve_exact(1);
                at.sets.insert(at_place, (key.record_type, key.set_identifier, set));
            }
        }
    }

    /// Remembers that there is a set of a type that is not managed here.
    pub fn insert_other(&mut self, name: Name) {
        self.names.entry(name).or_default().other_types = true;
    }

    /// Replaces what is known of one name; true when it was different.
    pub fn replace(&mut self, name: &Name, sets: NameSets) -> bool {
        let differs = *self.at(name) != sets;
        if sets.is_empty() {
            self.names.remove(name);
        } else {
            self.names.insert(name.clone(), sets);
        }
        differs
    }

    /// Applies an accepted change.
    pub fn apply(&mut self, change: &RecordChange) {
        match change.action {
            Action::Create => self.insert(change.key.clone(), change.set.clone()),
            Action::Delete => {
                if let Some(at) = self.names.get_mut(&change.key.name) {
                    let key = &change.key;
                    at.sets
                        .retain(|(record_type, id, _)| !(*record_type == key.record_type && *id == key.set_identifier));
                    if at.is_empty() {
                        self.names.remove(&change.key.name);
                    }
                }
            }
        }
    }
}

/// Half of a compare-and-swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Refused by the provider when the set exists.
    Create,
    /// Refused by the provider unless the set is exactly the given one.
    Delete,
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordChange {
    /// What is done.
    pub action: Action,
    /// To which set.
    pub key: SetKey,
    /// The new set, or exactly the old one.
    pub set: RecordSet,
}
