//! One desired set that won its name: the changes that publish it, or why it cannot be published.
use super::desired::Desired;
use super::types::{
    Absence, OWNERSHIP_NAME_TAKEN, Present, RecordVerdict, Rules, another_writer, create, delete, is_address, removal,
};
use crate::crd::zone::{Policy, RegistryKind};
use crate::ownership::txt::render;
use crate::record_data::RecordType;
use crate::records::{RecordChange, RecordSet, RecordSets, Routing, SetKey};
use crate::zone::owner::{Owner, heritage, heritage_at};

/// What to do for it.
pub(super) struct SetPlan {
    pub(super) verdict: RecordVerdict,
    /// To be sent together: what the verdict Pending waits for, or an owner record that names an object which is gone.
    pub(super) changes: Vec<RecordChange>,
    /// Sets of ours that it replaces.
    pub(super) displaced: Vec<SetKey>,
    /// What the policy does not permit.
    pub(super) withheld: Option<String>,
}

/// Decides on one desired set.
pub(super) fn changes_for(desired: &Desired, present: &[Present], records: &RecordSets, rules: &Rules) -> SetPlan {
    let current = present.iter().find(|at| at.key == desired.key);
    let wanted = desired.content(current.map(|at| &at.set), rules);
    // What stands in the way and is ours goes in the same batch: CNAME and address, simple and weighted.
    let displaced: Vec<&Present> = present
        .iter()
        .filter(|at| at.is_ours() && rules.dialect.excludes((&at.key, &at.set), (&desired.key, &wanted)))
        .collect();
    let leaving: Vec<RecordChange> = displaced.iter().flat_map(|at| removal(at, records, rules)).collect();
    let mut set_plan = SetPlan {
        verdict: RecordVerdict::Pending,
        changes: Vec::new(),
        displaced: displaced.iter().map(|at| at.key.clone()).collect(),
        withheld: None,
    };
    if let Some(verdict) = up_to_date(current, &wanted, rules) {
        set_plan.verdict = verdict;
        if let Some(at) = current {
            set_plan.changes = refreshed_mark(desired, at, records, rules);
        }
        return set_plan;
    }
    let obstacle = contested(desired, rules)
        .or_else(|| blocker(desired, &wanted, current, present, &leaving, records, rules))
        .or_else(|| unmanaged(current.into_iter().chain(displaced.iter().copied())));
    if let Some(verdict) = obstacle {
        set_plan.verdict = verdict;
        return set_plan;
    }
    let mut changes = leaving;
    let (line, permitted) = if let Some(at) = current {
        changes.push(delete(&at.key, &at.set));
        let line = format!(
            "UPDATE {}: {} instead of {}",
            desired.key,
            wanted.summary(),
            at.set.summary()
        );
        (line, matches!(rules.policy, Policy::UpsertOnly | Policy::Sync))
    } else {
        let line = format!("CREATE {}: {}", desired.key, wanted.summary());
        let permitted = match rules.policy {
            Policy::Observe => false,
            Policy::CreateOnly => displaced.is_empty(),
            Policy::UpsertOnly | Policy::Sync => true,
        };
        (line, permitted)
    };
    changes.push(create(&desired.key, &wanted));
    if rules.registry == RegistryKind::TXT
        && let Err(verdict) = mark_changes(desired, &wanted, current, records, rules, &mut changes)
    {
        set_plan.verdict = verdict;
        return set_plan;
    }
    if permitted {
        set_plan.changes = changes;
    } else {
        set_plan.verdict = RecordVerdict::Held(rules.policy);
        set_plan.withheld = Some(line);
    }
    set_plan
}

/// Whether there is nothing to do.
fn up_to_date(current: Option<&Present>, wanted: &RecordSet, rules: &Rules) -> Option<RecordVerdict> {
    let at = current.filter(|at| !at.is_mark)?;
    let same = at.set.same(wanted);
    // Without marks nobody knows who made it; if it says what is wanted, that is as good as published.
    let unmarked = rules.registry == RegistryKind::None && at.owner == Owner::Nobody;
    (same && (at.is_ours() || unmarked)).then_some(RecordVerdict::Published)
}

/// The record is right, but its owner record names an object that is gone: it shall name one that publishes the record, so
/// that the record is kept as long as that one lives.
fn refreshed_mark(desired: &Desired, at: &Present, records: &RecordSets, rules: &Rules) -> Vec<RecordChange> {
    let outdated = at.is_inherited() && at.absence == Absence::Proven && at.holder().is_some();
    let permitted = matches!(rules.policy, Policy::UpsertOnly | Policy::Sync) && rules.registry == RegistryKind::TXT;
    let mut changes = Vec::new();
    if outdated && permitted && at.set.routing != Routing::Unmanaged {
        // If it cannot be written, the record is published all the same.
        let _ = mark_changes(desired, &at.set, Some(at), records, rules, &mut changes);
    }
    changes
}

/// Whether another writer changes the set back again and again.
fn contested(desired: &Desired, rules: &Rules) -> Option<RecordVerdict> {
    rules
        .contested
        .contains(&desired.key)
        .then(|| another_writer(&desired.key, rules.marks.owner_id))
}

