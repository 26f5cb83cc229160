//! Nobody answers: nothing is known, and nothing is done.
use std::time::Duration;

use anyhow::{Result, ensure};
use hearth_e2e::objects::apply;
use hearth_e2e::wait::until;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::home::{chosen, gamer, label};
use super::{GAMER, LATER, Stage};
use crate::Case;

pub(crate) fn cases() -> Vec<Case<Stage>> {
    vec![Case {
        name: "silence_of_the_api_server_changes_nothing",
        local: true,
        run: |stage| Box::pin(silence(stage)),
    }]
}

/// All that the operator has written about a node, with the times of its writes.
async fn written(stage: &Stage, name: &str) -> Result<(Value, Vec<Value>, Vec<Value>)> {
    let node = stage.node(name).await?;
    let managed = node["metadata"]["managedFields"].as_array().into_iter().flatten();
    let ours = managed.filter(|entry| entry["manager"] == "node-class");
    // Not the fields: who writes the list of taints next is named for it, though he leaves ours in it.
    let ours = ours.map(|entry| json!([entry["operation"], entry["time"]])).collect();
    Ok((chosen(&node), ours, stage.transitions(name).await?))
}

async fn silence(stage: &Stage) -> Result<()> {
    let cluster = stage.surroundings.control()?;
    apply(&stage.client, &gamer(json!({}))).await?;
    for name in GAMER {
        let so = |node: &Value| label(node, "nodes.hearth.home.arpa/host") == Some("gamer");
        stage.node_is(name, "is gamer's", LATER, so).await?;
    }
    // The first minute after a start is over, so that things may be taken away, too.
    stage.sees(LATER).await?;
    sleep(Duration::from_mins(1)).await;
    let mut before = Vec::new();
    for name in &stage.nodes {
        before.push(written(stage, name).await?);
    }
    let (process, writes) = (stage.process().await?, stage.writes().await?);
    let downs = downs(stage).await?;

    cluster.stall("apiserver").await?;
    sleep(Duration::from_mins(1)).await;
    cluster.start("apiserver").await?;
    answers(stage).await?;
    // Nodes whose leases could not be renewed are called NotReady for a moment: the operator must not believe it.
    sleep(Duration::from_secs(15)).await;
    cluster.stop("apiserver").await?;
    sleep(Duration::from_secs(20)).await;
    cluster.start("apiserver").await?;
    answers(stage).await?;
    stage.all_ready(LATER).await?;
    stage.operator.ready(1, LATER).await?;
    stage.sees(LATER).await?;
    sleep(Duration::from_secs(20)).await;

    for (name, before) in stage.nodes.iter().zip(&before) {
        let after = written(stage, name).await?;
        ensure!(*before == after, "{name} was {before:?} and is {after:?}");
    }
    let host = stage.host("gamer").await?;
    ensure!(host["state"] == "On", "gamer is {host}");
    // A process that was started anew counts from zero.
    let same = process == stage.process().await?;
    let (writes, downs_before) = if same { (writes, downs) } else { (0.0, 0.0) };
    let more = stage.writes().await? - writes;
    ensure!(more.abs() < 0.5, "{more} writes to nodes while nothing could be known");
    let more = self::downs(stage).await? - downs_before;
    ensure!(more.abs() < 0.5, "{more} nodes were said to have gone down");
    Ok(())
}

async fn downs(stage: &Stage) -> Result<f64> {
    let kind = "kind=\"NodeWentDown\"";
    stage.operator.metric("hearth_nodes_events_total", &[kind]).await
}

async fn answers(stage: &Stage) -> Result<()> {
    until("the API server is back", LATER, || async {
        stage.operator.pods().await.map(Some)
    })
    .await
    .map(drop)
}
