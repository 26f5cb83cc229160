//! Writes a node's labels, annotations, taints and cordon.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::error::RequestError;
use k8s_openapi::api::core::v1::{Pod, Taint};
use k8s_openapi::api::storage::v1::VolumeAttachment;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};

use super::node_patch::{apply, patch_current};
use super::{Context, history};
use crate::args::Feature;
use crate::class::contention::CORDON;
use crate::class::{NodeDiff, is_out_of_service};
use crate::crd::CORDONED;
use crate::facts::{NodeFacts, SlimNode};
use crate::planner::{Cordon, NodePlan, PendingWrite, pending_write};

/// How often leftovers are looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Brings a node to what it should be. First what a server-side apply can do, then, on the very version that this
/// returned, the taints and the cordon.
pub async fn reconcile(node: Arc<SlimNode>, ctx: Arc<Context>) -> Result<Action, RequestError> {
    let name = node.name_any();
    let plan = ctx.plan();
    let Some(node_plan) = plan.nodes.get(&name) else {
        return Ok(Action::await_change());
    };
    if ctx.histories.get(&ObjectRef::new(&name)).is_none() && !node_plan.still {
        history::create(&ctx, &name).await?;
    }
    // What is left on the node decides about one taint only: that it cannot be seen holds up no write.
    let looked = look_for_leftovers(&ctx, &node.facts).await;
    if let Some(again) = write(&ctx, &node, node_plan).await? {
        return Ok(again);
    }
    Ok(if looked? {
        Action::requeue(LOOK_AGAIN)
    } else {
        Action::await_change()
    })
}

/// Writes what differs; when to come back if it is to be tried again.
async fn write(ctx: &Context, node: &SlimNode, node_plan: &NodePlan) -> Result<Option<Action>, RequestError> {
    let name = node.name_any();
    let Some(pending) = pending_write(&node.facts, node_plan) else {
        return Ok(None);
    };
    let facts = node.versioned();
    let api = Api::<SlimNode>::all(ctx.process.client.clone());
    let (facts, pending) = match &pending.diff.apply {
        None => (facts, Some(pending)),
        Some((labels, annotations)) => {
            let fresh = match apply(&api, &facts, labels, annotations).await {
                Ok(fresh) => fresh,
                Err(error) => {
                    let theirs = theirs(&error);
                    if theirs.is_empty() {
                        return Err(RequestError::when("applying labels and annotations")(error));
                    }
                    // The next plan leaves them to others.
                    ctx.planner().refused(&name, theirs, ctx.clock.now());
                    ctx.wake.notify_one();
                    return Ok(Some(Action::requeue(LOOK_AGAIN)));
                }
            };
            wrote(ctx, &facts, pending.diff.apply.clone(), None);
            ctx.metrics.write("labels");
            tracing::info!(node = name, ?labels, ?annotations, "labels and annotations applied");
            let pending = pending_write(&fresh, node_plan);
            (fresh, pending)
        }
    };
    patch_current(&api, facts, pending, node_plan, |facts, pending| {
        note(ctx, facts, pending);
    })
    .await?;
    Ok(None)
}

type Metadata = (BTreeMap<String, String>, BTreeMap<String, String>);
type Taints = (Vec<Taint>, Option<String>);

fn shown(taints: &[Taint]) -> Vec<String> {
    let one = |t: &Taint| format!("{}={}:{}", t.key, t.value.as_deref().unwrap_or_default(), t.effect);
    taints.iter().map(one).collect()
}

/// The keys that others manage, and who: a refused apply names each as a cause, the field as `.metadata.labels.KEY`, the
/// manager in `conflict with "NAME" …`.
fn theirs(error: &kube::Error) -> Vec<(String, String)> {
    let kube::Error::Api(answer) = error else {
        return Vec::new();
    };
    let causes = answer.details.iter().flat_map(|details| &details.causes);
    causes
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .filter_map(|cause| {
            let (of, key) = cause.field.strip_prefix(".metadata.")?.split_once('.')?;
            let who = cause.message.split('"').nth(1).unwrap_or("somebody else");
            Some((format!("{} {key}", of.strip_suffix('s')?), who.to_owned()))
        })
        .collect()
}

fn note(ctx: &Context, facts: &NodeFacts, pending: &PendingWrite) {
    if let Some((taints, _)) = &pending.diff.taints {
        wrote(ctx, facts, None, pending.diff.taints.clone());
        ctx.metrics.write("taints");
        tracing::info!(node = facts.name, taints = ?shown(taints), "taints written");
    }
    if let Some(cordon) = &pending.cordon {
        if matches!(cordon, Cordon::For(_)) && facts.annotations.contains_key(CORDONED) {
            ctx.planner().contention.restored(facts, CORDON, ctx.clock.now().mono);
            ctx.metrics.restored(1);
        }
        ctx.metrics.write("cordon");
        tracing::info!(node = facts.name, ?cordon, "cordon changed");
    }
}

/// Counts what of ours somebody had removed, so that we do not fight over it.
fn wrote(ctx: &Context, facts: &NodeFacts, apply: Option<Metadata>, taints: Option<Taints>) {
    let diff = NodeDiff {
        apply,
        taints,
        ..NodeDiff::default()
    };
    let restored = ctx.planner().contention.wrote(facts, &diff, ctx.clock.now().mono);
    ctx.metrics.restored(restored);
}

/// While our out-of-service taint is on a node that is back: what of the time before is still there.
/// True while it has to be checked again.
async fn look_for_leftovers(ctx: &Context, facts: &NodeFacts) -> Result<bool, RequestError> {
    let failover = ctx.planner().has(Feature::Failover);
    if !failover || !is_out_of_service(facts) || facts.ready.status != Some(true) {
        ctx.observed().leftovers.remove(&facts.name);
        return Ok(false);
    }
    let on_it = ListParams::default().fields(&format!("spec.nodeName={}", facts.name));
    let pods = Api::<PartialObjectMeta<Pod>>::all(ctx.process.client.clone());
    let pods = pods
        .list(&on_it)
        .await
        .map_err(RequestError::when("listing the node's pods"))?;
    let ending = pods
        .items
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_some())
        .count();
    let volumes = Api::<VolumeAttachment>::all(ctx.process.client.clone());
    let volumes = volumes
        .list(&ListParams::default())
        .await
        .map_err(RequestError::when("listing volume attachments"))?;
    let gone = |volume: &&VolumeAttachment| {
        volume.spec.node_name == facts.name && volume.metadata.deletion_timestamp.is_some()
    };
    let left = ending + volumes.items.iter().filter(gone).count();
    ctx.observed().leftovers.insert(facts.name.clone(), left);
    ctx.wake.notify_one();
    Ok(true)
}

#[cfg(test)]
mod tests;
