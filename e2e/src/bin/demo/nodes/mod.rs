//! node-class' story: "can I switch gamer off?", on machines that are really switched off and on.
mod off;
mod prometheus;
mod story;
mod table;

use anyhow::{Context, Result, ensure};
use hearth_e2e::home::{Home, node};
use hearth_e2e::objects::patch;
use hearth_e2e::surroundings::Surroundings;
use jiff::Timestamp;
use serde_json::{Value, json};

use self::prometheus::Prometheus;
use crate::Tale;
use crate::install::{Before, Chart};
use crate::screen::Screen;

const CHART: Chart = Chart {
    name: "node-class",
    crds: &[
        "nodehosts.nodes.hearth.home.arpa",
        "nodeclasses.nodes.hearth.home.arpa",
        "nodehistories.nodes.hearth.home.arpa",
    ],
};
/// The machines that `cargo xtask demo` makes: the desktop's two, and three that stay on.
const NODES: [&str; 5] = ["home-1", "mini-1", "mini-2", "talos03", "talos08"];
/// Kubernetes' role label, which says where the members of etcd are.
const MEMBER: &str = "node-role.kubernetes.io/control-plane";

/// The teller and what the tale is about.
pub(crate) struct Story {
    screen: Screen,
    home: Home,
    prometheus: Prometheus,
    before: Before,
    began: Timestamp,
}

impl Tale for Story {
    async fn begin(screen: Screen, surroundings: Surroundings) -> Result<Self> {
        surroundings.control().context("machines are switched off and on")?;
        let client = surroundings.client().await?;
        let before = Before::look(&surroundings, &client, &CHART).await?;
        screen.say("The chart is being installed; a moment, please.")?;
        // A night takes minutes here, and none of it is to pass for a reboot.
        let values = [&before.values()[..], &["timing.rebootWithin=10s"]].concat();
        let home = Home::install(surroundings, &values).await?;
        home.leave_nothing().await?;
        let prometheus = Prometheus::start(&home.operator).await?;
        Ok(Self {
            screen,
            home,
            prometheus,
            before,
            began: Timestamp::now(),
        })
    }

    fn screen(&self) -> &Screen {
        &self.screen
    }

    async fn tell(&mut self) -> Result<()> {
        self.chapters().await
    }

    async fn clean(&self) -> Result<()> {
        for name in NODES {
            let body = json!({"metadata": {"labels": {(MEMBER): Value::Null}}});
            patch(&self.home.client, &node(name), &body).await?;
        }
        self.home.leave_nothing().await?;
        self.before.restore(&self.home.operator).await?;
        for name in NODES {
            let left = self.home.node(name).await?["metadata"].to_string();
            ensure!(
                !left.contains("hearth.home.arpa/"),
                "{name} still has something of node-class: {left}"
            );
        }
        Ok(())
    }
}
