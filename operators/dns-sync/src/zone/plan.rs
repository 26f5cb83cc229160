//! What is to be done at one name. Pure: claims, record sets and rules in, changes and verdicts out.
use std::cmp::Ordering;
use std::collections::HashSet;

use super::owner::{Owner, heritage};
use crate::crd::zone::Policy;
use crate::name::Name;
use crate::record_data::RecordType;
use crate::records::{Action, RecordChange, RecordSets, SetKey};
use crate::source::ObjectKey;

mod changes;
mod desired;
mod ranked;
mod resolve;
pub mod types;

pub use resolve::Publisher;
use resolve::Scene;
use types::{Absence, Claim, Present, RecordVerdict, Rules, is_managed, removal};

#[cfg(test)]
pub(crate) mod tests;

/// What to do at one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamePlan {
    /// Creates and updates (and the removals that they need), to be sent together.
    pub writes: Vec<RecordChange>,
    /// Removals that nothing replaces, each with the changes it takes.
    pub deletes: Vec<(SetKey, Vec<RecordChange>)>,
    /// Removals that need a confirmation, likewise.
    pub unwatched: Vec<(SetKey, Vec<RecordChange>)>,
    /// Removals that wait for the object that the record was made for, or a confirmation, likewise.
    pub never_seen: Vec<(SetKey, Vec<RecordChange>)>,
    /// Sets that are kept for objects which have never been here, whatever the policy.
    pub awaited: usize,
    /// Sets that seem unwanted, but it is not known yet.
    pub unlisted: Vec<SetKey>,
    /// By claim and set.
    pub verdicts: Vec<(ObjectKey, SetKey, RecordVerdict)>,
    /// Sets that we own here, before the changes.
    pub owned: usize,
    /// Sets of others, owner records aside.
    pub foreign: usize,
    /// What the policy withholds, or Observe would do.
    pub withheld: Vec<String>,
    /// Objects that publish a set whose owner record names another object. They are given to the next planning.
    pub publishers: Vec<Publisher>,
}

impl NamePlan {
    /// All removals that nothing replaces, whether or not they may go.
    pub fn removals(&self) -> impl Iterator<Item = &(SetKey, Vec<RecordChange>)> {
        self.deletes.iter().chain(&self.unwatched).chain(&self.never_seen)
    }
}

/// Decides what to do at `name`. `absence`: whether it is certain that the object which an owner record names does not
/// want this set any more. `publishers`: what the last planning gave.
pub fn plan(
    name: &Name,
    claims: &[Claim],
    publishers: &[Publisher],
    records: &RecordSets,
    rules: &Rules,
    absence: impl Fn(&SetKey, Option<&str>) -> Absence,
) -> NamePlan {
    let present = present(name, claims, records, rules, absence);
    let mut out = NamePlan {
        owned: present.iter().filter(|at| at.is_ours()).count(),
        foreign: present.iter().filter(|at| !at.is_ours() && !at.is_mark).count(),
        ..NamePlan::default()
    };
    if !rules.filter.admits(name) {
        return out;
    }
    let awaited: Vec<(Claim, &Present)> = present.iter().filter_map(awaited).collect();
    let scene = Scene {
        name,
        present: &present,
        publishers,
    };
    let resolved = resolve::resolve(scene, claims, &awaited, records, rules);
    out.publishers = resolved.publishers;
    for (_, at) in &awaited {
        if resolved.living_keys.contains(&at.key) {
            // Another object publishes it or keeps it, so nothing is to be deleted, whoever comes.
        } else if at.absence == Absence::Unlisted {
            out.unlisted.push(at.key.clone());
        } else if is_managed(at, rules) {
            out.awaited += 1;
            if rules.policy == Policy::Sync {
                out.never_seen.push((at.key.clone(), removal(at, records, rules)));
            } else {
                out.withheld.push(format!("DELETE {}: {}", at.key, at.set.summary()));
            }
        }
    }
    out.verdicts = resolved.decided;

    let mut kept: Vec<SetKey> = resolved.held_keys;
    for desired in resolved.winners {
        kept.push(desired.key.clone());
        let set_plan = changes::changes_for(&desired, &present, records, rules);
        // What it replaces goes with its own changes; and what cannot be published must not take down what is there.
        kept.extend(set_plan.displaced);
        for change in set_plan.changes {
            if !out.writes.contains(&change) {
                out.writes.push(change);
            }
        }
        out.withheld.extend(set_plan.withheld);
        for object in &desired.objects {
            out.verdicts
                .push((object.clone(), desired.key.clone(), set_plan.verdict.clone()));
        }
    }
    remove(&present, &kept, records, rules, &mut out);
    out.writes.sort_by(deletes_first);
    out
}

