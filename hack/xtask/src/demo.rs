//! `cargo xtask demo`: each operator's demo, in a few screens on a real cluster.
use std::io::IsTerminal;

use anyhow::{Result, ensure};

use crate::operators::{self, OPERATORS, Operator};
use crate::target::{Outcome, Target, build_and_pack};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The operator whose demo is run; all, one after the other, unless one is named
    #[arg(value_parser = operators::names())]
    operator: Option<String>,
    #[command(flatten)]
    target: Target,
    /// Run without pauses, exit non-zero unless everything is as shown, and clean up
    #[arg(long)]
    check: bool,
    /// Use the programs and images that are built already
    #[arg(long)]
    no_build: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let foreign = args.target.is_foreign();
    let was_up = foreign || hearth_cluster::is_up();
    let mut chosen: Vec<&Operator> = match &args.operator {
        Some(name) => vec![operators::find(name)?],
        None => OPERATORS.iter().collect(),
    };
    if foreign && args.operator.is_none() {
        chosen.retain(|operator| {
            let possible = operator.demo_machines.is_empty();
            if !possible {
                eprintln!(
                    "the demo of {} is left out: only the local cluster has machines that can be switched off",
                    operator.name
                );
            }
            possible
        });
    }
    if !args.no_build {
        build_and_pack(&chosen)?;
    }
    let mut passed = true;
    for operator in chosen {
        passed = passed && show(operator, &args.target, args.check)?;
    }
    if args.check && !was_up {
        hearth_cluster::down()?;
    }
    ensure!(passed, "the demo failed");
    Ok(())
}

/// Runs the demo of an operator; whether everything was as shown.
fn show(operator: &Operator, target: &Target, check: bool) -> Result<bool> {
    let mut arguments = vec![operator.name.to_owned()];
    arguments.extend(check.then(|| "--check".to_owned()));
    target.run_on(operator, operator.demo_machines, |ready| {
        let passed = ready.run("demo", &arguments)?;
        // Without a terminal, it removes nothing unless it was asked to.
        let attended = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let cleaned = check || passed && attended;
        Ok(Outcome {
            passed,
            stays: !cleaned,
        })
    })
}
