//! The command line.
use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Parser;
use hearth_reconciler::cli::Command;

use crate::source::settings::Installed;

/// Copies secrets from Vault and Azure Key Vault into Kubernetes Secrets and keeps them there.
#[derive(Parser, Debug)]
#[command(name = "secret-sync", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command<Args>,
}

/// Settings of the operator.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// What every operator has. `--watch-namespaces` limits where Secrets are written; SecretSyncs are read everywhere.
    #[command(flatten)]
    pub shared: hearth_reconciler::args::Args,
    /// The cluster's name
    #[arg(long, env = "HEARTH_CLUSTER_NAME")]
    pub cluster_name: String,
    /// A token of the operator's ServiceAccount for an audience, as AUDIENCE=FILE; several times
    #[arg(long = "token", value_name = "AUDIENCE=FILE", value_parser = token)]
    pub tokens: Vec<(String, PathBuf)>,
    /// Hosts of Key Vaults that are not under their cloud's suffix, comma-separated: `host` or `host:port`
    #[arg(long, env = "HEARTH_ALLOWED_HOSTS", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,
}

fn token(text: &str) -> Result<(String, PathBuf), String> {
    // An audience may contain `=`, a path of a projected token does not.
    let (audience, file) = text.rsplit_once('=').ok_or("must be AUDIENCE=FILE")?;
    if audience.is_empty() || file.is_empty() {
        return Err("must be AUDIENCE=FILE".to_owned());
    }
    Ok((audience.to_owned(), file.into()))
}

impl Args {
    /// What sources may use.
    pub fn installed(&self) -> Installed {
        let hosts = self.allowed_hosts.iter().map(|host| host.trim().to_ascii_lowercase());
        Installed {
            tokens: self.tokens.iter().cloned().collect::<BTreeMap<_, _>>(),
            allowed_hosts: hosts.filter(|host| !host.is_empty()).collect(),
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

    #[test]
    fn an_audience_may_be_a_url() {
        assert_eq!(
            token("https://vault/?a=b=/var/run/t").unwrap(),
            ("https://vault/?a=b".to_owned(), PathBuf::from("/var/run/t"))
        );
        assert!(token("vault").is_err() && token("=x").is_err() && token("x=").is_err());
    }
}
