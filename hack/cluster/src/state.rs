//! The files of a cluster, all in one directory.
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::plan::{AddressPlan, MAX_NODES, check_node_name};
use crate::storage;

/// The node of a cluster that was created without `--nodes`.
const DEFAULT_NODE: &str = "home-1";

/// Options of `up`. What is not given stays as it was.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct UpOptions {
    /// The cluster's machines; adds what is missing, removes what is not listed [default: home-1]
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub nodes: Vec<String>,
    /// `short` notices a lost node after 12 s and evicts its pods 10 s later; `normal` is 40 s and 300 s
    #[arg(long)]
    pub grace: Option<Grace>,
    /// After how much silence a node counts as lost (overrides --grace)
    #[arg(long, value_name = "DURATION")]
    pub node_monitor_grace_period: Option<String>,
    /// How long pods tolerate a lost node (overrides --grace)
    #[arg(long, value_name = "SECONDS")]
    pub default_toleration_seconds: Option<u32>,
    /// How often kube-proxy may rewrite its rules; more is gentler with thousands of Services
    #[arg(long, value_name = "DURATION")]
    pub proxy_min_sync_period: Option<String>,
}

/// Two common sets of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Grace {
    /// As Kubernetes has them by default: 40 s and 300 s.
    Normal,
    /// 12 s and 10 s.
    Short,
}

/// A machine of the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// Its addresses depend on it, so it stays the same as long as the node exists.
    pub(crate) index: u8,
}

/// The desired state of the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) slot: u8,
    pub(crate) nodes: Vec<Node>,
    pub(crate) node_monitor_grace_period: String,
    pub(crate) default_toleration_seconds: u32,
    pub(crate) proxy_min_sync_period: String,
}

impl Settings {
    pub(crate) fn new(slot: u8) -> Self {
        Self {
            slot,
            nodes: Vec::new(),
            node_monitor_grace_period: "40s".into(),
            default_toleration_seconds: 300,
            proxy_min_sync_period: "1s".into(),
        }
    }

    pub(crate) fn addresses(&self) -> AddressPlan {
        AddressPlan { slot: self.slot }
    }

    pub(crate) fn node(&self, name: &str) -> Result<&Node> {
        let found = self.nodes.iter().find(|node| node.name == name);
        let names: Vec<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
        found.with_context(|| format!("there is no node {name}; there are {}", names.join(", ")))
    }

    /// The options of `up` that lead to these settings.
    pub(crate) fn options(&self) -> UpOptions {
        UpOptions {
            nodes: self.nodes.iter().map(|node| node.name.clone()).collect(),
            grace: None,
            node_monitor_grace_period: Some(self.node_monitor_grace_period.clone()),
            default_toleration_seconds: Some(self.default_toleration_seconds),
            proxy_min_sync_period: Some(self.proxy_min_sync_period.clone()),
        }
    }

    /// The settings changed by the options; nodes that stay keep their index.
    pub(crate) fn with(&self, options: &UpOptions) -> Result<Self> {
        let UpOptions {
            nodes,
            grace,
            node_monitor_grace_period,
            default_toleration_seconds,
            proxy_min_sync_period,
        } = options;
        let mut new = self.clone();
        if let Some(grace) = grace {
            let (period, seconds) = if *grace == Grace::Short {
                ("12s", 10)
            } else {
                ("40s", 300)
            };
            (new.node_monitor_grace_period, new.default_toleration_seconds) = (period.into(), seconds);
        }
        if let Some(period) = node_monitor_grace_period {
            crate::plan::seconds(period).with_context(|| format!("{period:?} is no duration like 12s"))?;
            new.node_monitor_grace_period.clone_from(period);
        }
        new.default_toleration_seconds = default_toleration_seconds.unwrap_or(new.default_toleration_seconds);
        if let Some(period) = proxy_min_sync_period {
            crate::plan::seconds(period).with_context(|| format!("{period:?} is no duration like 10s"))?;
            new.proxy_min_sync_period.clone_from(period);
        }
        let default = [DEFAULT_NODE.to_owned()];
        let wanted = if nodes.is_empty() && self.nodes.is_empty() {
            &default[..]
        } else {
            &nodes[..]
        };
        if !wanted.is_empty() {
            new.nodes.retain(|node| wanted.contains(&node.name));
            for name in wanted {
                new.add(name)?;
            }
        }
        Ok(new)
    }

