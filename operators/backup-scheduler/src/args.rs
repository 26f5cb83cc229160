//! The command line.
use clap::Parser;
use hearth_reconciler::cli::Command;

use crate::mover::Places;
use crate::plan::pod::PodSettings;

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
    /// The pods of movers.
    #[command(flatten)]
    pub movers: MoverArgs,
    /// So many movers of runs are at work in the cluster at the same time
    #[arg(long, env = "HEARTH_MOVERS_CONCURRENCY", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    pub movers_concurrency: u16,
    /// Where movers reach this process to post their progress, such as `http://backup-scheduler.backups.svc:8082/progress`; none: they do not
    #[arg(long, env = "HEARTH_PROGRESS_URL")]
    pub progress_url: Option<String>,
    /// The address at which posts of movers are taken
    #[arg(long, env = "HEARTH_PROGRESS_ADDRESS", default_value = "[::]:8082")]
    pub progress_address: std::net::SocketAddr,
    /// The `ServiceAccount` in the operator's namespace that may read all API objects; none: they are not backed up
    #[arg(long, env = "HEARTH_EXPORTER_ACCOUNT")]
    pub exporter_account: Option<String>,
    /// The `ServiceAccount` in the operator's namespace that may write all API objects; none: they are not restored
    #[arg(long, env = "HEARTH_RESTORER_ACCOUNT")]
    pub restorer_account: Option<String>,
}

/// Settings of the pods of movers.
#[derive(clap::Args, Debug, Clone)]
pub struct MoverArgs {
    /// The image of movers, which is the operator's own
    #[arg(long, env = "HEARTH_IMAGE")]
    pub image: String,
    /// When movers pull the image: Always, `IfNotPresent` or Never
    #[arg(long, env = "HEARTH_IMAGE_PULL_POLICY")]
    pub image_pull_policy: Option<String>,
    /// Secrets with a login at the image's registry, by name; each is used in the namespaces that have it
    #[arg(long, env = "HEARTH_IMAGE_PULL_SECRETS", value_delimiter = ',')]
    pub image_pull_secrets: Vec<String>,
    /// The architectures of the image: movers run only on such nodes
    #[arg(long, env = "HEARTH_IMAGE_ARCHITECTURES", value_delimiter = ',')]
    pub image_architectures: Vec<String>,
    /// The priority class of movers
    #[arg(long, env = "HEARTH_MOVER_PRIORITY_CLASS")]
    pub mover_priority_class: Option<String>,
}

impl From<MoverArgs> for PodSettings {
    fn from(args: MoverArgs) -> Self {
        // A variable that is set to nothing is one empty value.
        let named = |names: Vec<String>| names.into_iter().filter(|name| !name.is_empty()).collect();
        Self {
            image: args.image,
            pull_policy: args.image_pull_policy.filter(|policy| !policy.is_empty()),
            pull_secrets: named(args.image_pull_secrets),
            architectures: named(args.image_architectures),
            priority_class: args.mover_priority_class.filter(|class| !class.is_empty()),
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
        let empty = [
            "--image-pull-policy=",
            "--image-pull-secrets=",
            "--image-architectures=",
            "--mover-priority-class=",
        ];
        let more = ["--image-pull-secrets=a,b", "--image-architectures=amd64,arm64"];
        let settings = |more: &[&str]| match Cli::parse_from([&operator, more].concat()).command {
            Commands::Operator(Command::Run(args)) => PodSettings::from(args.movers),
            other => panic!("{other:?}"),
        };
        let plain = PodSettings {
            image: "i".to_owned(),
            ..PodSettings::default()
        };
        assert_eq!((settings(&[]), settings(&empty)), (plain.clone(), plain));
        let settings = settings(&more);
        assert_eq!(settings.pull_secrets, ["a", "b"]);
        assert_eq!(settings.architectures, ["amd64", "arm64"]);
        assert!(matches!(
            Cli::parse_from(["backup-scheduler", "move"]).command,
            Commands::Move(_)
        ));
    }
}
