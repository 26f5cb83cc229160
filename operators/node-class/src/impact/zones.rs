//! The disruption modes of the node lifecycle controller (`pkg/controller/nodelifecycle`): when too many nodes of a zone are
//! not ready it stops evicting, so that a broken network does not empty a cluster. In a home, two desktops are enough.
use std::collections::{BTreeMap, BTreeSet};

use super::{Member, Zone};
use crate::crd::{Availability, EXCLUDE_DISRUPTION};

/// `--unhealthy-zone-threshold`, in percent.
const UNHEALTHY: usize = 55;
/// Up to so many nodes not ready are never a disruption (`ComputeZoneState`).
const TOLERATED: usize = 2;
/// `--large-cluster-size-threshold`: a larger zone is evicted more slowly (0.01 nodes a second), a smaller one not at all.
const LARGE: usize = 50;

/// Region and zone label.
pub type Name = (String, String);

/// As it is shown: `region/zone`, or one of them; empty where nodes have no such labels.
pub fn shown((region, zone): &Name) -> String {
    let parts = [region.as_str(), zone.as_str()].into_iter();
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

/// What the controller counts in a zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) counted: usize,
    pub(super) not_ready: usize,
}

impl Count {
    /// No ready node: `FullDisruption`.
    fn dead(self) -> bool {
        self.counted > 0 && self.not_ready == self.counted
    }

    /// `PartialDisruption` in a zone so small that it is evicted at rate 0.
    fn stuck(self) -> bool {
        !self.dead() && self.counted <= LARGE && self.not_ready > tolerated(self.counted)
    }
}

/// How many of so many counted nodes may be not ready before the zone is in `PartialDisruption`.
pub(super) fn tolerated(counted: usize) -> usize {
    (counted.saturating_mul(UNHEALTHY).div_ceil(100))
        .saturating_sub(1)
        .max(TOLERATED)
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts(BTreeMap<Name, Count>);

impl Counts {
    /// Counts as the controller does.
    pub(super) fn of(members: &[Member<'_>]) -> Self {
        let mut zones: BTreeMap<Name, Count> = BTreeMap::new();
        for member in members.iter().filter(|member| counts(member)) {
            let zone = zones.entry(member.node.zone()).or_default();
            zone.counted += 1;
            zone.not_ready += usize::from(!member.node.is_ready());
        }
        Self(zones)
    }

    /// As it would be if this node went.
    pub(super) fn lose(&mut self, member: &Member<'_>) {
        if counts(member)
            && member.node.is_ready()
            && let Some(zone) = self.0.get_mut(&member.node.zone())
        {
            zone.not_ready += 1;
        }
    }

    pub(super) fn get(&self, zone: &Name) -> Option<Count> {
        self.0.get(zone).copied()
    }

    /// Every zone is fully disrupted: the controller holds that for its own trouble and stops all evictions.
    pub(super) fn all_dead(&self) -> bool {
        !self.0.is_empty() && self.0.values().all(|zone| zone.dead())
    }

    /// Whether evictions stand still in a zone. One without counted nodes is never stuck by itself.
    pub(super) fn frozen(&self, zone: &Name) -> bool {
        self.all_dead() || self.0.get(zone).is_some_and(|zone| zone.stuck())
    }

    fn headroom(&self, zone: &Name) -> usize {
        let Some(now) = self.get(zone).filter(|_| !self.frozen(zone)) else {
            return 0;
        };
        let ready = now.counted - now.not_ready;
        let dead_beside = self.0.iter().all(|(name, count)| name == zone || count.dead());
        let stops = |more: &usize| {
            let not_ready = now.not_ready + more;
            let then = Count { not_ready, ..now };
            then.stuck() || (then.dead() && dead_beside)
        };
        (1..=ready).find(stops).map_or(ready, |more| more - 1)
    }
}

/// The zones that have counted nodes.
pub(super) fn zones(counts: &Counts) -> Vec<Zone> {
    let zone = |name: &Name| Zone {
        name: name.clone(),
        frozen: counts.frozen(name),
        headroom: counts.headroom(name),
    };
    counts.0.keys().map(zone).collect()
}

/// Whether a node may be taken out of its zone's count: a steady (not volatile) node has to remain in it besides. Where
/// every node has the label, the controller forgets the zone in each pass and evicts in no order.
///
/// Steady nodes can be asked for as well; then the first of them by name stays. So the answers for several nodes at once
/// can all be followed, and following them does not change them.
pub fn may_exclude<'a>(members: &[Member<'a>]) -> BTreeSet<&'a str> {
    // The first of each zone that is steady and counts: it stays.
    let mut stays: BTreeMap<Name, &str> = BTreeMap::new();
    for member in members.iter().filter(|member| steady(member) && counts(member)) {
        let name = member.node.name.as_str();
        let first = stays.entry(member.node.zone()).or_insert(name);
        *first = name.min(*first);
    }
    let may = |member: &&Member<'a>| {
        let first = stays.get(&member.node.zone());
        first.is_some_and(|first| !steady(member) || *first < member.node.name.as_str())
    };
    members
        .iter()
        .filter(may)
        .map(|member| member.node.name.as_str())
        .collect()
}

/// It does not carry the exclude label; its value does not matter.
fn counts(member: &Member<'_>) -> bool {
    !member.node.labels.contains_key(EXCLUDE_DISRUPTION)
}

fn steady(member: &Member<'_>) -> bool {
    member.availability != Availability::Volatile
}