    fn add(&mut self, name: &str) -> Result<()> {
        check_node_name(name)?;
        if self.nodes.iter().any(|node| node.name == name) {
            return Ok(());
        }
        let free = (0..MAX_NODES).find(|index| self.nodes.iter().all(|node| node.index != *index));
        let Some(index) = free else {
            bail!("a cluster has room for {MAX_NODES} nodes")
        };
        self.nodes.push(Node {
            name: name.into(),
            index,
        });
        Ok(())
    }
}

/// The directory of the cluster.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Home(pub(crate) PathBuf);

impl Home {
    /// `$HEARTH_CLUSTER_HOME`, or `hearth/cluster` in the user's state directory.
    pub(crate) fn locate() -> Result<Self> {
        match std::env::var_os("HEARTH_CLUSTER_HOME").filter(|home| !home.is_empty()) {
            Some(home) => Ok(Self(std::path::absolute(home)?)),
            None => Ok(Self(
                storage::user_dir("XDG_STATE_HOME", ".local/state")?.join("cluster"),
            )),
        }
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    pub(crate) fn pki(&self, file: &str) -> PathBuf {
        self.0.join("pki").join(file)
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    pub(crate) fn etcd(&self) -> PathBuf {
        self.0.join("etcd")
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    pub(crate) fn node(&self, name: &str) -> PathBuf {
        self.0.join("nodes").join(name)
    }

    /// Held while the cluster is changed. It is in the cache, because `down` removes the state while others wait.
    pub(crate) fn lock(&self) -> Result<std::fs::File> {
        let name = storage::short_hash([self.0.as_os_str().as_encoded_bytes()]);
        storage::lock(&storage::cache()?.join(format!("cluster-{name}")))
    }

    fn settings(&self) -> PathBuf {
        self.0.join("cluster.json")
    }

    /// `None` when there is no cluster.
    pub(crate) fn load(&self) -> Result<Option<Settings>> {
        match fs::read(self.settings()) {
            Ok(text) => {
                let settings = serde_json::from_slice(&text);
                settings
                    .map(Some)
                    .with_context(|| format!("failed to read {}", self.settings().display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The settings of a cluster that must be there.
    pub(crate) fn existing(&self) -> Result<Settings> {
        self.load()?
            .context("there is no cluster; `cargo xtask cluster up` makes one")
    }

    pub(crate) fn save(&self, settings: &Settings) -> Result<()> {
        fs::create_dir_all(&self.0)?;
        storage::write_whole(&self.settings(), &serde_json::to_vec_pretty(settings)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(settings: &Settings) -> Vec<(&str, u8)> {
        settings
            .nodes
            .iter()
            .map(|node| (node.name.as_str(), node.index))
            .collect()
    }

    fn asking(nodes: &[&str]) -> UpOptions {
        UpOptions {
            nodes: nodes.iter().map(|&name| name.into()).collect(),
            ..UpOptions::default()
        }
    }

    #[test]
    fn a_new_cluster_has_one_node_and_an_old_one_keeps_its_nodes() {
        let first = Settings::new(0).with(&asking(&[])).unwrap();
        assert_eq!(names(&first), [("home-1", 0)]);
        let three = first.with(&asking(&["a", "home-1", "b"])).unwrap();
        assert_eq!(three.with(&asking(&[])).unwrap(), three);
    }

    #[test]
    fn a_node_that_stays_keeps_its_addresses() {
        let three = Settings::new(0).with(&asking(&["a", "b", "c"])).unwrap();
        let changed = three.with(&asking(&["b", "d"])).unwrap();
        assert_eq!(names(&changed), [("b", 1), ("d", 0)]);
    }

    #[test]
    fn the_options_of_a_cluster_restore_its_settings() {
        let two = Settings::new(0).with(&asking(&["home-1", "a"])).unwrap();
        let more = UpOptions {
            grace: Some(Grace::Short),
            ..asking(&["home-1", "a", "b"])
        };
        assert_eq!(two.with(&more).unwrap().with(&two.options()).unwrap(), two);
    }

    #[test]
    fn times_that_are_given_override_the_grace_and_stay() {
        let options = UpOptions {
            grace: Some(Grace::Short),
            default_toleration_seconds: Some(3),
            ..UpOptions::default()
        };
        let short = Settings::new(0).with(&options).unwrap();
        assert_eq!(
            (
                short.node_monitor_grace_period.as_str(),
                short.default_toleration_seconds
            ),
            ("12s", 3)
        );
        assert_eq!(short.with(&UpOptions::default()).unwrap(), short);
        let wrong = UpOptions {
            node_monitor_grace_period: Some("soon".into()),
            ..UpOptions::default()
        };
        assert!(short.with(&wrong).is_err());
    }
}
