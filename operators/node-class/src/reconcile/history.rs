//! Stores histories.
use std::sync::Arc;

use hearth_reconciler::error::RequestError;
use hearth_reconciler::status::patch_status;
use kube::api::PostParams;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};

use super::Context;
use crate::crd::{NodeHistory, NodeHistorySpec};
use crate::facts::MANAGER;
use crate::facts::SlimHistory;

/// Writes what is to be stored of a node, if anything is.
pub async fn reconcile(history: Arc<SlimHistory>, ctx: Arc<Context>) -> Result<Action, RequestError> {
    let name = history.name_any();
    let Some(mut waiting) = ctx.planner.lock().outbox.remove(&name) else {
        return Ok(Action::await_change());
    };
    waiting.status.observed_generation = history.metadata.generation;
    let api = Api::<NodeHistory>::all(ctx.process.client.clone());
    // What is stored now is not known here, and differs.
    let bare = NodeHistory {
        metadata: history.metadata.clone(),
        ..NodeHistory::new(&name, NodeHistorySpec {})
    };
    if let Err(error) = patch_status(&api, MANAGER, &bare, &waiting.status).await {
        ctx.planner.lock().not_stored(&name, waiting);
        return Err(RequestError::when("storing the history")(error));
    }
    ctx.metrics.write("history");
    Ok(Action::await_change())
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
