//! `cargo xtask e2e`: the end-to-end tests on a cluster.
use anyhow::{Result, ensure};

use crate::cluster;
use crate::place::{Outcome, Place};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// Only the cases of dns-sync that leave the cluster alone (calm), only those that take its parts away (blackout), or
    /// only those of node-class (nodes). All of them without this and without words; with words alone, those of dns-sync
    #[arg(long)]
    part: Option<String>,
    /// Remove the cluster at the end
    #[arg(long)]
    down: bool,
    /// Only cases whose names contain one of these words
    words: Vec<String>,
}

/// Names a file in which the `e2e` program writes down what failed.
pub(crate) const FAILURES: &str = "HEARTH_E2E_FAILURES";

pub(crate) fn run(args: Args) -> Result<()> {
    let foreign = args.place.kubeconfig.is_some();
    let only_nodes = args.part.as_deref() == Some(NODES);
    let nodes_too = args.part.is_none() && args.words.is_empty() && !foreign;
    let mut passed = true;
    if !only_nodes {
        let ready = args.place.prepare("dns-sync", "e2e")?;
        let mut arguments = args.words.clone();
        arguments.extend(args.part.map(|part| format!("--part={part}")));
        if foreign {
            arguments.push("--foreign".to_owned());
        }
        passed &= ready.run("e2e", &arguments)?;
    }
    if only_nodes || nodes_too {
        passed &= nodes(&args.place, &args.words)?;
    }
    if args.down && !foreign {
        cluster::down()?;
    }
    ensure!(passed, "end-to-end tests failed");
    Ok(())
}

/// The part with the cases of node-class.
const NODES: &str = "nodes";

/// The cases of node-class.
fn nodes(place: &Place, words: &[String]) -> Result<bool> {
    place.on_machines(|ready| {
        let arguments = [format!("--part={NODES}")];
        let passed = ready.run("e2e", &[&arguments, words].concat())?;
        Ok(Outcome { passed, stays: false })
    })
}
