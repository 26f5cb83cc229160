//! A failover that needs evidence.
use std::time::Duration;

use crate::objects::{apply, patch_status};
use crate::wait::never;
use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::case::Case;
use crate::namespaces::namespace;
use crate::node_class::env::{
    DOWN, GAMER, GAMER_MACHINES, LATER, NodeEnv, OUT_OF_SERVICE as TAINT, annotation, gamer, is_ready, ours, taint,
    with_spec,
};

pub(crate) fn cases() -> Vec<Case<NodeEnv>> {
    vec![
        Case::new("a_stateful_pod_moves_only_on_power_evidence", |env| {
            Box::pin(proof(env))
        })
        .local()
        .exclusive(GAMER_MACHINES)
        .slow("longer than Kubernetes waits before it evicts"),
    ]
}

async fn proof(env: &NodeEnv) -> Result<()> {
    let client = &env.client;
    apply(client, &gamer(json!({}))).await?;
    let quick = json!({"match": {"hosts": ["gamer"]}, "failover": {"evidence": ["PowerOff"], "after": "5s"}});
    apply(client, &with_spec("NodeClass", "quick", quick)).await?;
    env.sees(LATER).await?;
    env.host_is("gamer", "is on", LATER, |host| host["state"] == "On")
        .await?;
    namespace(client, "proof").await?;
    env.workload("StatefulSet", "proof", "db", &["talos08"]).await?;
    let first = env.running("proof", "db", LATER, |node| node == "talos08").await?;
    let uid = &first["metadata"]["uid"];

    env.switch("off", &GAMER).await?;
    env.host_is("gamer", "is off", DOWN, |host| host["state"] == "Off")
        .await?;
    // Longer than `after`, and than Kubernetes needs to evict the pod: it is to go, and cannot.
    never(
        "the pod is released on silence alone",
        Duration::from_secs(30),
        || async {
            let pods = env.pods("proof", "db").await?;
            let node = env.node("talos08").await?;
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
    env.node_is("talos08", "is out of service, by us", DOWN, released)
        .await?;
    let second = env.running("proof", "db", LATER, |node| !GAMER.contains(&node)).await?;
    anyhow::ensure!(second["metadata"]["uid"] != *uid, "it is the same pod");

    env.switch("on", &GAMER).await?;
    for name in GAMER {
        let trusted = |node: &Value| {
            let mark = annotation(node, "nodes.hearth.home.arpa/owned-taints").unwrap_or_default();
            taint(node, TAINT).is_none()
                && taint(node, "nodes.hearth.home.arpa/returning").is_none()
                && !mark.contains(TAINT)
                && is_ready(node)
        };
        env.node_is(name, "is trusted again", LATER, trusted).await?;
    }
    Ok(())
}
