//! `cargo xtask e2e`: the end-to-end tests on a cluster.
use std::path::Path;

use anyhow::{Result, ensure};

use crate::cluster;
use crate::place::{Outcome, Place};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// Only the cases of dns-sync that leave the cluster alone (calm) or take its parts away (blackout), or only those of
    /// node-class that switch nodes (nodes) or take long (endurance). All of them without this and without words; with words
    /// alone, those of dns-sync
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
    let asked = PARTS.iter().find(|part| args.part.as_deref() == Some(part.name));
    let all = args.part.is_none() && args.words.is_empty() && !foreign;
    let mut passed = true;
    if asked.is_none() {
        let ready = args.place.prepare("dns-sync", "e2e")?;
        let mut arguments = args.words.clone();
        arguments.extend(args.part.map(|part| format!("--part={part}")));
        if foreign {
            arguments.push("--foreign".to_owned());
        }
        passed &= ready.run("e2e", &arguments)?;
    }
    for part in PARTS
        .iter()
        .filter(|part| all || asked.is_some_and(|asked| asked.name == part.name))
    {
        passed &= nodes(part, &args.place, &args.words, None)?;
    }
    if args.down && !foreign {
        cluster::down()?;
    }
    ensure!(passed, "end-to-end tests failed");
    Ok(())
}

/// A part with cases of node-class.
pub(crate) struct Part {
    name: &'static str,
    machines: &'static [&'static str],
}

/// Machines that go off one after another, and four of seven in one case.
pub(crate) const NODES: Part = Part {
    name: "nodes",
    machines: &["home-1", "mini-1", "mini-2", "talos03", "talos06", "talos07", "talos08"],
};
/// What takes long, with no more machines than it needs.
pub(crate) const ENDURANCE: Part = Part {
    name: "endurance",
    machines: &["home-1", "mini-1", "talos03", "talos08"],
};
const PARTS: [Part; 2] = [NODES, ENDURANCE];

/// Cases of node-class. `failures`: where what fails is written down.
pub(crate) fn nodes(part: &Part, place: &Place, words: &[String], failures: Option<&Path>) -> Result<bool> {
    place.on_machines(part.machines, |ready| {
        if let Some(failures) = failures {
            ready.set(FAILURES, failures);
        }
        let arguments = [format!("--part={}", part.name)];
        let passed = ready.run("e2e", &[&arguments, words].concat())?;
        Ok(Outcome { passed, stays: false })
    })
}
