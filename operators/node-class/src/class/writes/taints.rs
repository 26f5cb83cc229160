//! Taints: one merge patch with the whole list and the mark, guarded by the node's version.
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Taint;

use super::super::resolve::taint_key;
use super::super::talos::List;
use super::super::{Refused, Wanted, taint};
use super::owned_taints::{Id, OwnedTaints, UNREADABLE, id, value};
use crate::crd;
use crate::facts::NodeFacts;

pub(super) fn patch(
    node: &NodeFacts,
    wanted: &Wanted,
    extra: &[Taint],
    only_add: bool,
    refused: &mut Vec<Refused>,
) -> Option<(Vec<Taint>, Option<String>)> {
    let Some(mark) = OwnedTaints::of(node) else {
        // Each class that wants a taint says so in its status.
        let of_classes = wanted.taints.iter().map(|(_, class)| class.as_deref());
        let key = format!("annotation {}", crd::OWNED_TAINTS);
        let why = format!("{UNREADABLE}; remove it, and taints that are not wanted any more");
        refused.extend(of_classes.chain([None]).map(|class| Refused::new(&key, class, &why)));
        return None;
    };
    let talos = List::Taints.keys(node, refused);
    let (ours, theirs): (Vec<Taint>, Vec<Taint>) = node.taints.iter().cloned().partition(|taint| mark.owns(taint));
    let ours: BTreeMap<Id, Taint> = ours.into_iter().map(|taint| (id(&taint), taint)).collect();

    let frozen = |(key, effect): &Id| wanted.frozen.contains(&taint_key(key, effect));
    let stays = |id: &Id| only_add || frozen(id) || talos.contains(&id.0);
    let mut kept = ours.clone();
    kept.retain(|id, _| stays(id));
    // Marks of taints that were taken away and are not put back yet.
    let mut missing: BTreeMap<Id, String> = BTreeMap::new();
    for (taint, class) in desired(wanted, extra) {
        let (id, key) = (id(&taint), taint_key(&taint.key, &taint.effect));
        let held = wanted.held.contains(&key);
        let mut refuse = |why: String| refused.push(Refused::new(&key, class.as_deref(), why));
        if talos.contains(&id.0) {
            refuse(List::Taints.why());
        } else if let Some(there) = theirs.iter().find(|there| self::id(there) == id) {
            // With the value that is wanted it does what it should, and stays theirs.
            if value(there) != value(&taint) {
                refuse(format!(
                    "another writer set it with the value `{}`; remove it from the node (`kubectl taint node {} {}:{}-`), or \
                     from the class",
                    value(there),
                    node.name,
                    taint.key,
                    taint.effect
                ));
            }
        } else if let Some(there) = ours.get(&id).filter(|there| value(there) == value(&taint)) {
            // As it stands: with the time at which it was added, by which evictions are reckoned.
            kept.insert(id, there.clone());
        } else if held && !ours.contains_key(&id) {
            missing.extend(mark.0.get_key_value(&id).map(|(id, value)| (id.clone(), value.clone())));
        } else {
            kept.entry(id).or_insert(taint);
        }
    }
    if only_add {
        missing.extend(mark.0.clone());
    }
    let marked = kept.iter().map(|(id, taint)| (id.clone(), value(taint).to_owned()));
    let next = OwnedTaints(missing.into_iter().chain(marked).collect());
    let differs = kept != ours || mark != next;
    let all = theirs.into_iter().chain(kept.into_values());
    differs.then(|| (all.collect(), next.text()))
}

/// What should be there: `extra` before what classes want, once for each key and effect.
fn desired(wanted: &Wanted, extra: &[Taint]) -> Vec<(Taint, Option<String>)> {
    let mut by_id: BTreeMap<Id, (Taint, Option<String>)> = BTreeMap::new();
    let of_classes = wanted.taints.iter().map(|(of, class)| {
        let new = taint(&of.key, of.value.as_deref(), of.effect.as_str());
        (new, class.clone())
    });
    let extra = extra
        .iter()
        .map(|of| (taint(&of.key, of.value.as_deref(), &of.effect), None));
    for (taint, class) in extra.chain(of_classes) {
        by_id.entry(id(&taint)).or_insert((taint, class));
    }
    by_id.into_values().collect()
}
