//! The command line.
use clap::Parser;
use hearth_reconciler::cli::Command;

use crate::mover::Places;

/// Backs up volumes to S3 with restic, and restores them.
#[derive(Parser, Debug)]
#[command(name = "backup-scheduler", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Commands,
}

/// What to do.
#[derive(clap::Subcommand, Debug)]
pub enum Commands {
    /// What every operator has.
    #[command(flatten)]
    Operator(Command<Args>),
    /// Do the work of one Job: back up or restore a volume
    Move(Places),
}

/// Settings of the operator.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// What every operator has.
    #[command(flatten)]
    pub shared: hearth_reconciler::args::Args,
    /// The cluster's name: the host of snapshots, and the owner of what is in buckets
    #[arg(long, env = "HEARTH_CLUSTER_NAME")]
    pub cluster_name: String,
    /// The image of movers, which is the operator's own
    #[arg(long, env = "HEARTH_IMAGE")]
    pub image: String,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        let operator = [
            "backup-scheduler",
            "run",
            "--namespace",
            "h",
            "--cluster-name",
            "attic",
            "--image",
            "i",
        ];
        assert!(matches!(Cli::parse_from(operator).command, Commands::Operator(_)));
        assert!(matches!(
            Cli::parse_from(["backup-scheduler", "move"]).command,
            Commands::Move(_)
        ));
    }
}
