//! The command line.
use clap::Parser;
use hearth_reconciler::cli::Command;

use crate::source::SourceKind;

/// Publishes the names of a Kubernetes cluster to Route 53.
#[derive(Parser, Debug)]
#[command(name = "dns-sync", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command<Args>,
}

/// Settings of the operator.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// What every operator has.
    #[command(flatten)]
    pub shared: hearth_reconciler::args::Args,
    /// The cluster's name: the owner of records unless a zone names another. Keep it when the cluster is rebuilt
    #[arg(long, env = "HEARTH_CLUSTER_NAME")]
    pub cluster_name: String,
    /// The sources that may be watched
    #[arg(long, env = "HEARTH_SOURCES", value_delimiter = ',', default_value = "services,ingresses,records", value_parser = source)]
    pub sources: Vec<SourceKind>,
    /// What the providers need
    #[command(flatten)]
    pub providers: crate::provider::Settings,
}

fn source(text: &str) -> Result<SourceKind, String> {
    let known = SourceKind::ALL;
    known
        .into_iter()
        .find(|kind| kind.source() == text)
        .ok_or_else(|| format!("unknown source; known are {}", known.map(SourceKind::source).join(", ")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
