//! node-class on a real cluster whose nodes are switched off and on, installed by its chart under its own RBAC.
//!
//! What this cluster cannot show is patched in, and the case says so: nobody measures the power of a bundle of namespaces.
mod api_silence;
mod chart;
mod classes;
mod failover;
mod history;
mod killed;
mod night;
mod power_off;
mod release;
mod replicas;
mod zones;

use super::env::NodeEnv;
use crate::case::Case;

/// Machines that go off, and what classes write to nodes.
pub(crate) fn nodes() -> Vec<Case<NodeEnv>> {
    let all = [
        zones::cases(),
        classes::cases(),
        history::cases(),
        power_off::cases(),
        failover::cases(),
    ];
    all.into_iter().flatten().collect()
}

/// What needs the operator or the API server.
pub(crate) fn alone() -> Vec<Case<NodeEnv>> {
    [api_silence::cases(), replicas::cases()]
        .into_iter()
        .flatten()
        .collect()
}

/// Installations of the chart, and the end of the operator.
pub(crate) fn last() -> Vec<Case<NodeEnv>> {
    [chart::cases(), release::cases()].into_iter().flatten().collect()
}

/// What takes long and needs few nodes.
pub(crate) fn endurance() -> Vec<Case<NodeEnv>> {
    [night::cases(), killed::cases()].into_iter().flatten().collect()
}
