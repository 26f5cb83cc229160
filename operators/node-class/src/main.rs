//! The node-class operator.
use std::process::ExitCode;

use clap::Parser;
use hearth_node_class::args::{Cli, Command};
use hearth_node_class::{crd::crds, release::release, run::run};
use hearth_reconciler::start::block_on;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Shared(command) => command.execute(&crds(), run),
        Command::Release(settings) => block_on(release(settings)),
    }
}
