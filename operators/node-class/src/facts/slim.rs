//! What watches read of a Node, its lease and its history, and how it is reduced. A Node has 10 to 20 kB, of which a few hundred bytes matter.
use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, NodeCondition, NodeSpec, NodeSystemInfo};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use serde::{Deserialize, Serialize};

use super::{Managers, NodeFacts};
use crate::crd::NodeHistory;

/// What a watch reads of a Node.
#[derive(kube::Resource, Serialize, Deserialize, Clone, Debug, Default)]
#[resource(inherit = Node)]
#[serde(default)]
pub struct SlimNode {
    pub metadata: ObjectMeta,
    pub spec: Option<Box<NodeSpec>>,
    pub status: Option<Box<SlimNodeStatus>>,
    /// Who manages which label and annotation; from managedFields, which are not kept.
    #[serde(skip)]
    pub managers: Managers,
    /// What is kept in place of all that, after [`reduce`]; without a version.
    #[serde(skip)]
    pub facts: Arc<NodeFacts>,
}

/// Of the status: without the images and the volumes, which are most of it.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct SlimNodeStatus {
    pub conditions: Option<Vec<NodeCondition>>,
    pub node_info: Option<NodeSystemInfo>,
    pub capacity: Option<BTreeMap<String, Quantity>>,
    pub allocatable: Option<BTreeMap<String, Quantity>>,
}

/// For a watch's slimming step: nothing is kept but the object's identity and its facts.
pub fn reduce(node: &mut SlimNode) {
    slim(node);
    node.facts = Arc::new(NodeFacts {
        // Every heartbeat brings a new one.
        resource_version: String::new(),
        ..NodeFacts::of(node)
    });
    (node.spec, node.status, node.managers) = (None, None, Managers::default());
    node.metadata = ObjectMeta {
        name: node.metadata.name.take(),
        uid: node.metadata.uid.take(),
        resource_version: node.metadata.resource_version.take(),
        ..ObjectMeta::default()
    };
}

impl SlimNode {
    /// The facts with the version that they are of.
    pub fn versioned(&self) -> NodeFacts {
        NodeFacts {
            resource_version: self.metadata.resource_version.clone().unwrap_or_default(),
            ..NodeFacts::clone(&self.facts)
        }
    }
}

/// Reads the managers. For a watch's slimming step, before managedFields are dropped.
pub fn slim(node: &mut SlimNode) {
    node.managers = Managers::of(node.metadata.managed_fields.as_deref().unwrap_or_default());
    let annotations = node.metadata.annotations.get_or_insert_default();
    annotations.retain(|key, _| matters(key) || node.managers.our_annotations.contains(key.as_str()));
    let conditions = node.status.as_mut().and_then(|status| status.conditions.as_mut());
    if let Some(conditions) = conditions {
        conditions.retain(|one| one.type_ == "Ready");
        conditions.shrink_to_fit();
    }
}

/// Annotations of others that decide something; all else is dropped.
fn matters(key: &str) -> bool {
    key.starts_with("nodes.hearth.home.arpa/") || key.starts_with("talos.dev/")
}

/// What a watch reads of a node's lease.
pub type SlimLease = PartialObjectMeta<Lease>;

/// What a watch reads of a NodeHistory.
pub type SlimHistory = PartialObjectMeta<NodeHistory>;

/// For the watch's slimming step: what is stored is read once, when a term begins.
pub fn slim_history(history: &mut SlimHistory) {
    history.types = None;
    history.metadata = ObjectMeta {
        name: history.metadata.name.take(),
        uid: history.metadata.uid.take(),
        resource_version: history.metadata.resource_version.take(),
        generation: history.metadata.generation,
        ..ObjectMeta::default()
    };
}
