//! `cargo xtask e2e`: the end-to-end tests on a cluster.
use anyhow::{Result, ensure};

use crate::cluster;
use crate::place::Place;

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
        passed &= nodes(part, &args.place, &args.words)?;
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
    /// `home-1` is there anyway, the small ones stay on, the others are those of desktops.
    machines: &'static [&'static str],
}

/// Machines that go off one after another, and all in one case.
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

/// Cases of node-class. They need more machines and shorter times than others; the cluster gets its own back.
fn nodes(part: &Part, place: &Place, words: &[String]) -> Result<bool> {
    ensure!(
        place.kubeconfig.is_none(),
        "the cases of node-class switch machines off and on, which only the local cluster can: run them without --kubeconfig"
    );
    let before = cluster::shape()?;
    cluster::up(&cluster::UpOptions {
        nodes: part.machines.iter().map(|name| (*name).to_owned()).collect(),
        grace: Some(cluster::Grace::Short),
        ..cluster::UpOptions::default()
    })?;
    let ready = place.prepare("node-class", "e2e")?;
    let arguments = [format!("--part={}", part.name)];
    let passed = ready.run("e2e", &[&arguments, words].concat());
    if let Some(before) = before {
        cluster::up(&before)?;
    }
    passed
}
