//! Empties nodes through the Eviction API, which respects disruption budgets. Nothing is ever deleted.
use std::collections::BTreeSet;
use std::time::Duration;

use hearth_reconciler::error::RequestError;
use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, Pod};
use k8s_openapi::api::storage::v1::VolumeAttachment;
use kube::api::{EvictParams, ListParams};
use kube::core::Status;
use kube::{Api, Client, ResourceExt};

use crate::crd::host::{Drain, Loss};

/// How long the API server may take to answer for one pod.
const LIMIT: Duration = Duration::from_secs(5);

/// What an eviction may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Jobs are not waited for.
    pub jobs: bool,
    /// Pods that are not started again are evicted, too.
    pub no_controller: bool,
    /// Pods with data in an emptyDir likewise.
    pub empty_dir: bool,
}

impl Accepted {
    /// What the host says; a forced request accepts all of it.
    pub fn of(drain: Option<&Drain>, forced: bool) -> Self {
        let says = |loss| forced || drain.is_some_and(|drain| drain.acknowledge.contains(&loss));
        Self {
            jobs: forced,
            no_controller: says(Loss::NoController),
            empty_dir: says(Loss::EmptyDir),
        }
    }
}

/// A pod that has to go before a node may be switched off, or a volume that has to be detached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// None for a volume.
    pub namespace: String,
    pub name: String,
    /// Why it is still there, once that is known.
    pub why: String,
    /// It is not evicted: it is ending already, or what would be lost is not accepted.
    pub waits: bool,
}

impl Left {
    /// As the status shows it.
    pub fn line(&self) -> String {
        match self.namespace.as_str() {
            "" => format!("{}: {}", self.name, self.why),
            namespace => format!("{namespace}/{}: {}", self.name, self.why),
        }
    }

    fn of(pod: &Pod, node: &str, down: &BTreeSet<String>, accepted: Accepted) -> Self {
        let waits = if pod.metadata.deletion_timestamp.is_none() {
            loss(pod, accepted)
        } else if down.contains(node) {
            Some(format!(
                "cannot end, because {node} is down: it ends when the node is back, or is deleted"
            ))
        } else {
            Some("is ending".to_owned())
        };
        Self {
            namespace: pod.namespace().unwrap_or_default(),
            name: pod.name_any(),
            waits: waits.is_some(),
            why: waits.unwrap_or_else(|| "runs".to_owned()),
        }
    }
}

/// Why a pod is not evicted.
fn loss(pod: &Pod, accepted: Accepted) -> Option<String> {
    let owner = pod
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true));
    let how = "or force the request (a value that ends in !)";
    let acknowledge = |loss| format!("to evict it, add {loss} to spec.drain.acknowledge of the NodeHost, {how}");
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let on_disk = |dir: &EmptyDirVolumeSource| dir.medium.as_deref() != Some("Memory");
    let mut empty_dirs = volumes.filter(|volume| volume.empty_dir.as_ref().is_some_and(on_disk));
    match owner {
        None if !accepted.no_controller => Some(format!(
            "has no controller, so it is not started elsewhere; {}",
            acknowledge("NoController")
        )),
        Some(owner) if owner.kind == "Job" && !accepted.jobs => Some(format!(
            "works for the Job {}, which may end until the deadline; to evict it, force the request (a value that ends in !)",
            owner.name
        )),
        _ if !accepted.empty_dir => {
            let volume = empty_dirs.next()?;
            let text = acknowledge("EmptyDir");
            Some(format!("would lose the data of its emptyDir {}; {text}", volume.name))
        }
        _ => None,
    }
}

