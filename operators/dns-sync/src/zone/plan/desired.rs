//! The record sets that a claim means.
use std::collections::BTreeSet;

use super::types::{Claim, RecordVerdict, Rules};
use crate::dialect::{Answer, Around, Unpublishable};
use crate::endpoint::Endpoint;
use crate::record_data::RecordType;
use crate::records::{Content, RecordSet, RecordSets, Routing, SetKey};
use crate::source::ObjectKey;

/// A record set that an object (or several Services together) shall have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Desired {
    /// Which set.
    pub(super) key: SetKey,
    /// Everybody who wanted exactly this.
    pub(super) objects: Vec<ObjectKey>,
    /// The owner record's resource label.
    pub(super) resource: String,
    pub(super) answer: Answer,
    pub(super) ttl: Option<u32>,
    pub(super) weight: Option<u8>,
}

impl Desired {
    /// The set to write instead of `current`.
    pub(super) fn content(&self, current: Option<&RecordSet>, rules: &Rules) -> RecordSet {
        let current_ttl = match current.map(|set| &set.content) {
            Some(Content::Values { ttl, .. }) => Some(*ttl),
            _ => None,
        };
        self.with_ttl(rules.dialect.ttl(self.ttl.or(rules.ttl), current_ttl))
    }

    fn with_ttl(&self, ttl: u32) -> RecordSet {
        let content = match &self.answer {
            Answer::Values(values) => Content::Values {
                ttl,
                values: values.iter().cloned().map(Into::into).collect(),
            },
            Answer::Alias {
                zone_id,
                target,
                evaluate_target_health,
            } => Content::Alias {
                zone_id: zone_id.clone(),
                target: target.clone(),
                evaluate_target_health: *evaluate_target_health,
            },
        };
        RecordSet {
            content,
            routing: self.routing(),
        }
    }

    pub(super) fn routing(&self) -> Routing {
        self.weight.map_or(Routing::Simple, Routing::Weighted)
    }

    /// Whether the set says what is desired, whatever its time to live.
    pub(super) fn is_value_of(&self, set: &RecordSet) -> bool {
        if let (Answer::Values(values), Content::Values { values: present, .. }) = (&self.answer, &set.content)
            && values.len() != present.len()
        {
            return false;
        }
        let ttl = match &set.content {
            Content::Values { ttl, .. } => *ttl,
            Content::Alias { .. } => 0,
        };
        set.same(&self.with_ttl(ttl))
    }

    /// Whether both want the same, whatever the time to live.
    pub(super) fn has_value_of(&self, other: &Self) -> bool {
        self.key == other.key && self.answer == other.answer && self.weight == other.weight
    }
}

/// The record sets that a claim's endpoint becomes at the provider. `here`: the types that all claims of the name ask for.
pub(super) fn expand(
    claim: &Claim,
    endpoint: &Endpoint,
    here: &BTreeSet<RecordType>,
    records: &RecordSets,
    rules: &Rules,
) -> Result<Vec<Desired>, RecordVerdict> {
    let around = Around {
        apex: rules.marks.apex,
        record_types: rules.record_types,
        records,
        here,
    };
    let sets = rules.dialect.sets(endpoint, &around);
    let sets = sets.map_err(|Unpublishable { reason, message }| RecordVerdict::Failed(reason, message))?;
    let desired = |(record_type, answer)| Desired {
        key: SetKey {
            name: endpoint.name.clone(),
            record_type,
            set_identifier: endpoint.set_identifier.clone(),
        },
        objects: vec![claim.object.clone()],
        resource: claim.object.resource().to_owned(),
        answer,
        ttl: endpoint.ttl,
        weight: endpoint.weight,
    };
    Ok(sets.into_iter().map(desired).collect())
}
