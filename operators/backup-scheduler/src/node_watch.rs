//! Watches nodes for the return of one that volumes wait for. Of a node only its readiness is kept.
use std::sync::Arc;

use futures::StreamExt;
use hearth_reconciler::cache::{Cache, Change};
use hearth_reconciler::start::Process;
use hearth_reconciler::watch::watch;
use k8s_openapi::api::core::v1::Node;
use kube::runtime::watcher;
use kube::{Api, ResourceExt};

use crate::plan::placement::is_ready;
use crate::reconcile::Context;

/// Asks for a reconcile of the runs that wait for a node, whenever a node becomes ready. Without permission, runs look again by time.
pub async fn keep(process: Process, ctx: Arc<Context>, config: watcher::Config) {
    let updates = watch(Api::<Node>::all(process.client.clone()), config, slim);
    let gate = hearth_reconciler::health::Health::default().gate("nodes");
    let mut cache: Cache<String, bool> = Cache::default();
    let mut updates = std::pin::pin!(updates);
    while let Some(update) = updates.next().await {
        let change = cache.take(&update, |node: &Node| (node.name_any(), Some(is_ready(node))), &gate);
        if let Change::Updated(name) = change
            && cache.items().get(&name) == Some(&true)
        {
            ctx.call_deferred();
        }
    }
}

fn slim(node: &mut Node) {
    node.spec = None;
    node.metadata.labels = None;
    node.metadata.annotations = None;
    if let Some(status) = &mut node.status {
        status.images = None;
        status.node_info = None;
    }
}
