//! node-class' story: "can I switch gamer off?", on machines that are really switched off and on.
mod chapters;
mod drain;
mod kubectl_table;
mod narrator;
mod power_off;
mod prometheus;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

pub(crate) use self::narrator::NODES;
use self::narrator::{MEMBER, Narrator};
use self::prometheus::Prometheus;
use super::env::{AT_HOME, NAME, NodeEnv, node};
use crate::case::{Case, Exclusive};
use crate::demo::Story;
use crate::demo_install::{Before, Chart};
use crate::environment::Environment;
use crate::objects::patch;
use crate::screen::Screen;

pub(super) const CHART: Chart = Chart {
    name: NAME,
    crds: &[
        "nodehosts.nodes.hearth.home.arpa",
        "nodeclasses.nodes.hearth.home.arpa",
        "nodehistories.nodes.hearth.home.arpa",
    ],
};
/// A night takes minutes here, and none of it must pass for a reboot.
const QUICK_REBOOT: &str = "timing.rebootWithin=10s";

pub(crate) fn cases() -> Vec<Case<NodeEnv>> {
    let case = Case::new("the_demo_shows_what_node_class_does_and_removes_it", |env| {
        Box::pin(silently(env))
    });
    vec![
        case.local()
            .exclusive(&[Exclusive::Operator])
            .slow("machines are off for two chapters, and go off and on in three"),
    ]
}

/// The whole demo, as on a cluster that had nothing of node-class.
async fn silently(env: &NodeEnv) -> Result<()> {
    let before = Before::nothing(&CHART);
    env.reinstall(&values(before)).await?;
    let story = NodeStory {
        prometheus: Prometheus::start(&env.operator).await?,
        env: env.clone(),
        before,
    };
    let shown = story.show(&mut Screen::silent()).await;
    let removed = story.remove().await;
    env.reset_operator().await?;
    shown.and(removed)
}

fn values(before: Before) -> Vec<&'static str> {
    [&before.values()[..], &[AT_HOME, QUICK_REBOOT]].concat()
}

/// The story on a cluster.
pub(crate) struct NodeStory {
    env: NodeEnv,
    prometheus: Prometheus,
    before: Before,
}

impl NodeStory {
    async fn show(&self, screen: &mut Screen) -> Result<()> {
        Narrator::new(&self.env, &self.prometheus, screen).chapters().await
    }
}

impl Story for NodeStory {
    async fn begin(screen: &Screen, environment: Environment) -> Result<Self> {
        environment.control().context("machines are switched off and on")?;
        let client = environment.client().await?;
        let before = Before::read(&environment, &client, &CHART).await?;
        screen.say("The chart is being installed; a moment, please.")?;
        let env = NodeEnv::install(environment, &values(before)).await?;
        env.restore().await?;
        let prometheus = Prometheus::start(&env.operator).await?;
        Ok(Self {
            env,
            prometheus,
            before,
        })
    }

    async fn run(&mut self, screen: &mut Screen) -> Result<()> {
        self.show(screen).await
    }

    async fn remove(&self) -> Result<()> {
        for name in NODES {
            let body = json!({"metadata": {"labels": {(MEMBER): Value::Null}}});
            patch(&self.env.client, &node(name), &body).await?;
        }
        self.env.restore().await?;
        self.before.restore(&self.env.operator).await?;
        for name in NODES {
            let left = self.env.node(name).await?["metadata"].to_string();
            ensure!(
                !left.contains("hearth.home.arpa/"),
                "{name} still has something of node-class: {left}"
            );
        }
        Ok(())
    }
}
