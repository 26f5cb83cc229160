//! The command line.
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use hearth_cron::time_zone;
use hearth_reconciler::{cli, duration};
use jiff::tz::TimeZone;

/// Classifies volatile nodes, learns their habits and makes switching them off safe.
#[derive(Parser, Debug)]
#[command(name = "node-class", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// `run`, `crds` and `ready`
    #[command(flatten)]
    Shared(cli::Command<Settings>),
    /// Take everything off the nodes that this operator put there, before an uninstall
    Release(Release),
}

/// Settings of `release`.
#[derive(clap::Args, Debug, Clone)]
pub struct Release {
    /// The Deployment of the operator in `--namespace`: it is scaled to nothing first, or it would put everything back
    #[arg(long, env = "HEARTH_DEPLOYMENT", requires = "namespace")]
    pub deployment: Option<String>,
    /// The operator's namespace
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: Option<String>,
    /// Say what would be taken off, and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Settings of the operator.
#[derive(clap::Args, Debug, Clone)]
pub struct Settings {
    /// What every operator has.
    #[command(flatten)]
    pub shared: hearth_reconciler::args::Args,
    /// The cluster's name; in metrics and messages
    #[arg(long, env = "HEARTH_CLUSTER_NAME")]
    pub cluster_name: String,
    /// The time zone of windows without a time zone
    #[arg(long, env = "HEARTH_TIME_ZONE", default_value = "UTC", value_parser = time_zone)]
    pub time_zone: TimeZone,
    /// What the operator may do, beside labels and taints: drain, failover, workloads; empty for nothing else
    #[arg(long, env = "HEARTH_FEATURES", default_value = "drain,failover,workloads", value_parser = features)]
    pub features: Features,
    /// Create the classes `volatile` and `steady` where they are missing
    #[arg(long, env = "HEARTH_CREATE_CLASSES", default_value_t = true, action = clap::ArgAction::Set)]
    pub create_classes: bool,
    /// When a silent node counts as down, and when anything is judged at all
    #[command(flatten)]
    pub timing: Timing,
    /// When a node is learned to be volatile or always on
    #[command(flatten)]
    pub learning: Learning,
}

/// The parts that are on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features(pub Vec<Feature>);

fn features(text: &str) -> Result<Features, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| Feature::from_str(name, true))
        .collect::<Result<_, _>>()
        .map(Features)
}

/// Parts that can be switched off, with their permissions.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Emptying a host on request.
    Drain,
    /// The out-of-service taint.
    Failover,
    /// Looking at pods and volumes for what lives only on volatile nodes.
    Workloads,
}

/// Times of liveness. Every duration is measured on the operator's own monotonic clock.
#[derive(clap::Args, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A lease that is silent for this long makes a node down, once the Ready condition agrees. Twice as long without
    #[arg(long, env = "HEARTH_GRACE", default_value = "40s", value_parser = duration::parse)]
    pub grace: Duration,
    /// Silence of all leases beyond this means that nothing can be seen, not that all are down
    #[arg(long, env = "HEARTH_BLIND_AFTER", default_value = "20s", value_parser = duration::parse)]
    pub blind_after: Duration,
    /// For so long after a start, once it sees clearly, nothing is taken off nodes
    #[arg(long, env = "HEARTH_SETTLE", default_value = "1m", value_parser = duration::parse)]
    pub settle: Duration,
    /// How often the history is written when nothing happens
    #[arg(long, env = "HEARTH_CHECKPOINT", default_value = "30m", value_parser = duration::parse)]
    pub checkpoint: Duration,
    /// A node that boots and is back within this time has rebooted; later it was off
    #[arg(long, env = "HEARTH_REBOOT_WITHIN", default_value = "10m", value_parser = duration::parse)]
    pub reboot_within: Duration,
    /// A clean shutdown proves that a machine is off only after this time (it might be a reboot)
    #[arg(long, env = "HEARTH_CLEAN_OFF_AFTER", default_value = "5m", value_parser = duration::parse)]
    pub clean_off_after: Duration,
}

/// Thresholds of learning.
#[derive(clap::Args, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Learning {
    /// Known time before a node can be learned to be volatile
    #[arg(long, env = "HEARTH_LEARN_COVERAGE", default_value = "3d", value_parser = duration::parse)]
    pub coverage: Duration,
    /// Known time without trouble before a node is learned to be always on
    #[arg(long, env = "HEARTH_LEARN_CALM", default_value = "14d", value_parser = duration::parse)]
    pub calm: Duration,
    /// How long a verdict stays at least
    #[arg(long, env = "HEARTH_LEARN_DWELL", default_value = "24h", value_parser = duration::parse)]
    pub dwell: Duration,
}

#[cfg(test)]
mod tests;
