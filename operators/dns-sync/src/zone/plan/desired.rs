//! The record sets that a claim means.
use std::collections::BTreeSet;

use super::types::{ALIAS_TARGET_NOT_FOUND, Claim, RecordVerdict, Rules};
use crate::dialect::Dialect;
use crate::load_balancers::{forbids_target_health, load_balancer_zone};
use crate::name::Name;
use crate::record_data::RecordType;
use crate::records::{Content, RecordSet, RecordSets, Routing, SetKey};
use crate::source::ObjectKey;
use crate::source::endpoints::{AliasMode, Endpoint};

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

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Values(Vec<Box<str>>),
    Alias {
        zone_id: Box<str>,
        target: Box<str>,
        evaluate_target_health: bool,
    },
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
                values: values.clone().into_boxed_slice(),
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
        set.same(self.key.record_type, &self.with_ttl(ttl))
    }

    /// Whether both want the same, whatever the time to live.
    pub(super) fn has_value_of(&self, other: &Self) -> bool {
        self.key == other.key && self.answer == other.answer && self.weight == other.weight
    }
}

/// The record sets that an endpoint means: a CNAME to a load balancer becomes aliases of both families.
pub(super) fn expand(
    claim: &Claim,
    endpoint: &Endpoint,
    here: &BTreeSet<RecordType>,
    records: &RecordSets,
    rules: &Rules,
) -> Result<Vec<Desired>, RecordVerdict> {
    let Dialect::Route53(route53) = rules.dialect;
    let zone_id = &*route53.zone_id;
    let desired = |record_type: RecordType, answer: Answer| Desired {
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
    let alias = |zone_id: &str, target: &str, health: bool| Answer::Alias {
        zone_id: zone_id.into(),
        target: target.into(),
        evaluate_target_health: health && !forbids_target_health(zone_id),
    };
    let families = match endpoint.record_type {
        RecordType::Cname => vec![RecordType::A, RecordType::Aaaa],
        one => vec![one],
    };
    let families: Vec<RecordType> = families
        .into_iter()
        .filter(|family| rules.record_types.contains(family))
        .collect();
    let target = endpoint
        .values
        .first()
        .map(|value| value.trim_end_matches('.'))
        .unwrap_or_default();
    // The hosted zone that a user names counts before what is known here; a target in the zone itself is looked up.
    let named = endpoint.alias_zone.as_deref().filter(|zone| *zone != zone_id);
    let known_zone = || named.or_else(|| load_balancer_zone(target));
    match &endpoint.alias {
        AliasMode::Auto { evaluate_target_health } if endpoint.record_type == RecordType::Cname => {
            if let Some(zone_id) = known_zone() {
                let all = families.into_iter();
                return Ok(all
                    .map(|family| desired(family, alias(zone_id, target, *evaluate_target_health)))
                    .collect());
            }
        }
        AliasMode::Yes { evaluate_target_health } => {
            if let Some(zone_id) = known_zone() {
                let all = families.into_iter();
                return Ok(all
                    .map(|family| desired(family, alias(zone_id, target, *evaluate_target_health)))
                    .collect());
            }
            let known = Name::parse(target).ok().filter(|name| name.is_within(rules.marks.apex));
            let Some(known) = known else {
                return Err(RecordVerdict::Failed(
                    "InvalidTarget",
                    format!(
                        "alias target {target} is neither a record of the zone {} nor a known AWS load balancer. Name the target's hosted zone (annotation aws-target-hosted-zone, or route53.targetHostedZone of a DNSRecord); without alias it can be a CNAME",
                        rules.marks.apex
                    ),
                ));
            };
            // Route 53 refuses an alias to a type that the target does not have.
            let has = |family: RecordType| {
                records.at(&known).sets.iter().any(|(found, _, _)| *found == family)
                    || known == endpoint.name && here.contains(&family)
            };
            let found: Vec<RecordType> = families.into_iter().filter(|family| has(*family)).collect();
            if found.is_empty() {
                return Err(RecordVerdict::Failed(
                    ALIAS_TARGET_NOT_FOUND,
                    format!(
                        "alias target {target} has no record of a fitting type in the zone yet; it is retried when it has"
                    ),
                ));
            }
            let all = found.into_iter();
            return Ok(all
                .map(|family| desired(family, alias(zone_id, target, *evaluate_target_health)))
                .collect());
        }
        _ => {}
    }
    if endpoint.record_type == RecordType::Cname && endpoint.name == *rules.marks.apex {
        return Err(RecordVerdict::Failed(
            "CNAMEAtApex",
            format!(
                "{} is the zone's apex, where DNS permits no CNAME (RFC 1034); use an alias, name the hosted zone of its target, or use an address",
                endpoint.name
            ),
        ));
    }
    Ok(vec![desired(
        endpoint.record_type,
        Answer::Values(endpoint.values.clone()),
    )])
}
