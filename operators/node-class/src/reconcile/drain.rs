//! Empties nodes through the Eviction API, which respects disruption budgets. Nothing is ever deleted.
use std::time::Duration;

use hearth_reconciler::error::RequestError;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{EvictParams, ListParams};
use kube::{Api, Client, ResourceExt};

/// How long the API server may take to answer for one pod.
const LIMIT: Duration = Duration::from_secs(5);

/// A pod that has to go before a node may be switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    pub namespace: String,
    pub name: String,
    /// Why it is still there, once that is known.
    pub why: String,
    /// Its eviction was accepted already.
    pub ending: bool,
}

impl Left {
    /// As the status shows it.
    pub fn line(&self) -> String {
        format!("{}/{}: {}", self.namespace, self.name, self.why)
    }
}

/// The pods of these nodes that have to go: not those of DaemonSets, of the kubelet itself, or those that have ended.
pub async fn left(client: &Client, nodes: &[String]) -> Result<Vec<Left>, RequestError> {
    let pods = Api::<Pod>::all(client.clone());
    let mut left = Vec::new();
    for node in nodes {
        let on_it = ListParams::default().fields(&format!("spec.nodeName={node}"));
        let found = pods.list(&on_it).await;
        let found = found.map_err(RequestError::when("listing the pods of a node"))?;
        left.extend(found.items.iter().filter(|pod| has_to_go(pod)).map(|pod| {
            let ending = pod.metadata.deletion_timestamp.is_some();
            Left {
                namespace: pod.namespace().unwrap_or_default(),
                name: pod.name_any(),
                ending,
                why: if ending { "is ending" } else { "runs" }.to_owned(),
            }
        }));
    }
    left.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    Ok(left)
}

/// As `kubectl drain --ignore-daemonsets --delete-emptydir-data` decides.
fn has_to_go(pod: &Pod) -> bool {
    let mirror = pod.annotations().contains_key("kubernetes.io/config.mirror");
    let of_daemon_set = pod.owner_references().iter().any(|owner| owner.kind == "DaemonSet");
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let ended = matches!(phase, Some("Succeeded" | "Failed"));
    !(mirror || of_daemon_set || ended)
}

/// Asks for the eviction of each pod that is not ending yet, and notes what was answered. An answer that only one pod got
/// delays no other: the client must not repeat what is refused.
pub async fn evict(client: &Client, left: &mut [Left]) {
    for pod in left.iter_mut().filter(|pod| !pod.ending) {
        let api = Api::<Pod>::namespaced(client.clone(), &pod.namespace);
        let Ok(answer) = tokio::time::timeout(LIMIT, api.evict(&pod.name, &EvictParams::default())).await else {
            "the API server did not answer".clone_into(&mut pod.why);
            continue;
        };
        pod.why = match answer {
            Ok(_) => "is ending".to_owned(),
            Err(kube::Error::Api(answer)) if answer.is_not_found() => "has gone".to_owned(),
            // 429 is the budget's answer; 500 that of two budgets for one pod.
            Err(kube::Error::Api(answer)) if answer.code == 429 => {
                let budget = answer.message.trim_end_matches('.');
                format!("a PodDisruptionBudget does not allow it now ({budget})")
            }
            Err(kube::Error::Api(answer)) if answer.code == 500 => {
                "more than one PodDisruptionBudget selects it, so it cannot be evicted; leave one of them".to_owned()
            }
            Err(kube::Error::Api(answer)) => format!("cannot be evicted: {}", answer.message),
            Err(_) => "the API server did not answer".to_owned(),
        };
    }
}

#[cfg(test)]
mod tests;
