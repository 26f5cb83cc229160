//! Which object gets a name that several want: the present holder, then the oldest, then the first by name.
use super::types::{ALIAS_TARGET_NOT_FOUND, Claim, Present, RecordVerdict, Rules, excludes};
use crate::load_balancers::load_balancer_zone;
use crate::name::Name;
use crate::record_data::RecordType;
use crate::records::{Content, RecordSet, RecordSets, Routing, SetKey};
use crate::source::endpoints::{AliasMode, Endpoint};
use crate::source::{ObjectKey, SourceKind};

/// A record set that an object (or several Services together) shall have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Desired {
    /// Which set.
    pub(super) key: SetKey,
    /// Everybody who wanted exactly this.
    pub(super) objects: Vec<ObjectKey>,
    /// The owner record's resource label.
    pub(super) resource: String,
    answer: Answer,
    ttl: Option<u32>,
    weight: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Values(Vec<Box<str>>),
    Alias {
        zone_id: Box<str>,
        target: Box<str>,
        evaluate_target_health: bool,
    },
}

/// TTL in seconds of a new record for which none is given: external-dns' default for Route 53.
const DEFAULT_TTL: u32 = 300;

impl Desired {
    /// The set to write. Without a requested TTL the present one is kept, as external-dns does.
    pub(super) fn content(&self, current: Option<&RecordSet>, zone_ttl: Option<u32>) -> RecordSet {
        let current_ttl = match current.map(|set| &set.content) {
            Some(Content::Values { ttl, .. }) => Some(*ttl),
            _ => None,
        };
        let content = match &self.answer {
            Answer::Values(values) => Content::Values {
                ttl: self.ttl.or(zone_ttl).or(current_ttl).unwrap_or(DEFAULT_TTL),
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

    /// The set with any time to live.
    pub(super) fn sample(&self) -> RecordSet {
        self.content(None, None)
    }

    fn routing(&self) -> Routing {
        self.weight.map_or(Routing::Simple, Routing::Weighted)
    }
}

/// The outcome for one name.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// What shall be there.
    pub(super) winners: Vec<Desired>,
    /// Sets that stay as they are because their holder has no address at the moment.
    pub(super) held_keys: Vec<SetKey>,
    /// Desired sets that lost to another object or cannot be published.
    pub(super) losers: Vec<(ObjectKey, SetKey, RecordVerdict)>,
}

/// One desired set with what decides its rank.
struct RankedClaim {
    holder: bool,
    created: i64,
    desired: Desired,
    held: bool,
}

/// Decides who gets what at `name`.
pub(super) fn resolve(
    name: &Name,
    claims: &[Claim],
    present: &[Present],
    records: &RecordSets,
    rules: &Rules,
) -> Resolved {
    let mut out = Resolved::default();
    let mut candidates: Vec<RankedClaim> = Vec::new();
    for claim in claims {
        match &claim.endpoint {
            Some(endpoint) => match expand(claim, endpoint, claims, records, rules) {
                Ok(all) => candidates.extend(all.into_iter().map(|desired| ranked(claim, desired, present, false))),
                Err(verdict) => {
                    // What cannot be published now must not take down what was published before.
                    candidates.extend(held(claim, endpoint.set_identifier.as_deref(), present));
                    let key = SetKey {
                        name: name.clone(),
                        record_type: endpoint.record_type,
                        set_identifier: endpoint.set_identifier.clone(),
                    };
                    out.losers.push((claim.object.clone(), key, verdict));
                }
            },
            None => candidates.extend(held(claim, claim.set_identifier.as_deref(), present)),
        }
    }
    candidates = merge_services(candidates);
    candidates.sort_by(|a, b| {
        (!a.holder, a.created, &a.desired.objects, &a.desired.key).cmp(&(
            !b.holder,
            b.created,
            &b.desired.objects,
            &b.desired.key,
        ))
    });
    let mut taken: Vec<RankedClaim> = Vec::new();
    for candidate in candidates {
        let sample = candidate.desired.sample();
        let rival = taken.iter().find(|other| {
            other.desired.key == candidate.desired.key
                || excludes(
                    &other.desired.key,
                    &other.desired.sample(),
                    &candidate.desired.key,
                    &sample,
                )
        });
        match rival.and_then(|other| other.desired.objects.first()) {
            Some(winner) => {
                for object in candidate.desired.objects.iter().filter(|_| !candidate.held) {
                    out.losers.push((
                        object.clone(),
                        candidate.desired.key.clone(),
                        RecordVerdict::Conflict(winner.clone()),
                    ));
                }
            }
            None => taken.push(candidate),
        }
    }
    for candidate in taken {
        if candidate.held {
            out.held_keys.push(candidate.desired.key);
        } else {
            out.winners.push(candidate.desired);
        }
    }
    out
}

fn ranked(claim: &Claim, desired: Desired, present: &[Present], held: bool) -> RankedClaim {
    let resource = &desired.resource;
    let holder = present
        .iter()
        .any(|at| at.key.set_identifier == desired.key.set_identifier && at.holder() == Some(resource));
    RankedClaim {
        holder,
        created: claim.created,
        desired,
        held,
    }
}

/// An object without an address holds exactly the sets that are its own now.
fn held<'a>(
    claim: &'a Claim,
    set_identifier: Option<&'a str>,
    present: &'a [Present],
) -> impl Iterator<Item = RankedClaim> + 'a {
    let resource = claim.object.resource();
    let own = present
        .iter()
        .filter(move |at| at.key.set_identifier.as_deref() == set_identifier && at.holder() == Some(resource));
    own.map(move |at| RankedClaim {
        holder: true,
        created: claim.created,
        held: true,
        desired: Desired {
            key: at.key.clone(),
            objects: vec![claim.object.clone()],
            resource: resource.to_owned(),
            answer: Answer::Values(Vec::new()),
            ttl: None,
            weight: match at.set.routing {
                Routing::Weighted(weight) => Some(weight),
                _ => None,
            },
        },
    })
}

