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
use kube::runtime::reflector::Store;
use kube::{Client, Resource};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::crd::{NodeClass, NodeHost};
use crate::facts::{SlimHistory, SlimNode};
use crate::metrics::Metrics;
use crate::planner::{Observed, Plan, Planner};

/// The objects of one kind: as their watch has them, and what asks for their reconciles.
pub struct Objects<K: Resource<DynamicType = ()> + 'static> {
    pub store: Store<K>,
    pub trigger: Trigger<K>,
}

/// What reconcilers share.
pub struct Context {
    pub process: Process,
    /// The process' client without retries: what a budget refuses must not be repeated for minutes, while other pods wait.
    pub evictions: Client,
    pub metrics: Metrics,
    pub nodes: Objects<SlimNode>,
    pub hosts: Objects<NodeHost>,
    pub classes: Objects<NodeClass>,
    pub histories: Objects<SlimHistory>,
    /// Asks for a plan: something has changed.
    pub wake: Notify,
    pub(crate) planner: Mutex<Planner>,
    pub(crate) observed: Mutex<Observed>,
    pub(crate) plan: Arc<Mutex<Arc<Plan>>>,
}

impl Context {
    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.lock())
    }

    pub(crate) fn publish_plan(&self, plan: Plan) -> Arc<Plan> {
        let plan = Arc::new(plan);
        *self.plan.lock() = Arc::clone(&plan);
        plan
    }
}
