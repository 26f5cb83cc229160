//! What the watches read of pods and volumes.
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, Container, EmptyDirVolumeSource, PersistentVolumeClaimVolumeSource, Pod, PodCondition, Toleration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

use super::Demands;
use crate::facts::bytes;

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
    pub node_selector: Option<BTreeMap<String, String>>,
    pub affinity: Option<Affinity>,
    pub tolerations: Option<Vec<Toleration>>,
    pub containers: Vec<Container>,
    pub init_containers: Option<Vec<Container>>,
    pub volumes: Option<Vec<SlimPodVolume>>,
}

#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct SlimPodVolume {
    pub empty_dir: Option<EmptyDirVolumeSource>,
    pub persistent_volume_claim: Option<PersistentVolumeClaimVolumeSource>,
}

#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct SlimPodStatus {
    pub phase: Option<String>,
    pub conditions: Option<Vec<PodCondition>>,
}

/// Drops annotations; labels are needed for the name of a Deployment.
pub fn slim(pod: &mut SlimPod) {
    pod.metadata.annotations = None;
}

impl SlimPodStatus {
    /// A pod that restarts again and again is Running, but not ready.
    pub(super) fn works(&self) -> bool {
        let ready = |condition: &PodCondition| condition.type_ == "Ready" && condition.status == "True";
        self.phase.as_deref() == Some("Running") && self.conditions.iter().flatten().any(ready)
    }
}

impl SlimPodSpec {
    pub(super) fn empty_dir(&self) -> bool {
        let on_disk = |volume: &EmptyDirVolumeSource| volume.medium.as_deref() != Some("Memory");
        let mut volumes = self.volumes.iter().flatten();
        volumes.any(|volume| volume.empty_dir.as_ref().is_some_and(on_disk))
    }

    /// The memory that it requests: of its containers together, or of the largest that runs before them.
    pub(super) fn memory(&self) -> u64 {
        let of = |container: &Container| {
            let requests = container.resources.as_ref().and_then(|r| r.requests.as_ref());
            requests.and_then(|r| bytes(&r.get("memory")?.0)).unwrap_or_default()
        };
        let before = self.init_containers.iter().flatten().map(of).max().unwrap_or_default();
        self.containers.iter().map(of).fold(0, u64::saturating_add).max(before)
    }

    pub(super) fn demands(&self, namespace: &str) -> Demands {
        let for_good = |toleration: &&Toleration| toleration.toleration_seconds.is_none();
        let claims = self.volumes.iter().flatten().filter_map(|volume| {
            let claim = &volume.persistent_volume_claim.as_ref()?.claim_name;
            Some(format!("{namespace}/{claim}"))
        });
        let to_nodes = self.affinity.as_ref().and_then(|to| to.node_affinity.as_ref());
        Demands {
            tolerations: self.tolerations.iter().flatten().filter(for_good).cloned().collect(),
            selector: self.node_selector.clone().unwrap_or_default(),
            affinity: to_nodes.and_then(|to| to.required_during_scheduling_ignored_during_execution.clone()),
            claims: claims.collect(),
        }
    }
}
