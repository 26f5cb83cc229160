//! `cargo xtask e2e`: the end-to-end tests on a cluster.
use anyhow::ensure;

use crate::place::Place;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// Only cases whose names contain one of these words
    words: Vec<String>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let ready = args.place.prepare("dns-sync", "e2e")?;
    let mut arguments = args.words;
    if args.place.kubeconfig.is_some() {
        arguments.push("--foreign".to_owned());
    }
    ensure!(ready.run("e2e", &arguments)?, "end-to-end tests failed");
    Ok(())
}
