//! Kubernetes stops evicting when too much of a zone is off. Watched on its real node lifecycle controller.
use std::time::Duration;

use anyhow::{Result, ensure};
use hearth_e2e::objects::{apply, patch};
use hearth_e2e::wait::until;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::home::{EXCLUDED, gamer, is_ready, label, ours, with_spec};
use super::{DOWN, GAMER, LATER, Stage};
use crate::{Case, namespace};

/// Four of seven: more than two, and 57 % of the zone where Kubernetes stops at 55.
const OFF: [&str; 4] = ["talos03", "talos08", "talos06", "talos07"];
/// The other desktop.
const NIXOS: [&str; 2] = ["talos06", "talos07"];

pub(crate) fn cases() -> Vec<Case<Stage>> {
    vec![Case {
        name: "too_many_nodes_off_freezes_evictions_unless_they_are_excluded",
        local: true,
        run: |stage| Box::pin(frozen(stage)),
    }]
}

async fn frozen(stage: &Stage) -> Result<()> {
    let client = &stage.client;
    apply(client, &gamer(json!({}))).await?;
    let nixos = json!({"nodes": NIXOS, "formFactor": "Desktop", "availability": "Volatile"});
    apply(client, &with_spec("NodeHost", "nixos", nixos)).await?;
    stage.sees(LATER).await?;
    namespace(client, "frozen").await?;

    exclude(stage, false).await?;
    spread(stage).await?;
    // Nobody who asks first is surprised: with gamer off, nixos would be too many.
    stage.switch("off", &GAMER).await?;
    stage
        .host_is("gamer", "is off", DOWN, |host| host["state"] == "Off")
        .await?;
    let warned =
        |host: &Value| host["mayGoOff"]["answer"] == "No" && host["mayGoOff"]["because"].to_string().contains("evict");
    stage.host_is("nixos", "may not go off", LATER, warned).await?;
    stage.switch("on", &GAMER).await?;
    stage.all_ready(LATER).await?;
    spread(stage).await?;
    stage.switch("off", &OFF).await?;
    not_ready(stage).await?;
    // Their pods tolerate it for 10 s; a node that was noticed before the others may have been emptied in time.
    sleep(Duration::from_secs(40)).await;
    let left = ending(stage).await?;
    ensure!(left.len() < OFF.len(), "Kubernetes evicts all the same: {left:?}");

    stage.switch("on", &OFF).await?;
    stage.all_ready(LATER).await?;
    exclude(stage, true).await?;
    spread(stage).await?;
    stage.switch("off", &OFF).await?;
    not_ready(stage).await?;
    // One node every 10 s is Kubernetes' pace.
    until("the pods of all four nodes are evicted", LATER, || async {
        let ending = ending(stage).await?;
        ensure!(ending.len() == OFF.len(), "only those of {ending:?} are");
        Ok(Some(()))
    })
    .await
}

/// Takes volatile nodes out of Kubernetes' count, or lets them be counted.
async fn exclude(stage: &Stage, excluded: bool) -> Result<()> {
    let body = json!({"spec": {"excludeFromDisruptionCount": excluded}});
    patch(&stage.client, &ours("NodeClass", "volatile"), &body).await?;
    for name in OFF {
        let so = |node: &Value| label(node, EXCLUDED).is_some() == excluded;
        stage
            .node_is(name, &format!("is excluded: {excluded}"), LATER, so)
            .await?;
    }
    Ok(())
}

/// A pod on each of the nodes, which stays until somebody evicts it.
async fn spread(stage: &Stage) -> Result<()> {
    for name in OFF {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "frozen", "name": format!("on-{name}")}});
        hearth_e2e::objects::delete(&stage.client, &pod).await?;
        let mut pod = pod;
        pod["metadata"]["labels"] = json!({"app": name});
        pod["spec"] = json!({
            "nodeName": name, "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "pause", "image": "localhost/hearth/pause:dev", "imagePullPolicy": "IfNotPresent"}]
        });
        until(&format!("a pod on {name}"), LATER, || async {
            apply(&stage.client, &pod).await?;
            let pods = stage.pods("frozen", name).await?;
            let runs =
                |pod: &Value| pod["metadata"]["deletionTimestamp"].is_null() && pod["status"]["phase"] == "Running";
            Ok((pods.len() == 1 && runs(&pods[0])).then_some(()))
        })
        .await?;
    }
    Ok(())
}

async fn not_ready(stage: &Stage) -> Result<()> {
    for name in OFF {
        stage
            .node_is(name, "is not Ready", DOWN, |node| !is_ready(node))
            .await?;
    }
    Ok(())
}

/// The nodes whose pod was evicted.
async fn ending(stage: &Stage) -> Result<Vec<&'static str>> {
    let mut ending = Vec::new();
    for name in OFF {
        let pods = stage.pods("frozen", name).await?;
        if pods.iter().all(|pod| !pod["metadata"]["deletionTimestamp"].is_null()) {
            ending.push(name);
        }
    }
    Ok(ending)
}
