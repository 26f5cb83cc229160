//! The backup-scheduler operator, and the mover of its Jobs.
use std::process::ExitCode;

use clap::Parser as _;
use hearth_backup_scheduler::args::{Cli, Commands};
use hearth_backup_scheduler::crd::crds;
use hearth_backup_scheduler::mover;
use hearth_backup_scheduler::run::run;

fn main() -> ExitCode {
    match Cli::parse().command {
        Commands::Operator(command) => command.execute(&crds(), run),
        Commands::Move(places) => mover::start(&places),
    }
}
