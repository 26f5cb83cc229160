//! etcd's arithmetic: the quorum is half of the members and one more.
use std::collections::{BTreeMap, BTreeSet};

use super::{Member, Quorum};
use crate::liveness::State;

impl Quorum {
    /// Counts the members, by their role labels ([`crate::facts::NodeFacts::etcd`]).
    pub fn of(members: &[Member<'_>]) -> Self {
        let etcd: Vec<_> = members.iter().filter(|member| member.node.etcd()).collect();
        Self {
            members: etcd.len(),
            up: etcd.iter().filter(|member| member.state == State::Up).count(),
            needed: if etcd.is_empty() { 0 } else { etcd.len() / 2 + 1 },
        }
    }

    /// Members that are up beyond the quorum; none if etcd cannot be judged.
    pub fn spare(&self) -> Option<usize> {
        (self.members > 0).then(|| self.up.saturating_sub(self.needed))
    }
}

/// What a host's going off means for etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing: none of its members is up.
    None,
    /// So many members stay, more than needed.
    Fine,
    /// As many stay as are needed, and none more.
    Bare(usize),
    /// So many are known to stay, which is too few; more may be up.
    Unsure(usize),
    /// So many stay: too few.
    Lost(usize),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Members {
    up: usize,
    unknown: usize,
}

impl Members {
    pub(super) fn of<'a>(members: impl IntoIterator<Item = &'a Member<'a>>) -> Self {
        let mut found = Self::default();
        for member in members.into_iter().filter(|member| member.node.etcd()) {
            found.up += usize::from(member.state == State::Up);
            found.unknown += usize::from(member.state == State::Unknown);
        }
        found
    }
}

/// What it means that of `all` members those `here` go.
pub(super) fn effect(all: Members, here: Members, quorum: &Quorum) -> Effect {
    if here.up + here.unknown == 0 {
        return Effect::None;
    }
    let left = all.up.saturating_sub(here.up);
    let perhaps = all.unknown.saturating_sub(here.unknown);
    match left.checked_sub(quorum.needed) {
        Some(0) => Effect::Bare(left),
        Some(_) => Effect::Fine,
        None if left + perhaps >= quorum.needed => Effect::Unsure(left),
        None => Effect::Lost(left),
    }
}

/// Hosts whose members are so many that the rest is no quorum, unless there is one host only.
pub(super) fn hosts(members: &[Member<'_>]) -> BTreeSet<String> {
    let total = Quorum::of(members);
    let mut on: BTreeMap<&str, usize> = BTreeMap::new();
    for member in members {
        *on.entry(member.host).or_default() += usize::from(member.node.etcd());
    }
    if on.len() < 2 {
        return BTreeSet::new();
    }
    let critical = on
        .into_iter()
        .filter(|(_, n)| *n > 0 && total.members - n < total.needed);
    critical.map(|(host, _)| host.to_owned()).collect()
}
