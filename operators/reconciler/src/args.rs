//! The arguments that every operator takes. Flatten [`Args`] into the operator's own with `#[command(flatten)]`.

use std::{collections::BTreeSet, net::SocketAddr};

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource};

/// Arguments of the `run` command of every operator.
#[derive(clap::Args, Debug, Clone)]
#[group(skip)] // its name would be that of the operator's own `Args`
pub struct Args {
    /// How log lines look.
    #[arg(long, env = "HEARTH_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What is logged: a level, or directives such as `info,kube=debug`.
    #[arg(long, env = "HEARTH_LOG_LEVEL", default_value = "info")]
    pub log_level: String,
    /// Where /metrics, /livez and /readyz are served. `[::]` becomes 0.0.0.0 where IPv6 is off.
    #[arg(long, env = "HEARTH_LISTEN", default_value = "[::]:8080")]
    pub listen: SocketAddr,
    /// The operator's own namespace: its lease and the Secrets of cluster-scoped objects are here.
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: String,
    /// The name of this pod, the readable part of its identity in the lease.
    #[arg(long, env = "POD_NAME", default_value = "local")]
    pub pod_name: String,
    /// Namespaces to watch, comma-separated; none means all.
    #[arg(long, env = "HEARTH_WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
    /// Whether to wait for the leader lease before changing anything.
    #[arg(long, env = "HEARTH_LEADER_ELECT", default_value_t = true, action = clap::ArgAction::Set)]
    pub leader_elect: bool,
    /// How many objects of one kind are reconciled at the same time.
    #[arg(long, env = "HEARTH_CONCURRENCY", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
}

impl Args {
    /// The namespaces that this operator watches, each once, in order; empty means all.
    pub fn namespaces(&self) -> Vec<String> {
        let namespaces = self.watch_namespaces.iter().map(|name| name.trim());
        let namespaces: BTreeSet<&str> = namespaces.filter(|name| !name.is_empty()).collect();
        namespaces.into_iter().map(str::to_owned).collect()
    }

    /// The APIs of a namespaced type in the watched namespaces: one for all, or one for each of [`Args::namespaces`].
    pub fn apis<K>(&self, client: &Client) -> Vec<Api<K>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let namespaces = self.namespaces();
        if namespaces.is_empty() {
            return vec![Api::all(client.clone())];
        }
        let apis = namespaces.iter().map(|name| Api::namespaced(client.clone(), name));
        apis.collect()
    }
}

/// How log lines look.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One readable line for each event.
    Text,
    /// One JSON object for each event.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_defaults_are_those_of_the_chart() {
        let args = Command::try_parse_from(["op", "--namespace", "hearth"]).unwrap().args;
        assert_eq!(args.listen.to_string(), "[::]:8080");
        assert_eq!(
            (args.leader_elect, args.concurrency, args.log_format),
            (true, 4, LogFormat::Text)
        );
        assert!(args.watch_namespaces.is_empty());
    }

    #[test]
    fn lists_switches_and_bounds_are_understood() {
        let given = [
            "op",
            "--namespace",
            "n",
            "--watch-namespaces",
            "a,b",
            "--leader-elect",
            "false",
            "--log-format",
            "json",
        ];
        let args = Command::try_parse_from(given).unwrap().args;
        assert_eq!(args.watch_namespaces, ["a", "b"]);
        assert_eq!((args.leader_elect, args.log_format), (false, LogFormat::Json));
        assert!(Command::try_parse_from(["op", "--namespace", "n", "--concurrency", "0"]).is_err());
    }

    #[test]
    fn a_namespace_that_is_given_twice_is_watched_once() {
        let given = ["op", "--namespace", "n", "--watch-namespaces", "b, a,,b"];
        let args = Command::try_parse_from(given).unwrap().args;
        assert_eq!(args.namespaces(), ["a", "b"]);
    }
}
