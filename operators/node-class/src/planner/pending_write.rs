//! What has to be written to a node so that it is as planned. Computed once for each plan, and again on the very version that
//! is about to be written to.
use super::types::NodePlan;
use crate::class::contention::CORDON;
use crate::class::{NodeDiff, node_diff};
use crate::crd::CORDONED;
use crate::facts::NodeFacts;

/// What has to be written to a node.
#[derive(Debug, PartialEq)]
pub struct PendingWrite {
    pub diff: NodeDiff,
    pub cordon: Option<Cordon>,
}

#[derive(Debug, PartialEq)]
pub enum Cordon {
    /// For the request of this text.
    For(String),
    Lift,
}

impl PendingWrite {
    /// Compares a node with its plan.
    pub fn of(node: &NodeFacts, node_plan: &NodePlan) -> Self {
        let mark = node.annotations.get(CORDONED);
        let cordon = match (&node_plan.cordon, mark) {
            // Cordoned by another writer already: that is as good, and not ours to lift.
            (Some(_), None) if node.unschedulable => None,
            (Some(request), None) => Some(Cordon::For(request.clone())),
            // Ours was lifted by another writer.
            (Some(request), Some(_)) if !node.unschedulable && !node_plan.wanted.held.contains(CORDON) => {
                Some(Cordon::For(request.clone()))
            }
            (None, Some(_)) if !node_plan.only_add => Some(Cordon::Lift),
            _ => None,
        };
        let diff = node_diff(node, &node_plan.wanted, &node_plan.extra, node_plan.only_add);
        Self { diff, cordon }
    }

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
