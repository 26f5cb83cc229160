//! Which host has which nodes.
use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;

use hearth_reconciler::labels::glob;

use super::Claims;
use crate::crd::host::NodeHost;
use crate::facts::NodeFacts;

#[cfg(test)]
mod tests;

/// How an entry of `spec.nodes` begins that names a system UUID.
const UUID: &str = "uuid:";

/// The shortest beginning of a UUID that counts: a shorter one would match machines by chance.
const UUID_LEAST: usize = 4;

/// Works out the claims; `known` are names of nodes that have a history but no Node object now, with the host that they
/// had. Such a node stays with a host that claims its name. What was claimed by its UUID cannot be looked up while there
/// is no object; it stays with the host that it had as long as that host has a UUID among its entries and no host claims
/// the name.
pub fn claims<'a>(
    hosts: impl IntoIterator<Item = &'a NodeHost>,
    nodes: impl IntoIterator<Item = &'a NodeFacts>,
    known: &BTreeMap<String, String>,
) -> Claims {
    let hosts: BTreeMap<String, &[String]> = hosts
        .into_iter()
        .map(|host| (host.name_any(), host.spec.nodes.as_slice()))
        .collect();
    let nodes: BTreeMap<&str, &NodeFacts> = nodes.into_iter().map(|node| (node.name.as_str(), node)).collect();
    let mut claimants: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut unmatched: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut claim = |node: &str, host: &str| {
        claimants.entry(node.to_owned()).or_default().insert(host.to_owned());
    };
    let gone = |name: &&String| !nodes.contains_key(name.as_str());
    for (host, entries) in &hosts {
        for entry in *entries {
            let present: Vec<&str> = if is_name(entry) {
                // The usual entry: looked up, so that the work does not grow with hosts times nodes.
                nodes
                    .get_key_value(entry.as_str())
                    .map(|(name, _)| *name)
                    .into_iter()
                    .collect()
            } else {
                let matching = nodes.values().filter(|node| has(entry, node));
                matching.map(|node| node.name.as_str()).collect()
            };
            let absent = known.keys().filter(gone).filter(|name| named(entry, name));
            let all: BTreeSet<&str> = present.into_iter().chain(absent.map(String::as_str)).collect();
            for node in &all {
                claim(node, host);
            }
            if all.is_empty() {
                unmatched.entry(host.clone()).or_default().push(entry.clone());
            }
        }
    }
    for (name, host) in known.iter().filter(|(name, _)| gone(name)) {
        let by_uuid = hosts
            .get(host)
            .is_some_and(|entries| entries.iter().any(|entry| of_uuid(entry)));
        if by_uuid && !claimants.contains_key(name) {
            claimants.insert(name.clone(), BTreeSet::from([host.clone()]));
            // It is not known which of its UUIDs it was, so none of them is reported as unmatched.
            if let Some(entries) = unmatched.get_mut(host) {
                entries.retain(|entry| !of_uuid(entry));
            }
        }
    }
    unmatched.retain(|_, entries| !entries.is_empty());
    let mut claims = Claims {
        unmatched,
        ..Claims::default()
    };
    for (node, by) in claimants {
        match (by.len(), by.first()) {
            (1, Some(host)) => {
                claims.host.insert(node, host.clone());
            }
            _ => {
                claims.disputed.insert(node, by);
            }
        }
    }
    claims
}

/// No pattern: the node of that very name is meant.
fn is_name(entry: &str) -> bool {
    !entry.starts_with(UUID) && !entry.contains(['*', '?'])
}

fn of_uuid(entry: &str) -> bool {
    entry
        .strip_prefix(UUID)
        .is_some_and(|prefix| prefix.chars().count() >= UUID_LEAST)
}

fn named(entry: &str, name: &str) -> bool {
    !entry.starts_with(UUID) && glob(entry, name)
}

fn has(entry: &str, node: &NodeFacts) -> bool {
    let Some(prefix) = entry.strip_prefix(UUID).filter(|_| of_uuid(entry)) else {
        return named(entry, &node.name);
    };
    let uuid = &node.machine.system_uuid;
    uuid.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
