//! `cargo xtask demo`: the operators' stories, each in a few screens on a real cluster.
use std::io::IsTerminal;

use anyhow::{Result, ensure};

use crate::place::{HOME, Outcome, Place, Ready};
use crate::{cluster, tools};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The operator whose story is told; both, one after the other, unless one is named
    story: Option<Story>,
    #[command(flatten)]
    place: Place,
    /// Run without pauses, exit non-zero unless everything is as shown, and clean up
    #[arg(long)]
    check: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Story {
    DnsSync,
    NodeClass,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let foreign = args.place.kubeconfig.is_some();
    let was_up = foreign || cluster::is_up();
    let mut told = true;
    if args.story != Some(Story::NodeClass) {
        let ready = args.place.prepare("dns-sync", "e2e")?;
        told = dns_sync(&ready, args.check)?;
    }
    if foreign && args.story.is_none() {
        eprintln!("node-class' story is left out: only the local cluster has machines that can be switched off");
    } else if told && args.story != Some(Story::DnsSync) {
        told = node_class(&args.place, args.check)?;
    }
    if args.check && !was_up {
        cluster::down()?;
    }
    ensure!(told, "the demo did not go as it should");
    Ok(())
}

/// Tells dns-sync's story; whether everything was as shown.
pub(crate) fn dns_sync(ready: &Ready, check: bool) -> Result<bool> {
    ready.run("demo", &arguments("dns-sync", check))
}

/// Tells node-class' story, on machines of its own; whether everything was as shown.
pub(crate) fn node_class(place: &Place, check: bool) -> Result<bool> {
    place.on_machines(&HOME, |ready| {
        ready.set("HEARTH_PROMETHEUS", tools::prometheus("prometheus")?);
        let passed = ready.run("demo", &arguments("node-class", check))?;
        // Told to nobody, it takes nothing away.
        let attended = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let cleaned = check || passed && attended;
        Ok(Outcome {
            passed,
            stays: !cleaned,
        })
    })
}

fn arguments(story: &str, check: bool) -> Vec<String> {
    let check = check.then_some("--check");
    [story].into_iter().chain(check).map(str::to_owned).collect()
}
