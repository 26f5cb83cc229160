//! What has to be written to a node so that it is as planned. Computed once for each plan, and again on the very version that
//! is about to be written to.
use std::collections::{BTreeMap, BTreeSet};

use super::types::NodePlan;
use crate::class::contention::CORDON;
use crate::class::{NodeDiff, node_diff, yielded};
use crate::crd::CORDONED;
use crate::facts::{NodeFacts, Text, Texts};

/// What has to be written to a node.
#[derive(Debug, PartialEq)]
pub struct PendingWrite {
    /// Labels, annotations, taints.
    pub diff: NodeDiff,
    /// Cordon for this request, or lift our cordon.
    pub cordon: Option<Cordon>,
}

/// A change of a node's cordon.
#[derive(Debug, PartialEq)]
pub enum Cordon {
    /// For the request of this text.
    For(String),
    /// Remove our own.
    Lift,
}

impl PendingWrite {
    /// Compares a node with its plan.
    pub fn of(node: &NodeFacts, node_plan: &NodePlan) -> Self {
        let mark = node.annotations.get(CORDONED);
        let cordon = match (&node_plan.cordon, mark) {
            // Cordoned by somebody already: that is as good, and not ours to lift.
            (Some(_), None) if node.unschedulable => None,
            (Some(request), None) => Some(Cordon::For(request.clone())),
            // Somebody lifted ours.
            (Some(request), Some(_)) if !node.unschedulable && !node_plan.wanted.held.contains(CORDON) => {
                Some(Cordon::For(request.clone()))
            }
            (None, Some(_)) if !node_plan.only_add => Some(Cordon::Lift),
            _ => None,
        };
        let diff = diff(node, node_plan);
        Self { diff, cordon }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.diff.apply.is_none() && !self.patches()
    }

    /// Whether there is more to write than labels and annotations.
    pub fn patches(&self) -> bool {
        self.diff.taints.is_some() || self.cordon.is_some()
    }
}

/// What has to be written, if anything has to be now.
pub fn pending_write(node: &NodeFacts, node_plan: &NodePlan) -> Option<PendingWrite> {
    let pending = (!node_plan.still).then(|| PendingWrite::of(node, node_plan));
    pending.filter(|pending| !pending.is_empty())
}

/// Labels, annotations and taints that differ.
fn diff(node: &NodeFacts, node_plan: &NodePlan) -> NodeDiff {
    let diff = node_diff(node, &node_plan.wanted, &node_plan.extra, node_plan.only_add);
    if node_plan.theirs.is_empty() {
        return diff;
    }
    let mut diff = yielded(diff, &node_plan.wanted, &node_plan.theirs);
    // Without what is theirs nothing may be left to do.
    diff.apply = diff.apply.filter(|(labels, annotations)| {
        let same = |ours: &BTreeSet<Text>, there: &Texts, wanted: &BTreeMap<String, String>| {
            ours.len() == wanted.len()
                && wanted.iter().all(|(key, value)| {
                    ours.contains(key.as_str()) && there.get(key.as_str()).is_some_and(|now| **now == **value)
                })
        };
        !(same(&node.managers.our_labels, &node.labels, labels)
            && same(&node.managers.our_annotations, &node.annotations, annotations))
    });
    diff
}
