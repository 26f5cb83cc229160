//! node-class on a real cluster whose nodes are switched off and on, installed by its chart under its own RBAC.
//!
//! What this cluster cannot show is patched in and said so: nobody measures the power of a bundle of namespaces.
mod classes;
mod failover;
mod going;
mod history;
mod home;
mod release;
mod silence;
mod zones;

use std::time::Duration;

use anyhow::Result;
use hearth_e2e::install::Operator;
use hearth_e2e::surroundings::Surroundings;
use kube::Client;

use crate::{Case, Scene};

/// The machines: the control plane's, two small ones that stay on, and the two nodes of a desktop. `cargo xtask e2e`
/// makes the cluster so.
pub(crate) const NODES: [&str; 5] = ["home-1", "mini-1", "mini-2", "talos03", "talos08"];
/// The nodes of the desktop.
pub(crate) const GAMER: [&str; 2] = ["talos03", "talos08"];

/// The chart's values for all cases: as quick as the cluster's `--grace short`. Learning takes days, and stays so: no
/// verdict must change in the middle of a case. It runs where nothing is switched off.
pub(crate) const VALUES: [&str; 7] = [
    "clusterName=e2e",
    "logging.format=json",
    "timing.grace=12s",
    "timing.blindAfter=20s",
    "timing.checkpoint=30s",
    "timing.cleanOffAfter=20s",
    "nodeSelector.kubernetes\\.io/hostname=home-1",
];

/// A change in the cluster is on the nodes within this.
pub(crate) const SOON: Duration = Duration::from_secs(15);
/// A node that is switched off is known to be down within this: the grace, on Kubernetes' side and on ours.
pub(crate) const DOWN: Duration = Duration::from_mins(1);
/// After a start nothing is taken away for a minute, and nothing at all is judged before the grace is over.
pub(crate) const LATER: Duration = Duration::from_mins(2);

/// What a case of node-class gets.
pub(crate) struct Stage {
    pub(crate) surroundings: Surroundings,
    pub(crate) client: Client,
    pub(crate) operator: Operator,
}

impl Stage {
    pub(crate) async fn new(surroundings: Surroundings) -> Result<Self> {
        let client = surroundings.client().await?;
        let operator = Operator::install(&surroundings, &client, "node-class", &VALUES).await?;
        let stage = Self {
            surroundings,
            client,
            operator,
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
pub(crate) fn cases() -> Vec<Case<Stage>> {
    let all = [
        classes::cases(),
        history::cases(),
        going::cases(),
        failover::cases(),
        zones::cases(),
        silence::cases(),
        release::cases(),
    ];
    all.into_iter().flatten().collect()
}