/// The record sets that an endpoint means: a CNAME to a load balancer becomes aliases of both families.
fn expand(
    claim: &Claim,
    endpoint: &Endpoint,
    claims: &[Claim],
    records: &RecordSets,
    rules: &Rules,
) -> Result<Vec<Desired>, RecordVerdict> {
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
        evaluate_target_health: health,
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
    match &endpoint.alias {
        AliasMode::Auto { evaluate_target_health } if endpoint.record_type == RecordType::Cname => {
            if let Some(zone_id) = load_balancer_zone(target) {
                let all = families.into_iter();
                return Ok(all
                    .map(|family| desired(family, alias(zone_id, target, *evaluate_target_health)))
                    .collect());
            }
        }
        AliasMode::Yes { evaluate_target_health } => {
            if let Some(zone_id) = load_balancer_zone(target) {
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
                        "alias target {target} is neither a record of the zone {} nor a known AWS load balancer; without alias it can be a CNAME",
                        rules.marks.apex
                    ),
                ));
            };
            // Route 53 refuses an alias to a type that the target does not have.
            let has = |family: RecordType| {
                records.at(&known).sets.iter().any(|(found, _, _)| *found == family)
                    || claims
                        .iter()
                        .filter_map(|other| other.endpoint.as_ref())
                        .any(|other| other.name == known && other.record_type == family)
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
                .map(|family| desired(family, alias(rules.zone_id, target, *evaluate_target_health)))
                .collect());
        }
        _ => {}
    }
    if endpoint.record_type == RecordType::Cname && endpoint.name == *rules.marks.apex {
        return Err(RecordVerdict::Failed(
            "CNAMEAtApex",
            format!(
                "{} is the zone's apex, where DNS permits no CNAME (RFC 1034); use an alias or an address",
                endpoint.name
            ),
        ));
    }
    Ok(vec![desired(
        endpoint.record_type,
        Answer::Values(endpoint.values.clone()),
    )])
}

/// Services that want addresses at one name share it, as with external-dns; the first by name is the one that is named.
/// One that has no address at the moment holds nothing that the others supply.
fn merge_services(mut candidates: Vec<RankedClaim>) -> Vec<RankedClaim> {
    let (mut without, mut supplied): (Vec<SetKey>, Vec<SetKey>) = (Vec::new(), Vec::new());
    for one in candidates.iter().filter(|one| is_service(one)) {
        if one.held {
            without.push(one.desired.key.clone());
        } else if has_addresses(one) {
            supplied.push(one.desired.key.clone());
        }
    }
    candidates.retain(|one| !(one.held && is_service(one) && supplied.contains(&one.desired.key)));
    for one in candidates
        .iter_mut()
        .filter(|one| is_service(one) && has_addresses(one))
    {
        one.holder |= without.contains(&one.desired.key);
    }
    let mut merged: Vec<RankedClaim> = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let addresses = has_addresses(&candidate);
        let partner = merged.iter_mut().find(|other| {
            addresses
                && !candidate.held
                && !other.held
                && other.desired.key == candidate.desired.key
                && matches!(other.desired.answer, Answer::Values(_))
                && other.desired.weight == candidate.desired.weight
                && is_service(other)
                && is_service(&candidate)
        });
        let Some(partner) = partner else {
            merged.push(candidate);
            continue;
        };
        if let (Answer::Values(all), Answer::Values(more)) = (&mut partner.desired.answer, candidate.desired.answer) {
            all.extend(more);
            all.sort_unstable();
            all.dedup();
        }
        partner.holder |= candidate.holder;
        partner.created = partner.created.min(candidate.created);
        partner.desired.ttl = match (partner.desired.ttl, candidate.desired.ttl) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        partner.desired.objects.extend(candidate.desired.objects);
        partner.desired.objects.sort_unstable();
        partner.desired.resource = partner
            .desired
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