/// What has to go from these nodes: pods, but those of DaemonSets, of the kubelet itself, or those that have ended. Once there are
/// none, the volumes that are still attached: a pod that needs one cannot start elsewhere before. `down` are nodes on which
/// nothing ends.
pub async fn left(
    client: &Client,
    nodes: &[String],
    down: &BTreeSet<String>,
    accepted: Accepted,
) -> Result<Vec<Left>, RequestError> {
    let pods = Api::<Pod>::all(client.clone());
    let mut left = Vec::new();
    for node in nodes {
        let on_it = ListParams::default().fields(&format!("spec.nodeName={node}"));
        let found = pods.list(&on_it).await;
        let found = found.map_err(RequestError::when("listing the pods of a node"))?;
        let pods = found.items.iter().filter(|pod| has_to_go(pod));
        left.extend(pods.map(|pod| Left::of(pod, node, down, accepted)));
    }
    if left.is_empty() {
        left = attached(client, nodes).await?;
    }
    left.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    Ok(left)
}

/// The volumes that are attached to the nodes.
async fn attached(client: &Client, nodes: &[String]) -> Result<Vec<Left>, RequestError> {
    let attachments = Api::<VolumeAttachment>::all(client.clone());
    let attachments = attachments.list(&ListParams::default()).await;
    let attachments = attachments.map_err(RequestError::when("listing volume attachments"))?;
    let mut here = attachments.items;
    here.retain(|one| nodes.contains(&one.spec.node_name));
    let left = here.iter().map(|one| {
        let volume = one.spec.source.persistent_volume_name.as_ref();
        let name = volume.or(one.metadata.name.as_ref()).cloned().unwrap_or_default();
        Left {
            namespace: String::new(),
            name: format!("volume {name}"),
            why: format!("is still attached to {} ({})", one.spec.node_name, one.spec.attacher),
            waits: true,
        }
    });
    Ok(left.collect())
}

/// As `kubectl drain --ignore-daemonsets --delete-emptydir-data` decides.
fn has_to_go(pod: &Pod) -> bool {
    let mirror = pod.annotations().contains_key("kubernetes.io/config.mirror");
    let of_daemon_set = pod.owner_references().iter().any(|owner| owner.kind == "DaemonSet");
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let ended = matches!(phase, Some("Succeeded" | "Failed"));
    !(mirror || of_daemon_set || ended)
}

/// Asks for the eviction of each pod that may be evicted and is not ending yet, and notes what was answered. An answer that only
/// one pod got delays no other: the client must not repeat what is refused.
pub async fn evict(client: &Client, left: &mut [Left]) {
    for pod in left.iter_mut().filter(|pod| !pod.waits) {
        let api = Api::<Pod>::namespaced(client.clone(), &pod.namespace);
        let answer = tokio::time::timeout(LIMIT, api.evict(&pod.name, &EvictParams::default())).await;
        pod.why = match answer {
            Ok(Ok(_)) => "is ending".to_owned(),
            Ok(Err(kube::Error::Api(answer))) => refusal(&answer),
            Ok(Err(_)) | Err(_) => "the API server did not answer".to_owned(),
        };
    }
}

/// Why an eviction was refused. Only a cause says that it was a budget; a webhook refuses with the same code, and its reason is
/// worth more than a guess.
fn refusal(answer: &Status) -> String {
    let message = answer.message.trim_end_matches('.');
    let causes = answer.details.iter().flat_map(|details| &details.causes);
    let mut budgets = causes.filter(|cause| cause.reason == "DisruptionBudget");
    if answer.is_not_found() {
        "has gone".to_owned()
    } else if let Some(budget) = budgets.next() {
        let text = Some(budget.message.trim_end_matches('.')).filter(|text| !text.is_empty());
        format!(
            "a PodDisruptionBudget does not allow it now: {}",
            text.unwrap_or(message)
        )
    } else if message.contains("more than one PodDisruptionBudget") {
        "more than one PodDisruptionBudget selects it, so it cannot be evicted; leave one of them".to_owned()
    } else if answer.code == 429 {
        format!("the API server refuses it now: {message}")
    } else {
        format!("cannot be evicted: {message}")
    }
}

#[cfg(test)]
mod tests;
