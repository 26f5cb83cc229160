//! Namespaces of cases.
use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Map, Value, json};

use crate::wait::until;

/// On everything that a run makes, so that the next one can remove it first.
pub(crate) const LABEL: &str = "app.kubernetes.io/created-by-hearth";

/// Objects with [`LABEL`].
pub(crate) fn labelled() -> ListParams {
    ListParams::default().labels(&format!("{LABEL}=e2e"))
}

/// Makes a namespace with these labels.
pub(crate) async fn apply(client: &Client, name: &str, labels: &[(&str, &str)]) -> Result<()> {
    let labels: Map<String, Value> = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect();
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    let api: Api<Namespace> = Api::all(client.clone());
    api.patch(name, &PatchParams::apply("hearth-e2e").force(), &Patch::Apply(body))
        .await?;
    Ok(())
}

/// Makes a namespace of a case.
pub(crate) async fn namespace(client: &Client, name: &str) -> Result<()> {
    apply(client, name, &[(LABEL, "e2e")]).await
}

/// Removes the namespaces that cases have made.
pub(crate) async fn remove_namespaces(client: &Client) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for namespace in namespaces.list(&labelled()).await? {
        namespaces
            .delete(&namespace.name_any(), &DeleteParams::default())
            .await?;
    }
    until(
        "the namespaces of cases are removed",
        Duration::from_mins(3),
        || async { Ok(namespaces.list(&labelled()).await?.items.is_empty().then_some(())) },
    )
    .await
}
