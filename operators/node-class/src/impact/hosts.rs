//! Whether one host may go off, in words for the person who wants to press the button.
use std::collections::{BTreeMap, BTreeSet};

use super::quorum::{Effect, Members, effect};
use super::zones::{Counts, Name, fix, tolerated};
use super::{Member, Quorum, Workloads};
use crate::crd::OFF;
use crate::crd::host::{Answer, MayGoOff};
use crate::liveness::State;

/// How many names a sentence bears.
const NAMES: usize = 5;

/// What all hosts share, worked out once.
#[derive(Debug)]
pub(super) struct Assessment<'a> {
    members: &'a [Member<'a>],
    by_host: BTreeMap<&'a str, Vec<&'a Member<'a>>>,
    pub(super) counts: Counts,
    pub(super) quorum: Quorum,
    etcd: Members,
    shelter: Shelter,
    /// What is on one host only, if workloads are watched.
    only: Option<BTreeMap<&'a str, Vec<&'a str>>>,
}

/// Nodes that could take pods. Taints are not considered: pods that may go elsewhere tolerate them or not, each its own way.
#[derive(Clone, Copy, Debug, Default)]
struct Shelter {
    ready: usize,
    unknown: usize,
}

impl Shelter {
    fn of<'a>(members: impl IntoIterator<Item = &'a Member<'a>>) -> Self {
        let mut found = Self::default();
        for member in members {
            let takes = member.node.ready.status == Some(true) && !member.node.unschedulable;
            found.ready += usize::from(member.state == State::Up && takes);
            found.unknown += usize::from(member.state == State::Unknown);
        }
        found
    }
}

#[derive(Clone, Debug, Default)]
struct Reasons {
    against: Vec<String>,
    unsure: Vec<String>,
    notes: Vec<String>,
}

impl Reasons {
    fn answer(self) -> MayGoOff {
        let answer = match (self.against.is_empty(), self.unsure.is_empty()) {
            (false, _) => Answer::No,
            (true, false) => Answer::Unknown,
            (true, true) => Answer::Yes,
        };
        let mut because = [self.against, self.unsure, self.notes].concat();
        if because.is_empty() {
            because.push("nothing that is known stands against it".to_owned());
        }
        MayGoOff { answer, because }
    }
}

