//! A new cluster with the name of the lost one: the chart, two Secrets, the repository and one RestoreRun bring everything back.
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::backup_scheduler::application::{application, available, object};
use crate::backup_scheduler::env::{BackupEnv, LATER, NAME, PASSPHRASE};
use crate::backup_scheduler::files;
use crate::case::{Case, Exclusive};
use crate::install::{Installation, NAMESPACE};
use crate::namespaces::LABEL;
use crate::objects::{apply, get};
use crate::wait::until;

pub(super) fn cases() -> Vec<Case<BackupEnv>> {
    vec![
        Case::new("a_cluster_whose_etcd_was_lost_gets_everything_back", |env| {
            Box::pin(rebuilt(env))
        })
        .local()
        .exclusive(&[Exclusive::Operator, Exclusive::ApiServer])
        .slow("a cluster comes up anew"),
    ]
}

async fn rebuilt(env: &BackupEnv) -> Result<()> {
    let client = &env.client;
    let mut home = env.home("rebuilt").await?;
    home.repository["spec"]["namespaces"] = json!([home.name, NAMESPACE]);
    apply(client, &home.repository).await?;
    home.repository_condition("Ready", "True", "", LATER).await?;
    let folder = home.bound("data").await?;
    files::write(&folder)?;
    let before = files::read(&folder)?;
    let web = application(&home);
    let settings = object(&home, "v1", "ConfigMap", "settings", json!({"data": {"mode": "quiet"}}));
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "rebuilt-reader", "labels": {(LABEL): "e2e"}},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}],
    });
    for object in [&web, &settings, &role] {
        apply(client, object).await?;
    }
    available(env, &web).await?;
    let mut of_cluster = home.backup("of-cluster", json!({}));
    of_cluster["metadata"]["namespace"] = json!(NAMESPACE);
    home.done(&home.backup("first", json!({})), "Completed").await?;
    home.done(&of_cluster, "Completed").await?;

    env.environment.control()?.wipe_etcd().await?;
    until("the empty cluster takes the operator", LATER, || async {
        Installation::prepare(&env.environment, client, NAME).await?;
        env.install(&[]).await.map(Some)
    })
    .await?;
    until("a machine is there again", LATER, || async {
        let nodes: Api<Node> = Api::all(client.clone());
        let nodes = nodes.list(&ListParams::default()).await?;
        Ok(nodes.items.iter().any(|node| !node.name_any().is_empty()).then_some(()))
    })
    .await?;
    let key = env.s3.root();
    home.secret("s3", &json!({"access-key-id": key.id, "secret-access-key": key.secret}))
        .await?;
    home.secret("passphrase", &json!({"passphrase": PASSPHRASE})).await?;
    apply(client, &home.repository).await?;
    home.repository_condition("Ready", "True", "", LATER).await?;
    let folder = home.volume("data").await?;
    let mut restore = home.restore("everything", json!({"objects": {"namespaces": ["*"], "cluster": true}}));
    restore["metadata"]["namespace"] = json!(NAMESPACE);
    apply(client, &restore).await?;
    let run = until("the restore has ended", Duration::from_mins(5), || async {
        let run = get(client, &restore).await?;
        Ok(run["status"]["completionTime"].is_string().then_some(run))
    })
    .await?;
    ensure!(is_ready(&run), "{}", run["status"]);
    ensure!(files::read(&folder)? == before, "what came back differs");
    available(env, &web).await?;
    get(client, &role).await?;
    let map = get(client, &settings).await?;
    ensure!(map["data"]["mode"] == "quiet", "{map}");
    Ok(())
}

fn is_ready(run: &Value) -> bool {
    let conditions = run["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}
