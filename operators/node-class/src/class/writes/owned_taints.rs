//! The mark on a node that says which of its taints are ours: `key=value:effect`, comma-separated. Taints are an atomic
//! list, of which the API server keeps no owners.
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Taint;

use super::super::keys;
use crate::crd;
use crate::facts::NodeFacts;

/// Why nothing is done to a node's taints.
pub(crate) const UNREADABLE: &str = "the annotation nodes.hearth.home.arpa/owned-taints cannot be read, so that it is not known \
                                     which taints are ours";

/// Key and effect: what a taint is known by.
pub(crate) type Id = (String, String);

/// The taints that are ours, with their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnedTaints(pub(crate) BTreeMap<Id, String>);

impl OwnedTaints {
    /// Reads a node's mark; none if it cannot be read. No mark is an empty one.
    pub(crate) fn of(node: &NodeFacts) -> Option<Self> {
        let text = node.annotations.get(crd::OWNED_TAINTS).into_iter();
        let entries = text.flat_map(|text| text.split(',')).map(str::trim);
        let read: Option<_> = entries.filter(|entry| !entry.is_empty()).map(entry).collect();
        read.map(Self)
    }

    /// The taints on a node that are ours: marked with this value. None are while the mark cannot be read.
    pub(crate) fn on(node: &NodeFacts) -> Vec<&Taint> {
        let mark = Self::of(node).unwrap_or_default();
        node.taints.iter().filter(|taint| mark.owns(taint)).collect()
    }

    /// Whether a taint is marked, with this value.
    pub(super) fn owns(&self, taint: &Taint) -> bool {
        self.0.get(&id(taint)).is_some_and(|marked| marked == value(taint))
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

/// Whether our out-of-service taint is on a node.
pub(crate) fn is_out_of_service(node: &NodeFacts) -> bool {
    let ours = OwnedTaints::on(node);
    ours.iter().any(|taint| taint.key == crd::OUT_OF_SERVICE)
}

pub(crate) fn id(taint: &Taint) -> Id {
    (taint.key.clone(), taint.effect.clone())
}

/// No value and an empty one are the same to the API.
pub(super) fn value(taint: &Taint) -> &str {
    taint.value.as_deref().unwrap_or_default()
}

fn entry(text: &str) -> Option<(Id, String)> {
    let (taint, effect) = text.rsplit_once(':')?;
    let (key, value) = taint.split_once('=').unwrap_or((taint, ""));
    let valid =
        keys::is_key(key) && keys::is_value(value) && ["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect);
    valid.then(|| ((key.to_owned(), effect.to_owned()), value.to_owned()))
}
