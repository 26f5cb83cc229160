//! Stores histories.
use std::sync::Arc;

use hearth_reconciler::report::report;
use kube::api::PostParams;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};

use super::{Context, Error};
use crate::crd::{NodeHistory, NodeHistorySpec};
use crate::facts::MANAGER;

/// Writes what is to be stored of a node, if anything is.
pub async fn reconcile(history: Arc<NodeHistory>, ctx: Arc<Context>) -> Result<Action, Error> {
    let name = history.name_any();
    let Some(mut status) = ctx.mind().to_store(&name) else {
        return Ok(Action::await_change());
    };
    status.observed_generation = history.metadata.generation;
    let api = Api::<NodeHistory>::all(ctx.client.clone());
    report(&api, MANAGER, &*history, &status)
        .await
        .map_err(Error::kube("storing the history"))?;
    ctx.metrics.write("history");
    ctx.mind().stored(&name, &status);
    Ok(Action::await_change())
}

/// Makes an empty history for a node that has none; its content follows by itself.
pub(super) async fn create(ctx: &Context, name: &str) -> Result<(), Error> {
    let api = Api::<NodeHistory>::all(ctx.client.clone());
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    match api.create(&params, &NodeHistory::new(name, NodeHistorySpec {})).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(answer)) if answer.is_already_exists() => Ok(()),
        Err(error) => Err(Error::kube("making the node's history")(error)),
    }
}
