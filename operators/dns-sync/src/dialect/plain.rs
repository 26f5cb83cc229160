//! For tests: a provider that differs from Route 53 wherever providers may differ.
use super::{Answer, Around, DialectRules, Size, Unpublishable};
use crate::endpoint::{AliasMode, Endpoint};
use crate::name::Name;
use crate::record_data::{RecordData, RecordType};
use crate::records::{Content, RecordChange, RecordSet, Routing};

/// Its rules: no aliases and no routing policies, a CNAME beside other types and at the apex, a time to live of its own
/// choice, and batches of few operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain;

/// The time to live of everything for which none is asked.
const AUTOMATIC: u32 = 1;

impl DialectRules for Plain {
    fn name(&self) -> &'static str {
        "Plain"
    }

    fn sets(&self, endpoint: &Endpoint, _: &Around<'_>) -> Result<Vec<(RecordType, Answer)>, Unpublishable> {
        let special = endpoint.set_identifier.is_some() || matches!(endpoint.alias, AliasMode::Yes { .. });
        if special {
            return Err(Unpublishable {
                reason: "NotSupported",
                message: "there are no aliases and no routing policies".to_owned(),
            });
        }
        Ok(vec![(endpoint.record_type, Answer::Values(endpoint.values.clone()))])
    }

    fn becomes_alias(&self, _: &str, _: AliasMode, _: Option<&str>) -> bool {
        false
    }

    fn forbids_cname_at_apex(&self, _: &Name) -> Option<String> {
        None
    }

    fn check(&self, _: &RecordData) -> Result<(), String> {
        Ok(())
    }

    fn denied(&self, operation: &str, code: &str) -> String {
        format!("Plain denies {operation} ({code})")
    }

    /// The new value of a set replaces the old one in one operation.
    fn size(&self, changes: &[RecordChange]) -> Size {
        let mut keys: Vec<_> = changes.iter().map(|change| &change.key).collect();
        keys.sort_unstable();
        keys.dedup();
        Size {
            elements: keys.len(),
            characters: 0,
        }
    }

    fn limit(&self) -> Size {
        Size {
            elements: 20,
            characters: usize::MAX,
        }
    }

    fn too_large(&self) -> String {
        "the name takes more than 20 operations".to_owned()
    }

    /// A name that is reached by another name or by other name servers has no addresses.
    fn types_exclude(&self, one: RecordType, other: RecordType) -> bool {
        let rank = |record_type| match record_type {
            RecordType::A | RecordType::Aaaa => Some(0),
            RecordType::Cname => Some(1),
            RecordType::Ns => Some(2),
            _ => None,
        };
        rank(one).zip(rank(other)).is_some_and(|(one, other)| one != other)
    }

    fn stands_alone(&self, _: RecordType) -> bool {
        false
    }

    fn ttl(&self, asked: Option<u32>, _: Option<u32>) -> u32 {
        asked.map_or(AUTOMATIC, |asked| asked.clamp(60, 86_400))
    }

    fn mark(&self, value: RecordData, _: &RecordSet) -> RecordSet {
        RecordSet {
            content: Content::Values {
                ttl: AUTOMATIC,
                values: Box::new([value.into()]),
            },
            routing: Routing::Simple,
        }
    }
}
