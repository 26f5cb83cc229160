//! The API server does not answer: nothing is known, and nothing is done.
use std::time::Duration;

use crate::objects::apply;
use crate::wait::until;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::case::{Case, Exclusive};
use crate::node_class::env::{GAMER, LATER, NodeEnv, chosen, gamer, label};

pub(crate) fn cases() -> Vec<Case<NodeEnv>> {
    vec![
        Case::new("an_unresponsive_api_server_changes_nothing", |env| {
            Box::pin(silence(env))
        })
        .local()
        .exclusive(&[Exclusive::ApiServer])
        .slow("the API server is silent for a minute, and a start settles for one"),
    ]
}

/// All that the operator has written about a node, with the times of its writes.
async fn written(env: &NodeEnv, name: &str) -> Result<(Value, Vec<Value>, Vec<Value>)> {
    let node = env.node(name).await?;
    let managed = node["metadata"]["managedFields"].as_array().into_iter().flatten();
    let ours = managed.filter(|entry| entry["manager"] == "node-class");
    // Not the fields: who writes the list of taints next is named for it, though he leaves ours in it.
    let ours = ours.map(|entry| json!([entry["operation"], entry["time"]])).collect();
    Ok((chosen(&node), ours, env.transitions(name).await?))
}

async fn silence(env: &NodeEnv) -> Result<()> {
    let cluster = env.environment.control()?;
    apply(&env.client, &gamer(json!({}))).await?;
    for name in GAMER {
        let so = |node: &Value| label(node, "nodes.hearth.home.arpa/host") == Some("gamer");
        env.node_is(name, "is gamer's", LATER, so).await?;
    }
    // The first minute after a start is over, so that things may be taken away, too.
    env.sees(LATER).await?;
    sleep(Duration::from_mins(1)).await;
    let mut before = Vec::new();
    for name in &env.nodes {
        before.push(written(env, name).await?);
    }
    let (process, writes) = (env.process().await?, env.writes().await?);

    cluster.stall("apiserver").await?;
    sleep(Duration::from_mins(1)).await;
    cluster.start("apiserver").await?;
    answers(env).await?;
    // Nodes whose leases could not be renewed are called NotReady for a moment: the operator must not believe it.
    sleep(Duration::from_secs(15)).await;
    cluster.stop("apiserver").await?;
    sleep(Duration::from_secs(20)).await;
    cluster.start("apiserver").await?;
    answers(env).await?;
    env.all_ready(LATER).await?;
    env.operator.ready(1, LATER).await?;
    env.sees(LATER).await?;
    sleep(Duration::from_secs(20)).await;

    for (name, before) in env.nodes.iter().zip(&before) {
        let after = written(env, name).await?;
        ensure!(*before == after, "{name} was {before:?} and is {after:?}");
    }
    let host = env.host("gamer").await?;
    ensure!(host["state"] == "On", "gamer is {host}");
    // A restarted process counts from zero.
    let same = process == env.process().await?;
    let writes = if same { writes } else { 0.0 };
    let more = env.writes().await? - writes;
    ensure!(more.abs() < 0.5, "{more} writes to nodes while nothing could be known");
    Ok(())
}

async fn answers(env: &NodeEnv) -> Result<()> {
    until("the API server is back", LATER, || async {
        env.operator.pods().await.map(Some)
    })
    .await
    .map(drop)
}
