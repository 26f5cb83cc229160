//! Figures of nodes for metrics.
use std::sync::Arc;

use super::Planner;
use super::types::{NodeMetrics, Plan, Step, find_host};
use crate::crd::{CORDONED, OUT_OF_SERVICE};
use crate::facts::NodeFacts;

impl Planner {
    pub(super) fn node_metrics(&self, step: &Step<'_>, plan: &mut Plan) {
        let (observed, now) = (step.observed, step.now);
        let of = |(name, node): (&String, &Arc<NodeFacts>)| {
            let entry = self.entries.get(name)?;
            let host = step.claims.host.get(name);
            let metrics = NodeMetrics {
                state: self.liveness(name).state,
                host: host.unwrap_or(name).clone(),
                form_factor: host.and_then(|host| find_host(observed, host)?.spec.form_factor),
                availability: self.availability(observed, step.claims, name),
                flapping: entry.record.is_flapping(),
                out_of_service: {
                    let tainted = node.taints.iter().any(|taint| taint.key == OUT_OF_SERVICE);
                    tainted.then_some(node.is_ready())
                },
                cordoned: node.unschedulable && node.annotations.contains_key(CORDONED),
                contended: self.contention.contended(name, now.mono).len(),
            };
            Some((name.clone(), metrics))
        };
        // Collected, a tree is packed; filled one by one, it is half empty.
        plan.node_metrics = observed.nodes.iter().filter_map(of).collect();
    }
}
