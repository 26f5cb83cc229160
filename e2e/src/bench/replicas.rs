//! How many pods the operator under measurement has.
use std::time::Duration;

use crate::install::{Installation, NAMESPACE};
use crate::wait::until;
use anyhow::Result;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

/// Asks for so many pods, if it is installed. Do it before an upgrade, too: Helm does not overwrite a number that others have set.
pub(crate) async fn set(operator: &Installation, count: u32) -> Result<()> {
    let api: Api<Deployment> = Api::namespaced(operator.client.clone(), NAMESPACE);
    let body = Patch::Merge(json!({"spec": {"replicas": count}}));
    match api.patch_scale(operator.name, &PatchParams::default(), &body).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits until there is no pod any more, not even one that is ending.
pub(crate) async fn ended(operator: &Installation) -> Result<()> {
    until("the operator has ended", Duration::from_mins(1), || async {
        let all: Api<Pod> = Api::namespaced(operator.client.clone(), NAMESPACE);
        let label = format!("app.kubernetes.io/instance={}", operator.name);
        let pods = all.list(&ListParams::default().labels(&label)).await?;
        Ok(pods.items.is_empty().then_some(()))
    })
    .await
}
