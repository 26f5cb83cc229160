//! What the watches bring: kept for the next plan, and passed to the liveness tracker at once.
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use hearth_reconciler::cache::{Cache, Change};
use hearth_reconciler::health::Check;
use hearth_reconciler::watch::Update;
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::ResourceExt;
use kube::runtime::watcher::Event;
use parking_lot::Mutex;

use crate::clock::Now;
use crate::crd::{NodeClass, NodeHost};
use crate::facts::{NodeFacts, SlimHistory, SlimLease, SlimNode};
use crate::planner::Observed;
use crate::reconcile::Context;
use crate::workloads::{PodFacts, SlimPod, VolumeFacts, gather, of_pod, of_volume};

#[derive(Debug, Default)]
pub struct Feeds {
    nodes: Mutex<Cache<String, Arc<NodeFacts>>>,
    leases: Mutex<Cache<String, ()>>,
    hosts: Mutex<Cache<String, ()>>,
    classes: Mutex<Cache<String, ()>>,
    histories: Mutex<Cache<String, ()>>,
    pods: Mutex<Cache<String, Arc<PodFacts>>>,
    volumes: Mutex<Cache<String, VolumeFacts>>,
    /// A history was deleted, so that one that is being read may be too.
    pub(crate) forgotten: AtomicBool,
    /// Something changed since the last plan.
    pub(crate) dirty: AtomicBool,
}

impl Feeds {
    /// Something has changed: a plan is to be made.
    pub fn changed(&self, ctx: &Context) {
        self.dirty.store(true, Relaxed);
        ctx.wake.notify_one();
    }

    fn changed_by<V: PartialEq>(&self, ctx: &Context, change: &Change<String, V>) {
        if *change != Change::Unchanged {
            self.changed(ctx);
        }
    }

    /// A Node came, changed or went. One that has not changed gets the facts that are kept already.
    pub fn node(&self, ctx: &Context, update: &mut Update<SlimNode>, gate: &Check) {
        // Every heartbeat brings a new version; only other changes cause a plan.
        let keep = |node: &SlimNode| (node.name_any(), Some(Arc::clone(&node.facts)));
        let mut nodes = self.nodes.lock();
        let change = nodes.take(update, keep, gate);
        let now = Now::read();
        let mut planner = ctx.planner.lock();
        match &change {
            Change::Updated(name) => {
                if let Some(facts) = nodes.items().get(name) {
                    planner.tracker.node(facts, now);
                }
            }
            Change::Removed(removed) => removed
                .iter()
                .for_each(|(name, _)| planner.tracker.node_gone(name, now)),
            Change::Unchanged => {}
        }
        if let Update::Event(Event::Apply(node) | Event::InitApply(node)) = update
            && let Some(known) = nodes.items().get(&node.name_any())
        {
            node.facts = Arc::clone(known);
        }
        drop((planner, nodes));
        if is_news(update, &change) {
            self.changed(ctx);
        }
    }

    /// A lease came, changed or went. What this means is judged at the next tick.
    pub fn lease(&self, ctx: &Context, update: &mut Update<SlimLease>, gate: &Check) {
        let keep = |lease: &SlimLease| (lease.name_any(), Some(()));
        let change = self.leases.lock().take(update, keep, gate);
        let now = Now::read();
        let mut planner = ctx.planner.lock();
        if let Update::Event(Event::Apply(lease) | Event::InitApply(lease)) = update {
            let [name, version] = [&lease.metadata.name, &lease.metadata.resource_version]
                .map(|text| text.as_deref().unwrap_or_default());
            planner.tracker.lease(name, version, now);
        }
        if let Change::Removed(removed) = change {
            for (name, ()) in &removed {
                planner.tracker.lease_gone(name, now);
            }
        }
    }

    /// A NodeHistory came, changed or went. We write them ourselves, so that a change causes no plan. One that was deleted
    /// is forgotten.
    pub fn history(&self, ctx: &Context, update: &mut Update<SlimHistory>, gate: &Check) {
        let change = self
            .histories
            .lock()
            .take(update, |history| (history.name_any(), Some(())), gate);
        // One that is merely missing in a list was not deleted by anybody: an older backup may have been restored.
        if let Update::Event(Event::Delete(history)) = update {
            let name = history.name_any();
            let nodes = self.nodes.lock();
            ctx.planner
                .lock()
                .forget(&name, nodes.items().get(&name).map(|facts| &**facts));
            self.forgotten.store(true, Relaxed);
        }
        if is_news(update, &change) {
            self.changed(ctx);
        }
    }

    /// A NodeHost came, changed or went.
    pub fn host(&self, ctx: &Context, update: &mut Update<NodeHost>, gate: &Check) {
        self.hosts.lock().take(update, |host| (host.name_any(), Some(())), gate);
        self.changed(ctx);
    }

    /// A NodeClass came, changed or went.
    pub fn class(&self, ctx: &Context, update: &mut Update<NodeClass>, gate: &Check) {
        self.classes
            .lock()
            .take(update, |class| (class.name_any(), Some(())), gate);
        self.changed(ctx);
    }

    /// A Pod came, changed or went.
    pub fn pod(&self, ctx: &Context, update: &mut Update<SlimPod>, gate: &Check) {
        let key = |pod: &SlimPod| format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
        let change = self.pods.lock().take(update, |pod| (key(pod), of_pod(pod)), gate);
        self.changed_by(ctx, &change);
    }

    /// A persistent volume came, changed or went.
    pub fn volume(&self, ctx: &Context, update: &mut Update<PersistentVolume>, gate: &Check) {
        let keep = |volume: &PersistentVolume| (volume.name_any(), of_volume(volume));
        let change = self.volumes.lock().take(update, keep, gate);
        self.changed_by(ctx, &change);
    }

    /// Whether liveness can be judged.
    pub(crate) fn sees(&self) -> bool {
        self.nodes.lock().is_complete() && self.leases.lock().is_complete()
    }

    /// Whether what is absent is so.
    pub(crate) fn complete(&self) -> bool {
        let ours = [&self.hosts, &self.classes, &self.histories];
        self.sees() && ours.iter().all(|feed| feed.lock().is_complete())
    }

    /// All that is known now, for one plan.
    pub(crate) fn observe(&self, ctx: &Context, complete: bool) -> Observed {
        let mut observed = ctx.observed.lock();
        observed.nodes.clone_from(self.nodes.lock().items());
        observed.hosts = ctx.hosts.store.state();
        let by_name = |a: &Arc<NodeHost>, b: &Arc<NodeHost>| a.metadata.name.cmp(&b.metadata.name);
        observed.hosts.sort_unstable_by(by_name);
        observed.classes = ctx.classes.store.state();
        observed.complete = complete;
        // Of nodes that are not coming back just now it is not known what is left on them.
        let planner = ctx.planner.lock();
        observed.leftovers.retain(|node, _| planner.watches_leftovers(node));
        let (pods, volumes) = (self.pods.lock(), self.volumes.lock());
        observed.workloads = (pods.is_complete() && volumes.is_complete())
            .then(|| Arc::new(gather(pods.items().values(), volumes.items().iter(), &observed.nodes)));
        observed.clone()
    }
}

/// Whether more has happened than that one which is there was written.
fn is_news<K, V: PartialEq>(update: &Update<K>, change: &Change<String, V>) -> bool {
    *change != Change::Unchanged || !matches!(update, Update::Event(Event::Apply(_)))
}

#[cfg(test)]
mod tests;
