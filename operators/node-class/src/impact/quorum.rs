//! etcd's arithmetic: the quorum is half of the members and one more. And where the members are, as far as can be seen.
use std::collections::{BTreeMap, BTreeSet};

use super::{Member, Quorum};
use crate::liveness::State;
use crate::workloads::Workloads;

/// Where etcd's members are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layout<'a> {
    /// On these nodes.
    Known(BTreeSet<&'a str>),
    /// The datastore cannot be judged.
    Unknown {
        why: &'static str,
        /// The nodes that run a control plane; empty if none does visibly.
        control_plane: BTreeSet<&'a str>,
        /// So many of them have to be up, as far as can be guessed.
        needed: usize,
    },
}

impl<'a> Layout<'a> {
    /// k3s and RKE2 label the nodes with a member, kubeadm runs etcd in pods, and Talos on each control-plane node. All else is
    /// not known: etcd may be elsewhere, or the datastore may be SQL or dqlite.
    pub(super) fn of(members: &'a [Member<'a>], workloads: Option<&'a Workloads>) -> Self {
        let pods = workloads.map(|workloads| &workloads.etcd);
        let is_member = |member: &&Member<'_>| {
            member.node.etcd() || pods.is_some_and(|pods| pods.contains(member.node.name.as_str()))
        };
        let names = |chosen: &dyn Fn(&&Member<'_>) -> bool| -> BTreeSet<&'a str> {
            let chosen = members.iter().filter(|member| chosen(member));
            chosen.map(|member| member.node.name.as_str()).collect()
        };
        let known = names(&is_member);
        if !known.is_empty() {
            return Self::Known(known);
        }
        let control_plane = names(&|member| member.node.control_plane());
        let of = |distribution: &str| {
            let mut them = members.iter().filter(|member| member.node.control_plane());
            them.any(|member| member.node.machine.versions.contains(distribution))
        };
        if of("Talos") {
            return Self::Known(control_plane);
        }
        let quorum = control_plane.len() / 2 + 1;
        let (needed, why) = match (control_plane.len(), workloads) {
            (0, _) => (0, "no node shows that it runs a control plane"),
            _ if of("+k3s") || of("+rke2") => (1, "no server has the role etcd, so that the datastore is SQL"),
            (_, Some(_)) => (
                quorum,
                "the control-plane nodes have neither the role etcd nor etcd pods",
            ),
            (_, None) => (
                quorum,
                "the control-plane nodes do not have the role etcd, and pods are not watched",
            ),
        };
        Self::Unknown {
            why,
            control_plane,
            needed,
        }
    }

    fn has(&self, member: &Member<'_>) -> bool {
        matches!(self, Self::Known(_)) && self.may_vote(member)
    }

    /// Counts the members.
    pub(super) fn quorum(&self, members: &[Member<'_>]) -> Quorum {
        let Self::Known(names) = self else {
            return Quorum::default();
        };
        let of = names.iter().map(|name| (*name).to_owned()).collect();
        let all = || members.iter().filter(|member| self.has(member));
        Quorum {
            members: names.len(),
            up: Votes::of(all()).up,
            leaving: Votes::of(all().filter(|member| member.leaving.is_some())).up,
            needed: names.len() / 2 + 1,
            of,
        }
    }

    /// Whether there is, or may be, a member on this node.
    pub(super) fn may_vote(&self, member: &Member<'_>) -> bool {
        let (Self::Known(names)
        | Self::Unknown {
            control_plane: names, ..
        }) = self;
        names.contains(member.node.name.as_str())
    }

    /// Hosts whose members are so many that the rest is no quorum, unless there is one host only.
    pub(super) fn hosts(&self, members: &[Member<'_>]) -> BTreeSet<String> {
        let total = self.quorum(members);
        let mut on: BTreeMap<&str, usize> = BTreeMap::new();
        for member in members {
            *on.entry(member.host).or_default() += usize::from(self.has(member));
        }
        let several = on.len() > 1;
        on.retain(|_, n| several && *n > 0 && total.members - *n < total.needed);
        on.into_keys().map(str::to_owned).collect()
    }
}

impl Quorum {
    /// Members that are up beyond the quorum, and will stay so; none if etcd cannot be judged.
    pub fn spare(&self) -> Option<usize> {
        (self.members > 0).then(|| self.up.saturating_sub(self.leaving + self.needed))
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
pub(super) struct Votes {
    pub(super) up: usize,
    /// Perhaps up. A node that is not Ready may run no etcd, however alive its kubelet is.
    pub(super) unknown: usize,
}

impl Votes {
    pub(super) fn of<'a>(members: impl IntoIterator<Item = &'a Member<'a>>) -> Self {
        let mut found = Self::default();
        for member in members {
            let ready = member.node.is_ready();
            found.up += usize::from(member.state == State::Up && ready);
            found.unknown += usize::from(member.state == State::Unknown || (member.state == State::Up && !ready));
        }
        found
    }
}

/// What it means that the votes `here` go and these are left, where so many are needed.
pub(super) fn effect(left: Votes, here: Votes, needed: usize) -> Effect {
    if here.up + here.unknown == 0 {
        return Effect::None;
    }
    match left.up.checked_sub(needed) {
        Some(0) => Effect::Bare(left.up),
        Some(_) => Effect::Fine,
        None if left.up + left.unknown >= needed => Effect::Unsure(left.up),
        None => Effect::Lost(left.up),
    }
}
