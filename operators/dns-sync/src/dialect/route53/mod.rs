//! What is special about Route 53.
use super::{DialectRules, Size};
use crate::record_data::RecordType;
use crate::records::{Content, RecordChange, RecordSet};

/// `ResourceRecord` elements and characters of all `Value` elements in one ChangeResourceRecordSets request
/// (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>).
const LIMIT: Size = Size {
    elements: 1000,
    characters: 32_000,
};

/// Seconds to live of a new record for which none is given, and of owner records: external-dns' default for Route 53.
const DEFAULT_TTL: u32 = 300;

/// Route 53's rules in one hosted zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route53 {
    /// The hosted zone's id, for aliases within it; empty until it is known.
    pub zone_id: Box<str>,
}

impl DialectRules for Route53 {
    fn size(&self, changes: &[RecordChange]) -> Size {
        changes.iter().map(size).sum()
    }

    fn limit(&self) -> Size {
        LIMIT
    }

    fn too_large(&self) -> String {
        "the values at this name exceed what one change may hold (1,000 values, 32,000 characters)".to_owned()
    }

    /// A CNAME stands alone (RFC 1034 section 3.6.2).
    fn types_exclude(&self, one: RecordType, other: RecordType) -> bool {
        one == RecordType::Cname || other == RecordType::Cname
    }

    fn stands_alone(&self, record_type: RecordType) -> bool {
        record_type == RecordType::Cname
    }

    /// The present one is kept where none is asked for, as external-dns does.
    fn ttl(&self, asked: Option<u32>, current: Option<u32>) -> u32 {
        asked.or(current).unwrap_or(DEFAULT_TTL)
    }

    /// With the routing of the set that it belongs to: Route 53 demands it of sets that share a name, and external-dns
    /// writes it so.
    fn mark(&self, value: Box<str>, of: &RecordSet) -> RecordSet {
        RecordSet {
            content: Content::Values {
                ttl: DEFAULT_TTL,
                values: Box::new([value]),
            },
            routing: of.routing.clone(),
        }
    }
}

/// An alias counts as one element.
fn size(change: &RecordChange) -> Size {
    match &change.set.content {
        Content::Values { values, .. } => Size {
            elements: values.len(),
            characters: values.iter().map(|value| value.chars().count()).sum(),
        },
        Content::Alias { .. } => Size {
            elements: 1,
            characters: 0,
        },
    }
}
