//! Kubernetes stops evicting when too much of a zone is off. Watched on its real node lifecycle controller.
use std::time::Duration;

use crate::objects::{apply, patch};
use crate::wait::until;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::case::Case;
use crate::namespaces::namespace;
use crate::node_class::env::{
    DOWN, EXCLUDED, GAMER, GAMER_MACHINES, LATER, NodeEnv, gamer, is_ready, label, ours, with_spec,
};

/// Four of seven: more than two, and 57 % of the zone where Kubernetes stops at 55.
const OFF: [&str; 4] = ["talos03", "talos08", "talos06", "talos07"];
/// The other desktop.
const NIXOS: [&str; 2] = ["talos06", "talos07"];

pub(crate) fn cases() -> Vec<Case<NodeEnv>> {
    vec![
        Case::new("too_many_nodes_off_freezes_evictions_unless_they_are_excluded", |env| {
            Box::pin(frozen(env))
        })
        .local()
        .exclusive(GAMER_MACHINES)
        .slow("two nights of four machines, at Kubernetes' pace"),
    ]
}

async fn frozen(env: &NodeEnv) -> Result<()> {
    let client = &env.client;
    apply(client, &gamer(json!({}))).await?;
    let nixos = json!({"nodes": NIXOS, "formFactor": "Desktop", "availability": "Volatile"});
    apply(client, &with_spec("NodeHost", "nixos", nixos)).await?;
    env.sees(LATER).await?;
    namespace(client, "frozen").await?;

    exclude(env, false).await?;
    spread(env).await?;
    // Nobody who asks first is surprised: with gamer off, nixos would be too many.
    env.switch("off", &GAMER).await?;
    env.host_is("gamer", "is off", DOWN, |host| host["state"] == "Off")
        .await?;
    let warned =
        |host: &Value| host["mayGoOff"]["answer"] == "No" && host["mayGoOff"]["because"].to_string().contains("evict");
    env.host_is("nixos", "may not go off", LATER, warned).await?;
    env.switch("on", &GAMER).await?;
    env.all_ready(LATER).await?;
    spread(env).await?;
    env.switch("off", &OFF).await?;
    not_ready(env).await?;
    // Their pods tolerate it for 10 s; a node that was noticed before the others may have been emptied in time.
    sleep(Duration::from_secs(40)).await;
    let left = ending(env).await?;
    ensure!(left.len() < OFF.len(), "Kubernetes evicts all the same: {left:?}");

    env.switch("on", &OFF).await?;
    env.all_ready(LATER).await?;
    exclude(env, true).await?;
    spread(env).await?;
    env.switch("off", &OFF).await?;
    not_ready(env).await?;
    // One node every 10 s is Kubernetes' pace.
    until("the pods of all four nodes are evicted", LATER, || async {
        let ending = ending(env).await?;
        ensure!(ending.len() == OFF.len(), "only those of {ending:?} are");
        Ok(Some(()))
    })
    .await
}

/// Takes volatile nodes out of Kubernetes' count, or lets them be counted.
async fn exclude(env: &NodeEnv, excluded: bool) -> Result<()> {
    let body = json!({"spec": {"excludeFromDisruptionCount": excluded}});
    patch(&env.client, &ours("NodeClass", "volatile"), &body).await?;
    for name in OFF {
        let so = |node: &Value| label(node, EXCLUDED).is_some() == excluded;
        env.node_is(name, &format!("is excluded: {excluded}"), LATER, so)
            .await?;
    }
    Ok(())
}

/// A pod on each of the nodes, which stays until somebody evicts it.
async fn spread(env: &NodeEnv) -> Result<()> {
    for name in OFF {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "frozen", "name": format!("on-{name}")}});
        crate::objects::delete(&env.client, &pod).await?;
        let mut pod = pod;
        pod["metadata"]["labels"] = json!({"app": name});
        pod["spec"] = json!({
            "nodeName": name, "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "pause", "image": "localhost/hearth/pause:dev", "imagePullPolicy": "IfNotPresent"}]
        });
        until(&format!("a pod on {name}"), LATER, || async {
            apply(&env.client, &pod).await?;
            let pods = env.pods("frozen", name).await?;
            let runs =
                |pod: &Value| pod["metadata"]["deletionTimestamp"].is_null() && pod["status"]["phase"] == "Running";
            Ok((pods.len() == 1 && runs(&pods[0])).then_some(()))
        })
        .await?;
    }
    Ok(())
}

async fn not_ready(env: &NodeEnv) -> Result<()> {
    for name in OFF {
        env.node_is(name, "is not Ready", DOWN, |node| !is_ready(node)).await?;
    }
    Ok(())
}

/// The nodes whose pod was evicted.
async fn ending(env: &NodeEnv) -> Result<Vec<&'static str>> {
    let mut ending = Vec::new();
    for name in OFF {
        let pods = env.pods("frozen", name).await?;
        if pods.iter().all(|pod| !pod["metadata"]["deletionTimestamp"].is_null()) {
            ending.push(name);
        }
    }
    Ok(ending)
}