/// If it is not known yet whether the set's holder wants it: a claim that holds the set for it, or another object would
/// take the name in its absence.
fn awaited(at: &Present) -> Option<(Claim, &Present)> {
    let waits = !at.claimed && matches!(at.absence, Absence::Unlisted | Absence::NeverSeen);
    let object = at.holder().filter(|_| waits).and_then(ObjectKey::from_resource)?;
    let claim = Claim {
        object,
        created: i64::MIN,
        endpoint: None,
        set_identifier: at.key.set_identifier.clone(),
        record_type: Some(at.key.record_type),
    };
    Some((claim, at))
}

fn present(
    name: &Name,
    claims: &[Claim],
    records: &RecordSets,
    rules: &Rules,
    absence: impl Fn(&SetKey, Option<&str>) -> Absence,
) -> Vec<Present> {
    let sets = &records.at(name).sets;
    if sets.is_empty() {
        return Vec::new();
    }
    let claimed: HashSet<(&str, Option<&str>)> = claims
        .iter()
        .map(|claim| (claim.object.resource(), claim.set_identifier.as_deref()))
        .collect();
    sets.iter()
        .map(|(record_type, id, set)| {
            let key = SetKey {
                name: name.clone(),
                record_type: *record_type,
                set_identifier: id.clone(),
            };
            let is_mark = *record_type == RecordType::Txt && heritage(set).is_some();
            let owner = if is_mark {
                Owner::Nobody
            } else {
                rules.marks.owner(records, &key, set)
            };
            let holder = match &owner {
                Owner::Ours(mark) => mark.resource.as_deref(),
                _ => None,
            };
            let (claimed, absence) = match &owner {
                Owner::Ours(_) => (
                    holder.is_some_and(|holder| claimed.contains(&(holder, id.as_deref()))),
                    absence(&key, holder),
                ),
                _ => (false, Absence::Unwatched),
            };
            Present {
                key,
                set: set.clone(),
                owner,
                is_mark,
                claimed,
                absence,
            }
        })
        .collect()
}

/// Decides on the sets that no object wants.
fn remove(present: &[Present], kept: &[SetKey], records: &RecordSets, rules: &Rules, out: &mut NamePlan) {
    for at in present.iter().filter(|at| at.is_ours()) {
        if !is_managed(at, rules) || kept.contains(&at.key) {
            continue;
        }
        if rules.policy != Policy::Sync {
            out.withheld.push(format!("DELETE {}: {}", at.key, at.set.summary()));
            continue;
        }
        match at.absence {
            Absence::Proven => out.deletes.push((at.key.clone(), removal(at, records, rules))),
            Absence::Unwatched => out.unwatched.push((at.key.clone(), removal(at, records, rules))),
            Absence::NeverSeen => {
                out.awaited += 1;
                out.never_seen.push((at.key.clone(), removal(at, records, rules)));
            }
            Absence::Unlisted => out.unlisted.push(at.key.clone()),
        }
    }
}

fn deletes_first(left: &RecordChange, right: &RecordChange) -> Ordering {
    (left.action == Action::Create).cmp(&(right.action == Action::Create))
}
