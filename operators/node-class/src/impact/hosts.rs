//! Whether one host may go off, in words for the person who wants to press the button.
use std::collections::{BTreeMap, BTreeSet};

use super::placement::{Pods, hard};
use super::quorum::{Effect, Layout, Votes, effect};
use super::reasons::{Reasons, list};
use super::zones::{Counts, Name, shown, tolerated};
use super::{Leaving, Member, Quorum, said};
use crate::crd::OFF;
use crate::crd::host::{Answer, MayGoOff};
use crate::liveness::State;
use crate::workloads::{Role, Workloads};

/// What lets Kubernetes evict although many nodes are not ready.
const EXCLUDE: &str = "have volatile nodes not counted (excludeFromDisruptionCount of a NodeClass)";

/// What all hosts share, worked out once.
#[derive(Debug)]
pub(super) struct Assessment<'a> {
    by_host: BTreeMap<&'a str, Vec<&'a Member<'a>>>,
    pub(super) counts: Counts,
    pub(super) quorum: Quorum,
    pub(super) layout: Layout<'a>,
    removed: &'a [String],
    /// Nodes of hosts that are expected to go off.
    leaving: Vec<&'a Member<'a>>,
    /// Members of etcd, or nodes that may be.
    voters: Vec<&'a Member<'a>>,
    /// Nodes that could take pods, were it not for taints and the like.
    takers: Vec<&'a Member<'a>>,
    unknown: Vec<&'a Member<'a>>,
    pods: Pods<'a>,
    /// Where workloads and volumes are, if they are watched.
    places: Option<Places<'a>>,
}

/// By host the workloads and volumes that are there, each with all hosts that it is on.
type Places<'a> = BTreeMap<&'a str, Vec<(&'a str, BTreeSet<&'a str>)>>;

/// One host, and what would stay without it.
struct Leave<'a> {
    host: &'a str,
    here: &'a [&'a Member<'a>],
    /// Its nodes that may be on.
    on: Vec<&'a Member<'a>>,
    /// Nodes of other hosts that are expected to go off, too, and may be on.
    away: Vec<&'a Member<'a>>,
    /// Their hosts.
    hosts_away: BTreeSet<&'a str>,
}

impl Leave<'_> {
    fn stays(&self, member: &Member<'_>) -> bool {
        member.host != self.host && !self.hosts_away.contains(member.host)
    }

    /// A request for it was granted, and it is being emptied.
    fn granted(&self) -> bool {
        matches!(self.here.first().and_then(|m| m.leaving), Some(Leaving::Granted(_)))
    }
}

