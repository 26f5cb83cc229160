//! Machines that go off and come back, and their histories.
use std::time::Duration;

use crate::objects::{apply, delete, get};
use crate::wait::{never, until};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::case::{Case, Exclusive};
use crate::node_class::env::{DOWN, GAMER, GAMER_MACHINES, LATER, NodeEnv, SOON, gamer, is_ready, label, node, ours};

pub(crate) fn cases() -> Vec<Case<NodeEnv>> {
    vec![
        Case::new("a_host_that_goes_off_is_detected_and_its_history_is_kept", |env| {
            Box::pin(off_and_on(env))
        })
        .local()
        .exclusive(&[Exclusive::Operator])
        .slow("a node is down only after a grace, then a restarted operator is watched"),
        Case::new("a_reregistered_node_keeps_its_history_until_it_is_deleted", |env| {
            Box::pin(registered_anew(env))
        })
        .local()
        .exclusive(GAMER_MACHINES)
        .slow("a machine boots and registers"),
    ]
}

async fn off_and_on(env: &NodeEnv) -> Result<()> {
    apply(&env.client, &gamer(json!({}))).await?;
    env.sees(LATER).await?;
    env.host_is("gamer", "is on", LATER, |host| host["state"] == "On")
        .await?;
    let mut before = Vec::new();
    for name in GAMER {
        before.push(env.transitions_up_to_now(name).await?);
    }

    env.switch("off", &GAMER).await?;
    let host = env
        .host_is("gamer", "is off", DOWN, |host| host["state"] == "Off")
        .await?;
    ensure!(
        host["since"].is_string() && host["evidence"].is_string(),
        "its status is {host}"
    );
    for (name, before) in GAMER.iter().zip(&before) {
        let lost = |last: &Value| last["kind"] == "Lost" && last["backAt"].is_null();
        env.history_is(name, "Down", before.len() + 1, SOON, lost).await?;
    }

    // The operator dies while the host is off, and its successor has only what is stored.
    env.operator.kill_and_restart(LATER).await?;
    env.sees(LATER).await?;
    never("a second going-down", Duration::from_secs(15), || async {
        for (name, before) in GAMER.iter().zip(&before) {
            let now = env.transitions(name).await?;
            if now.len() != before.len() + 1 {
                return Ok(Some(format!("{name}: {now:?}")));
            }
        }
        let now = env.host("gamer").await?["state"].take();
        Ok((now != "Off").then(|| format!("gamer is {now}")))
    })
    .await?;

    env.switch("on", &GAMER).await?;
    env.host_is("gamer", "is on again", DOWN, |host| host["state"] == "On")
        .await?;
    for (name, before) in GAMER.iter().zip(&before) {
        // A new boot, and back within `rebootWithin`: all that can be said is that it booted.
        let back = |last: &Value| last["kind"] == "Reboot" && last["backAt"].is_string();
        env.history_is(name, "Up", before.len() + 1, SOON, back).await?;
        let now = env.transitions(name).await?;
        ensure!(
            now.starts_with(before),
            "{name}: the earlier transitions were lost: {now:?}"
        );
    }
    Ok(())
}

async fn registered_anew(env: &NodeEnv) -> Result<()> {
    let (client, name) = (&env.client, "talos08");
    apply(client, &gamer(json!({}))).await?;
    env.sees(LATER).await?;
    env.host_is("gamer", "is on", LATER, |host| host["state"] == "On")
        .await?;
    let before = env.transitions_up_to_now(name).await?;
    let history = get(client, &ours("NodeHistory", name)).await?;
    let uid = env.node(name).await?["metadata"]["uid"].take();

    env.switch("off", &[name]).await?;
    delete(client, &node(name)).await?;
    env.switch("on", &[name]).await?;
    env.node_is(name, "is registered again", DOWN, |node| {
        node["metadata"]["uid"] != uid && is_ready(node)
    })
    .await?;
    env.node_is(name, "has its host's label again", LATER, |node| {
        label(node, "nodes.hearth.home.arpa/host") == Some("gamer")
    })
    .await?;
    until("the history has the registration, and all before it", LATER, || async {
        let now = get(client, &ours("NodeHistory", name)).await?;
        let transitions = now["status"]["transitions"].as_array().cloned().unwrap_or_default();
        ensure!(
            transitions.starts_with(&before),
            "it was {before:?} and is {transitions:?}"
        );
        let new = &transitions[before.len()..];
        let kept = now["metadata"]["uid"] == history["metadata"]["uid"]
            && now["status"]["machine"]["systemUUID"] == history["status"]["machine"]["systemUUID"]
            && now["status"]["machine"]["nodeUID"] != history["status"]["machine"]["nodeUID"]
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
