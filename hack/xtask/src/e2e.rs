//! `cargo xtask e2e`: the end-to-end tests on a cluster.
use anyhow::ensure;

use crate::cluster;
use crate::place::Place;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// Only the cases that leave the cluster alone (calm), or only those that take its parts away (blackout)
    #[arg(long)]
    part: Option<String>,
    /// Remove the cluster at the end
    #[arg(long)]
    down: bool,
    /// Only cases whose names contain one of these words
    words: Vec<String>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let ready = args.place.prepare("dns-sync", "e2e")?;
    let mut arguments = args.words;
    arguments.extend(args.part.map(|part| format!("--part={part}")));
    if args.place.kubeconfig.is_some() {
        arguments.push("--foreign".to_owned());
    }
    let passed = ready.run("e2e", &arguments)?;
    if args.down && args.place.kubeconfig.is_none() {
        cluster::down()?;
    }
    ensure!(passed, "end-to-end tests failed");
    Ok(())
}
