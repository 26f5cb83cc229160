//! Applies a change batch to a zone under Route 53's rules, wholly or not at all.
//!
//! Sources: `ChangeResourceRecordSets`,
//! <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html> (transaction, exact DELETE,
//! no set deleted twice); quotas, <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>; alias
//! targets, <https://docs.aws.amazon.com/Route53/latest/APIReference/API_AliasTarget.html>. Messages as users met them:
//! exists, does not match, several at once awslabs/aws-sdk-kotlin#1435; set-identifier barnybug/cli53#317; invalid set of
//! changes kubernetes-sigs/external-dns#4241; CNAME boto/boto3#1475, aws/aws-sdk-java#1996; alias harmony-ops#491; simple
//! and weighted kubernetes-sigs/external-dns#4345, aws/aws-sdk-go-v2#518; limits #515, DNSControl/dnscontrol#1114,
//! rancher/rancher#10253.
//!
//! Changes are evaluated one after another, each on the zone as the valid ones before left it. Where the documentation is
//! silent the fake takes the stricter reading: within a batch one set may be changed once, or deleted and then created.

use std::collections::{BTreeSet, HashMap};

use super::model::{Key, Zone};
use super::record::{Action, Alias, Change, RecordSet};
use super::{name, values};

/// `ResourceRecord` elements (an alias counts as one) in a request; UPSERT counts double.
const MOST_RECORDS: usize = 1000;
/// Characters in all `Value` elements of a request; UPSERT counts double.
const MOST_CHARACTERS: usize = 32_000;
/// Values in one set.
const MOST_VALUES: usize = 400;
/// Weighted sets of one name and type.
const MOST_WEIGHTED: usize = 100;

/// Zones of AWS' own that an alias may point to, with the domain their names end in.
///
/// From "Elastic Load Balancing endpoints and quotas", <https://docs.aws.amazon.com/general/latest/gr/elb.html>, `CloudFront`
/// and Global Accelerator from `AliasTarget` (above); the regions that tests use.
const AWS_ZONES: [(&str, &str); 10] = [
    ("Z35SXDOTRQ7X7K", "us-east-1.elb.amazonaws.com."),
    ("Z26RNL4JYFTOTI", "elb.us-east-1.amazonaws.com."),
    ("Z215JYRZR1TBD5", "eu-central-1.elb.amazonaws.com."),
    ("Z3F0SRJ5LGBH90", "elb.eu-central-1.amazonaws.com."),
    ("Z32O12XQLNTSW2", "eu-west-1.elb.amazonaws.com."),
    ("Z2IFOLAFXWLO4F", "elb.eu-west-1.amazonaws.com."),
    ("Z1H1FL5HABSF5", "us-west-2.elb.amazonaws.com."),
    ("Z2FDTNDATAQYW2", "cloudfront.net."),
    ("Z2BJ6XQ5FK7U4H", "awsglobalaccelerator.com."),
    // A region that no table of a client has yet.
    ("Z0NEWREGION", "xx-future-1.elb.amazonaws.com."),
];

/// The zone of every `CloudFront` distribution: "You can't set `EvaluateTargetHealth` to `true` when the alias target is a
/// `CloudFront` distribution", <https://docs.aws.amazon.com/Route53/latest/APIReference/API_AliasTarget.html>.
const CLOUDFRONT: &str = "Z2FDTNDATAQYW2";

/// Applies the whole batch, or leaves the zone as it was and returns every fault.
pub fn apply(zone: &mut Zone, changes: &[Change]) -> Result<(), Vec<String>> {
    let faults = limits(changes);
    if !faults.is_empty() {
        return Err(faults);
    }
    apply_unlimited(zone, changes)
}

/// [`apply`] without the limits on a request's size, to fill a zone at once.
pub fn apply_unlimited(zone: &mut Zone, changes: &[Change]) -> Result<(), Vec<String>> {
    let mut undo: Vec<(Key, Option<RecordSet>)> = Vec::new();
    let mut faults = Vec::new();
    let mut former: HashMap<Key, Action> = HashMap::new();
    for change in changes {
        let set = match normalised(zone, change) {
            Ok(set) => set,
            Err(found) => {
                faults.extend(found);
                continue;
            }
        };
        let key = Key::of(&set);
        match former.insert(key.clone(), change.action) {
            None => {}
            Some(Action::Delete) if change.action == Action::Create => {}
            Some(_) => {
                faults.push(format!(
                    "The request contains an invalid set of changes for a resource record set '{} {}'",
                    set.kind, set.name
                ));
                continue;
            }
        }
        let found = conflicts(zone, change.action, &key, &set);
        if !found.is_empty() {
            faults.extend(found);
            continue;
        }
        let old = if change.action == Action::Delete {
            zone.remove(&key)
        } else {
            zone.insert(set)
        };
        undo.push((key, old));
    }
    faults.extend(final_state(zone, &undo));
    if faults.is_empty() {
        return Ok(());
    }
    for (key, old) in undo.into_iter().rev() {
        match old {
            Some(set) => drop(zone.insert(set)),
            None => drop(zone.remove(&key)),
        }
    }
    Err(faults)
}

