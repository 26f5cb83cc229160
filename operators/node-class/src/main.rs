//! The node-class operator.
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use hearth_node_class::args::{Cli, Command};

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(_) | Command::Release(_) => ExitCode::FAILURE,
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
