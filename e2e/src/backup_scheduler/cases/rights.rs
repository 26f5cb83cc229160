//! The accounts for API objects can be turned off, and nothing else needs them.
use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use crate::backup_scheduler::env::{BackupEnv, NAME};
use crate::case::{Case, Exclusive};
use crate::install::NAMESPACE;

pub(super) fn cases() -> Vec<Case<BackupEnv>> {
    vec![
        Case::new(
            "without_the_accounts_for_api_objects_volumes_are_backed_up_and_restored",
            |env| Box::pin(accounts_off(env)),
        )
        .exclusive(&[Exclusive::Operator])
        .slow("the chart is upgraded twice"),
    ]
}

async fn accounts_off(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("rights").await?;
    let folder = home.bound("data").await?;
    std::fs::write(folder.join("file"), "a")?;
    env.install(&["exporter.enabled=false", "restorer.enabled=false"])
        .await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(env.client.clone(), NAMESPACE);
    let bindings: Api<ClusterRoleBinding> = Api::all(env.client.clone());
    let mut left: Vec<String> = Vec::new();
    left.extend(names(&accounts).await?);
    left.extend(names(&bindings).await?);
    ensure!(left.is_empty(), "accounts or bindings are left: {left:?}");

    let run = home.done(&home.backup("first", json!({})), "Completed").await?;
    let objects = &run["status"]["objects"][0];
    ensure!(
        objects["state"] == "Skipped" && objects["reason"] == "ExporterOff",
        "{objects}"
    );
    let message = home
        .ends(&home.restore("objects", json!({"objects": {}})), "RestorerOff")
        .await?;
    ensure!(message.contains("restorer.enabled"), "{message}");
    home.lose("data").await?;
    let folder = home.volume("data").await?;
    home.done(&home.restore("back", json!({})), "Completed").await?;
    ensure!(
        std::fs::read_to_string(folder.join("file"))? == "a",
        "what came back differs"
    );

    // For the other cases.
    env.install(&[]).await?;
    let run = home.done(&home.backup("second", json!({})), "Completed").await?;
    ensure!(run["status"]["objects"][0]["state"] == "Completed", "{run}");
    Ok(())
}

/// The accounts of API objects among these.
async fn names<K>(api: &Api<K>) -> Result<Vec<String>>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned + kube::Resource,
{
    let found = api.list(&ListParams::default()).await?.items.into_iter();
    let names = found.filter_map(|object| object.meta().name.clone());
    let of_objects =
        |name: &String| name.starts_with(NAME) && (name.ends_with("-exporter") || name.ends_with("-restorer"));
    Ok(names.filter(of_objects).collect())
}
