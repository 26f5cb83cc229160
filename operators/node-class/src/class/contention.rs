//! Others that repeatedly remove what we set. Restoring it each time would be a conflict at the API server's
//! expense (and pods that come and go with a taint), so it is put back ever more seldom, and reported.
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use k8s_openapi::api::core::v1::Taint;

use super::NodeDiff;
use super::resolve::taint_key;
use super::writes::OwnedTaints;
use crate::facts::{NodeFacts, Text, Texts, intern};

#[cfg(test)]
mod tests;

/// This many restorations …
const OFTEN: usize = 3;
/// … within this time are a fight; from then on this is the least time between two.
const WINDOW: Duration = Duration::from_mins(10);
/// Never more restorations of one key than this within an hour.
const HOURLY: usize = 6;
const HOUR: Duration = Duration::from_hours(1);
/// A fight is over when nothing had to be restored for this long.
const CALM: Duration = Duration::from_mins(30);

/// The key of a cordon.
pub(crate) const CORDON: &str = "cordon";

/// Keeps account of what had to be restored on which node. Keys are `label x`, `annotation x`, `taint x:NoSchedule`; times
/// are of the monotonic clock ([`Now::mono`](crate::clock::Now::mono)). It may be lost with the process: then a fight
/// begins again, with a few writes more.
#[derive(Clone, Debug, Default)]
pub struct Contention {
    nodes: BTreeMap<String, Account>,
}

#[derive(Clone, Debug, Default)]
struct Account {
    uid: String,
    /// Keys that we have set, as far as we know.
    written: BTreeSet<Text>,
    restored: BTreeMap<String, Restored>,
}

/// When a key was restored, the last [`HOURLY`] times.
#[derive(Clone, Debug, Default)]
struct Restored {
    times: VecDeque<Duration>,
    fight: bool,
}

impl Contention {
    /// The keys that are not to be put back now, for [`Wanted::held`](super::Wanted::held). Ask before each pass over a node:
    /// it also notes what is ours there.
    pub fn held(&mut self, node: &NodeFacts, now: Duration) -> BTreeSet<String> {
        let account = self.account(node);
        let ours: BTreeSet<Text> = owned(node).map(|key| intern(&key)).collect();
        if !ours.is_subset(&account.written) {
            account.written.extend(ours);
        }
        let held = account.restored.iter().filter(|(_, restored)| restored.next(now) > now);
        held.map(|(key, _)| key.clone()).collect()
    }

    /// Notes what was written to a node (successfully) that looked as in `node` before. A key that was not there and had been
    /// written before was removed by another writer. Returns how many such keys there were.
    pub fn wrote(&mut self, node: &NodeFacts, diff: &NodeDiff, now: Duration) -> u64 {
        let mut keys: Vec<(String, bool)> = Vec::new();
        if let Some((labels, annotations)) = &diff.apply {
            let there = |texts: &Texts, key: &str| texts.contains_key(key);
            keys.extend(
                labels
                    .keys()
                    .map(|key| (format!("label {key}"), there(&node.labels, key))),
            );
            keys.extend(
                annotations
                    .keys()
                    .map(|key| (format!("annotation {key}"), there(&node.annotations, key))),
            );
        }
        if let Some((taints, _)) = &diff.taints {
            let there = |new: &Taint| {
                node.taints
                    .iter()
                    .any(|t| (&t.key, &t.effect) == (&new.key, &new.effect))
            };
            keys.extend(taints.iter().map(|new| (taint_key(&new.key, &new.effect), there(new))));
        }
        let account = self.account(node);
        // What is left out of a part that was written is not ours any more.
        account.written.retain(|key| {
            let rewritten = if key.starts_with("taint ") {
                diff.taints.is_some()
            } else {
                diff.apply.is_some()
            };
            !rewritten || keys.iter().any(|(new, _)| **new == **key)
        });
        let mut restored = 0;
        for (key, _) in keys.into_iter().filter(|(_, there)| !there) {
            if !account.written.insert(intern(&key)) {
                restored += 1;
                account.restored.entry(key).or_default().record(now);
            }
        }
        restored
    }

    /// Notes that something of ours was put back after another writer had removed it.
    pub(crate) fn restored(&mut self, node: &NodeFacts, key: &str, now: Duration) {
        self.account(node)
            .restored
            .entry(key.to_owned())
            .or_default()
            .record(now);
    }

    /// The keys of a node over which there is a fight; for a condition and an event.
    pub fn contended(&self, node: &str, now: Duration) -> Vec<String> {
        let restored = self.nodes.get(node).into_iter().flat_map(|account| &account.restored);
        restored
            .filter(|(_, restored)| restored.contended(now))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Drops nodes that do not exist.
    pub fn retain(&mut self, there: impl Fn(&str) -> bool) {
        self.nodes.retain(|node, _| there(node));
    }

    /// A new Node object has no keys of ours, and no one removed them: its account starts from zero.
    fn account(&mut self, node: &NodeFacts) -> &mut Account {
        let account = self.nodes.entry(node.name.clone()).or_default();
        if account.uid != node.uid {
            *account = Account {
                uid: node.uid.clone(),
                ..Account::default()
            };
        }
        account
    }
}

impl Restored {
    fn record(&mut self, now: Duration) {
        self.fight = self.contended(now);
        self.times.push_back(now);
        while self.times.len() > HOURLY {
            self.times.pop_front();
        }
        self.fight |= self.within(WINDOW, now) >= OFTEN || self.within(HOUR, now) >= HOURLY;
    }

    fn within(&self, window: Duration, now: Duration) -> usize {
        self.times
            .iter()
            .filter(|time| now.saturating_sub(**time) < window)
            .count()
    }

    fn contended(&self, now: Duration) -> bool {
        self.fight && self.times.back().is_some_and(|last| now.saturating_sub(*last) < CALM)
    }

    /// From when on it may be restored.
    fn next(&self, now: Duration) -> Duration {
        let pace = self
            .times
            .back()
            .filter(|_| self.contended(now))
            .map(|last| *last + WINDOW);
        let oldest = self.times.front().filter(|_| self.times.len() >= HOURLY);
        pace.max(oldest.map(|oldest| *oldest + HOUR)).unwrap_or_default()
    }
}

/// The keys on a node that are ours. A taint of the mark that is not there was ours, too.
fn owned(node: &NodeFacts) -> impl Iterator<Item = String> + '_ {
    let mark = OwnedTaints::of(node).unwrap_or_default();
    let taints = mark.0.into_keys().map(|(key, effect)| taint_key(&key, &effect));
    node.managers.ours().chain(taints)
}
