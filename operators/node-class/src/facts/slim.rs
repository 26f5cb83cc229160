//! What watches read of a Node, its lease and its history, and how it is reduced. A Node has 10 to 20 kB, of which a few hundred bytes matter.
use std::sync::Arc;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Taint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
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
    pub spec: Option<Box<SlimNodeSpec>>,
    pub status: Option<Box<SlimNodeStatus>>,
    /// Who manages which label and annotation; from managedFields, which are not kept.
    #[serde(skip)]
    pub managers: Managers,
    /// What is kept in place of all that, after [`reduce`]; without a version.
    #[serde(skip)]
    pub facts: Arc<NodeFacts>,
}

#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct SlimNodeSpec {
    pub taints: Option<Vec<Taint>>,
    pub unschedulable: Option<bool>,
}

#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct SlimNodeStatus {
    pub conditions: Option<Vec<SlimCondition>>,
    pub node_info: Option<SlimNodeInfo>,
    pub capacity: Option<SlimCapacity>,
    pub allocatable: Option<SlimCapacity>,
}

#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct SlimCondition {
    #[serde(rename = "type")]
    pub type_: String,
    pub status: String,
    pub message: Option<String>,
    pub last_transition_time: Option<Time>,
}

#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
#[allow(clippy::struct_field_names, reason = "the API's names")]
pub struct SlimNodeInfo {
    #[serde(rename = "bootID")]
    pub boot_id: String,
    #[serde(rename = "systemUUID")]
    pub system_uuid: String,
    #[serde(rename = "machineID")]
    pub machine_id: String,
    #[serde(rename = "kernelVersion")]
    pub kernel: String,
    #[serde(rename = "osImage")]
    pub os_image: String,
    #[serde(rename = "kubeletVersion")]
    pub kubelet: String,
    pub architecture: String,
}

#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct SlimCapacity {
    pub memory: Option<String>,
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
