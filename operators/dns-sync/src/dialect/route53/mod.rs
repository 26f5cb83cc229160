//! What is special about Route 53.
mod aliases;
mod load_balancers;

use aliases::sets;
use load_balancers::load_balancer_zone;

use super::{Answer, Around, DialectRules, Size, Unpublishable};
use crate::endpoint::{AliasMode, Endpoint};
use crate::name::Name;
use crate::record_data::{RecordData, RecordType};
use crate::records::{Content, RecordChange, RecordSet};

/// `ResourceRecord` elements and characters of all `Value` elements in one ChangeResourceRecordSets request
/// (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>).
const LIMIT: Size = Size {
    elements: 1000,
    characters: 32_000,
};

/// Seconds to live of a new record for which none is given, and of owner records: external-dns' default for Route 53.
const DEFAULT_TTL: u32 = 300;

/// Characters of one TXT value, quotes and escapes included
/// (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html>).
const MAX_TXT: usize = 4_000;

/// Route 53's rules in one hosted zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route53 {
    /// The hosted zone's id, for aliases within it; empty until it is known.
    pub zone_id: Box<str>,
}

impl DialectRules for Route53 {
    fn name(&self) -> &'static str {
        "Route 53"
    }

    fn sets(&self, endpoint: &Endpoint, around: &Around<'_>) -> Result<Vec<(RecordType, Answer)>, Unpublishable> {
        sets(&self.zone_id, endpoint, around)
    }

    fn becomes_alias(&self, target: &str, mode: AliasMode, alias_zone: Option<&str>) -> bool {
        match mode {
            AliasMode::Yes { .. } => true,
            AliasMode::Auto { .. } => alias_zone.is_some() || load_balancer_zone(target).is_some(),
            AliasMode::No => false,
        }
    }

    fn forbids_cname_at_apex(&self, apex: &Name) -> Option<String> {
        Some(format!(
            "{apex} is the zone itself, where DNS allows no CNAME; ask for an alias (annotation alias: \"true\", or \
             route53.alias in a DNSRecord), name the hosted zone of an AWS target that is not known here (annotation \
             aws-target-hosted-zone, or route53.targetHostedZone), or give an address as target"
        ))
    }

    fn check(&self, value: &RecordData) -> Result<(), String> {
        let RecordData::Txt(_) = value else { return Ok(()) };
        let length = value.to_string().len();
        if length > MAX_TXT {
            return Err(format!(
                "the text has {length} characters with its quotes; Route 53 takes at most {MAX_TXT}"
            ));
        }
        Ok(())
    }

    fn denied(&self, operation: &str, code: &str) -> String {
        format!(
            "Route 53 denies {operation} ({code}); check the credentials and their IAM policy (a hosted zone that was \
             created again has another id)"
        )
    }

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
    fn mark(&self, value: RecordData, of: &RecordSet) -> RecordSet {
        RecordSet {
            content: Content::Values {
                ttl: DEFAULT_TTL,
                values: Box::new([value.into()]),
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
            characters: values.iter().map(|value| value.text().chars().count()).sum(),
        },
        Content::Alias { .. } => Size {
            elements: 1,
            characters: 0,
        },
    }
}
