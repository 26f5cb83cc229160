//! What is on the nodes, from a watch.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::{Node as NodeObject, Taint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::watcher::Config;
use kube::{Api, Client, ResourceExt};
use serde::{Deserialize, Serialize};

use super::node::{Declared, MARK, Node};
use crate::bench::watched::Watched;

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
pub(crate) struct WatchedNodes(Watched<Seen>);

impl WatchedNodes {
    pub(crate) fn start(client: &Client) -> Self {
        let api: Api<Slim> = Api::all(client.clone());
        Self(Watched::start(api, Config::default().labels(MARK), Seen::of))
    }

    /// Waits until it is so for each of these nodes; fails with how many there are.
    pub(crate) async fn until(
        &self,
        what: &str,
        nodes: impl Iterator<Item = Node>,
        limit: Duration,
        so: impl Fn(Node, &Seen) -> bool,
    ) -> Result<()> {
        let nodes = nodes.map(|node| (node.name(), node));
        self.0.until(what, nodes, limit, |node, seen| so(*node, seen)).await
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
