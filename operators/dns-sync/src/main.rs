//! The dns-sync operator.
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use hearth_dns_sync::args::{Cli, Command};
use hearth_reconciler::start::block_on;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => block_on(hearth_dns_sync::run::run(*args)),
        Command::Crds => {
            let mut out = std::io::stdout().lock();
            let printed = hearth_dns_sync::crd::crds().iter().try_for_each(|crd| {
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
