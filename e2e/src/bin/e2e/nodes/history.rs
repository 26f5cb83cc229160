//! Machines that go off and come back, and what is remembered of it.
use std::time::Duration;

use anyhow::{Result, ensure};
use hearth_e2e::objects::{apply, delete, get};
use hearth_e2e::wait::{never, until};
use serde_json::{Value, json};

use super::home::{gamer, is_ready, label, node, ours};
use super::{DOWN, GAMER, LATER, SOON, Stage};
use crate::Case;

pub(crate) fn cases() -> Vec<Case<Stage>> {
    vec![
        Case {
            name: "a_host_that_goes_off_is_seen_and_its_history_kept",
            local: true,
            run: |stage| Box::pin(off_and_on(stage)),
        },
        Case {
            name: "a_node_that_registers_anew_keeps_its_history_until_somebody_deletes_it",
            local: true,
            run: |stage| Box::pin(registered_anew(stage)),
        },
    ]
}

async fn off_and_on(stage: &Stage) -> Result<()> {
    apply(&stage.client, &gamer(json!({}))).await?;
    stage.sees(LATER).await?;
    stage
        .host_is("gamer", "is on", LATER, |host| host["state"] == "On")
        .await?;
    let mut before = Vec::new();
    for name in GAMER {
        before.push(stage.transitions(name).await?);
    }
    let restarts = stage.operator.restarts().await?;

    stage.switch("off", &GAMER).await?;
    let host = stage
        .host_is("gamer", "is off", DOWN, |host| host["state"] == "Off")
        .await?;
    ensure!(
        host["since"].is_string() && host["evidence"].is_string(),
        "its status is {host}"
    );
    for (name, before) in GAMER.iter().zip(&before) {
        let lost = |last: &Value| last["kind"] == "Lost" && last["backAt"].is_null();
        stage.history_is(name, "Down", before.len() + 1, SOON, lost).await?;
    }

    // The operator dies while the host is off, and its successor has only what is stored.
    stage.operator.kill().await?;
    until("the operator is started again", LATER, || async {
        Ok((stage.operator.restarts().await? > restarts).then_some(()))
    })
    .await?;
    stage.operator.ready(1, LATER).await?;
    stage.sees(LATER).await?;
    never("a second going-down", Duration::from_secs(15), || async {
        for (name, before) in GAMER.iter().zip(&before) {
            let now = stage.transitions(name).await?;
            if now.len() != before.len() + 1 {
                return Ok(Some(format!("{name}: {now:?}")));
            }
        }
        let now = stage.host("gamer").await?["state"].take();
        Ok((now != "Off").then(|| format!("gamer is {now}")))
    })
    .await?;

    stage.switch("on", &GAMER).await?;
    stage
        .host_is("gamer", "is on again", DOWN, |host| host["state"] == "On")
        .await?;
    for (name, before) in GAMER.iter().zip(&before) {
        // A new boot, and back within `rebootWithin`: all that can be said is that it booted.
        let back = |last: &Value| last["kind"] == "Reboot" && last["backAt"].is_string();
        stage.history_is(name, "Up", before.len() + 1, SOON, back).await?;
        let now = stage.transitions(name).await?;
        ensure!(now.starts_with(before), "{name}: what was told before is gone: {now:?}");
    }
    Ok(())
}

async fn registered_anew(stage: &Stage) -> Result<()> {
    let (client, name) = (&stage.client, "talos08");
    apply(client, &gamer(json!({}))).await?;
    stage.sees(LATER).await?;
    stage
        .host_is("gamer", "is on", LATER, |host| host["state"] == "On")
        .await?;
    let before = stage.transitions(name).await?;
    let history = get(client, &ours("NodeHistory", name)).await?;
    let uid = stage.node(name).await?["metadata"]["uid"].take();

    stage.switch("off", &[name]).await?;
    delete(client, &node(name)).await?;
    stage.switch("on", &[name]).await?;
    stage
        .node_is(name, "is registered anew", DOWN, |node| {
            node["metadata"]["uid"] != uid && is_ready(node)
        })
        .await?;
    stage
        .node_is(name, "has its host's label again", LATER, |node| {
            label(node, "nodes.hearth.home.arpa/host") == Some("gamer")
        })
        .await?;
    until("the history tells of it, and forgets nothing", LATER, || async {
        let now = get(client, &ours("NodeHistory", name)).await?;
        let told = now["status"]["transitions"].as_array().cloned().unwrap_or_default();
        ensure!(told.starts_with(&before), "it was {before:?} and is {told:?}");
        let new = &told[before.len()..];
        let kept = now["metadata"]["uid"] == history["metadata"]["uid"]
            && now["status"]["machine"]["systemUUID"] == history["status"]["machine"]["systemUUID"]
            && now["status"]["machine"]["nodeUID"] != history["status"]["machine"]["nodeUID"]
            && now["status"]["former"].as_array().is_none_or(Vec::is_empty)
            && now["status"]["state"] == "Up"
            && new.iter().any(|change| change["kind"] == "Reregistered");
        ensure!(kept, "it is {}", now["status"]);
        Ok(Some(()))
    })
    .await?;

    // Whoever deletes it wants it forgotten.
    delete(client, &ours("NodeHistory", name)).await?;
    until("another history begins", LATER, || async {
        let now = get(client, &ours("NodeHistory", name)).await?;
        let bare = now["metadata"]["uid"] != history["metadata"]["uid"]
            && now["status"]["state"] == "Up"
            && now["status"]["transitions"].as_array().is_none_or(Vec::is_empty);
        ensure!(bare, "it is {now}");
        Ok(Some(()))
    })
    .await
}
