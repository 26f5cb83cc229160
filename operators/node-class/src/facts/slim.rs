//! What watches read of a Node, its lease and its history, and how it is reduced. A Node has 10 to 20 kB, of which a few hundred bytes matter.
use std::sync::Arc;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Taint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, ObjectMeta, Time};
use serde::{Deserialize, Serialize};

use super::{Managers, NodeFacts};
use crate::crd::NodeHistory;

/// What a watch reads of a Node.
#[derive(kube::Resource, Serialize, Deserialize, Clone, Debug, Default)]
#[resource(inherit = Node)]
#[serde(default)]
pub struct SlimNode {
    /// Standard metadata.
    pub metadata: ObjectMeta,
    /// What of the spec matters.
    pub spec: Option<Box<SlimNodeSpec>>,
    /// What of the status matters.
    pub status: Option<Box<SlimNodeStatus>>,
    /// Who manages which label and annotation; from managedFields, which are not kept.
    #[serde(skip)]
    pub managers: Managers,
    /// What is kept in place of all that, after [`reduce`]; without a version.
    #[serde(skip)]
    pub facts: Arc<NodeFacts>,
}

/// What a watch reads of a Node's spec.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct SlimNodeSpec {
    /// Taints in the API's order.
    pub taints: Option<Vec<Taint>>,
    /// Cordoned.
    pub unschedulable: Option<bool>,
}

/// What a watch reads of a Node's status.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct SlimNodeStatus {
    /// All conditions.
    pub conditions: Option<Vec<SlimCondition>>,
    /// What the kubelet reports of its machine.
    pub node_info: Option<SlimNodeInfo>,
    /// Resources, of which memory matters.
    pub capacity: Option<SlimCapacity>,
    /// What of them pods may request.
    pub allocatable: Option<SlimCapacity>,
}

/// A condition of a Node.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct SlimCondition {
    /// Which.
    #[serde(rename = "type")]
    pub type_: String,
    /// True, False or Unknown.
    pub status: String,
    /// A sentence.
    pub message: Option<String>,
    /// When the status changed.
    pub last_transition_time: Option<Time>,
}

/// What the kubelet reports of its machine.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
#[allow(clippy::struct_field_names, reason = "the API's names")]
pub struct SlimNodeInfo {
    /// A boot's id.
    #[serde(rename = "bootID")]
    pub boot_id: String,
    /// The firmware's id.
    #[serde(rename = "systemUUID")]
    pub system_uuid: String,
    /// The installation's id.
    #[serde(rename = "machineID")]
    pub machine_id: String,
    /// The kernel.
    #[serde(rename = "kernelVersion")]
    pub kernel: String,
    /// The system.
    #[serde(rename = "osImage")]
    pub os_image: String,
    /// The kubelet.
    #[serde(rename = "kubeletVersion")]
    pub kubelet: String,
    /// The architecture.
    pub architecture: String,
}

/// The resources that matter.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct SlimCapacity {
    /// Memory, as a quantity.
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
#[derive(kube::Resource, Serialize, Deserialize, Clone, Debug, Default)]
#[resource(inherit = Lease)]
#[serde(default)]
pub struct SlimLease {
    /// Standard metadata.
    pub metadata: ObjectMeta,
    /// What of the spec matters.
    pub spec: Option<SlimLeaseSpec>,
}

/// What a watch reads of a lease's spec.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct SlimLeaseSpec {
    /// When the kubelet renewed it, by the node's own clock: for the clock's offset, never to judge freshness.
    pub renew_time: Option<MicroTime>,
}

/// What a watch reads of a NodeHistory.
#[derive(kube::Resource, Serialize, Deserialize, Clone, Debug, Default)]
#[resource(inherit = NodeHistory)]
#[serde(default)]
pub struct SlimHistory {
    /// Standard metadata.
    pub metadata: ObjectMeta,
    /// What of the status matters.
    pub status: Option<Box<SlimHistoryStatus>>,
}

/// What a watch reads of a NodeHistory's status.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct SlimHistoryStatus {
    /// Since when conditions are as they are.
    pub conditions: Vec<Condition>,
}

/// For the watch's slimming step. Reason and message are told anew at each write.
pub fn slim_history(history: &mut SlimHistory) {
    history.metadata = ObjectMeta {
        name: history.metadata.name.take(),
        uid: history.metadata.uid.take(),
        resource_version: history.metadata.resource_version.take(),
        generation: history.metadata.generation,
        ..ObjectMeta::default()
    };
    if let Some(status) = &mut history.status {
        status.conditions.shrink_to_fit();
        for condition in &mut status.conditions {
            (condition.reason, condition.message) = (String::new(), String::new());
        }
    }
}
