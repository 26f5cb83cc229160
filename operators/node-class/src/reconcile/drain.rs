//! Empties nodes through the Eviction API, which respects disruption budgets. Nothing is ever deleted.
use std::collections::BTreeSet;
use std::time::Duration;

use hearth_reconciler::error::RequestError;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::storage::v1::VolumeAttachment;
use kube::api::{EvictParams, ListParams};
use kube::core::Status;
use kube::{Api, Client, ResourceExt};

use crate::crd::host::{Drain, Loss};
use crate::workloads::{PodFacts, Role, SlimPod, of_pod};

/// How long the API server may take to answer for one pod.
const LIMIT: Duration = Duration::from_secs(5);

/// What an eviction may cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Accepted<'a> {
    /// All that is acknowledged, and Jobs are not waited for.
    pub forced: bool,
    pub drain: Option<&'a Drain>,
}

impl Accepted<'_> {
    fn loses(self, loss: Loss) -> bool {
        self.forced || self.drain.is_some_and(|drain| drain.acknowledge.contains(&loss))
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

    /// None if it may stay: as `kubectl drain --ignore-daemonsets --delete-emptydir-data` decides.
    fn of(pod: &SlimPod, node: &str, down: &BTreeSet<String>, accepted: Accepted<'_>) -> Option<Self> {
        let facts = of_pod(pod).filter(|facts| facts.role != Role::Stays)?;
        let waits = if !facts.ending {
            loss(&facts, accepted)
        } else if down.contains(node) {
            Some(format!(
                "cannot end, because {node} is down: it ends when the node is back, or is deleted"
            ))
        } else {
            Some("is ending".to_owned())
        };
        Some(Self {
            namespace: pod.namespace().unwrap_or_default(),
            name: pod.name_any(),
            waits: waits.is_some(),
            why: waits.unwrap_or_else(|| "runs".to_owned()),
        })
    }
}

/// Why a pod is not evicted.
fn loss(pod: &PodFacts, accepted: Accepted<'_>) -> Option<String> {
    let how = "or force the request (a value that ends in !)";
    let acknowledge = |loss| format!("to evict it, add {loss} to spec.drain.acknowledge of the NodeHost, {how}");
    match pod.role {
        Role::Bare if !accepted.loses(Loss::NoController) => Some(format!(
            "has no controller, so it is not started elsewhere; {}",
            acknowledge("NoController")
        )),
        Role::Job if !accepted.forced => Some(format!(
            "works for {}, which may end until the deadline; to evict it, force the request (a value that ends in !)",
            pod.workload
        )),
        _ if pod.empty_dir && !accepted.loses(Loss::EmptyDir) => Some(format!(
            "would lose the data of an emptyDir; {}",
            acknowledge("EmptyDir")
        )),
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
    accepted: Accepted<'_>,
) -> Result<Vec<Left>, RequestError> {
    let pods = Api::<SlimPod>::all(client.clone());
    let mut left = Vec::new();
    for node in nodes {
        let on_it = ListParams::default().fields(&format!("spec.nodeName={node}"));
        let found = pods.list(&on_it).await;
        let found = found.map_err(RequestError::when("listing the pods of a node"))?;
        left.extend(found.items.iter().filter_map(|pod| Left::of(pod, node, down, accepted)));
    }
    if left.is_empty() {
        let attached = attachments(client, nodes).await?;
        left = attached.into_iter().map(Left::from).collect();
    }
    left.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    Ok(left)
}

impl From<VolumeAttachment> for Left {
    fn from(attachment: VolumeAttachment) -> Self {
        let (name, spec) = (attachment.name_any(), attachment.spec);
        let volume = spec.source.persistent_volume_name.unwrap_or(name);
        Self {
            namespace: String::new(),
            name: format!("volume {volume}"),
            why: format!("is still attached to {} ({})", spec.node_name, spec.attacher),
            waits: true,
        }
    }
}

/// The attachments of volumes to these nodes.
pub(super) async fn attachments(client: &Client, nodes: &[String]) -> Result<Vec<VolumeAttachment>, RequestError> {
    let api = Api::<VolumeAttachment>::all(client.clone());
    let all = api.list(&ListParams::default()).await;
    let mut all = all.map_err(RequestError::when("listing volume attachments"))?.items;
    all.retain(|one| nodes.contains(&one.spec.node_name));
    Ok(all)
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
