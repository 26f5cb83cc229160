//! Days and nights in minutes: what is learned of machines that nobody has declared.
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hearth_e2e::objects::{apply, delete};
use hearth_e2e::wait::{never, until};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::home::{AT_HOME, label, ours, taint, with_spec};
use super::{DOWN, GAMER, LATER, Stage, VALUES};
use crate::Case;

pub(crate) fn cases() -> Vec<Case<Stage>> {
    vec![Case {
        name: "a_desktop_that_is_off_at_night_is_learned_to_be_volatile_and_the_others_always_on",
        local: true,
        run: |stage| {
            Box::pin(async move {
                let seen = nights(stage).await;
                stage.switch("on", &GAMER).await?;
                forget(stage, &[&VALUES[..], &[AT_HOME]].concat()).await?;
                seen
            })
        },
    }]
}

/// Thresholds for days and nights of less than a minute each. The rules are those of a home, these proportions are not.
const QUICK: [&str; 3] = ["learning.coverage=100s", "learning.calm=240s", "learning.dwell=60s"];
const DWELL: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_secs(50);
const NIGHT: Duration = Duration::from_secs(50);
const STEADY: [&str; 2] = ["home-1", "mini-1"];
const AVAILABILITY: &str = "nodes.hearth.home.arpa/availability";

fn is(availability: &'static str) -> impl Fn(&Value) -> bool {
    move |node| label(node, AVAILABILITY) == Some(availability)
}

async fn nights(stage: &Stage) -> Result<()> {
    forget(stage, &[&VALUES[..], &QUICK, &[AT_HOME]].concat()).await?;
    let client = &stage.client;
    // Not a word about how volatile it is.
    let machine = json!({"nodes": GAMER, "formFactor": "Desktop"});
    apply(client, &with_spec("NodeHost", "gamer", machine)).await?;
    stage.sees(LATER).await?;
    for name in &stage.nodes {
        stage.node_is(name, "is unproven", LATER, is("Unproven")).await?;
    }

    for night in 1..=2 {
        sleep(DAY).await;
        stage.switch("off", &GAMER).await?;
        let off = |host: &Value| host["state"] == "Off";
        stage
            .host_is("gamer", "is off", DOWN, off)
            .await
            .with_context(|| format!("night {night}"))?;
        sleep(NIGHT).await;
        stage.switch("on", &GAMER).await?;
        stage
            .host_is("gamer", "is on", DOWN, |host| host["state"] == "On")
            .await?;
    }
    for name in GAMER {
        let told = |node: &Value| is("Volatile")(node) && taint(node, "nodes.hearth.home.arpa/volatile").is_some();
        stage
            .node_is(name, "is volatile, and tainted as the class says", LATER, told)
            .await?;
    }
    for name in STEADY {
        // Four minutes of calm have to pass first.
        let limit = Duration::from_mins(4);
        stage.node_is(name, "is always on", limit, is("AlwaysOn")).await?;
    }
    // One good day makes no steady machine of it.
    never("a verdict changes back", DWELL + Duration::from_secs(10), || async {
        for name in GAMER {
            let node = stage.node(name).await?;
            if !is("Volatile")(&node) {
                return Ok(Some(format!("{name} is {:?}", label(&node, AVAILABILITY))));
            }
        }
        Ok(None)
    })
    .await?;

    for name in GAMER {
        let nights = stage.transitions(name).await?;
        ensure!(
            nights.len() == 2 && nights.iter().all(|night| night["backAt"].is_string()),
            "{name} was off twice, and its history tells {}",
            json!(nights)
        );
    }
    Ok(())
}

/// Starts the operator anew with these values, on nodes that it has never seen.
async fn forget(stage: &Stage, values: &[&str]) -> Result<()> {
    stage.operator.scale(0, LATER).await?;
    until("the operator has ended", LATER, || async {
        Ok(stage.operator.pods().await?.is_empty().then_some(()))
    })
    .await?;
    for name in &stage.nodes {
        delete(&stage.client, &ours("NodeHistory", name)).await?;
    }
    stage.reinstall(values).await?;
    stage.operator.scale(1, LATER).await
}
