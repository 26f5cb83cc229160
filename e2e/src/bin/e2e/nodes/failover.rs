//! A pod that only proof may move.
use std::time::Duration;

use anyhow::{Context, Result};
use hearth_e2e::objects::{apply, patch_status};
use hearth_e2e::wait::never;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::home::{OUT_OF_SERVICE as TAINT, annotation, gamer, ours, taint, with_spec};
use super::{DOWN, GAMER, LATER, Stage};
use crate::{Case, namespace};

pub(crate) fn cases() -> Vec<Case<Stage>> {
    vec![Case {
        name: "a_stateful_pod_moves_only_on_proof",
        local: true,
        run: |stage| Box::pin(proof(stage)),
    }]
}

async fn proof(stage: &Stage) -> Result<()> {
    let client = &stage.client;
    apply(client, &gamer(json!({}))).await?;
    let quick = json!({"match": {"hosts": ["gamer"]}, "failover": {"evidence": ["PowerOff"], "after": "5s"}});
    apply(client, &with_spec("NodeClass", "quick", quick)).await?;
    stage.sees(LATER).await?;
    stage
        .host_is("gamer", "is on", LATER, |host| host["state"] == "On")
        .await?;
    namespace(client, "proof").await?;
    stage.workload("StatefulSet", "proof", "db", &["talos08"]).await?;
    let first = stage.running("proof", "db", LATER, |node| node == "talos08").await?;
    let uid = &first["metadata"]["uid"];

    stage.switch("off", &GAMER).await?;
    stage
        .host_is("gamer", "is off", DOWN, |host| host["state"] == "Off")
        .await?;
    // Longer than `after`, and than Kubernetes needs to evict the pod: it is to go, and cannot.
    never(
        "the pod is released on silence alone",
        Duration::from_secs(30),
        || async {
            let pods = stage.pods("proof", "db").await?;
            let node = stage.node("talos08").await?;
            if taint(&node, TAINT).is_some() {
                return Ok(Some("the node has the taint out-of-service".to_owned()));
            }
            let same = pods.len() == 1 && pods[0]["metadata"]["uid"] == *uid;
            Ok((!same).then(|| format!("the pods are {}", json!(pods))))
        },
    )
    .await?;

    // Nobody measures the power of a bundle of namespaces: this is the plug.
    let now = Timestamp::now();
    let power = json!({"state": "Off", "source": "plug-3", "observedAt": now.to_string(),
        "expiresAt": now.checked_add(SignedDuration::from_mins(10))?.to_string()});
    patch_status(client, &ours("NodeHost", "gamer"), &json!({"status": {"power": power}}))
        .await
        .context("telling that the power is off")?;
    let released = |node: &Value| {
        taint(node, TAINT).is_some_and(|taint| taint["effect"] == "NoExecute")
            && annotation(node, "nodes.hearth.home.arpa/owned-taints").is_some_and(|mark| mark.contains(TAINT))
    };
    stage
        .node_is("talos08", "is out of service, by us", DOWN, released)
        .await?;
    let second = stage
        .running("proof", "db", LATER, |node| !GAMER.contains(&node))
        .await?;
    anyhow::ensure!(second["metadata"]["uid"] != *uid, "it is the same pod");

    stage.switch("on", &GAMER).await?;
    for name in GAMER {
        let trusted = |node: &Value| {
            let mark = annotation(node, "nodes.hearth.home.arpa/owned-taints").unwrap_or_default();
            taint(node, TAINT).is_none()
                && taint(node, "nodes.hearth.home.arpa/returning").is_none()
                && !mark.contains(TAINT)
                && super::home::is_ready(node)
        };
        stage.node_is(name, "is trusted again", LATER, trusted).await?;
    }
    Ok(())
}
