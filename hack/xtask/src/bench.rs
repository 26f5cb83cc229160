//! `cargo xtask bench`: measures an operator against the budgets of the design, on a real API server.
use anyhow::{Result, ensure};
use hearth_cluster::UpOptions;
use hearth_cluster::arch::Arch;

use crate::build::{self, Profile};
use crate::target::{Target, build_and_pack};
use crate::{image, operators};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The operator
    #[arg(value_parser = operators::names())]
    operator: String,
    #[command(flatten)]
    target: Target,
    /// One JSON line per scale
    #[arg(long)]
    json: bool,
    /// The numbers of objects to measure at: Services for dns-sync, nodes for node-class, SecretSyncs for
    /// secret-sync [default: those of the budgets]
    #[arg(long, value_delimiter = ',')]
    scales: Vec<u32>,
    /// Measure the quicker build of the end-to-end tests instead of the release
    #[arg(long)]
    quick_build: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let operator = operators::find(&args.operator)?;
    build_and_pack(&[operator])?;
    let mut profile = Profile::Dev;
    if !args.quick_build {
        profile = Profile::Release;
        let arch = Arch::host()?;
        build::operators(&[operator], &[arch], profile)?;
        image::pack(operator, &[arch], profile)?;
    }
    let ready = args.target.prepare(operator, profile, &UpOptions::default())?;
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
