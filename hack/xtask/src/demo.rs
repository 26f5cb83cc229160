//! `cargo xtask demo`: a story in a few screens on a real cluster.
use anyhow::ensure;

use crate::cluster;
use crate::place::Place;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// Run without pauses, exit non-zero unless everything is as shown, and clean up
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let was_up = args.place.kubeconfig.is_some() || cluster::is_up();
    let ready = args.place.prepare("dns-sync", "e2e")?;
    let arguments = if args.check {
        vec!["--check".to_owned()]
    } else {
        Vec::new()
    };
    let told = ready.run("demo", &arguments)?;
    if args.check && !was_up {
        cluster::down()?;
    }
    ensure!(told, "the demo did not go as it should");
    Ok(())
}