fn limits(changes: &[Change]) -> Vec<String> {
    let (mut records, mut characters) = (0, 0);
    for Change { action, set } in changes {
        let times = if *action == Action::Upsert { 2 } else { 1 };
        records += times * set.values.len().max(1);
        characters += times * set.values.iter().map(|value| value.chars().count()).sum::<usize>();
    }
    let mut faults = Vec::new();
    if records > MOST_RECORDS {
        faults.push(format!("Number of records limit of {MOST_RECORDS} exceeded."));
    }
    if characters > MOST_CHARACTERS {
        faults.push(format!("RDATA character limit of {MOST_CHARACTERS} exceeded."));
    }
    faults
}

/// The set with its names as Route 53 keeps them, its values' syntax checked unless it is to be deleted.
fn normalised(zone: &Zone, change: &Change) -> Result<RecordSet, Vec<String>> {
    let mut set = change.set.clone();
    let fatal = |problem| vec![format!("FATAL problem: {problem}")];
    set.name = name::normalise(&set.name).map_err(fatal)?;
    if let Some(alias) = &mut set.alias {
        alias.name = name::normalise(&alias.name).map_err(fatal)?;
    }
    let mut faults = Vec::new();
    if !name::lies_in(&set.name, &zone.apex) {
        faults.push(format!(
            "RRSet with DNS name {} is not permitted in zone {}",
            set.name, zone.apex
        ));
    }
    if change.action != Action::Delete {
        let mut seen = BTreeSet::new();
        for value in &set.values {
            if let Err(problem) = values::check(&set.kind, value) {
                faults.push(format!("Invalid Resource Record: FATAL problem: {problem}"));
            } else if !seen.insert(values::canonical(&set.kind, value)) {
                faults.push(format!("Duplicate Resource Record: '{value}'"));
            }
        }
        if set.values.len() > MOST_VALUES {
            faults.push(format!("Cannot have more than {MOST_VALUES} records in a RRSet."));
        }
        if matches!(set.kind.as_str(), "CNAME" | "SOA") && set.values.len() > 1 {
            let RecordSet { name, kind, .. } = &set;
            faults.push(format!(
                "RRSet of type {kind} with DNS name {name} must contain exactly one resource record"
            ));
        }
    }
    if faults.is_empty() { Ok(set) } else { Err(faults) }
}

/// Why a change cannot be made on the zone as it stands.
fn conflicts(zone: &Zone, action: Action, key: &Key, set: &RecordSet) -> Vec<String> {
    let existing = zone.get(key);
    let shown = set.shown();
    match (action, existing) {
        (Action::Delete, None) => {
            return vec![format!(
                "Tried to delete resource record set {shown} but it was not found"
            )];
        }
        (Action::Delete, Some(existing)) if !existing.matches(set) => {
            return vec![format!(
                "Tried to delete resource record set {shown} but the values provided do not match the current values"
            )];
        }
        (Action::Delete, Some(_)) => return Vec::new(),
        (Action::Create, Some(_)) => {
            return vec![format!(
                "Tried to create resource record set {shown} but it already exists"
            )];
        }
        (Action::Create, None) | (Action::Upsert, _) => {}
    }
    let mut faults = Vec::new();
    faults.extend(beside(zone, set));
    faults.extend(routing(zone, key, set));
    if let Some(alias) = &set.alias {
        faults.extend(alias_target(zone, set, alias));
    }
    faults
}

