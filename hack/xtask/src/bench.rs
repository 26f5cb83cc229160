//! `cargo xtask bench`: measures an operator against the budgets of the design, on a real API server.
use anyhow::{bail, ensure};

use crate::place::Place;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The operator
    operator: String,
    #[command(flatten)]
    place: Place,
    /// One JSON line per scale
    #[arg(long)]
    json: bool,
    /// The numbers of objects to measure at
    #[arg(long, value_delimiter = ',', default_value = "0,1000,10000")]
    scales: Vec<u32>,
    /// Measure the quicker build of the end-to-end tests instead of the release
    #[arg(long)]
    quick_build: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if args.operator != "dns-sync" {
        bail!("there is no benchmark of {}; known: dns-sync", args.operator);
    }
    let ready = args
        .place
        .prepare(&args.operator, if args.quick_build { "e2e" } else { "release" })?;
    let scales: Vec<String> = args.scales.iter().map(ToString::to_string).collect();
    let mut arguments = vec!["--scales".to_owned(), scales.join(",")];
    if args.json {
        arguments.push("--json".to_owned());
    }
    ensure!(
        ready.run("bench", &arguments)?,
        "a budget was broken, or the measurement failed"
    );
    Ok(())
}
