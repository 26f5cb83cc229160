//! What is special about Route 53.
use super::{DialectRules, Size};
use crate::records::{Content, RecordChange};

/// `ResourceRecord` elements and characters of all `Value` elements in one ChangeResourceRecordSets request
/// (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>).
const LIMIT: Size = Size {
    elements: 1000,
    characters: 32_000,
};

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