/// CNAME stands alone and not at the apex.
fn beside(zone: &Zone, set: &RecordSet) -> Option<String> {
    let RecordSet { name, kind, .. } = set;
    let apex = &zone.apex;
    if kind == "CNAME" && name == apex {
        return Some(format!(
            "RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {apex}"
        ));
    }
    if kind == "CNAME" && zone.at(name).any(|other| other.kind != "CNAME") {
        return Some(format!(
            "RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records with the same \
             DNS name in zone {apex}"
        ));
    }
    // Two spaces after "type": so the service writes it (boto/boto3#1475).
    (kind != "CNAME" && zone.at(name).any(|other| other.kind == "CNAME")).then(|| {
        format!(
            "RRSet of type {kind} with DNS name {name} is not permitted because a conflicting RRSet of type  CNAME with \
             the same DNS name already exists in zone {apex}"
        )
    })
}

/// Sets of one name and type all have the same routing policy; a simple one is alone.
fn routing(zone: &Zone, key: &Key, set: &RecordSet) -> Option<String> {
    let RecordSet { name, kind, .. } = set;
    let others: Vec<_> = zone
        .of_kind(name, kind)
        .filter(|other| Key::of(other) != *key)
        .collect();
    let identifier = set
        .set_identifier
        .as_ref()
        .map(|id| format!(", SetIdentifier {id}"))
        .unwrap_or_default();
    let refused = format!("RRSet with DNS name {name}, type {kind}{identifier} cannot be created as");
    let policy = set.routing.policy();
    let other = others.iter().find(|other| other.routing.policy() != policy);
    if let Some(other) = other {
        return Some(match (policy, other.routing.policy()) {
            (Some(policy), Some(_)) => format!("{refused} a non-{policy} set exists with the same name and type."),
            _ => format!("{refused} other RRSets exist with the same name and type."),
        });
    }
    (policy == Some("weighted") && others.len() >= MOST_WEIGHTED).then(|| {
        format!("{refused} more than {MOST_WEIGHTED} weighted sets may not exist with the same name and type.")
    })
}

/// An alias points to a set of its type in its own zone, or to a name in one of AWS' zones.
fn alias_target(zone: &Zone, set: &RecordSet, alias: &Alias) -> Vec<String> {
    let tried = format!(
        "Tried to create an alias that targets {}, type {} in zone {}",
        alias.name, set.kind, alias.zone
    );
    let mut faults = Vec::new();
    let own = alias.zone == zone.id;
    let aws = AWS_ZONES.iter().find(|(id, _)| *id == alias.zone);
    let inside = match aws {
        Some((_, domain)) => name::lies_in(&alias.name, domain),
        None => own && name::lies_in(&alias.name, &zone.apex),
    };
    if !inside {
        faults.push(format!(
            "{tried}, but the alias target name does not lie within the target zone"
        ));
    }
    let found = match aws {
        Some(_) => matches!(set.kind.as_str(), "A" | "AAAA" | "HTTPS"),
        None => own && alias.name != set.name && zone.of_kind(&alias.name, &set.kind).next().is_some(),
    };
    if !found {
        faults.push(format!("{tried}, but that target was not found"));
    }
    if alias.evaluate_health && alias.zone == CLOUDFRONT {
        faults.push(format!(
            "{tried}, but EvaluateTargetHealth is not permitted for a CloudFront distribution"
        ));
    }
    faults
}

/// What must hold once all changes are made.
fn final_state(zone: &Zone, touched: &[(Key, Option<RecordSet>)]) -> Vec<String> {
    let mut faults = BTreeSet::new();
    for (key, old) in touched {
        let Some(set) = zone.get(key).or(old.as_ref()) else {
            continue;
        };
        if set.kind == "SOA" && (set.name != zone.apex || zone.of_kind(&zone.apex, "SOA").count() != 1) {
            faults.insert("A HostedZone must contain exactly one SOA record.".to_owned());
        }
        if set.kind == "NS" && set.name == zone.apex && zone.of_kind(&zone.apex, "NS").next().is_none() {
            faults.insert("A HostedZone must contain at least one NS record for the zone itself.".to_owned());
        }
        if set.routing.policy() == Some("weighted") && set.alias.is_none() && zone.get(key).is_some() {
            let differs = |other: &RecordSet| other.alias.is_none() && other.ttl != set.ttl;
            if zone.of_kind(&set.name, &set.kind).any(differs) {
                faults.insert(format!(
                    "RRSet with DNS name {} and type {}, SetIdentifier {} cannot be created as weighted sets must contain \
                     the same TTL.",
                    set.name,
                    set.kind,
                    set.set_identifier.as_deref().unwrap_or_default()
                ));
            }
        }
    }
    faults.into_iter().collect()
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
