//! node-class on a real cluster whose nodes are switched off and on, installed by its chart under its own RBAC.
//!
//! What this cluster cannot show is patched in and said so: nobody measures the power of a bundle of namespaces.
mod classes;
mod failover;
mod going;
mod history;
mod home;
mod killed;
mod night;
mod release;
mod replicas;
mod silence;
mod zones;

use std::time::Duration;

use anyhow::Result;
use hearth_e2e::install::Operator;
use hearth_e2e::surroundings::Surroundings;
use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

use crate::{Case, Part, Scene};

/// The nodes of a desktop. `cargo xtask e2e` makes the cluster so, with small machines that stay on.
pub(crate) const GAMER: [&str; 2] = ["talos03", "talos08"];

/// The chart's values for all cases: as quick as the cluster's `--grace short`. Learning takes days, and stays so: no
/// verdict must change in the middle of a case.
pub(crate) const VALUES: [&str; 7] = [
    "clusterName=e2e",
    "logging.format=json",
    "timing.grace=12s",
    "timing.blindAfter=20s",
    "timing.settle=30s",
    "timing.checkpoint=30s",
    "timing.cleanOffAfter=20s",
];
/// It runs where nothing is switched off.
pub(crate) const AT_HOME: &str = "nodeSelector.kubernetes\\.io/hostname=home-1";

/// A change in the cluster is on the nodes within this.
pub(crate) const SOON: Duration = Duration::from_secs(15);
/// A node that is switched off is known to be down within this: the grace, on Kubernetes' side and on ours.
pub(crate) const DOWN: Duration = Duration::from_mins(1);
/// After a start nothing is taken away for a while, and nothing at all is judged before the grace is over.
pub(crate) const LATER: Duration = Duration::from_mins(2);

/// What a case of node-class gets.
pub(crate) struct Stage {
    pub(crate) surroundings: Surroundings,
    pub(crate) client: Client,
    pub(crate) operator: Operator,
    /// The names of all nodes.
    pub(crate) nodes: Vec<String>,
}

impl Stage {
    pub(crate) async fn new(surroundings: Surroundings) -> Result<Self> {
        let client = surroundings.client().await?;
        let values = [&VALUES[..], &[AT_HOME]].concat();
        let operator = Operator::install(&surroundings, &client, "node-class", &values).await?;
        let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await?;
        let stage = Self {
            surroundings,
            client,
            operator,
            nodes: nodes.iter().map(ResourceExt::name_any).collect(),
        };
        stage.tidy().await?;
        Ok(stage)
    }
}

impl Scene for Stage {
    async fn tidy(&self) -> Result<()> {
        self.leave_nothing().await
    }

    fn operator(&self) -> &Operator {
        &self.operator
    }
}

/// The cases in order: those that need the operator most quietly first, its end last.
pub(crate) fn cases(part: Part) -> Vec<Case<Stage>> {
    if part == Part::Endurance {
        return [night::cases(), killed::cases()].into_iter().flatten().collect();
    }
    let all = [
        classes::cases(),
        history::cases(),
        going::cases(),
        failover::cases(),
        zones::cases(),
        replicas::cases(),
        silence::cases(),
        release::cases(),
    ];
    all.into_iter().flatten().collect()
}
