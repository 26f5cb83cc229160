//! Which workloads and volumes are where, and what would have to move; from pods and volumes, of which only that is kept.
mod objects;
mod placement;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{NodeSelector, PersistentVolume, Toleration};
use kube::ResourceExt;

use crate::facts::{NodeFacts, Text, intern};

pub use objects::{SlimPod, slim};
pub(crate) use placement::selects;

/// A volume that can be used on more nodes than this is not local to a machine.
const LOCAL: usize = 64;

/// What would become of a pod if its node went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It belongs to the node (of a DaemonSet, or the kubelet's own), or has ended.
    Stays,
    /// It does work that begins anew elsewhere.
    Job,
    /// It would not be started elsewhere.
    Bare,
    /// Its controller starts it elsewhere.
    Moves,
}

/// What a pod demands of a node, beside memory. Most pods demand nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Demands {
    /// Taints that it tolerates for good.
    pub tolerations: Vec<Toleration>,
    pub selector: BTreeMap<String, String>,
    pub affinity: Option<NodeSelector>,
    /// Its volume claims, `namespace/name`.
    pub claims: Vec<String>,
}

/// What is kept of a pod that has not ended.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one observation")]
pub struct PodFacts {
    /// `Deployment home/web`; a pod without a controller is its own workload.
    pub workload: Text,
    /// Its node; none while it waits for one.
    pub node: Option<Text>,
    pub role: Role,
    /// It works: it is ready, and not ending.
    pub works: bool,
    pub ending: bool,
    /// It has files in an emptyDir on disk.
    pub empty_dir: bool,
    pub etcd: bool,
    /// Bytes of memory that it requests.
    pub memory: u64,
    pub demands: Option<Box<Demands>>,
}

/// What is known of workloads. Complete or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workloads {
    /// For each workload or volume (`Deployment home/web`, `PersistentVolume pv-1`) the nodes on which it works.
    pub nodes: BTreeMap<String, BTreeSet<String>>,
    /// The pods that have a node.
    pub pods: Vec<Arc<PodFacts>>,
    /// Nodes with a pod of etcd.
    pub etcd: BTreeSet<String>,
    /// Volume claims (`namespace/name`) that can be used on some nodes only, and on which.
    pub claims: BTreeMap<String, BTreeSet<String>>,
}

/// None if it has ended.
pub fn of_pod(pod: &SlimPod) -> Option<Arc<PodFacts>> {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    let namespace = pod.namespace().unwrap_or_default();
    // As kubeadm and RKE2 label the pods of etcd. One that has ended, as a node's shutdown leaves it, is a member still.
    let labelled = |key: &str, value: &str| pod.labels().get(key).is_some_and(|found| found == value);
    let etcd = namespace == "kube-system" && labelled("component", "etcd") && labelled("tier", "control-plane");
    let ended = matches!(phase, Some("Succeeded" | "Failed"));
    if ended && !etcd {
        return None;
    }
    let owner = pod
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true));
    let (workload, role) = match owner.map(|owner| (owner.kind.as_str(), owner.name.as_str())) {
        Some(("ReplicaSet", name)) => {
            // A ReplicaSet of a Deployment is named after it and the template's hash.
            let hash = pod.labels().get("pod-template-hash");
            let deployment = hash.and_then(|hash| name.strip_suffix(hash.as_str())?.strip_suffix('-'));
            let workload = deployment.map_or_else(
                || format!("ReplicaSet {namespace}/{name}"),
                |name| format!("Deployment {namespace}/{name}"),
            );
            (workload, Role::Moves)
        }
        Some((kind, name)) => {
            let role = match kind {
                "DaemonSet" | "Node" => Role::Stays,
                "Job" => Role::Job,
                _ => Role::Moves,
            };
            (format!("{kind} {namespace}/{name}"), role)
        }
        None => (format!("Pod {namespace}/{}", pod.name_any()), Role::Bare),
    };
    let spec = pod.spec.as_ref();
    let ending = pod.metadata.deletion_timestamp.is_some();
    let demands = spec.map(|spec| spec.demands(&namespace)).unwrap_or_default();
    Some(Arc::new(PodFacts {
        workload: intern(&workload),
        node: spec.and_then(|spec| spec.node_name.as_deref()).map(intern),
        role: if ended { Role::Stays } else { role },
        works: !ending && status.is_some_and(objects::SlimPodStatus::works),
        ending,
        empty_dir: spec.is_some_and(objects::SlimPodSpec::empty_dir),
        etcd,
        memory: spec.map(objects::SlimPodSpec::memory).unwrap_or_default(),
        demands: (demands != Demands::default()).then(|| Box::new(demands)),
    }))
}

/// What is kept of a persistent volume that not every node can use.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumeFacts {
    nodes: NodeSelector,
    /// The claim that it is bound to, `namespace/name`.
    claim: Option<String>,
}

/// None if it can be used everywhere.
pub fn of_volume(volume: &PersistentVolume) -> Option<VolumeFacts> {
    let spec = volume.spec.as_ref()?;
    let claim = spec.claim_ref.as_ref();
    Some(VolumeFacts {
        nodes: spec.node_affinity.as_ref()?.required.clone()?,
        claim: claim.and_then(|claim| Some(format!("{}/{}", claim.namespace.as_ref()?, claim.name.as_ref()?))),
    })
}

/// Brings all together. A workload is where its pods work; where none of them does, it is where they are to work.
pub fn gather<'a>(
    pods: impl Iterator<Item = &'a Arc<PodFacts>>,
    volumes: impl Iterator<Item = (&'a String, &'a VolumeFacts)>,
    nodes: &BTreeMap<String, Arc<NodeFacts>>,
) -> Workloads {
    let mut found = Workloads::default();
    let (mut working, mut starting): (Places, Places) = Default::default();
    for pod in pods {
        let Some(node) = pod.node.as_deref() else { continue };
        if pod.etcd {
            found.etcd.insert(node.to_owned());
        }
        let counts = matches!(pod.role, Role::Moves | Role::Bare) && !pod.ending;
        let places = if pod.works { &mut working } else { &mut starting };
        if counts {
            places.entry(&pod.workload).or_default().insert(node);
        }
        found.pods.push(Arc::clone(pod));
    }
    for (workload, places) in starting {
        working.entry(workload).or_insert(places);
    }
    let owned = |(workload, places): (&str, BTreeSet<&str>)| {
        (workload.to_owned(), places.into_iter().map(str::to_owned).collect())
    };
    found.nodes = working.into_iter().map(owned).collect();
    for (name, volume) in volumes {
        let usable = nodes.values().filter(|node| selects(&volume.nodes, node));
        let usable: BTreeSet<String> = usable.map(|node| node.name.clone()).collect();
        if usable.is_empty() || usable.len() > LOCAL {
            continue;
        }
        if let Some(claim) = &volume.claim {
            found.claims.insert(claim.clone(), usable.clone());
        }
        found.nodes.insert(format!("PersistentVolume {name}"), usable);
    }
    found
}

type Places<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;
