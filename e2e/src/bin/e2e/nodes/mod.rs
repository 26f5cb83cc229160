//! node-class on a real cluster whose nodes are switched off and on, installed by its chart under its own RBAC.
//!
//! What this cluster cannot show is patched in and said so: nobody measures the power of a bundle of namespaces.
mod classes;
mod failover;
mod going;
mod history;
mod killed;
mod night;
mod release;
mod replicas;
mod silence;
mod zones;

use anyhow::Result;
use hearth_e2e::home::{self, DOWN, GAMER, Home as Stage, LATER, SOON};
use hearth_e2e::install::Operator;
use hearth_e2e::surroundings::Surroundings;

use crate::{Case, Part, Scene};

/// The chart's values for all cases, besides those of the home.
const VALUES: [&str; 2] = ["clusterName=e2e", "logging.format=json"];

/// The home with nothing of an earlier run in it.
pub(crate) async fn stage() -> Result<Stage> {
    let stage = Stage::install(Surroundings::from_env()?, &VALUES).await?;
    stage.leave_nothing().await?;
    Ok(stage)
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
