//! Which hosted zone a DNSZone has: whether it may be another one by now, and whether another DNSZone has it.
use kube::ResourceExt;

use super::{Obstacle, RECHECK_AFTER};
use crate::crd::{DNSZone, RECONCILE_AT};
use crate::provider::ProviderError;
use crate::reconcile::Context;

/// What a worker's last error says about its hosted zone: it may be another one by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    LookUpNow,
    LookUpLater,
}

/// A hosted zone that was deleted does not exist, or is denied by a policy that names the id of the new one.
pub(super) fn doubt(zone: &DNSZone, context: &Context) -> Option<Doubt> {
    let workers = context.workers();
    let handle = workers.get(&zone.name_any())?;
    let (error, listed) = {
        let status = handle.shared.provider_status();
        (status.error.clone(), status.list_request)
    };
    match error? {
        ProviderError::NoSuchZone => Some(Doubt::LookUpNow),
        ProviderError::Denied { .. } if handle.identity.provider.place().zone_id.is_none() => {
            // The list that was requested may be what was denied.
            let asked = handle.asked.as_ref() != zone.annotations().get(RECONCILE_AT)
                || listed < handle.instructions.borrow().list_request;
            let now = asked || handle.since.elapsed() >= RECHECK_AFTER;
            Some(if now { Doubt::LookUpNow } else { Doubt::LookUpLater })
        }
        _ => None,
    }
}

/// Two DNSZones on one hosted zone would undo each other's work.
pub(super) fn check_exclusive(zone: &DNSZone, context: &Context, zone_id: &str) -> Result<(), Obstacle> {
    older_zone(zone, context, zone_id).map_or(Ok(()), |rival| {
        let field = zone.spec.provider().map(|provider| provider.place().field).unwrap_or_default();
        Err(Obstacle::Stalled(
            "HostedZoneTaken",
            format!(
                "hosted zone {zone_id} is managed by the older DNSZone {rival}; delete one of the two, or give each its own spec.{field}.zoneID"
            ),
        ))
    })
}

/// The older DNSZone that already has this hosted zone.
fn older_zone(zone: &DNSZone, context: &Context, zone_id: &str) -> Option<String> {
    let others = context.zones.state();
    let workers = context.workers();
    let found = |name: &str| workers.get(name).map(|handle| handle.found.zone_id.as_str());
    first_older(zone, others.iter().map(AsRef::as_ref), zone_id, found)
}

/// `found`: the hosted zones of the DNSZones with workers. Their status has them only later.
pub(super) fn first_older<'a>(
    zone: &DNSZone,
    others: impl Iterator<Item = &'a DNSZone>,
    zone_id: &str,
    found: impl Fn(&str) -> Option<&'a str>,
) -> Option<String> {
    let age = |one: &DNSZone| {
        (
            one.metadata.creation_timestamp.as_ref().map(|time| time.0),
            one.name_any(),
        )
    };
    let identity = zone.spec.provider().ok()?.place().identity(zone_id);
    others
        .filter(|other| other.uid() != zone.uid() && !other.spec.suspend)
        .filter(|other| {
            let Ok(provider) = other.spec.provider() else {
                return false;
            };
            let status = other.status.as_ref().and_then(|status| status.zone_id.as_deref());
            let place = provider.place();
            let zone_id = found(&other.name_any()).or(status).or(place.zone_id);
            zone_id.is_some_and(|zone_id| place.identity(zone_id) == identity)
        })
        .filter(|other| age(other) < age(zone))
        .map(ResourceExt::name_any)
        .next()
}
