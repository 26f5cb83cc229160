//! Where the pods of a host could go: what the scheduler would say, as far as taints, labels, local volumes and memory tell.
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Taint;

use super::Member;
use crate::class::lockout::tolerated;
use crate::workloads::{Demands, PodFacts, Role, Workloads, selects};

/// What keeps a pod off a node; a later one means that more of its demands were met.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Misfit {
    Architecture,
    Labels,
    Volume,
    Taint(String),
    Memory(u64),
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Architecture => write!(f, "its architecture is on no other node"),
            Self::Labels => write!(f, "no other node has the labels that it demands"),
            Self::Volume => write!(f, "its volume cannot be used on another node"),
            Self::Taint(taint) => write!(f, "it does not tolerate {taint}"),
            Self::Memory(bytes) => write!(
                f,
                "no other node has {} MiB of memory to spare",
                bytes.div_ceil(1 << 20)
            ),
        }
    }
}

/// The pods by node, and the memory that they request.
#[derive(Debug, Default)]
pub(super) struct Pods<'a> {
    by_node: BTreeMap<&'a str, Vec<&'a PodFacts>>,
    requested: BTreeMap<&'a str, u64>,
    claims: Option<&'a Workloads>,
}

impl<'a> Pods<'a> {
    pub(super) fn of(workloads: Option<&'a Workloads>) -> Self {
        let mut pods = Self {
            claims: workloads,
            ..Self::default()
        };
        for pod in workloads.iter().flat_map(|workloads| &workloads.pods) {
            if let Some(node) = pod.node.as_deref() {
                pods.by_node.entry(node).or_default().push(pod);
                let sum = pods.requested.entry(node).or_default();
                *sum = sum.saturating_add(pod.memory);
            }
        }
        pods
    }

    pub(super) fn on<'m>(&self, members: &'m [&'m Member<'m>]) -> impl Iterator<Item = &'a PodFacts> {
        let of = |member: &&Member<'_>| self.by_node.get(member.node.name.as_str()).into_iter().flatten();
        members.iter().flat_map(of).copied()
    }

    /// Those that would have to find another node. What is ending has its successor already.
    pub(super) fn moving<'m>(&self, members: &'m [&'m Member<'m>]) -> Vec<&'a PodFacts> {
        let moves = |pod: &&PodFacts| matches!(pod.role, Role::Moves | Role::Job) && !pod.ending;
        self.on(members).filter(moves).collect()
    }

    /// The workloads of which a pod fits on none of the nodes, each with the reason. Pods are placed one after the other, the
    /// largest first.
    pub(super) fn misfits<'m, I: Iterator<Item = &'m Member<'m>>>(
        &self,
        mut moving: Vec<&'a PodFacts>,
        nodes: impl Fn() -> I,
    ) -> BTreeMap<&'a str, Misfit> {
        moving.sort_by_key(|pod| (std::cmp::Reverse(pod.memory), &pod.workload));
        let mut placed: BTreeMap<&str, u64> = BTreeMap::new();
        let mut misfits = BTreeMap::new();
        for pod in moving {
            let mut nearest = None;
            let place = nodes().find(|node| {
                let more = placed.get(node.node.name.as_str()).copied().unwrap_or_default();
                let misfit = self.misfit(pod, node, more);
                let fits = misfit.is_none();
                nearest = nearest.take().max(misfit);
                fits
            });
            match (place, nearest) {
                (Some(node), _) => {
                    let more = placed.entry(&node.node.name).or_default();
                    *more = more.saturating_add(pod.memory);
                }
                (None, Some(nearest)) => {
                    misfits.entry(&*pod.workload).or_insert(nearest);
                }
                (None, None) => {}
            }
        }
        misfits
    }

    fn misfit(&self, pod: &PodFacts, member: &Member<'_>, more: u64) -> Option<Misfit> {
        let nothing = Demands::default();
        let (node, demands) = (member.node, pod.demands.as_deref().unwrap_or(&nothing));
        let labels = |of_machine| {
            if of_machine {
                Misfit::Architecture
            } else {
                Misfit::Labels
            }
        };
        let lacks = |(key, value): (&String, &String)| node.label(key) != Some(value.as_str());
        if let Some((key, _)) = demands.selector.iter().find(|pair| lacks(*pair)) {
            return Some(labels(key == "kubernetes.io/arch" || key == "beta.kubernetes.io/arch"));
        }
        if let Some(affinity) = demands.affinity.as_ref().filter(|affinity| !selects(affinity, node)) {
            let terms = affinity.node_selector_terms.iter();
            let mut demanded = terms.flat_map(|term| term.match_expressions.iter().flatten());
            return Some(labels(demanded.all(|one| one.key == "kubernetes.io/arch")));
        }
        let usable = |claim: &String| {
            let nodes = self.claims.and_then(|workloads| workloads.claims.get(claim));
            nodes.is_none_or(|nodes| nodes.contains(&node.name))
        };
        if !demands.claims.iter().all(usable) {
            return Some(Misfit::Volume);
        }
        if let Some(taint) = hard(&node.taints).find(|taint| !tolerated(taint, &demands.tolerations)) {
            return Some(Misfit::Taint(format!("{}:{}", taint.key, taint.effect)));
        }
        if pod.memory > 0 && node.allocatable > 0 {
            let requested = self.requested.get(node.name.as_str()).copied().unwrap_or_default();
            if requested.saturating_add(more).saturating_add(pod.memory) > node.allocatable {
                return Some(Misfit::Memory(pod.memory));
            }
        }
        None
    }
}

/// Taints that keep pods off.
pub(super) fn hard(taints: &[Taint]) -> impl Iterator<Item = &Taint> {
    taints.iter().filter(|taint| taint.effect != "PreferNoSchedule")
}
