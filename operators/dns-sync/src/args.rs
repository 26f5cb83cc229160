//! The command line.
use clap::Parser;
use hearth_reconciler::cli::Command;
use hearth_reconciler::rate_limit::Rate;

use crate::source::SourceKind;

/// Publishes the names of a Kubernetes cluster to Route 53.
#[derive(Parser, Debug)]
#[command(name = "dns-sync", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command<Args>,
}

/// Route 53 documents 5 requests per second and account; newer pages name 10 with a burst of 50
/// (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>). The account is shared with other
/// tools, so the default stays at the old figure.
const DEFAULT_RATE: Rate = Rate {
    per_second: 5.0,
    burst: 10.0,
};

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
    /// The region for zones that name none; EKS sets it where web identities are used
    #[arg(long, env = "AWS_REGION")]
    pub aws_region: Option<String>,
    /// Route 53 calls per second and account
    #[arg(long, env = "HEARTH_ROUTE53_RATE", default_value_t = DEFAULT_RATE.per_second)]
    pub route53_rate: f64,
    /// Route 53 calls at once after a quiet time, per account
    #[arg(long, env = "HEARTH_ROUTE53_BURST", default_value_t = DEFAULT_RATE.burst)]
    pub route53_burst: f64,
}

fn source(text: &str) -> Result<SourceKind, String> {
    let known = SourceKind::ALL;
    known
        .into_iter()
        .find(|kind| kind.source() == text)
        .ok_or_else(|| format!("unknown source; known are {}", known.map(SourceKind::source).join(", ")))
}

impl Args {
    /// The region for zones that name none.
    pub fn region(&self) -> Option<&str> {
        self.aws_region.as_deref().filter(|region| !region.is_empty())
    }

    /// The limiter's rate, kept sensible.
    pub fn rate(&self) -> Rate {
        Rate {
            per_second: self.route53_rate.clamp(0.1, 100.0),
            burst: self.route53_burst.clamp(1.0, 1000.0),
        }
    }
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
