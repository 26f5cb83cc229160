//! Claims with their ranks: Services that share a name, and which sets are given away already. All of it takes time in
//! proportion to the number of claims.
use std::collections::{HashMap, HashSet};

use super::desired::Desired;
use crate::dialect::Answer;
use crate::dialect::Dialect;
use crate::record_data::RecordType;
use crate::records::{Routing, SetKey};
use crate::source::SourceKind;

/// One desired set with what decides its rank.
pub(super) struct RankedClaim {
    pub(super) holder: bool,
    pub(super) created: i64,
    pub(super) desired: Desired,
    pub(super) held: bool,
    /// Its object has not been seen yet.
    pub(super) awaited: bool,
}

/// The sets that are given away, with what finds a rival quickly.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) all: Vec<RankedClaim>,
    by_key: HashMap<SetKey, usize>,
    /// By type: the first set, and the first without routing policy.
    by_type: HashMap<RecordType, (usize, Option<usize>)>,
}

impl Taken {
    pub(super) fn add(&mut self, claim: RankedClaim) {
        let at = self.all.len();
        let key = &claim.desired.key;
        let (_, simple) = self.by_type.entry(key.record_type).or_insert((at, None));
        if claim.desired.routing() == Routing::Simple {
            simple.get_or_insert(at);
        }
        self.by_key.insert(key.clone(), at);
        self.all.push(claim);
    }

    /// The best that has the same set, or that excludes it; see [`DialectRules::excludes`](crate::dialect::DialectRules::excludes).
    pub(super) fn rival(&mut self, desired: &Desired, dialect: &Dialect) -> Option<&mut RankedClaim> {
        let record_type = desired.key.record_type;
        let excluding = self.by_type.iter().filter_map(|(taken, (first, simple))| {
            if *taken != record_type {
                dialect.types_exclude(*taken, record_type).then_some(*first)
            } else if desired.routing() == Routing::Simple {
                Some(*first)
            } else {
                *simple
            }
        });
        let same = self.by_key.get(&desired.key).copied();
        let at = excluding.chain(same).min()?;
        self.all.get_mut(at)
    }
}

pub(super) fn least(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Services that want addresses at one name share it, as with external-dns; the first by name is the one that is named.
/// One that has no address at the moment holds nothing that the others supply.
pub(super) fn merge_services(mut candidates: Vec<RankedClaim>) -> Vec<RankedClaim> {
    let (mut without, mut supplied): (HashSet<SetKey>, HashSet<SetKey>) = (HashSet::new(), HashSet::new());
    for one in candidates.iter().filter(|one| is_service(one) && !one.awaited) {
        if !one.held && has_addresses(one) {
            supplied.insert(one.desired.key.clone());
        } else if one.held && one.holder {
            without.insert(one.desired.key.clone());
        }
    }
    candidates.retain(|one| !(one.held && is_service(one) && !one.awaited && supplied.contains(&one.desired.key)));
    for one in candidates
        .iter_mut()
        .filter(|one| is_service(one) && has_addresses(one) && !one.held)
    {
        one.holder |= without.contains(&one.desired.key);
    }
    let mut merged: Vec<RankedClaim> = Vec::with_capacity(candidates.len());
    let mut partners: HashMap<(SetKey, Option<u8>), usize> = HashMap::new();
    for mut candidate in candidates {
        if candidate.held || !has_addresses(&candidate) || !is_service(&candidate) {
            merged.push(candidate);
            continue;
        }
        let place = (candidate.desired.key.clone(), candidate.desired.weight);
        let at = *partners.entry(place).or_insert(merged.len());
        let Some(partner) = merged.get_mut(at) else {
            merged.push(candidate);
            continue;
        };
        if let (Answer::Values(all), Answer::Values(more)) =
            (&mut partner.desired.answer, &mut candidate.desired.answer)
        {
            all.append(more);
        }
        partner.holder |= candidate.holder;
        partner.created = partner.created.min(candidate.created);
        partner.desired.ttl = least(partner.desired.ttl, candidate.desired.ttl);
        partner.desired.objects.append(&mut candidate.desired.objects);
    }
    // Sorted once: to do it for each of many Services would take long.
    for at in partners.into_values() {
        let Some(RankedClaim { desired, .. }) = merged.get_mut(at) else {
            continue;
        };
        if let Answer::Values(all) = &mut desired.answer {
            all.sort_unstable();
            all.dedup();
        }
        desired.objects.sort_unstable();
        desired.resource = desired
            .objects
            .first()
            .map(|object| object.resource().to_owned())
            .unwrap_or_default();
    }
    merged
}

fn is_service(one: &RankedClaim) -> bool {
    let mut objects = one.desired.objects.iter();
    objects.all(|object| object.kind() == SourceKind::Service)
}

fn has_addresses(one: &RankedClaim) -> bool {
    matches!(one.desired.key.record_type, RecordType::A | RecordType::Aaaa)
        && matches!(one.desired.answer, Answer::Values(_))
}
