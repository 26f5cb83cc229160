//! The secret-sync operator.
use std::process::ExitCode;

use clap::Parser;
use hearth_secret_sync::args::Cli;
use hearth_secret_sync::crd::crds;
use hearth_secret_sync::run::run;

fn main() -> ExitCode {
    Cli::parse().command.execute(&crds(), run)
}
