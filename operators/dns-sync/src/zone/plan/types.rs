//! The terms of planning: rules and claims in, verdicts out, and what the parts of the planner share.
use std::collections::BTreeSet;

use crate::crd::zone::{Policy, RegistryKind};
use crate::dialect::Dialect;
use crate::dialect::TARGET_NOT_FOUND;
use crate::endpoint::Endpoint;
use crate::filter::NameFilter;
use crate::record_data::RecordType;
use crate::records::{Action, RecordChange, RecordSet, RecordSets, Routing, SetKey};
use crate::source::ObjectKey;
use crate::zone::owner::{Marks, Owner};

/// The zone's rules.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// How owners are recognized.
    pub marks: Marks<'a>,
    /// What may be written.
    pub policy: Policy,
    /// Whether marks are kept at all.
    pub registry: RegistryKind,
    /// What is special about the provider.
    pub dialect: &'a Dialect,
    /// Seconds to live where a source names none.
    pub ttl: Option<u32>,
    /// The types that may be managed.
    pub record_types: &'a [RecordType],
    /// The names that may be managed; the others are never touched, whoever made them.
    pub filter: &'a NameFilter,
    /// Sets that another writer changes back again and again: they are not written until it stops.
    pub contested: &'a BTreeSet<SetKey>,
}

/// No sets.
pub static NO_SETS: BTreeSet<SetKey> = BTreeSet::new();

/// Whether it is certain that no object wants a record any more, as far as this process can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Its source was listed completely: nothing wants the record any more.
    Proven,
    /// Its source was listed completely, but nothing shows that this cluster has ever published the record: its object may
    /// yet come (a cluster that is being rebuilt), or it lives in another one with the same owner. A person must confirm.
    NeverSeen,
    /// The zone's settings are the reason: the source is switched off, or does not cover or select the object any more, or
    /// is not known. A person must confirm.
    Unwatched,
    /// It is not known yet: the source could not be listed, or what the object names cannot be read.
    Unlisted,
}

/// What became of one record set that an object wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordVerdict {
    /// The provider has it.
    Published,
    /// It will be written.
    Pending,
    /// The policy does not permit to write it.
    Held(Policy),
    /// Another object holds the name.
    Conflict(ObjectKey),
    /// A record at the provider that is not ours holds the name.
    Foreign(Option<Box<str>>),
    /// It cannot be published: reason and message.
    Failed(&'static str, String),
}

/// Another cluster or program writes the same name with the same owner.
pub const ANOTHER_WRITER: &str = "AnotherWriter";
/// Something else stands where the owner record would have to be.
pub const OWNERSHIP_NAME_TAKEN: &str = "OwnershipNameTaken";

impl RecordVerdict {
    /// Whether a change at another name of the zone may fix it.
    pub fn waits_for_another_name(&self) -> bool {
        matches!(self, Self::Failed(TARGET_NOT_FOUND | OWNERSHIP_NAME_TAKEN, _))
    }
}

/// What one object wants at one name, with what decides its rank.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The object.
    pub object: ObjectKey,
    /// Since when, seconds since 1970.
    pub created: i64,
    /// What; `None`: the object has no address now, what stands there is held for it.
    pub endpoint: Option<Endpoint>,
    /// Which of the sets of the name.
    pub set_identifier: Option<Box<str>>,
    /// With `endpoint: None`: the type that the object would publish; `None`: addresses or a host name.
    pub record_type: Option<RecordType>,
}

impl Claim {
    /// Whether a claim without an address may keep a set of this type that was not made for its own object.
    pub(super) fn may_inherit(&self, key: &SetKey) -> bool {
        let fits = match self.record_type {
            Some(one) => one == key.record_type,
            None => is_address(key.record_type),
        };
        fits && self.set_identifier == key.set_identifier
    }
}

/// Whether the type says where a name is reached.
pub(super) fn is_address(record_type: RecordType) -> bool {
    matches!(record_type, RecordType::A | RecordType::Aaaa | RecordType::Cname)
}

/// One set that is at the name now.
#[derive(Clone, Debug)]
pub struct Present {
    /// Which.
    pub key: SetKey,
    /// What it answers.
    pub set: RecordSet,
    /// Whose it is.
    pub owner: Owner,
    /// It is itself an owner record.
    pub is_mark: bool,
    /// The object that it was made for still claims it.
    pub claimed: bool,
    /// If it is ours: whether it is certain that this object does not want it.
    pub absence: Absence,
}

impl Present {
    /// Whether it is marked as ours.
    pub fn is_ours(&self) -> bool {
        matches!(self.owner, Owner::Ours(_))
    }

    /// It is ours, and the object that its owner record names does not claim it: whichever object publishes it now keeps it.
    pub fn is_inherited(&self) -> bool {
        self.is_ours() && !self.claimed
    }

    /// The object of ours that it was made for, as its owner record says.
    pub fn holder(&self) -> Option<&str> {
        match &self.owner {
            Owner::Ours(mark) => mark.resource.as_deref(),
            _ => None,
        }
    }
}

/// Whether the set may be changed or deleted.
pub(super) fn is_managed(at: &Present, rules: &Rules) -> bool {
    rules.record_types.contains(&at.key.record_type) && at.set.routing != Routing::Unmanaged
}

/// The set and the owner records that are for it alone.
pub(super) fn removal(at: &Present, records: &RecordSets, rules: &Rules) -> Vec<RecordChange> {
    let mut changes = vec![delete(&at.key, &at.set)];
    for name in rules.marks.only_for(records, &at.key, &at.set) {
        let key = SetKey {
            name,
            record_type: RecordType::Txt,
            set_identifier: at.key.set_identifier.clone(),
        };
        if let Some(set) = records.get(&key) {
            changes.push(delete(&key, set));
        }
    }
    changes
}

pub(super) fn create(key: &SetKey, set: &RecordSet) -> RecordChange {
    RecordChange {
        action: Action::Create,
        key: key.clone(),
        set: set.clone(),
    }
}

pub(super) fn delete(key: &SetKey, set: &RecordSet) -> RecordChange {
    RecordChange {
        action: Action::Delete,
        key: key.clone(),
        set: set.clone(),
    }
}

/// What to tell the object whose name somebody else writes with our owner.
pub(super) fn another_writer(key: &SetKey, owner: &str) -> RecordVerdict {
    RecordVerdict::Failed(
        ANOTHER_WRITER,
        format!(
            "another cluster or program with the owner \"{owner}\" writes {key} too, so it is left as it is. Give each \
             cluster an owner of its own (the chart's value clusterName, or spec.ownerID of the DNSZone), or use another \
             name; then set the annotation dns.hearth.home.arpa/reconcile-at on the DNSZone"
        ),
    )
}
