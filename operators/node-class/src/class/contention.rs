//! Others that repeatedly remove what we set. Restoring it each time would be a conflict at the API server's
//! expense (and pods that come and go with a taint), so it is put back more seldom then, and reported.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Taint;

use super::NodeDiff;
use super::resolve::taint_key;
use super::writes::OwnedTaints;
use crate::facts::{NodeFacts, Text, intern};

#[cfg(test)]
mod tests;

/// A key that was written so often ...
const OFTEN: usize = 3;
/// ... within this time is not written now.
const WINDOW: Duration = Duration::from_mins(30);
/// And if it was written so often within this time, it is reported.
const REPORTED: Duration = Duration::from_hours(1);

/// The key of a cordon.
pub(crate) const CORDON: &str = "cordon";

/// Keeps account of what was written on which node although it was not there. Keys are `label x`, `annotation x`,
/// `taint x:NoSchedule`; times are of the monotonic clock ([`Now::mono`](crate::clock::Now::mono)). It may be lost with the
/// process: then a few writes more are made.
#[derive(Clone, Debug, Default)]
pub struct Contention {
    nodes: BTreeMap<String, Account>,
}

#[derive(Clone, Debug, Default)]
struct Account {
    uid: String,
    written: Vec<(Text, Duration)>,
}

impl Contention {
    /// The keys that are not to be put back now, for [`Wanted::held`](super::Wanted::held).
    pub fn held(&self, node: &NodeFacts, now: Duration) -> BTreeSet<String> {
        let account = self.nodes.get(&node.name).filter(|account| account.uid == node.uid);
        account
            .map(|account| account.often(WINDOW, now).collect())
            .unwrap_or_default()
    }

    /// Notes what was written to a node (successfully) that looked as in `node` before.
    pub fn wrote(&mut self, node: &NodeFacts, diff: &NodeDiff, now: Duration) {
        let mut set: BTreeMap<String, bool> = BTreeMap::new();
        let mut owned: Vec<String> = Vec::new();
        if let Some((labels, annotations)) = &diff.apply {
            let labels = labels.keys().map(|key| ("label", key, &node.labels));
            let annotations = annotations.keys().map(|key| ("annotation", key, &node.annotations));
            let both = labels.chain(annotations);
            set.extend(both.map(|(kind, key, there)| (format!("{kind} {key}"), there.contains_key(key.as_str()))));
            owned.extend(node.managers.ours());
        }
        if let Some((taints, _)) = &diff.taints {
            let same = |a: &Taint, b: &Taint| (&a.key, &a.effect) == (&b.key, &b.effect);
            let there = |new: &Taint| node.taints.iter().any(|there| same(there, new));
            set.extend(taints.iter().map(|new| (taint_key(&new.key, &new.effect), there(new))));
            let mark = OwnedTaints::of(node).unwrap_or_default();
            owned.extend(mark.0.keys().map(|(key, effect)| taint_key(key, effect)));
        }
        let account = self.account(node);
        // What we take away ourselves was not removed by another writer when it is set again.
        let given_up = |key: &str| owned.iter().any(|ours| ours == key) && !set.contains_key(key);
        account.written.retain(|(key, _)| !given_up(key));
        let new = set.iter().filter(|(_, there)| !**there);
        account.written.extend(new.map(|(key, _)| (intern(key), now)));
    }

    /// Notes that something of ours was put back after another writer had removed it.
    pub(crate) fn restored(&mut self, node: &NodeFacts, key: &str, now: Duration) {
        self.account(node).written.push((intern(key), now));
    }

    /// The keys of a node that another writer keeps removing; for a condition and a metric.
    pub fn contended(&self, node: &str, now: Duration) -> Vec<String> {
        let account = self.nodes.get(node);
        account
            .map(|account| account.often(REPORTED, now).collect())
            .unwrap_or_default()
    }

    /// Drops nodes that do not exist, and what is too old to matter.
    pub fn retain(&mut self, there: impl Fn(&str) -> bool, now: Duration) {
        self.nodes.retain(|node, account| {
            account.written.retain(|(_, at)| now.saturating_sub(*at) < REPORTED);
            there(node)
        });
    }

    /// A new Node object has no keys of ours, and no one removed them: its account starts from zero.
    fn account(&mut self, node: &NodeFacts) -> &mut Account {
        let account = self.nodes.entry(node.name.clone()).or_default();
        if account.uid != node.uid {
            (account.uid, account.written) = (node.uid.clone(), Vec::new());
        }
        account
    }
}

impl Account {
    /// The keys that were written often within this time.
    fn often(&self, window: Duration, now: Duration) -> impl Iterator<Item = String> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (key, _) in self.written.iter().filter(|(_, at)| now.saturating_sub(*at) < window) {
            *counts.entry(key).or_default() += 1;
        }
        let often = counts.into_iter().filter(|(_, times)| *times >= OFTEN);
        often.map(|(key, _)| key.to_owned())
    }
}
