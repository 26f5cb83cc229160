//! `cargo xtask bench`: measures an operator against the budgets of the design, on a real API server.
use anyhow::ensure;

use crate::place::Place;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The operator
    #[arg(value_parser = ["dns-sync", "node-class"])]
    operator: String,
    #[command(flatten)]
    place: Place,
    /// One JSON line per scale
    #[arg(long)]
    json: bool,
    /// The numbers of objects to measure at: Services of dns-sync (0,1000,10000 unless given), nodes of node-class (0,20,1000)
    #[arg(long, value_delimiter = ',')]
    scales: Vec<u32>,
    /// Measure the quicker build of the end-to-end tests instead of the release
    #[arg(long)]
    quick_build: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let ready = args
        .place
        .prepare(&args.operator, if args.quick_build { "e2e" } else { "release" })?;
    let scales: Vec<String> = args.scales.iter().map(ToString::to_string).collect();
    let mut arguments = vec![args.operator.clone()];
    if !scales.is_empty() {
        arguments.extend(["--scales".to_owned(), scales.join(",")]);
    }
    if args.json {
        arguments.push("--json".to_owned());
    }
    ensure!(
        ready.run("bench", &arguments)?,
        "a budget was broken, or the measurement failed"
    );
    Ok(())
}
