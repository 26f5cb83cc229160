//! What is kept of a Node.
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{NodeCondition, Taint};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;

use crate::crd;

mod intern;
mod slim;

pub use intern::{Text, Texts, intern, texts};
pub use slim::{SlimHistory, SlimLease, SlimNode, reduce, slim, slim_history};

/// Field manager of everything that this operator writes.
pub const MANAGER: &str = "node-class";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Managers {
    pub our_labels: BTreeSet<Text>,
    pub our_annotations: BTreeSet<Text>,
}

impl Managers {
    /// The keys that are ours: `label x`, `annotation x`.
    pub fn ours(&self) -> impl Iterator<Item = String> {
        let labels = self.our_labels.iter().map(|key| format!("label {key}"));
        labels.chain(self.our_annotations.iter().map(|key| format!("annotation {key}")))
    }

    fn of(entries: &[ManagedFieldsEntry]) -> Self {
        let mut managers = Self::default();
        for entry in entries.iter().filter(|entry| entry.subresource.is_none()) {
            let Some(fields) = entry.fields_v1.as_ref().map(|fields| &fields.0) else {
                continue;
            };
            if entry.manager.as_deref() == Some(MANAGER) && entry.operation.as_deref() == Some("Apply") {
                let keys = |of: &str| -> BTreeSet<Text> {
                    let map = fields["f:metadata"][of].as_object();
                    let keys = map.into_iter().flatten().filter_map(|(key, _)| key.strip_prefix("f:"));
                    keys.map(intern).collect()
                };
                managers.our_labels = keys("f:labels");
                managers.our_annotations = keys("f:annotations");
            }
        }
        managers
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    pub status: Option<bool>,
    pub message: String,
    /// When the status changed, by the clock of who wrote it.
    pub since: Option<Timestamp>,
}

/// What is kept of a Node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeFacts {
    pub name: String,
    pub uid: String,
    /// The object's version, for guarded writes.
    pub resource_version: String,
    pub created: Option<Timestamp>,
    pub labels: Texts,
    /// Annotations that matter: ours, and those of Talos.
    pub annotations: Texts,
    pub managers: Managers,
    pub taints: Vec<Taint>,
    pub unschedulable: bool,
    pub ready: Ready,
    pub machine: crd::history::Machine,
    pub architecture: String,
    /// Bytes of memory, 0 if unknown.
    pub memory: u64,
    /// Bytes of memory that pods may request together, 0 if unknown.
    pub allocatable: u64,
}

impl NodeFacts {
    pub fn of(node: &SlimNode) -> Self {
        let (meta, status) = (&node.metadata, node.status.as_ref());
        let conditions = status.and_then(|s| s.conditions.as_deref()).unwrap_or_default();
        let info = status.and_then(|s| s.node_info.clone()).unwrap_or_default();
        let memory = |of: Option<&BTreeMap<String, Quantity>>| of.and_then(|of| bytes(&of.get("memory")?.0));
        Self {
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
            created: meta.creation_timestamp.as_ref().map(|t| t.0),
            labels: texts(meta.labels.iter().flatten()),
            annotations: texts(meta.annotations.iter().flatten()),
            managers: node.managers.clone(),
            taints: node.spec.as_ref().and_then(|s| s.taints.clone()).unwrap_or_default(),
            unschedulable: node.spec.as_ref().and_then(|s| s.unschedulable).unwrap_or_default(),
            ready: conditions
                .iter()
                .find(|c| c.type_ == "Ready")
                .map(Ready::of)
                .unwrap_or_default(),
            machine: crd::history::Machine {
                node_uid: meta.uid.clone().unwrap_or_default(),
                versions: [info.kubelet_version, info.kernel_version, info.os_image].join(" "),
                system_uuid: info.system_uuid,
                machine_id: info.machine_id,
                boot_id: info.boot_id,
            },
            architecture: info.architecture,
            memory: memory(status.and_then(|s| s.capacity.as_ref())).unwrap_or_default(),
            allocatable: memory(status.and_then(|s| s.allocatable.as_ref())).unwrap_or_default(),
        }
    }

    /// Kubernetes calls it Ready.
    pub fn is_ready(&self) -> bool {
        self.ready.status == Some(true)
    }

    /// Talos has cordoned it because it shuts down or reboots.
    pub fn talos_cordoned(&self) -> bool {
        self.annotations
            .get("talos.dev/cordoned")
            .is_some_and(|v| &**v == "true")
    }

    /// The kubelet has announced a graceful shutdown. The message is upstream's since 1.20.
    pub fn shutting_down(&self) -> bool {
        self.ready.status == Some(false) && self.ready.message.contains("node is shutting down")
    }

    /// It runs a control plane, by the labels of kubeadm, Talos, k3s, RKE and `MicroK8s`. That says nothing about etcd.
    pub fn control_plane(&self) -> bool {
        let roles = [
            "node-role.kubernetes.io/control-plane",
            "node-role.kubernetes.io/master",
            "node-role.kubernetes.io/controlplane",
            "node.kubernetes.io/microk8s-controlplane",
        ];
        roles.iter().any(|role| self.labels.contains_key(*role))
    }

    /// Its label says that it is a member of etcd: k3s and RKE2 set it.
    pub fn etcd(&self) -> bool {
        self.labels.contains_key("node-role.kubernetes.io/etcd")
    }

    /// A label as the scheduler sees it. Those that every kubelet sets are known from elsewhere, too.
    pub fn label(&self, key: &str) -> Option<&str> {
        let known = match key {
            "kubernetes.io/hostname" => Some(self.name.as_str()),
            "kubernetes.io/arch" => Some(self.architecture.as_str()).filter(|arch| !arch.is_empty()),
            _ => None,
        };
        self.labels.get(key).map(|value| &**value).or(known)
    }

    /// The failure zone as the node lifecycle controller sees it: region and zone label.
    pub fn zone(&self) -> (String, String) {
        let label = |key: &str| self.labels.get(key).map_or_else(String::new, ToString::to_string);
        ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"]
            .map(label)
            .into()
    }
}

impl Ready {
    fn of(condition: &NodeCondition) -> Self {
        Self {
            status: match condition.status.as_str() {
                "True" => Some(true),
                "False" => Some(false),
                _ => None,
            },
            message: condition.message.clone().unwrap_or_default(),
            since: condition.last_transition_time.as_ref().map(|t| t.0),
        }
    }
}

/// A quantity in bytes, fractions cut: a number with a binary (`Mi`) or decimal (`M`) suffix, as the API writes memory.
/// None if it cannot be read.
pub fn bytes(quantity: &str) -> Option<u64> {
    let powers = |units: [&'static str; 5], base: f64| units.into_iter().zip((1..).map(move |power| base.powi(power)));
    let binary = powers(["Ki", "Mi", "Gi", "Ti", "Pi"], 1024.0);
    let decimal = powers(["k", "M", "G", "T", "P"], 1000.0);
    // The empty suffix fits each text, so it comes last.
    let mut units = binary.chain(decimal).chain([("m", 0.001), ("", 1.0)]);
    let (number, unit) = units.find_map(|(suffix, unit)| Some((quantity.strip_suffix(suffix)?, unit)))?;
    let number: f64 = number.parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0)?;
    let value = (number * unit).floor();
    // Beyond 2^53 the product is inexact, and no machine has that.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked: whole, positive, small"
    )]
    (value < 9e15).then_some(value as u64)
}

#[cfg(test)]
mod tests;
