//! Writes the planned status of a NodeClass.
use std::sync::Arc;

use hearth_reconciler::error::RequestError;
use hearth_reconciler::status::patch_status;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};

use super::Context;
use crate::crd::NodeClass;
use crate::facts::MANAGER;

/// Writes the status if it differs.
pub async fn reconcile(class: Arc<NodeClass>, ctx: Arc<Context>) -> Result<Action, RequestError> {
    let plan = ctx.plan();
    let Some(status) = plan.classes.get(&class.name_any()) else {
        return Ok(Action::await_change());
    };
    // A plan for an older spec says nothing about this one; the next follows at once.
    if status.observed_generation == class.metadata.generation {
        let api = Api::<NodeClass>::all(ctx.process.client.clone());
        patch_status(&api, MANAGER, &*class, status)
            .await
            .map_err(RequestError::when("writing the class' status"))?;
    }
    Ok(Action::await_change())
}
