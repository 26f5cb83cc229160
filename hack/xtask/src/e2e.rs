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
    /// node-class that switch nodes (nodes) or take long (endurance); several with commas. All of them without this and
    /// without words; with words alone, those of dns-sync
    #[arg(long, value_delimiter = ',')]
    part: Vec<String>,
    /// Remove the cluster at the end
    #[arg(long)]
    down: bool,
    /// Only cases whose names contain one of these words
    words: Vec<String>,
}

/// Names a file in which the `e2e` program writes down what failed.
pub(crate) const FAILURES: &str = "HEARTH_E2E_FAILURES";

pub(crate) fn run(args: &Args) -> Result<()> {
    let foreign = args.place.kubeconfig.is_some();
    let all = args.part.is_empty() && args.words.is_empty() && !foreign;
    let (of_nodes, of_dns): (Vec<&String>, Vec<&String>) = args
        .part
        .iter()
        .partition(|name| PARTS.iter().any(|part| part.name == name.as_str()));
    let mut passed = true;
    if args.part.is_empty() || !of_dns.is_empty() {
        let ready = args.place.prepare("dns-sync", "e2e")?;
        let parts: Vec<String> = of_dns.iter().map(|part| format!("--part={part}")).collect();
        let foreign = foreign.then(|| "--foreign".to_owned());
        for part in parts.into_iter().map(Some).chain(args.part.is_empty().then_some(None)) {
            let arguments: Vec<String> = args.words.iter().cloned().chain(part).chain(foreign.clone()).collect();
            passed &= ready.run("e2e", &arguments)?;
        }
    }
    for part in &PARTS {
        if all || of_nodes.iter().any(|name| *name == part.name) {
            passed &= nodes(part, &args.place, &args.words, None)?;
        }
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
