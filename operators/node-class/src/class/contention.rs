//! Others that repeatedly remove what we set. Restoring it each time would be a conflict at the API server's
//! expense (and pods that come and go with a taint), so it is put back ever more seldom, and reported.
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::NodeDiff;
use super::resolve::taint_key;
use super::writes::OwnedTaints;
use crate::facts::{NodeFacts, Text, intern};

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
/// begins anew, with a few writes more.
#[derive(Clone, Debug, Default)]
pub struct Contention {
    nodes: BTreeMap<String, Account>,
}

/// Of one Node object.
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
    /// written before is one that somebody took away. Returns how many such keys there were.
    pub fn wrote(&mut self, node: &NodeFacts, diff: &NodeDiff, now: Duration) -> u64 {
        let mut added = Vec::new();
        let account = self.account(node);
        if let Some((labels, annotations)) = &diff.apply {
            let labels = labels
                .keys()
                .map(|key| (format!("label {key}"), node.labels.contains_key(key.as_str())));
            let annotations = annotations
                .keys()
                .map(|key| (format!("annotation {key}"), node.annotations.contains_key(key.as_str())));
            let all: Vec<(String, bool)> = labels.chain(annotations).collect();
            account
                .written
                .retain(|key| key.starts_with("taint ") || all.iter().any(|(now, _)| **now == **key));
            added.extend(all.into_iter().filter(|(_, there)| !there).map(|(key, _)| key));
        }
        if let Some((taints, _)) = &diff.taints {
            let there = |key: &str, effect: &str| node.taints.iter().any(|t| t.key == key && t.effect == effect);
            let keys: Vec<(String, bool)> = taints
                .iter()
                .map(|t| (taint_key(&t.key, &t.effect), there(&t.key, &t.effect)))
                .collect();
            account
                .written
                .retain(|key| !key.starts_with("taint ") || keys.iter().any(|(now, _)| **now == **key));
            added.extend(keys.into_iter().filter(|(_, there)| !there).map(|(key, _)| key));
        }
        let mut restored = 0;
        for key in added {
            if !account.written.insert(intern(&key)) {
                restored += 1;
                account.restored.entry(key).or_default().record(now);
            }
        }
        restored
    }

    /// Notes that something of ours was put back that somebody had taken away.
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

    /// A new Node object has no keys of ours, and nobody removed them: its account starts from zero.
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
        let after = |time: Option<&Duration>, wait: Duration| time.map_or(Duration::ZERO, |time| *time + wait);
        let pace = if self.contended(now) {
            after(self.times.back(), WINDOW)
        } else {
            Duration::ZERO
        };
        let full = self.times.len() >= HOURLY;
        pace.max(if full {
            after(self.times.front(), HOUR)
        } else {
            Duration::ZERO
        })
    }
}

/// The keys on a node that are ours. A taint of the mark that is not there was ours, too.
fn owned(node: &NodeFacts) -> impl Iterator<Item = String> + '_ {
    let labels = node.managers.our_labels.iter().map(|key| format!("label {key}"));
    let annotations = node
        .managers
        .our_annotations
        .iter()
        .map(|key| format!("annotation {key}"));
    let mark = OwnedTaints::of(node).unwrap_or_default();
    let taints = mark.0.into_keys().map(|(key, effect)| taint_key(&key, &effect));
    labels.chain(annotations).chain(taints)
}
