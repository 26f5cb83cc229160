//! Writes a node's labels, annotations, taints and cordon.
use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::error::RequestError;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};

use super::node_patch::write;
use super::{Context, drain, history};
use crate::args::Feature;
use crate::class::contention::CORDON;
use crate::class::is_out_of_service;
use crate::clock::Now;
use crate::crd::CORDONED;
use crate::facts::{NodeFacts, SlimNode};
use crate::planner::{Cordon, PendingWrite};

/// How soon a node is reconciled again after a refused apply, and while leftovers of the time before a failover are waited for.
const REQUEUE: Duration = Duration::from_secs(5);

/// Brings a node to what it should be.
pub async fn reconcile(node: Arc<SlimNode>, ctx: Arc<Context>) -> Result<Action, RequestError> {
    let name = node.name_any();
    let plan = ctx.plan();
    let Some(node_plan) = plan.nodes.get(&name) else {
        return Ok(Action::await_change());
    };
    if ctx.histories.store.get(&ObjectRef::new(&name)).is_none() && !node_plan.still {
        history::create(&ctx, &name).await?;
    }
    // What is left on the node decides about one taint only: that it cannot be seen holds up no write.
    let looked = look_for_leftovers(&ctx, &node.facts).await;
    let api = Api::<SlimNode>::all(ctx.process.client.clone());
    let theirs = write(&api, node.versioned(), node_plan, |facts, done| note(&ctx, facts, done)).await?;
    let refused = !theirs.is_empty();
    if refused {
        // The next plan leaves them to others.
        ctx.planner.lock().refused(&name, theirs, Now::read());
        ctx.wake.notify_one();
    }
    Ok(if refused || looked? {
        Action::requeue(REQUEUE)
    } else {
        Action::await_change()
    })
}

/// Logs and counts what was written; also what of ours was removed before, so that we do not fight over it.
fn note(ctx: &Context, facts: &NodeFacts, done: &PendingWrite) {
    ctx.planner.lock().contention.wrote(facts, &done.diff, Now::read().mono);
    if let Some((labels, annotations)) = &done.diff.apply {
        ctx.metrics.write("labels");
        tracing::info!(
            node = facts.name,
            ?labels,
            ?annotations,
            "labels and annotations applied"
        );
    }
    if let Some((_, ours)) = &done.diff.taints {
        ctx.metrics.write("taints");
        tracing::info!(node = facts.name, ?ours, "taints written");
    }
    if let Some(cordon) = &done.cordon {
        if matches!(cordon, Cordon::For(_)) && facts.annotations.contains_key(CORDONED) {
            ctx.planner.lock().contention.restored(facts, CORDON, Now::read().mono);
        }
        ctx.metrics.write("cordon");
        tracing::info!(node = facts.name, ?cordon, "cordon changed");
    }
}

/// While our out-of-service taint is on a node that is back: what of the time before is still there.
/// True while it has to be checked again.
async fn look_for_leftovers(ctx: &Context, facts: &NodeFacts) -> Result<bool, RequestError> {
    let failover = ctx.planner.lock().has(Feature::Failover);
    if !failover || !is_out_of_service(facts) || !facts.is_ready() {
        ctx.observed.lock().leftovers.remove(&facts.name);
        return Ok(false);
    }
    let on_it = ListParams::default().fields(&format!("spec.nodeName={}", facts.name));
    let pods = Api::<PartialObjectMeta<Pod>>::all(ctx.process.client.clone());
    let pods = pods.list(&on_it).await;
    let pods = pods.map_err(RequestError::when("listing the node's pods"))?;
    let volumes = drain::attachments(&ctx.process.client, std::slice::from_ref(&facts.name)).await?;
    let ending = |meta: &ObjectMeta| usize::from(meta.deletion_timestamp.is_some());
    let left = pods.items.iter().map(|pod| ending(&pod.metadata)).sum::<usize>()
        + volumes.iter().map(|volume| ending(&volume.metadata)).sum::<usize>();
    ctx.observed.lock().leftovers.insert(facts.name.clone(), left);
    ctx.wake.notify_one();
    Ok(true)
}

#[cfg(test)]
mod tests;
