//! The dns-sync operator.
use std::process::ExitCode;

use clap::Parser;
use hearth_dns_sync::{args::Cli, crd::crds, run::run};

fn main() -> ExitCode {
    Cli::parse().command.execute(&crds(), run)
}
