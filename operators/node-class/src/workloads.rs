//! Which workloads and volumes live where; from pods and volumes, of which only that is kept.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};

use crate::impact::Workloads;

/// What a watch reads of a Pod.
#[derive(kube::Resource, Serialize, Deserialize, Clone, Debug, Default)]
#[resource(inherit = Pod)]
#[serde(default)]
pub struct SlimPod {
    pub metadata: ObjectMeta,
    pub spec: Option<SlimPodSpec>,
    pub status: Option<SlimPodStatus>,
}

#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct SlimPodSpec {
    pub node_name: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct SlimPodStatus {
    pub phase: Option<String>,
}

/// Drops annotations; labels are needed for the name of a Deployment.
pub fn slim(pod: &mut SlimPod) {
    pod.metadata.annotations = None;
}

/// Where a pod's workload lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodPlacement {
    /// `Deployment home/web`; none for what is no workload of its own (daemons, the kubelet's own pods, what has ended).
    workload: Option<Arc<str>>,
    node: Option<Arc<str>>,
}

pub fn of_pod(pod: &SlimPod) -> PodPlacement {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let ended = matches!(phase, Some("Succeeded" | "Failed"));
    let namespace = pod.namespace().unwrap_or_default();
    let owner = pod
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true));
    let workload = match owner.map(|owner| (owner.kind.as_str(), owner.name.as_str())) {
        _ if ended => None,
        Some(("DaemonSet" | "Node" | "Job", _)) => None,
        Some(("ReplicaSet", name)) => {
            // A ReplicaSet of a Deployment is named after it and the template's hash.
            let hash = pod.labels().get("pod-template-hash");
            let deployment = hash.and_then(|hash| name.strip_suffix(hash.as_str())?.strip_suffix('-'));
            Some(deployment.map_or_else(
                || format!("ReplicaSet {namespace}/{name}"),
                |name| format!("Deployment {namespace}/{name}"),
            ))
        }
        Some((kind, name)) => Some(format!("{kind} {namespace}/{name}")),
        None => Some(format!("Pod {namespace}/{}", pod.name_any())),
    };
    PodPlacement {
        workload: workload.map(Into::into),
        node: pod
            .spec
            .as_ref()
            .and_then(|spec| spec.node_name.as_deref())
            .map(Into::into),
    }
}

/// The nodes that a volume is bound to by name; none if it can be used elsewhere as well.
pub fn of_volume(volume: &PersistentVolume) -> Option<BTreeSet<String>> {
    let required = volume.spec.as_ref()?.node_affinity.as_ref()?.required.as_ref()?;
    let mut nodes = BTreeSet::new();
    for term in &required.node_selector_terms {
        let by_name = |key: &str| ["kubernetes.io/hostname", "metadata.name"].contains(&key);
        let all = term
            .match_expressions
            .iter()
            .flatten()
            .chain(term.match_fields.iter().flatten());
        // A term that names no node can be met by any.
        let named = all.into_iter().find(|one| by_name(&one.key) && one.operator == "In")?;
        nodes.extend(named.values.iter().flatten().cloned());
    }
    (!nodes.is_empty()).then_some(nodes)
}

/// Brings both together. A pod that has no node yet, and the volumes' host names where a node's label differs from its
/// name, are left out: nothing is claimed of them.
pub fn gather<'a>(
    pods: impl Iterator<Item = &'a PodPlacement>,
    volumes: impl Iterator<Item = (&'a String, &'a Option<BTreeSet<String>>)>,
) -> Workloads {
    let mut nodes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut elsewhere: BTreeSet<Arc<str>> = BTreeSet::new();
    for pod in pods {
        match (&pod.workload, &pod.node) {
            (Some(workload), Some(node)) => {
                nodes.entry(workload.to_string()).or_default().insert(node.to_string());
            }
            (Some(workload), None) => {
                elsewhere.insert(Arc::clone(workload));
            }
            (None, _) => {}
        }
    }
    for workload in elsewhere {
        nodes.remove(&*workload);
    }
    for (name, bound) in volumes {
        if let Some(bound) = bound {
            nodes.insert(format!("PersistentVolume {name}"), bound.clone());
        }
    }
    Workloads { nodes }
}

#[cfg(test)]
mod tests;
