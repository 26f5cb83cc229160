//! From endpoints to record sets: a CNAME to a load balancer becomes aliases of both families.
use super::load_balancers::{forbids_target_health, load_balancer_zone};
use crate::dialect::{Answer, Around, TARGET_NOT_FOUND, Unpublishable};
use crate::endpoint::{AliasMode, Endpoint};
use crate::name::Name;
use crate::record_data::{RecordData, RecordType};

/// The sets that an endpoint becomes in the hosted zone of this id.
pub(super) fn sets(
    zone_id: &str,
    endpoint: &Endpoint,
    around: &Around<'_>,
) -> Result<Vec<(RecordType, Answer)>, Unpublishable> {
    let target = endpoint.values.first().and_then(RecordData::host).unwrap_or_default();
    let aliases = |families: Vec<RecordType>, zone_id: &str, health: bool| {
        let answer = Answer::Alias {
            zone_id: zone_id.into(),
            target: target.into(),
            evaluate_target_health: health && !forbids_target_health(zone_id),
        };
        let families = families.into_iter();
        Ok(families.map(|family| (family, answer.clone())).collect())
    };
    let families = match endpoint.record_type {
        RecordType::Cname => vec![RecordType::A, RecordType::Aaaa],
        one => vec![one],
    };
    let families: Vec<RecordType> = families
        .into_iter()
        .filter(|family| around.record_types.contains(family))
        .collect();
    // The hosted zone that a user names counts before what is known here; a target in the zone itself is looked up.
    let named = endpoint.alias_zone.as_deref().filter(|named| *named != zone_id);
    let known_zone = || named.or_else(|| load_balancer_zone(target));
    match endpoint.alias {
        AliasMode::Auto { evaluate_target_health } if endpoint.record_type == RecordType::Cname => {
            if let Some(zone_id) = known_zone() {
                return aliases(families, zone_id, evaluate_target_health);
            }
        }
        AliasMode::Yes { evaluate_target_health } => {
            if let Some(zone_id) = known_zone() {
                return aliases(families, zone_id, evaluate_target_health);
            }
            let found = families_of_target(target, &families, endpoint, around)?;
            return aliases(found, zone_id, evaluate_target_health);
        }
        AliasMode::Auto { .. } | AliasMode::No => {}
    }
    if endpoint.record_type == RecordType::Cname && endpoint.name == *around.apex {
        return Err(Unpublishable {
            reason: "CNAMEAtApex",
            message: format!(
                "{} is the zone's apex, where DNS permits no CNAME (RFC 1034); use an alias, name the hosted zone of its target, or use an address",
                endpoint.name
            ),
        });
    }
    Ok(vec![(endpoint.record_type, Answer::Values(endpoint.values.clone()))])
}

/// Those of the families that the target of an alias has in the zone: Route 53 refuses an alias to a type that the target
/// does not have.
fn families_of_target(
    target: &str,
    families: &[RecordType],
    endpoint: &Endpoint,
    around: &Around<'_>,
) -> Result<Vec<RecordType>, Unpublishable> {
    let known = Name::parse(target).ok().filter(|name| name.is_within(around.apex));
    let Some(known) = known else {
        return Err(Unpublishable {
            reason: "InvalidTarget",
            message: format!(
                "alias target {target} is neither a record of the zone {} nor a known AWS load balancer. Name the target's hosted zone (annotation aws-target-hosted-zone, or route53.targetHostedZone of a DNSRecord); without alias it can be a CNAME",
                around.apex
            ),
        });
    };
    // An alias may have its own name as target.
    let has = |family: &RecordType| {
        around
            .records
            .at(&known)
            .sets
            .iter()
            .any(|(found, _, _)| found == family)
            || known == endpoint.name && around.here.contains(family)
    };
    let found: Vec<RecordType> = families.iter().copied().filter(has).collect();
    if found.is_empty() {
        return Err(Unpublishable {
            reason: TARGET_NOT_FOUND,
            message: format!(
                "alias target {target} has no record of a fitting type in the zone yet; it is retried when it has"
            ),
        });
    }
    Ok(found)
}
