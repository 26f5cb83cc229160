//! What is shown of nodes beside their plans: conditions of their histories, and figures for metrics.
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Planner;
use super::types::{Finding, NodeMetrics, Observed, Plan, Step, find_host};
use crate::crd::{CORDONED, OUT_OF_SERVICE};
use crate::facts::NodeFacts;
use crate::liveness::State;

/// From this offset on a clock counts as wrong, in seconds; a lease's own way here takes less than one.
const OFFSET: f64 = 5.0;

impl Planner {
    /// What is odd about a node, for its history's conditions.
    pub(super) fn findings(&self, observed: &Observed, plan: &mut Plan) {
        let mut bearers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, node) in &observed.nodes {
            bearers.entry(&node.machine.system_uuid).or_default().push(name);
        }
        for name in self.entries.keys() {
            let mut found: Vec<Finding> = Vec::new();
            let liveness = self.liveness(name);
            let uuid = observed.nodes.get(name).map(|node| node.machine.system_uuid.as_str());
            let twins = uuid.filter(|uuid| !uuid.is_empty()).and_then(|uuid| bearers.get(uuid));
            if let Some(twins) = twins.filter(|twins| twins.len() > 1) {
                let others: Vec<&str> = twins.iter().filter(|twin| *twin != name).copied().collect();
                let others = others.join(", ");
                let text = format!("{others} has the same system UUID: give each machine its own");
                found.push(("DuplicateMachine", "SameSystemUUID", text));
            }
            if let Some(offset) = liveness.clock_offset.filter(|offset| offset.abs() > OFFSET) {
                let way = if offset > 0.0 { "ahead" } else { "behind" };
                let text = format!("its clock is {way} by more than {OFFSET:.0} s; see whether it has a time server");
                found.push(("ClockOffset", "ClockWrong", text));
            }
            if liveness.state == State::Missing {
                let text = "its kubelet is alive but has no Node object; restart the kubelet to register it again";
                found.push(("NodeMissingButAlive", "NotRegistered", text.to_owned()));
            }
            if !found.is_empty() {
                plan.findings.insert(name.clone(), found);
            }
        }
    }

    pub(super) fn node_metrics(&self, step: &Step<'_>, plan: &mut Plan) {
        let (observed, now) = (step.observed, step.now);
        let of = |(name, node): (&String, &Arc<NodeFacts>)| {
            let entry = self.entries.get(name)?;
            let liveness = self.liveness(name);
            let host = step.claims.host.get(name);
            let metrics = NodeMetrics {
                state: liveness.state,
                host: host.unwrap_or(name).clone(),
                form_factor: host.and_then(|host| find_host(observed, host)?.spec.form_factor),
                availability: self.availability(observed, step.claims, name),
                windows: entry.record.windows(now.wall),
                penalty: entry.record.penalty(now.wall),
                flapping: entry.flapping,
                clock_offset: liveness.clock_offset,
                silent: liveness.silent,
                known_until: entry.record.remembered().map(|remembered| remembered.known_until),
                out_of_service: {
                    let tainted = node.taints.iter().any(|taint| taint.key == OUT_OF_SERVICE);
                    tainted.then_some(node.ready.status == Some(true))
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
