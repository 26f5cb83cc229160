//! What is to be done at one name. Pure: claims, record sets and rules in, changes and verdicts out.
use std::cmp::Ordering;

use super::owner::{Owner, heritage};
use crate::crd::zone::Policy;
use crate::name::Name;
use crate::record_data::RecordType;
use crate::records::{Action, RecordChange, RecordSets, SetKey};
use crate::source::ObjectKey;

mod changes;
mod resolve;
pub mod types;

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
}

impl NamePlan {
    /// All removals that nothing replaces, whether or not they may go.
    pub fn removals(&self) -> impl Iterator<Item = &(SetKey, Vec<RecordChange>)> {
        self.deletes.iter().chain(&self.unwatched).chain(&self.never_seen)
    }
}

/// Decides what to do at `name`.
pub fn plan(
    name: &Name,
    claims: &[Claim],
    records: &RecordSets,
    rules: &Rules,
    absence: impl Fn(Option<&str>) -> Absence,
) -> NamePlan {
    let present = present(name, records, rules);
    let mut out = NamePlan {
        owned: present.iter().filter(|at| at.is_ours()).count(),
        foreign: present.iter().filter(|at| !at.is_ours() && !at.is_mark).count(),
        ..NamePlan::default()
    };
    if !rules.filter.admits(name) {
        return out;
    }
    let absent = absent(claims, &present, &absence);
    let resolved = if absent.is_empty() {
        resolve::resolve(name, claims, &present, records, rules)
    } else {
        for (_, at, absence) in &absent {
            if *absence == Absence::Unlisted {
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
        let all: Vec<Claim> = claims
            .iter()
            .cloned()
            .chain(absent.into_iter().map(|(claim, ..)| claim))
            .collect();
        resolve::resolve(name, &all, &present, records, rules)
    };
    out.verdicts = resolved.losers;

    let mut kept: Vec<SetKey> = resolved.held_keys;
    let mut replaced: Vec<SetKey> = Vec::new();
    for desired in resolved.winners {
        kept.push(desired.key.clone());
        let set_plan = changes::changes_for(&desired, &present, records, rules);
        match set_plan.verdict {
            RecordVerdict::Pending => replaced.extend(set_plan.displaced),
            // What cannot be published must not take down what is there.
            _ => kept.extend(set_plan.displaced),
        }
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
    let not_deleted: Vec<SetKey> = kept.into_iter().chain(replaced).collect();
    remove(&present, &not_deleted, records, rules, absence, &mut out);
    out.writes.sort_by(deletes_first);
    out
}

/// Sets whose holder cannot be known yet: they are held for it, or another object would take the name in its absence.
fn absent<'a>(
    claims: &[Claim],
    present: &'a [Present],
    absence: &impl Fn(Option<&str>) -> Absence,
) -> Vec<(Claim, &'a Present, Absence)> {
    let holders = present.iter().filter_map(|at| Some((at, at.holder()?)));
    holders
        .map(|(at, holder)| (at, holder, absence(Some(holder))))
        .filter(|(_, _, absence)| matches!(absence, Absence::Unlisted | Absence::NeverSeen))
        .filter_map(|(at, holder, absence)| {
            let object = ObjectKey::from_resource(holder)?;
            let known = claims.iter().any(|claim| claim.object == object);
            let claim = Claim {
                object,
                created: i64::MIN,
                endpoint: None,
                set_identifier: at.key.set_identifier.clone(),
            };
            (!known).then_some((claim, at, absence))
        })
        .collect()
}

fn present(name: &Name, records: &RecordSets, rules: &Rules) -> Vec<Present> {
    let sets = records.at(name).sets.iter();
    sets.map(|(record_type, id, set)| {
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
        Present {
            key,
            set: set.clone(),
            owner,
            is_mark,
        }
    })
    .collect()
}

/// Decides on the sets that no object wants.
fn remove(
    present: &[Present],
    not_deleted: &[SetKey],
    records: &RecordSets,
    rules: &Rules,
    absence: impl Fn(Option<&str>) -> Absence,
    out: &mut NamePlan,
) {
    for at in present.iter().filter(|at| at.is_ours()) {
        if !is_managed(at, rules) || not_deleted.contains(&at.key) {
            continue;
        }
        if rules.policy != Policy::Sync {
            out.withheld.push(format!("DELETE {}: {}", at.key, at.set.summary()));
            continue;
        }
        match absence(at.holder()) {
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
