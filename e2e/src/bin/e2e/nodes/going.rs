//! "I want to switch it off": a host is emptied, goes, and comes back.
use std::time::Duration;

use anyhow::{Result, ensure};
use hearth_e2e::objects::{apply, delete, patch};
use serde_json::{Value, json};

use super::home::{annotation, gamer, node};
use super::{DOWN, GAMER, LATER, SOON, Stage};
use crate::{Case, namespace};

pub(crate) fn cases() -> Vec<Case<Stage>> {
    vec![
        Case {
            name: "a_host_is_emptied_on_request_and_comes_back",
            local: true,
            run: |stage| Box::pin(emptied(stage)),
        },
        Case {
            name: "a_request_taken_back_leaves_only_the_cordons_of_people",
            local: true,
            run: |stage| Box::pin(taken_back(stage)),
        },
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

async fn emptied(stage: &Stage) -> Result<()> {
    let client = &stage.client;
    apply(client, &gamer(json!({"drain": {"deadline": "3m"}}))).await?;
    stage.sees(LATER).await?;
    stage
        .host_is("gamer", "may go off", LATER, |host| host["mayGoOff"]["answer"] == "Yes")
        .await?;
    namespace(client, "going").await?;
    for app in ["web", "guarded"] {
        stage.workload("Deployment", "going", app, &GAMER).await?;
        stage.running("going", app, LATER, on_gamer).await?;
    }
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"namespace": "going", "name": "guarded"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "guarded"}}}
    });
    apply(client, &budget).await?;
    // Until the budget has counted its pods it lets nobody go, for another reason.
    hearth_e2e::wait::until("the budget has counted", SOON, || async {
        let now = hearth_e2e::objects::get(client, &budget).await?;
        Ok((now["status"]["currentHealthy"] == 1).then_some(()))
    })
    .await?;
    let mut before = Vec::new();
    for name in GAMER {
        before.push(stage.transitions(name).await?.len());
    }

    stage.ask("gamer", Some("tonight")).await?;
    for name in GAMER {
        stage
            .node_is(name, "is cordoned for the request", SOON, cordoned("tonight"))
            .await?;
    }
    stage.running("going", "web", DOWN, |node| !on_gamer(node)).await?;
    let blocked = |host: &Value| {
        let waiting = host["off"]["waiting"].as_array().into_iter().flatten();
        let mut lines = waiting.filter_map(Value::as_str);
        host["off"]["phase"] == "Draining"
            && lines.any(|line| line.starts_with("going/guarded-") && line.contains("PodDisruptionBudget"))
    };
    stage
        .host_is("gamer", "waits for the guarded pod", DOWN, blocked)
        .await?;
    stage.running("going", "guarded", SOON, on_gamer).await?;

    delete(client, &budget).await?;
    let host = stage
        .host_is("gamer", "is empty", DOWN, |host| host["off"]["phase"] == "Drained")
        .await?;
    ensure!(
        host["off"]["waiting"].is_null(),
        "it waits for {}",
        host["off"]["waiting"]
    );
    stage.running("going", "guarded", DOWN, |node| !on_gamer(node)).await?;

    stage.switch("off", &GAMER).await?;
    let gone = |host: &Value| host["state"] == "Off" && host["off"]["phase"] == "Off" && host["expectedOff"] == true;
    stage.host_is("gamer", "is off as asked", DOWN, gone).await?;
    for (name, before) in GAMER.iter().zip(&before) {
        let planned = |last: &Value| last["planned"] == true;
        stage.history_is(name, "Down", before + 1, SOON, planned).await?;
    }

    stage.switch("on", &GAMER).await?;
    let handled = |host: &Value| {
        host["state"] == "On"
            && host["off"].is_null()
            && host["lastHandledOff"] == "tonight"
            && host["expectedOff"] != true
    };
    stage.host_is("gamer", "is back", DOWN, handled).await?;
    for name in GAMER {
        stage.node_is(name, "may be used again", SOON, free).await?;
    }
    Ok(())
}

async fn taken_back(stage: &Stage) -> Result<()> {
    let client = &stage.client;
    apply(client, &gamer(json!({}))).await?;
    stage.sees(LATER).await?;
    stage
        .host_is("gamer", "is on", LATER, |host| host["state"] == "On")
        .await?;
    let by_hand = |node: &Value| node["spec"]["unschedulable"] == true && annotation(node, MARK).is_none();
    patch(client, &node("talos08"), &json!({"spec": {"unschedulable": true}})).await?;

    stage.ask("gamer", Some("perhaps")).await?;
    stage
        .node_is("talos03", "is cordoned for the request", SOON, cordoned("perhaps"))
        .await?;
    stage
        .host_is("gamer", "is empty", DOWN, |host| host["off"]["phase"] == "Drained")
        .await?;
    let now = stage.node("talos08").await?;
    ensure!(by_hand(&now), "the cordon of a person was taken over");

    stage.ask("gamer", None).await?;
    let ended = |host: &Value| host["off"].is_null() && host["lastHandledOff"] == "perhaps";
    stage.host_is("gamer", "has no request any more", SOON, ended).await?;
    stage.node_is("talos03", "may be used again", LATER, free).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let now = stage.node("talos08").await?;
    ensure!(by_hand(&now), "the cordon of a person was lifted");
    Ok(())
}
