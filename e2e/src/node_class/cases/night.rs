//! Days and nights in minutes: what is learned of machines that nobody has declared.
use std::time::Duration;

use crate::objects::{apply, delete};
use crate::wait::{never, until};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::case::{Case, Exclusive};
use crate::node_class::env::{AT_HOME, DOWN, GAMER, LATER, NodeEnv, VALUES, label, ours, taint, with_spec};

pub(crate) fn cases() -> Vec<Case<NodeEnv>> {
    vec![
        Case::new(
            "a_desktop_that_is_off_at_night_is_learned_to_be_volatile_and_the_others_always_on",
            |env| Box::pin(nights_then_reset(env)),
        )
        .local()
        .exclusive(&[Exclusive::Operator])
        .slow("two nights"),
    ]
}

async fn nights_then_reset(env: &NodeEnv) -> Result<()> {
    let seen = nights(env).await;
    env.switch("on", &GAMER).await?;
    forget(env, &[&VALUES[..], &[AT_HOME]].concat()).await?;
    seen
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

async fn nights(env: &NodeEnv) -> Result<()> {
    forget(env, &[&VALUES[..], &QUICK, &[AT_HOME]].concat()).await?;
    let client = &env.client;
    // Not a word about how volatile it is.
    let machine = json!({"nodes": GAMER, "formFactor": "Desktop"});
    apply(client, &with_spec("NodeHost", "gamer", machine)).await?;
    env.sees(LATER).await?;
    for name in &env.nodes {
        env.node_is(name, "is unproven", LATER, is("Unproven")).await?;
    }

    for night in 1..=2 {
        sleep(DAY).await;
        env.switch("off", &GAMER).await?;
        let off = |host: &Value| host["state"] == "Off";
        env.host_is("gamer", "is off", DOWN, off)
            .await
            .with_context(|| format!("night {night}"))?;
        sleep(NIGHT).await;
        env.switch("on", &GAMER).await?;
        env.host_is("gamer", "is on", DOWN, |host| host["state"] == "On")
            .await?;
    }
    for name in GAMER {
        let learned = |node: &Value| is("Volatile")(node) && taint(node, "nodes.hearth.home.arpa/volatile").is_some();
        env.node_is(name, "is volatile, and tainted as the class says", LATER, learned)
            .await?;
    }
    for name in STEADY {
        // Four minutes of calm have to pass first.
        let limit = Duration::from_mins(4);
        env.node_is(name, "is always on", limit, is("AlwaysOn")).await?;
    }
    // One good day makes no steady machine of it.
    never(
        "the availability changes back",
        DWELL + Duration::from_secs(10),
        || async {
            for name in GAMER {
                let node = env.node(name).await?;
                if !is("Volatile")(&node) {
                    return Ok(Some(format!("{name} is {:?}", label(&node, AVAILABILITY))));
                }
            }
            Ok(None)
        },
    )
    .await?;

    for name in GAMER {
        let nights = env.transitions(name).await?;
        ensure!(
            nights.len() == 2 && nights.iter().all(|night| night["backAt"].is_string()),
            "{name} was off twice, and its history has {}",
            json!(nights)
        );
    }
    Ok(())
}

/// Restarts the operator with these values, on nodes that it has never seen.
async fn forget(env: &NodeEnv, values: &[&str]) -> Result<()> {
    env.operator.scale(0, LATER).await?;
    until("the operator has ended", LATER, || async {
        Ok(env.operator.pods().await?.is_empty().then_some(()))
    })
    .await?;
    for name in &env.nodes {
        delete(&env.client, &ours("NodeHistory", name)).await?;
    }
    env.reinstall(values).await?;
    env.operator.scale(1, LATER).await
}
