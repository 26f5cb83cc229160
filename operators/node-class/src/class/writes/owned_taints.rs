//! The mark on a node that says which of its taints are ours: `key=value:effect`, comma-separated. Taints are an atomic
//! list, of which the API server keeps no owners.
use std::collections::BTreeMap;

use super::super::keys;
use crate::crd;
use crate::facts::NodeFacts;

/// Key and effect: what a taint is known by.
pub(crate) type Id = (String, String);

/// The taints that are ours, with their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnedTaints(pub(crate) BTreeMap<Id, String>);

impl OwnedTaints {
    /// Reads a node's mark; none if it cannot be read. No mark is an empty one.
    pub(crate) fn of(node: &NodeFacts) -> Option<Self> {
        let text = node
            .annotations
            .get(crd::OWNED_TAINTS)
            .map(|mark| &**mark)
            .unwrap_or_default();
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let read: Option<BTreeMap<Id, String>> = entries.map(entry).collect();
        read.map(Self)
    }

    /// As it is written; none if it is empty.
    pub(crate) fn text(&self) -> Option<String> {
        let entries: Vec<String> = self
            .0
            .iter()
            .map(|((key, effect), value)| match value.as_str() {
                "" => format!("{key}:{effect}"),
                value => format!("{key}={value}:{effect}"),
            })
            .collect();
        (!entries.is_empty()).then(|| entries.join(","))
    }
}

fn entry(text: &str) -> Option<(Id, String)> {
    let (taint, effect) = text.rsplit_once(':')?;
    let (key, value) = taint.split_once('=').unwrap_or((taint, ""));
    let valid = keys::key_problem(key).is_none()
        && keys::value_problem(value).is_none()
        && ["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect);
    valid.then(|| ((key.to_owned(), effect.to_owned()), value.to_owned()))
}
