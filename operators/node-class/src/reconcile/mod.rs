//! Carries out what the [`Mind`] says, object by object; each step may be the last one.
pub mod class;
pub mod drain;
mod error;
pub mod history;
pub mod host;
pub mod node;
pub(crate) mod write;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hearth_reconciler::events::Events;
use hearth_reconciler::lease::Leadership;
use kube::Client;
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::{Notify, mpsc::UnboundedSender};

pub use error::Error;

use crate::clock::Clock;
use crate::crd::{NodeClass, NodeHost};
use crate::facts::SlimNode;
use crate::metrics::Metrics;
use crate::mind::{Mind, Thought, World};
use crate::stored::SlimHistory;

/// What reconcilers share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The same, for evictions: what a budget refuses must not be tried again for minutes, while other pods wait.
    pub evictions: Client,
    /// Events.
    pub events: Events,
    /// Whether we may act.
    pub leadership: Leadership,
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
    pub calls: Calls,
    /// Asks for a thought: something has changed.
    pub stir: Notify,
    pub(crate) mind: Mutex<Mind>,
    pub(crate) world: Mutex<World>,
    pub(crate) thought: Mutex<Arc<Thought>>,
}

/// Asks for reconciles, by kind.
pub struct Calls {
    /// Of Nodes.
    pub node: UnboundedSender<ObjectRef<SlimNode>>,
    /// Of NodeHosts.
    pub host: UnboundedSender<ObjectRef<NodeHost>>,
    /// Of classes.
    pub class: UnboundedSender<ObjectRef<NodeClass>>,
    /// Of histories.
    pub history: UnboundedSender<ObjectRef<SlimHistory>>,
}

impl Context {
    pub(crate) fn mind(&self) -> MutexGuard<'_, Mind> {
        self.mind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last thought.
    pub fn thought(&self) -> Arc<Thought> {
        Arc::clone(&self.thought.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn think_so(&self, thought: Thought) -> Arc<Thought> {
        let thought = Arc::new(thought);
        *self.thought.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&thought);
        thought
    }
}