/// A foreign record that the set would have to overwrite or that DNS does not permit beside it.
fn blocker(
    desired: &Desired,
    wanted: &RecordSet,
    current: Option<&Present>,
    present: &[Present],
    leaving: &[RecordChange],
    records: &RecordSets,
    rules: &Rules,
) -> Option<RecordVerdict> {
    let excluded = |at: &Present| rules.dialect.excludes((&at.key, &at.set), (&desired.key, wanted));
    let stays = |at: &Present| at.is_mark && leaving.iter().all(|change| change.key != at.key);
    let is_text = desired.key.record_type == RecordType::Txt;
    let rival = present
        .iter()
        .find(|at| is_text && stays(at) && (at.key == desired.key || excluded(at)));
    if let Some(mark) = rival {
        return Some(match heritage(&mark.set).and_then(|heritage| heritage.owner) {
            Some(owner) if *owner != *rules.marks.owner_id => RecordVerdict::Foreign(Some(owner)),
            _ => RecordVerdict::Failed(
                OWNERSHIP_NAME_TAKEN,
                "an owner record has this name; choose another name".to_owned(),
            ),
        });
    }
    // Addresses of a name belong together: beside somebody else's we add none, but keep up what we have.
    let is_new = current.is_none() && rules.registry == RegistryKind::TXT;
    let foreign = present.iter().filter(|at| !at.is_mark && !at.is_ours()).find(|at| {
        at.key == desired.key
            || excluded(at)
            || is_new
                && is_address(at.key.record_type)
                && is_address(desired.key.record_type)
                && at.key.set_identifier == desired.key.set_identifier
    });
    if let Some(at) = foreign {
        let owner = match &at.owner {
            Owner::Other(owner) => Some(owner.clone()),
            _ => None,
        };
        return Some(RecordVerdict::Foreign(owner));
    }
    // Owner records of other names and sets of other types may be in the way, too.
    let other_types = records.at(&desired.key.name).other_types && rules.dialect.stands_alone(desired.key.record_type);
    (other_types || present.iter().any(|at| stays(at) && excluded(at))).then_some(RecordVerdict::Foreign(None))
}

/// A set of ours that would have to be changed but is more than we could write back.
fn unmanaged<'a>(mut affected: impl Iterator<Item = &'a Present>) -> Option<RecordVerdict> {
    let at = affected.find(|at| at.set.routing == Routing::Unmanaged)?;
    Some(RecordVerdict::Failed(
        "RoutingNotManaged",
        format!(
            "{} has a routing policy or health check that is not managed here, so it is left as it is; remove it at the provider first",
            at.key
        ),
    ))
}

/// Adds what makes the owner record say that the set is ours. The error: it cannot be written, so neither is the set.
fn mark_changes(
    desired: &Desired,
    wanted: &RecordSet,
    current: Option<&Present>,
    records: &RecordSets,
    rules: &Rules,
    changes: &mut Vec<RecordChange>,
) -> Result<(), RecordVerdict> {
    let name = rules
        .marks
        .affix
        .written(&desired.key.name, desired.key.record_type, rules.marks.apex)
        .map_err(|message| RecordVerdict::Failed("OwnershipNameInvalid", message))?;
    let key = SetKey {
        name,
        record_type: RecordType::Txt,
        set_identifier: desired.key.set_identifier.clone(),
    };
    if rules.marks.marks_another(records, &key.name, &desired.key) {
        return Err(taken(&key, "it would mark another record too"));
    }
    let new = rules
        .dialect
        .mark(render(rules.marks.owner_id, &desired.resource), wanted);
    let leaves = |key: &SetKey| changes.iter().any(|change| change.key == *key);
    let Some(old) = records.get(&key).filter(|_| !leaves(&key)) else {
        // Nothing may stay at the owner record's own name that excludes it, or the whole batch would be refused for ever.
        let clash = records.at(&key.name).sets.iter().any(|(record_type, id, set)| {
            let there = SetKey {
                name: key.name.clone(),
                record_type: *record_type,
                set_identifier: id.clone(),
            };
            !leaves(&there) && rules.dialect.excludes((&there, set), (&key, &new))
        });
        if clash {
            return Err(taken(&key, "another record of that name excludes it"));
        }
        changes.push(create(&key, &new));
        return Ok(());
    };
    let present = heritage_at(records, &key.name, key.set_identifier.as_deref()).unwrap_or_default();
    match present.owner {
        Some(owner) if *owner == *rules.marks.owner_id => {}
        other => return Err(RecordVerdict::Foreign(other)),
    }
    // The routing of the mark follows its set; its text only when it names another object.
    let same_resource = present.resource.as_deref() == Some(&desired.resource);
    let same = if current.is_some() {
        same_resource && old.routing == new.routing
    } else {
        old.same(&new)
    };
    if !same {
        changes.push(delete(&key, old));
        changes.push(create(&key, &new));
    }
    Ok(())
}

fn taken(key: &SetKey, why: &str) -> RecordVerdict {
    RecordVerdict::Failed(
        OWNERSHIP_NAME_TAKEN,
        format!(
            "the owner record {} cannot be written: {why}; choose another spec.registry.prefix or wildcardReplacement",
            key.name
        ),
    )
}
