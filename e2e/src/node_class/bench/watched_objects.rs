//! What is on the nodes, from a watch.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Node as NodeObject, Taint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, ResourceExt};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::node::{Declared, MARK, Node};

/// What of a Node is read: a thousand of them with their images, again and again, would keep this machine busy.
#[derive(kube::Resource, Serialize, Deserialize, Clone, Debug)]
#[resource(inherit = NodeObject)]
struct Slim {
    metadata: ObjectMeta,
    spec: Option<SlimSpec>,
}

#[derive(Serialize, Deserialize, Clone, Debug)]
struct SlimSpec {
    taints: Option<Vec<Taint>>,
}

/// What is compared of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    labels: BTreeMap<String, String>,
    taints: BTreeSet<String>,
}

/// A watch of our nodes, until it is dropped.
pub(crate) struct WatchedNodes {
    task: JoinHandle<()>,
    seen: watch::Receiver<BTreeMap<String, Seen>>,
}

impl WatchedNodes {
    pub(crate) fn start(client: &Client) -> Self {
        let (sender, seen) = watch::channel(BTreeMap::new());
        let api: Api<Slim> = Api::all(client.clone());
        let task = tokio::spawn(async move {
            let mut events = watcher(api, Config::default().labels(MARK)).boxed();
            while let Some(event) = events.next().await {
                let (node, there) = match &event {
                    Ok(Event::Apply(node) | Event::InitApply(node)) => (node, true),
                    Ok(Event::Delete(node)) => (node, false),
                    // What fails is tried again.
                    Ok(Event::Init | Event::InitDone) | Err(_) => continue,
                };
                let (name, now) = (node.name_any(), there.then(|| Seen::of(node)));
                sender.send_if_modified(|all| {
                    let before = match now {
                        Some(ref now) if all.get(&name) == Some(now) => return false,
                        Some(now) => all.insert(name, now),
                        None => all.remove(&name),
                    };
                    drop(before);
                    true
                });
            }
        });
        Self { task, seen }
    }

    /// Waits until it is so for each of these nodes; fails with how many there are.
    pub(crate) async fn until(
        &self,
        what: &str,
        nodes: impl Iterator<Item = Node>,
        limit: Duration,
        so: impl Fn(Node, &Seen) -> bool,
    ) -> Result<()> {
        let nodes: Vec<(Node, String)> = nodes.map(|node| (node, node.name())).collect();
        let is = |all: &BTreeMap<String, Seen>, (node, name): &(Node, String)| {
            all.get(name).is_some_and(|seen| so(*node, seen))
        };
        let mut seen = self.seen.clone();
        let all = seen.wait_for(|all| nodes.iter().all(|node| is(all, node)));
        let come = tokio::time::timeout(limit, all).await.is_ok_and(|come| come.is_ok());
        if come {
            return Ok(());
        }
        let all = self.seen.borrow();
        let missing = nodes.iter().find(|node| !is(&all, node));
        let (_, name) = missing.context("the watch has ended")?;
        let so_many = nodes.iter().filter(|node| is(&all, node)).count();
        anyhow::bail!(
            "timed out after {limit:?}: {what}; of {} nodes {so_many} are so, but {name} is {:?}",
            nodes.len(),
            all.get(name)
        )
    }
}

impl Drop for WatchedNodes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seen {
    fn of(node: &Slim) -> Self {
        let taints = node
            .spec
            .as_ref()
            .and_then(|spec| spec.taints.as_deref())
            .unwrap_or_default();
        Self {
            labels: node.labels().clone(),
            taints: taints.iter().map(|taint| taint.key.clone()).collect(),
        }
    }

    /// Kubernetes takes it for a node that works.
    pub(crate) fn is_accepted(&self) -> bool {
        self.taints.iter().all(|key| key == MARK)
    }

    pub(crate) fn availability(&self) -> Option<&str> {
        self.labels
            .get("nodes.hearth.home.arpa/availability")
            .map(String::as_str)
    }

    /// Everything is on it that the operator and its two ready-made classes put there: labels and, of a volatile one, the taint.
    pub(crate) fn is_classified(&self, node: Node) -> bool {
        let declared = node.host().declared();
        let host = if declared == Declared::Undeclared {
            node.name()
        } else {
            node.host().name()
        };
        let (volatile, steady) = (declared == Declared::Volatile, declared == Declared::AlwaysOn);
        self.labels.get("nodes.hearth.home.arpa/host") == Some(&host)
            && self.availability() == Some(declared.availability())
            && self.labels.contains_key("hearth.home.arpa/steady") == steady
            && self.labels.contains_key("node.kubernetes.io/exclude-disruption") == volatile
            && self.taints.contains("nodes.hearth.home.arpa/volatile") == volatile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(labels: &[(&str, &str)], taints: &[&str]) -> Seen {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Seen {
            labels: labels.iter().map(pair).collect(),
            taints: taints.iter().map(|key| (*key).to_owned()).collect(),
        }
    }

    #[test]
    fn a_volatile_node_is_classified_with_its_taint_only() {
        let labels = [
            ("nodes.hearth.home.arpa/host", "hearth-bench-host-000"),
            ("nodes.hearth.home.arpa/availability", "Volatile"),
            ("node.kubernetes.io/exclude-disruption", ""),
        ];
        let taint = "nodes.hearth.home.arpa/volatile";
        assert!(seen(&labels, &[taint]).is_classified(Node(0)));
        assert!(!seen(&labels, &[]).is_classified(Node(0)));
        assert!(!seen(&labels[..2], &[taint]).is_classified(Node(0)));
        assert!(!seen(&labels, &[taint]).is_classified(Node(4)), "that one is always on");
    }

    #[test]
    fn a_node_with_a_taint_of_kubernetes_is_not_accepted_yet() {
        assert!(seen(&[], &[MARK]).is_accepted());
        assert!(!seen(&[], &[MARK, "node.kubernetes.io/not-ready"]).is_accepted());
    }
}
