//! Which object gets a name that several want: the present holder, then the oldest, then the first by name.
use std::collections::{BTreeSet, HashMap, HashSet};

use super::desired::{Desired, expand};
use super::ranked::{RankedClaim, Taken, least, merge_services};
use super::types::{Claim, Present, RecordVerdict, Rules, another_writer};
use crate::dialect::Answer;
use crate::name::Name;
use crate::record_data::{RecordData, RecordType};
use crate::records::{Content, RecordSets, Routing, SetKey};
use crate::source::{ObjectKey, SourceKind};

/// The outcome for one name.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// What shall be there.
    pub(super) winners: Vec<Desired>,
    /// Sets that stay as they are because their holder has no address at the moment.
    pub(super) held_keys: Vec<SetKey>,
    /// Sets whose holder is awaited, and which another object publishes or keeps meanwhile.
    pub(super) living_keys: Vec<SetKey>,
    /// What is decided already: sets that lost to another object, that cannot be published, or that are published by another
    /// object's record.
    pub(super) decided: Vec<(ObjectKey, SetKey, RecordVerdict)>,
    /// Objects that publish or keep a set whose owner record does not name them.
    pub(super) publishers: Vec<Publisher>,
}

/// An object and a set that it publishes, although the set's owner record names another object.
pub type Publisher = (ObjectKey, SetKey);

/// What is at the name and who publishes it.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) name: &'a Name,
    pub(super) present: &'a [Present],
    pub(super) publishers: &'a [Publisher],
}

/// Decides who gets what. `awaited`: the claims of objects that may yet come, with the sets that they would hold.
pub(super) fn resolve(
    scene: Scene<'_>,
    claims: &[Claim],
    awaited: &[(Claim, &Present)],
    records: &RecordSets,
    rules: &Rules,
) -> Resolved {
    let Scene { name, present, .. } = scene;
    let mut out = Resolved::default();
    let mut candidates: Vec<RankedClaim> = Vec::new();
    // An alias may have its own name as target.
    let here: BTreeSet<RecordType> = claims
        .iter()
        .filter_map(|claim| claim.endpoint.as_ref())
        .map(|endpoint| endpoint.record_type)
        .collect();
    let inherited = inherited_values(present);
    for claim in claims {
        match &claim.endpoint {
            Some(endpoint) => match expand(claim, endpoint, &here, records, rules) {
                Ok(all) => {
                    let all = all.into_iter();
                    candidates.extend(all.map(|desired| ranked(claim, desired, present, &inherited)));
                }
                Err(verdict) => {
                    // What cannot be published now must not take down what was published before.
                    candidates.extend(held(claim, scene));
                    let key = SetKey {
                        name: name.clone(),
                        record_type: endpoint.record_type,
                        set_identifier: endpoint.set_identifier.clone(),
                    };
                    out.decided.push((claim.object.clone(), key, verdict));
                }
            },
            None => candidates.extend(held(claim, scene)),
        }
    }
    candidates.extend(awaited.iter().map(|(claim, at)| RankedClaim {
        awaited: true,
        ..keeper(claim, at, true)
    }));
    candidates = merge_services(candidates);
    candidates.sort_by(|a, b| {
        (!a.holder, a.created, &a.desired.objects, &a.desired.key).cmp(&(
            !b.holder,
            b.created,
            &b.desired.objects,
            &b.desired.key,
        ))
    });
    let mut taken = Taken::default();
    for candidate in candidates {
        match taken.rival(&candidate.desired, rules.dialect) {
            None => taken.add(candidate),
            Some(rival) => yield_to(rival, candidate, present, rules, &mut out),
        }
    }
    for candidate in taken.all {
        let RankedClaim { held, desired, .. } = candidate;
        let holder = present
            .iter()
            .find(|at| at.key == desired.key)
            .and_then(Present::holder);
        if held && !candidate.awaited || !held && holder.is_some() {
            let others = desired
                .objects
                .iter()
                .filter(|object| Some(object.resource()) != holder);
            out.publishers
                .extend(others.map(|object| (object.clone(), desired.key.clone())));
        }
        if held {
            out.held_keys.push(desired.key);
        } else {
            out.winners.push(desired);
        }
    }
    remember_publishers(scene, claims, &mut out);
    out
}

/// An object that has published a record and has no address now keeps its part in it while the one that the owner record
/// names lives: it is the publisher when that one goes.
fn remember_publishers(scene: Scene<'_>, claims: &[Claim], out: &mut Resolved) {
    if scene.publishers.is_empty() {
        return;
    }
    let waiting = claims.iter().filter(|claim| claim.endpoint.is_none());
    let waiting: HashSet<(&ObjectKey, &Option<Box<str>>)> =
        waiting.map(|claim| (&claim.object, &claim.set_identifier)).collect();
    let known: HashSet<&Publisher> = out.publishers.iter().collect();
    let still = |publisher: &&Publisher| {
        let (object, key) = publisher;
        let there = scene.present.iter().any(|at| at.is_ours() && at.key == *key);
        there && waiting.contains(&(object, &key.set_identifier)) && !known.contains(publisher)
    };
    let more: Vec<Publisher> = scene.publishers.iter().filter(still).cloned().collect();
    out.publishers.extend(more);
}