impl<'a> Assessment<'a> {
    pub(super) fn of(members: &'a [Member<'a>], workloads: Option<&'a Workloads>) -> Self {
        let mut by_host: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for member in members {
            by_host.entry(member.host).or_default().push(member);
        }
        Self {
            members,
            by_host,
            counts: Counts::of(members),
            quorum: Quorum::of(members),
            etcd: Members::of(members),
            shelter: Shelter::of(members),
            only: workloads.map(|workloads| only(members, workloads)),
        }
    }

    pub(super) fn hosts(&self) -> impl Iterator<Item = &'a str> {
        self.by_host.keys().copied()
    }

    /// Judges a host: as it is, and once it is emptied.
    pub(super) fn judge(&self, host: &str) -> [MayGoOff; 2] {
        let said = |answer, text: &str| MayGoOff {
            answer,
            because: vec![text.to_owned()],
        };
        let here = self.by_host.get(host).map(Vec::as_slice).unwrap_or_default();
        // A node whose state is not known may be on, and would go then.
        let leaving: Vec<_> = here.iter().copied().filter(|member| on(member.state)).collect();
        if leaving.is_empty() {
            return [said(Answer::Yes, "it is off"), said(Answer::Yes, "it is off")];
        }
        if self.by_host.len() == 1 {
            // No advice where nothing could be otherwise. Emptying would do harm: pods, this operator's among them, could
            // start nowhere until the cordon is lifted by hand.
            let all = "all nodes are on this host: the whole cluster goes off with it";
            let nowhere =
                "all nodes are on this host: its pods have nowhere to go, so switch it off without emptying it";
            return [said(Answer::Yes, all), said(Answer::No, nowhere)];
        }

        let mut both = Reasons::default();
        self.judge_quorum(&mut both, here);
        self.judge_shelter(&mut both, here);
        if leaving.iter().all(|member| member.state == State::Unknown) {
            both.unsure.push("it is not known whether it is on".to_owned());
        }
        let (mut now, mut emptied) = (both.clone(), both);
        self.judge_evictions(&mut now, &mut emptied, &leaving);
        self.judge_workloads(&mut now, &mut emptied, host);
        let no_etcd = "etcd cannot be judged: no node has a control-plane or etcd role label";
        let no_workloads = "workloads are not watched";
        let unknown = [(self.quorum.members == 0, no_etcd), (self.only.is_none(), no_workloads)];
        [now, emptied].map(|mut reasons| {
            let unknown = unknown.into_iter().filter(|(so, _)| *so);
            reasons.notes.extend(unknown.map(|(_, text)| text.to_owned()));
            reasons.answer()
        })
    }

    fn judge_quorum(&self, reasons: &mut Reasons, here: &[&Member<'_>]) {
        let (all, needed) = (self.quorum.members, self.quorum.needed);
        match effect(self.etcd, Members::of(here.iter().copied()), &self.quorum) {
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
    }

    /// Whether another host could take pods at all.
    fn judge_shelter(&self, reasons: &mut Reasons, here: &[&Member<'_>]) {
        let of_here = Shelter::of(here.iter().copied());
        if self.shelter.ready > of_here.ready {
            return;
        }
        let (list, text) = if self.shelter.unknown > of_here.unknown {
            (
                &mut reasons.unsure,
                "it is not known whether another node could take its pods",
            )
        } else {
            (
                &mut reasons.against,
                "no other node could take its pods: none is up, ready and not cordoned",
            )
        };
        list.push(text.to_owned());
    }

    /// Without evictions its pods stay bound to nodes that are off. A host that is emptied first loses nothing by it, but
    /// others would that are lost meanwhile.
    fn judge_evictions(&self, now: &mut Reasons, emptied: &mut Reasons, leaving: &[&Member<'_>]) {
        let gone: BTreeSet<&str> = leaving.iter().map(|member| member.node.name.as_str()).collect();
        let zones: BTreeSet<Name> = leaving.iter().map(|member| member.node.zone()).collect();
        let mut then = self.counts.clone();
        for member in leaving {
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
            let fixed = fix(self.members, &gone, zone).map(|nodes| {
                let nodes = list(nodes.iter().map(String::as_str));
                format!("have {nodes} not counted (excludeFromDisruptionCount of a NodeClass)")
            });
            let (or, to_fix) = fixed.map_or_else(Default::default, |fixed| {
                (format!(", or {fixed}"), format!(". To fix that, {fixed}"))
            });
            now.against.push(format!(
                "its pods would not move: {why}. Empty it first (annotation {OFF}){or}"
            ));
            emptied.notes.push(format!(
                "while it is off, pods of a lost node would not move: {why}{to_fix}"
            ));
        }
    }

    fn judge_workloads(&self, now: &mut Reasons, emptied: &mut Reasons, host: &str) {
        let names = self.only.as_ref().and_then(|only| only.get(host));
        let all = names.into_iter().flatten().copied();
        let (volumes, workloads): (Vec<_>, Vec<_>) = all.partition(|name| name.starts_with("PersistentVolume "));
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
    }
}

/// Nothing says that it is off.
fn on(state: State) -> bool {
    matches!(state, State::Up | State::Unknown)
}

fn in_words((region, zone): &Name) -> String {
    match (region.as_str(), zone.as_str()) {
        ("", "") => String::new(),
        (name, "") | ("", name) => format!(" of zone {name}"),
        (region, zone) => format!(" of zone {region}/{zone}"),
    }
}

/// Workloads and volumes that are on one host only. What is on a node that is down does not count, nor what is on one that
/// does not exist.
fn only<'a>(members: &[Member<'a>], workloads: &'a Workloads) -> BTreeMap<&'a str, Vec<&'a str>> {
    let hosts: BTreeMap<&str, &str> = members
        .iter()
        .filter(|member| on(member.state))
        .map(|member| (member.node.name.as_str(), member.host))
        .collect();
    let mut only: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, nodes) in &workloads.nodes {
        let mut places = nodes.iter().filter_map(|node| hosts.get(node.as_str()));
        if let Some(host) = places.next()
            && places.all(|other| other == host)
        {
            only.entry(host).or_default().push(name);
        }
    }
    only
}

/// `a, b, c and 4 more`.
fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(NAMES);
    let shown = names.take(NAMES).collect::<Vec<_>>().join(", ");
    if more > 0 {
        format!("{shown} and {more} more")
    } else {
        shown
    }
}