impl<'a> Assessment<'a> {
    pub(super) fn of(members: &'a [Member<'a>], workloads: Option<&'a Workloads>, removed: &'a [String]) -> Self {
        let mut by_host: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for member in members {
            by_host.entry(member.host).or_default().push(member);
        }
        let layout = Layout::of(members, workloads);
        Self {
            by_host,
            counts: Counts::of(members),
            quorum: layout.quorum(members),
            voters: members.iter().filter(|member| layout.may_vote(member)).collect(),
            takers: members.iter().filter(|member| takes(member)).collect(),
            unknown: members.iter().filter(|member| member.state == State::Unknown).collect(),
            layout,
            removed,
            leaving: members.iter().filter(|m| m.leaving.is_some() && on(m.state)).collect(),
            pods: Pods::of(workloads),
            places: workloads.map(|workloads| places(members, workloads)),
        }
    }

    pub(super) fn hosts(&self) -> impl Iterator<Item = &'a str> {
        self.by_host.keys().copied()
    }

    /// Those that are off before this host: what was granted is granted, and what is asked later has to bear it.
    fn away(&self, host: &str, own: Option<Leaving>) -> Vec<&'a Member<'a>> {
        let before = |other: &&&Member<'_>| match (other.leaving, own) {
            (None, _) | (Some(Leaving::Window), Some(Leaving::Granted(_))) => false,
            (Some(Leaving::Granted(then)), Some(Leaving::Granted(own))) => (then, other.host) < (own, host),
            (Some(_), _) => true,
        };
        let others = self.leaving.iter().filter(|other| other.host != host);
        others.filter(before).copied().collect()
    }

    fn leave(&'a self, host: &'a str) -> Leave<'a> {
        let here = self.by_host.get(host).map(Vec::as_slice).unwrap_or_default();
        let away = self.away(host, here.first().and_then(|member| member.leaving));
        Leave {
            host,
            here,
            // A node whose state is not known may be on, and would go then.
            on: here.iter().copied().filter(|member| on(member.state)).collect(),
            hosts_away: away.iter().map(|member| member.host).collect(),
            away,
        }
    }

    /// Judges a host: as it is, once it is emptied, and for a request.
    pub(super) fn judge(&self, host: &str) -> (MayGoOff, MayGoOff, Answer) {
        let leave = self.leave(host);
        if leave.on.is_empty() {
            let off = said(Answer::Yes, "it is off");
            return (off.clone(), off, Answer::Yes);
        }
        if self.by_host.len() == 1 {
            // No advice where nothing could be otherwise. Emptying would do harm: pods, this operator's among them, could
            // start nowhere until the cordon is lifted by hand.
            let all = "all nodes are on this host: the whole cluster goes off with it";
            let nowhere =
                "all nodes are on this host: its pods have nowhere to go, so switch it off without emptying it";
            return (said(Answer::Yes, all), said(Answer::No, nowhere), Answer::No);
        }

        let mut both = Reasons::default();
        self.judge_quorum(&mut both, &leave);
        self.judge_shelter(&mut both, &leave);
        if leave.on.iter().all(|member| member.state == State::Unknown) {
            both.unsure.push("it is not known whether it is on".to_owned());
        }
        let (mut now, mut emptied) = (both.clone(), both);
        self.judge_evictions(&mut now, &mut emptied, &leave);
        self.judge_workloads(&mut now, &mut emptied, &leave);
        for reasons in [&mut now, &mut emptied] {
            if self.places.is_none() {
                reasons.notes.push("workloads are not watched".to_owned());
            }
            if !leave.away.is_empty() {
                let names = list(leave.hosts_away.iter().copied());
                reasons
                    .notes
                    .push(format!("counted as off, as it is to be expected: {names}"));
            }
        }
        let request = emptied.request();
        (now.answer(), emptied.answer(), request)
    }

    fn judge_quorum(&self, reasons: &mut Reasons, leave: &Leave<'_>) {
        let voters = || self.voters.iter().copied();
        let left = Votes::of(voters().filter(|member| leave.stays(member)));
        let here = Votes::of(voters().filter(|member| member.host == leave.host));
        let Layout::Unknown { why, needed, .. } = &self.layout else {
            return self.judge_members(reasons, left, here);
        };
        if self.voters.is_empty() {
            reasons.unjudged.push(format!("etcd cannot be judged: {why}"));
        } else if here.up + here.unknown > 0 {
            reasons.likely = left.up + left.unknown < *needed;
            reasons.unjudged.push(format!(
                "it cannot be judged whether the API server keeps its datastore: {why}. Of {} control-plane nodes {} would \
                 be left, and {needed} may be needed",
                self.voters.len(),
                left.up,
            ));
        }
    }

    fn judge_members(&self, reasons: &mut Reasons, left: Votes, here: Votes) {
        let (all, needed) = (self.quorum.members, self.quorum.needed);
        let found = effect(left, here, needed);
        match found {
            Effect::None | Effect::Fine => {}
            Effect::Bare(left) => reasons.notes.push(format!(
                "etcd could lose no further member while it is off: {left} of {all} left, {needed} needed"
            )),
            Effect::Unsure(left) => reasons.unsure.push(format!(
                "it is not known whether etcd would keep its quorum: {left} of {all} members surely left, {needed} needed"
            )),
            Effect::Lost(left) => reasons.against.push(format!(
                "etcd would lose its quorum: {left} of {all} members left, {needed} needed; the API server would stop"
            )),
        }
        // A member of a deleted node has a vote until it is removed from etcd.
        let all = all + self.removed.len();
        let needed = all / 2 + 1;
        let then = effect(left, here, needed);
        if let (Effect::Fine | Effect::Bare(_), Effect::Unsure(left) | Effect::Lost(left)) = (found, then) {
            let gone = list(self.removed.iter().map(String::as_str));
            reasons.unsure.push(format!(
                "etcd had a member on {gone}, of which the Node was deleted. If it is a member still, etcd would lose its \
                 quorum: {left} of {all} members left, {needed} needed. Look with `etcdctl member list`; when it is removed \
                 there, delete the NodeHistory {gone}"
            ));
        }
    }

    /// Whether another host could take its pods at all.
    fn judge_shelter(&self, reasons: &mut Reasons, leave: &Leave<'_>) {
        let takers = || self.takers.iter().copied().filter(|taker| leave.stays(taker));
        let open = takers().any(|taker| hard(&taker.node.taints).next().is_none());
        let moving = self.pods.moving(&leave.on);
        let none = moving.is_empty();
        let misfits = self.pods.misfits(moving, takers);
        let first = misfits.first_key_value();
        if open || (takers().next().is_some() && misfits.is_empty() && (!none || leave.granted())) {
            reasons.notes.extend(first.map(|(name, why)| match misfits.len() {
                1 => format!("1 workload could go nowhere: {name} ({why})"),
                n => format!("{n} workloads could go nowhere, the first: {name} ({why})"),
            }));
        } else if self.unknown.iter().any(|member| leave.stays(member)) {
            let text = "it is not known whether another node could take its pods";
            reasons.unsure.push(text.to_owned());
        } else if takers().next().is_none() {
            let text = "no other node could take its pods: none is up, ready and not cordoned";
            reasons.against.push(text.to_owned());
        } else {
            let taint = takers().find_map(|taker| hard(&taker.node.taints).next());
            let taint = taint.map(|taint| format!("{}:{}", taint.key, taint.effect));
            reasons.against.push(format!(
                "no other node could take its pods: the others have taints such as {}{}",
                taint.unwrap_or_default(),
                first.map_or_else(String::new, |(name, why)| format!(" ({name}: {why})"))
            ));
        }
    }

    /// Without evictions its pods stay bound to nodes that are off. A host that is emptied first loses nothing by it, but
    /// others would that are lost meanwhile.
    fn judge_evictions(&self, now: &mut Reasons, emptied: &mut Reasons, leave: &Leave<'_>) {
        let leaving = || leave.on.iter().chain(&leave.away);
        let zones: BTreeSet<Name> = leave.on.iter().map(|member| member.node.zone()).collect();
        let mut then = self.counts.clone();
        for member in leaving() {
            then.lose(member);
        }
        for zone in zones.iter().filter(|zone| then.frozen(zone)) {
            let why = match then.get(zone) {
                Some(count) if !then.all_dead() => format!(
                    "Kubernetes evicts nothing while more than {} of {} nodes{} are not ready; {}",
                    tolerated(count.counted),
                    count.counted,
                    in_words(zone),
                    match self.counts.get(zone) {
                        Some(before) if self.counts.frozen(zone) => format!("{} are already", before.not_ready),
                        _ => format!("it would be {}", count.not_ready),
                    },
                ),
                _ => "Kubernetes evicts nothing while no node is ready".to_owned(),
            };
            now.against.push(format!(
                "its pods would not move: {why}. Empty it first (annotation {OFF}), or {EXCLUDE}"
            ));
            emptied.notes.push(format!(
                "while it is off, pods of a lost node would not move: {why}. To fix that, {EXCLUDE}"
            ));
        }
    }

    fn judge_workloads(&self, now: &mut Reasons, emptied: &mut Reasons, leave: &Leave<'_>) {
        let none_stays = |host: &&str| *host == leave.host || leave.hosts_away.contains(host);
        let (volumes, workloads): (Vec<_>, Vec<_>) = self
            .places
            .iter()
            .flat_map(|places| places.get(leave.host).into_iter().flatten())
            .filter(|(_, hosts)| hosts.iter().all(none_stays))
            .map(|(name, _)| *name)
            .partition(|name| name.starts_with("PersistentVolume "));
        let workloads_here = match workloads.len() {
            1 => "1 workload runs".to_owned(),
            number => format!("{number} workloads run"),
        };
        let (volumes_here, them) = match volumes.len() {
            1 => ("1 volume is".to_owned(), "it"),
            number => (format!("{number} volumes are"), "them"),
        };
        if !workloads.is_empty() {
            let names = list(workloads.iter().copied());
            now.notes.push(format!(
                "{workloads_here} only here, down until moved or until it is back: {names}"
            ));
        }
        if !volumes.is_empty() {
            let names = list(volumes.iter().copied());
            let line = format!("{volumes_here} only here, what uses {them} is down until it is back: {names}");
            now.notes.push(line.clone());
            emptied.notes.push(line);
        }
        let mut lost: BTreeMap<(u8, &str), BTreeSet<&str>> = BTreeMap::new();
        for pod in self.pods.on(&leave.on).filter(|pod| !pod.ending) {
            let what = match pod.role {
                Role::Job => (
                    0,
                    "runs a Job, which begins anew elsewhere; a request waits for it until the deadline",
                ),
                Role::Bare => (
                    1,
                    "has no controller, so that it is not started elsewhere; a request leaves it until that is acknowledged",
                ),
                Role::Moves if pod.empty_dir => (
                    2,
                    "has data in an emptyDir, which is deleted with the pod; a request leaves it until that is acknowledged",
                ),
                Role::Moves | Role::Stays => continue,
            };
            lost.entry(what).or_default().insert(&pod.workload);
        }
        for ((_, what), names) in lost {
            let line = format!("{}: {what}", list(names.iter().copied()));
            now.notes.push(line.clone());
            emptied.notes.push(line);
        }
    }
}

/// It takes pods, were it not for taints and the like.
fn takes(member: &Member<'_>) -> bool {
    member.state == State::Up && member.node.is_ready() && !member.node.unschedulable
}

/// Nothing says that it is off.
fn on(state: State) -> bool {
    matches!(state, State::Up | State::Unknown)
}

fn in_words(zone: &Name) -> String {
    match shown(zone).as_str() {
        "" => String::new(),
        name => format!(" of zone {name}"),
    }
}

/// The hosts that each workload and volume is on. What is on a node that is down does not count, nor what is on one that does
/// not exist.
fn places<'a>(members: &[Member<'a>], workloads: &'a Workloads) -> Places<'a> {
    let hosts: BTreeMap<&str, &str> = members
        .iter()
        .filter(|member| on(member.state))
        .map(|member| (member.node.name.as_str(), member.host))
        .collect();
    let mut places = Places::default();
    for (name, nodes) in &workloads.nodes {
        let on: BTreeSet<&str> = nodes
            .iter()
            .filter_map(|node| hosts.get(node.as_str()).copied())
            .collect();
        for host in &on {
            places.entry(*host).or_default().push((name, on.clone()));
        }
    }
    places
}
