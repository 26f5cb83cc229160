//! A power-off request: a host is drained, goes off, and comes back.
use std::time::Duration;

use crate::objects::{apply, delete, patch};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::case::Case;
use crate::namespaces::namespace;
use crate::node_class::env::{DOWN, GAMER, GAMER_MACHINES, LATER, MEMBER, NodeEnv, SOON, annotation, gamer, node};

pub(crate) fn cases() -> Vec<Case<NodeEnv>> {
    vec![
        Case::new("a_host_is_drained_on_request_and_comes_back", |env| {
            Box::pin(drained(env))
        })
        .local()
        .exclusive(GAMER_MACHINES)
        .slow("a drain, a grace and a boot"),
        Case::new("a_withdrawn_request_leaves_only_the_cordons_of_users", |env| {
            Box::pin(withdrawn(env))
        })
        .local()
        .exclusive(GAMER_MACHINES),
    ]
}

const MARK: &str = "nodes.hearth.home.arpa/cordoned";

fn cordoned(request: &'static str) -> impl Fn(&Value) -> bool {
    move |node| node["spec"]["unschedulable"] == true && annotation(node, MARK) == Some(request)
}

fn free(node: &Value) -> bool {
    node["spec"]["unschedulable"] != true && annotation(node, MARK).is_none()
}

fn on_gamer(node: &str) -> bool {
    GAMER.contains(&node)
}

async fn drained(env: &NodeEnv) -> Result<()> {
    let client = &env.client;
    apply(client, &gamer(json!({"drain": {"deadline": "3m"}}))).await?;
    // Where nothing tells where etcd is, the answer is Unknown.
    let member = json!({"metadata": {"labels": {(MEMBER): "true"}}});
    patch(client, &node("home-1"), &member).await?;
    env.sees(LATER).await?;
    env.host_is("gamer", "may go off", LATER, |host| host["mayGoOff"]["answer"] == "Yes")
        .await?;
    namespace(client, "going").await?;
    for app in ["web", "guarded"] {
        env.workload("Deployment", "going", app, &GAMER).await?;
        env.running("going", app, LATER, on_gamer).await?;
    }
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"namespace": "going", "name": "guarded"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "guarded"}}}
    });
    apply(client, &budget).await?;
    // Until the budget has counted its pods it allows no eviction, for another reason.
    crate::wait::until("the budget has counted", SOON, || async {
        let now = crate::objects::get(client, &budget).await?;
        Ok((now["status"]["currentHealthy"] == 1).then_some(()))
    })
    .await?;
    let mut before = Vec::new();
    for name in GAMER {
        before.push(env.transitions_up_to_now(name).await?.len());
    }

    env.ask("gamer", Some("tonight")).await?;
    for name in GAMER {
        env.node_is(name, "is cordoned for the request", SOON, cordoned("tonight"))
            .await?;
    }
    env.running("going", "web", DOWN, |node| !on_gamer(node)).await?;
    let blocked = |host: &Value| {
        let waiting = host["off"]["waiting"].as_array().into_iter().flatten();
        let mut lines = waiting.filter_map(Value::as_str);
        host["off"]["phase"] == "Draining"
            && lines.any(|line| line.starts_with("going/guarded-") && line.contains("PodDisruptionBudget"))
    };
    env.host_is("gamer", "waits for the guarded pod", DOWN, blocked).await?;
    env.running("going", "guarded", SOON, on_gamer).await?;

    delete(client, &budget).await?;
    let host = env
        .host_is("gamer", "is empty", DOWN, |host| host["off"]["phase"] == "Drained")
        .await?;
    ensure!(
        host["off"]["waiting"].is_null(),
        "it waits for {}",
        host["off"]["waiting"]
    );
    env.running("going", "guarded", DOWN, |node| !on_gamer(node)).await?;

    env.switch("off", &GAMER).await?;
    let off = |host: &Value| host["state"] == "Off" && host["off"]["phase"] == "Off" && host["expectedOff"] == true;
    env.host_is("gamer", "is off as asked", DOWN, off).await?;
    for (name, before) in GAMER.iter().zip(&before) {
        let planned = |last: &Value| last["planned"] == true;
        env.history_is(name, "Down", before + 1, SOON, planned).await?;
    }

    env.switch("on", &GAMER).await?;
    let handled = |host: &Value| {
        host["state"] == "On"
            && host["off"].is_null()
            && host["lastHandledOff"] == "tonight"
            && host["expectedOff"] != true
    };
    env.host_is("gamer", "is back", DOWN, handled).await?;
    for name in GAMER {
        env.node_is(name, "may be used again", SOON, free).await?;
    }
    Ok(())
}

async fn withdrawn(env: &NodeEnv) -> Result<()> {
    let client = &env.client;
    apply(client, &gamer(json!({}))).await?;
    env.sees(LATER).await?;
    env.host_is("gamer", "is on", LATER, |host| host["state"] == "On")
        .await?;
    let by_hand = |node: &Value| node["spec"]["unschedulable"] == true && annotation(node, MARK).is_none();
    patch(client, &node("talos08"), &json!({"spec": {"unschedulable": true}})).await?;

    env.ask("gamer", Some("perhaps")).await?;
    env.node_is("talos03", "is cordoned for the request", SOON, cordoned("perhaps"))
        .await?;
    env.host_is("gamer", "is empty", DOWN, |host| host["off"]["phase"] == "Drained")
        .await?;
    let now = env.node("talos08").await?;
    ensure!(by_hand(&now), "the cordon of a person was taken over");

    env.ask("gamer", None).await?;
    let ended = |host: &Value| host["off"].is_null() && host["lastHandledOff"] == "perhaps";
    env.host_is("gamer", "has no request any more", SOON, ended).await?;
    env.node_is("talos03", "may be used again", LATER, free).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let now = env.node("talos08").await?;
    ensure!(by_hand(&now), "the cordon of a person was lifted");
    Ok(())
}
