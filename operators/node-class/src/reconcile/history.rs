//! Stores histories.
use std::sync::Arc;

use hearth_reconciler::conditions::{Conditions, READY};
use hearth_reconciler::error::RequestError;
use hearth_reconciler::status::patch_status;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::PostParams;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};

use super::Context;
use crate::clock::Now;
use crate::crd::{NodeHistory, NodeHistorySpec};
use crate::facts::MANAGER;
use crate::facts::SlimHistory;

/// Writes what is to be stored of a node, if anything is.
pub async fn reconcile(history: Arc<SlimHistory>, ctx: Arc<Context>) -> Result<Action, RequestError> {
    let name = history.name_any();
    let Some((serial, mut status)) = ctx.planner.lock().to_store(&name) else {
        return Ok(Action::await_change());
    };
    status.observed_generation = history.metadata.generation;
    status.conditions = conditions(&history, &ctx);
    let api = Api::<NodeHistory>::all(ctx.process.client.clone());
    // What is stored now is not known here, and differs.
    let bare = NodeHistory {
        metadata: history.metadata.clone(),
        ..NodeHistory::new(&name, NodeHistorySpec {})
    };
    patch_status(&api, MANAGER, &bare, &status)
        .await
        .map_err(RequestError::when("storing the history"))?;
    ctx.metrics.write("history");
    ctx.planner.lock().stored(&name, serial);
    Ok(Action::await_change())
}

/// Ready, and what is odd about the node.
fn conditions(history: &SlimHistory, ctx: &Context) -> Vec<Condition> {
    let before = history.status.as_ref().map(|status| status.conditions.clone());
    let (mut list, plan) = (before.unwrap_or_default(), ctx.plan());
    let found = plan.findings.get(&history.name_any()).map_or(&[][..], Vec::as_slice);
    list.retain(|condition| condition.type_ == READY || found.iter().any(|(type_, ..)| *type_ == condition.type_));
    let mut conditions = Conditions {
        list: &mut list,
        generation: history.metadata.generation,
        now: Now::read().wall,
    };
    conditions.ready("Recorded", "what the node does is recorded");
    for (type_, reason, text) in found {
        conditions.set(type_, true, reason, text);
    }
    list
}

/// Makes an empty history for a node that has none; its content follows by itself.
pub(super) async fn create(ctx: &Context, name: &str) -> Result<(), RequestError> {
    let api = Api::<NodeHistory>::all(ctx.process.client.clone());
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    match api.create(&params, &NodeHistory::new(name, NodeHistorySpec {})).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(answer)) if answer.is_already_exists() => Ok(()),
        Err(error) => Err(RequestError::when("making the node's history")(error)),
    }
}