/// The set is taken. Who wants the same value shares it, and all others lose.
fn yield_to(rival: &mut RankedClaim, candidate: RankedClaim, present: &[Present], rules: &Rules, out: &mut Resolved) {
    let RankedClaim { held, desired, .. } = candidate;
    let same_key = rival.desired.key == desired.key;
    if held {
        if same_key && rival.awaited && !candidate.awaited {
            out.living_keys.push(desired.key.clone());
            out.publishers
                .extend(desired.objects.into_iter().map(|object| (object, desired.key.clone())));
        }
        return;
    }
    if !rival.held && desired.has_value_of(&rival.desired) {
        rival.desired.ttl = least(rival.desired.ttl, desired.ttl);
        rival.desired.objects.extend(desired.objects);
        return;
    }
    let kept = present
        .iter()
        .find(|at| same_key && rival.held && at.key == desired.key);
    if kept.is_some_and(|at| desired.is_value_of(&at.set)) {
        if rival.awaited {
            out.living_keys.push(desired.key.clone());
        }
        for object in desired.objects {
            out.publishers.push((object.clone(), desired.key.clone()));
            out.decided
                .push((object, desired.key.clone(), RecordVerdict::Published));
        }
        return;
    }
    let Some(winner) = rival.desired.objects.first() else {
        return;
    };
    for object in desired.objects {
        let verdict = if object == *winner {
            // Its own kind, namespace and name, but not a set that it has ever published here.
            another_writer(&rival.desired.key, rules.marks.owner_id)
        } else {
            RecordVerdict::Conflict(winner.clone())
        };
        out.decided.push((object, desired.key.clone(), verdict));
    }
}

/// The values of the sets whose objects are gone.
fn inherited_values(present: &[Present]) -> HashMap<&SetKey, HashSet<&RecordData>> {
    let inherited = present.iter().filter(|at| at.is_inherited());
    inherited
        .filter_map(|at| match &at.set.content {
            Content::Values { values, .. } => Some((&at.key, values.iter().map(|value| &value.data).collect())),
            Content::Alias { .. } => None,
        })
        .collect()
}

/// The holder is the object that the owner record names. If that one is gone, it is whoever publishes the record: all of it,
/// or as a Service its part of it.
fn ranked(
    claim: &Claim,
    desired: Desired,
    present: &[Present],
    inherited: &HashMap<&SetKey, HashSet<&RecordData>>,
) -> RankedClaim {
    let resource = &desired.resource;
    let publishes = |at: &Present| {
        let part = || match (&desired.answer, inherited.get(&desired.key)) {
            (Answer::Values(values), Some(present)) => values.iter().all(|value| present.contains(value)),
            _ => false,
        };
        desired.is_value_of(&at.set) || claim.object.kind() == SourceKind::Service && part()
    };
    let holder = present.iter().any(|at| {
        at.key.set_identifier == desired.key.set_identifier
            && (at.holder() == Some(resource) || at.is_inherited() && at.key == desired.key && publishes(at))
    });
    RankedClaim {
        holder,
        created: claim.created,
        desired,
        held: false,
        awaited: false,
    }
}

/// An object without an address holds the sets that are its own now, and those of its type whose object is gone: after a
/// rename nobody can tell whether it published them.
fn held<'a>(claim: &'a Claim, scene: Scene<'a>) -> impl Iterator<Item = RankedClaim> + 'a {
    scene.present.iter().filter_map(move |at| {
        if at.key.set_identifier == claim.set_identifier && at.holder() == Some(claim.object.resource()) {
            return Some(keeper(claim, at, true));
        }
        let publishes = || {
            let mut all = scene.publishers.iter();
            all.any(|(object, key)| *object == claim.object && *key == at.key)
        };
        if at.is_inherited() && claim.may_inherit(&at.key) {
            Some(keeper(claim, at, publishes()))
        } else {
            None
        }
    })
}

fn keeper(claim: &Claim, at: &Present, holder: bool) -> RankedClaim {
    RankedClaim {
        holder,
        created: claim.created,
        held: true,
        awaited: false,
        desired: Desired {
            key: at.key.clone(),
            objects: vec![claim.object.clone()],
            resource: claim.object.resource().to_owned(),
            answer: Answer::Values(Vec::new()),
            ttl: None,
            weight: match at.set.routing {
                Routing::Weighted(weight) => Some(weight),
                _ => None,
            },
        },
    }
}
