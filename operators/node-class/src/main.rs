//! The node-class operator.
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use hearth_node_class::args::{Cli, Command};
use hearth_reconciler::start::block_on;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(settings) => block_on(hearth_node_class::run::run(*settings)),
        Command::Release(settings) => block_on(hearth_node_class::release::release(settings)),
        Command::Crds => {
            let mut out = std::io::stdout().lock();
            let printed = hearth_node_class::crd::crds().iter().try_for_each(|crd| {
                serde_json::to_writer_pretty(&mut out, crd).map_err(std::io::Error::from)?;
                writeln!(out)
            });
            if printed.is_ok() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
