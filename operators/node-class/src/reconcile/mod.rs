//! Carries out what the [`Planner`] says, object by object; each step may be the last one.
pub mod class;
pub mod drain;
pub mod history;
pub mod host;
pub mod node;
pub(crate) mod node_patch;

use std::sync::Arc;

use hearth_reconciler::start::Process;
use hearth_reconciler::trigger::Trigger;
use kube::Client;
use kube::runtime::reflector::Store;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::crd::{NodeClass, NodeHost};
use crate::facts::{SlimHistory, SlimNode};
use crate::metrics::Metrics;
use crate::planner::{Observed, Plan, Planner};

/// What reconcilers share.
pub struct Context {
    /// The process: client, events, leadership.
    pub process: Process,
    /// The same, for evictions: what a budget refuses must not be repeated for minutes, while other pods wait.
    pub evictions: Client,
    /// The operator's metrics.
    pub metrics: Metrics,
    /// Both clocks.
    pub clock: Clock,
    /// The Nodes.
    pub nodes: Store<SlimNode>,
    /// The NodeHosts.
    pub hosts: Store<NodeHost>,
    /// The classes.
    pub classes: Store<NodeClass>,
    /// The histories.
    pub histories: Store<SlimHistory>,
    /// Asks for reconciles.
    pub triggers: Triggers,
    /// Asks for a plan: something has changed.
    pub wake: Notify,
    pub(crate) planner: Mutex<Planner>,
    pub(crate) observed: Mutex<Observed>,
    pub(crate) plan: Arc<Mutex<Arc<Plan>>>,
}

/// Asks for reconciles, by kind.
pub struct Triggers {
    /// Of Nodes.
    pub node: Trigger<SlimNode>,
    /// Of NodeHosts.
    pub host: Trigger<NodeHost>,
    /// Of classes.
    pub class: Trigger<NodeClass>,
    /// Of histories.
    pub history: Trigger<SlimHistory>,
}

impl Context {
    pub(crate) fn planner(&self) -> MutexGuard<'_, Planner> {
        self.planner.lock()
    }

    pub(crate) fn observed(&self) -> MutexGuard<'_, Observed> {
        self.observed.lock()
    }

    /// The last plan.
    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.lock())
    }

    pub(crate) fn publish_plan(&self, plan: Plan) -> Arc<Plan> {
        let plan = Arc::new(plan);
        *self.plan.lock() = Arc::clone(&plan);
        plan
    }
}
