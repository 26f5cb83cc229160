//! Movers that keep an application from its volume. They are ended, and started again when the application's pod is placed.
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;

use super::claims::{self, users};
use super::items;
use super::job::CLAIM;
use super::job_state;
use crate::crd::backup_run::{Item, State};

/// The reason of a volume that waits for a pod.
pub const YIELDED: &str = "Yielded";
/// Before the pods are looked at again while a mover holds a volume: pods are not watched.
pub const RECHECK: Duration = Duration::from_secs(20);
/// Before the mover goes on although the pod is not placed: something else may keep it.
const PATIENCE: Duration = Duration::from_mins(10);
/// So often a mover makes room for pods; then it goes on to its end.
const MOST: i64 = 3;
/// Words of the scheduler about volumes. Each of its reasons that is about one has one of them.
const VOLUME_WORDS: [&str; 3] = ["volume", "persistentvolumeclaim", "disk"];

/// The pod of a mover that is at work, as it holds its claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The claim.
    pub claim: String,
    /// The node that it is on, or must be on; none if that is not known.
    pub node: Option<String>,
    /// Whether its container has started, so that it has the volume.
    pub started: bool,
}

/// Reads the pods of movers that have not ended.
pub fn holders(jobs: &[Job], pods: &[Pod]) -> Vec<Holder> {
    let held = jobs.iter().filter_map(|job| {
        let claim = job.annotations().get(CLAIM).filter(|claim| !claim.is_empty())?;
        let pod = job_state::pod_of(&job.name_any(), pods)?;
        let phase = phase(pod);
        if matches!(phase, Some("Succeeded" | "Failed")) {
            return None;
        }
        let spec = pod.spec.as_ref()?;
        let wanted = spec
            .node_selector
            .as_ref()
            .and_then(|labels| labels.get("kubernetes.io/hostname"));
        Some(Holder {
            claim: claim.clone(),
            node: spec.node_name.as_ref().or(wanted).cloned(),
            started: phase == Some("Running"),
        })
    });
    held.collect()
}

/// The name of a pod that cannot start because a mover has its volume, or that has the volume on another node while the mover
/// cannot start.
pub fn kept_out(claim: &PersistentVolumeClaim, pods: &[Pod], holders: &[Holder]) -> Option<String> {
    let name = claim.name_any();
    let holder = holders.iter().find(|holder| holder.claim == name)?;
    if claims::is_shared(claim) {
        return None;
    }
    let conflict = |pod: &&Pod| match node_of(pod) {
        None => unscheduled_for_volume(pod),
        Some(node) if holder.node.as_deref() != Some(node) => !holder.started || !has_volumes(pod),
        // One node may use it in many pods, unless it is of one pod only.
        Some(_) => false,
    };
    users(pods, &name)
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .find(conflict)
        .map(ResourceExt::name_any)
}

/// Whether a pod that has no node yet uses the claim.
fn is_awaited(claim: &str, pods: &[Pod]) -> bool {
    users(pods, claim).any(|pod| pod.metadata.deletion_timestamp.is_none() && node_of(pod).is_none())
}

/// Records that the mover of an item makes room for a pod, unless it did so too often.
pub fn begin(item: &mut Item, pod: &str, now: Timestamp) -> bool {
    if item.yields >= MOST {
        return false;
    }
    item.yields += 1;
    item.yielded = Some(now.to_string());
    item.state = State::Pending;
    item.reason = Some(YIELDED.to_owned());
    item.message = Some(format!(
        "pod {pod} needs the volume, so the mover was ended; it goes on when the pod has a node"
    ));
    true
}

/// Whether the item may go on. `ended`: its mover is not there any more.
pub fn is_over(item: &Item, ended: bool, pods: &[Pod], now: Timestamp) -> bool {
    let waited = items::since(item.yielded.as_deref(), now);
    ended && (waited >= PATIENCE || !is_awaited(&item.claim, pods))
}

fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|node| !node.is_empty())
}

/// The value and the message of a pod's condition.
fn condition<'a>(pod: &'a Pod, name: &str) -> Option<(&'a str, &'a str)> {
    let mut conditions = pod.status.as_ref()?.conditions.as_deref()?.iter();
    let found = conditions.find(|condition| condition.type_ == name)?;
    Some((&found.status, found.message.as_deref().unwrap_or_default()))
}

fn unscheduled_for_volume(pod: &Pod) -> bool {
    let Some(("False", message)) = condition(pod, "PodScheduled") else {
        return false;
    };
    let message = message.to_lowercase();
    VOLUME_WORDS.iter().any(|word| message.contains(word))
}

/// Whether the kubelet has mounted the pod's volumes: it does so before it makes the sandbox.
fn has_volumes(pod: &Pod) -> bool {
    let sandbox = matches!(condition(pod, "PodReadyToStartContainers"), Some(("True", _)));
    sandbox || phase(pod) != Some("Pending")
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "tests write JSON where they pass it")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claim(mode: &str) -> PersistentVolumeClaim {
        serde_json::from_value(json!({"metadata": {"name": "data"}, "spec": {"accessModes": [mode]}})).unwrap()
    }

    fn pod(node: Option<&str>, phase: &str, conditions: Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "app-0"},
            "spec": {
                "containers": [], "nodeName": node,
                "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
            },
            "status": {"phase": phase, "conditions": conditions},
        }))
        .unwrap()
    }

    fn unscheduled(message: &str) -> Pod {
        let condition = json!({"type": "PodScheduled", "status": "False", "message": message});
        pod(None, "Pending", json!([condition]))
    }

    fn holder(node: &str, started: bool) -> Holder {
        Holder {
            claim: "data".to_owned(),
            node: Some(node.to_owned()),
            started,
        }
    }

    fn conflict(mode: &str, pod: Pod, holder: Holder) -> bool {
        kept_out(&claim(mode), &[pod], &[holder]).is_some()
    }

    #[test]
    fn a_pod_that_waits_on_another_node_for_the_volume_is_kept_out() {
        let waiting = || pod(Some("pi"), "Pending", json!([]));
        assert!(conflict("ReadWriteOnce", waiting(), holder("desk", true)));
        // The same node may use it twice; volumes of many nodes are held by nobody.
        assert!(!conflict("ReadWriteOnce", waiting(), holder("pi", true)));
        assert!(!conflict("ReadWriteMany", waiting(), holder("desk", true)));
        // It has the volume, and pulls its image.
        let sandbox = json!([{"type": "PodReadyToStartContainers", "status": "True"}]);
        assert!(!conflict(
            "ReadWriteOnce",
            pod(Some("pi"), "Pending", sandbox),
            holder("desk", true)
        ));
        assert!(!conflict(
            "ReadWriteOnce",
            pod(Some("pi"), "Running", json!([])),
            holder("desk", true)
        ));
    }

    #[test]
    fn a_mover_that_cannot_start_beside_a_pod_on_another_node_is_ended_too() {
        let running = || pod(Some("pi"), "Running", json!([]));
        assert!(conflict("ReadWriteOnce", running(), holder("desk", false)));
        assert!(!conflict("ReadWriteOnce", running(), holder("pi", false)));
    }

    #[test]
    fn a_pod_that_the_scheduler_cannot_place_because_of_a_volume_is_kept_out() {
        let rwop = "0/3 nodes are available: 1 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode.";
        let affinity = "0/3 nodes are available: 1 Insufficient memory, 2 node(s) had volume node affinity conflict.";
        for message in [rwop, affinity] {
            assert!(conflict("ReadWriteOncePod", unscheduled(message), holder("desk", true)));
        }
        let other = "0/3 nodes are available: 3 Insufficient cpu.";
        assert!(!conflict("ReadWriteOncePod", unscheduled(other), holder("desk", true)));
        // It was made a moment ago.
        assert!(!conflict(
            "ReadWriteOncePod",
            pod(None, "Pending", json!([])),
            holder("desk", true)
        ));
    }

    #[test]
    fn pods_that_end_or_use_another_claim_do_not_count() {
        let mut leaving = pod(Some("pi"), "Pending", json!([]));
        leaving.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        assert!(!conflict("ReadWriteOnce", leaving, holder("desk", true)));
        let mut other = holder("desk", true);
        other.claim = "other".to_owned();
        assert!(!conflict("ReadWriteOnce", pod(Some("pi"), "Pending", json!([])), other));
    }

    #[test]
    fn a_mover_makes_room_three_times() {
        let mut item = Item::default();
        let begun: Vec<bool> = (0..4)
            .map(|_| begin(&mut item, "app-0", Timestamp::UNIX_EPOCH))
            .collect();
        assert_eq!((begun, item.yields), (vec![true, true, true, false], 3));
        assert!(item.message.unwrap().contains("app-0"));
    }

    #[test]
    fn an_item_goes_on_when_the_pod_has_a_node_or_after_ten_minutes() {
        let mut item = Item {
            claim: "data".to_owned(),
            ..Item::default()
        };
        begin(&mut item, "app-0", Timestamp::UNIX_EPOCH);
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let waiting = [unscheduled("volume")];
        assert!(!is_over(&item, true, &waiting, at(599)));
        assert!(is_over(&item, true, &waiting, at(600)));
        let placed = [pod(Some("pi"), "Pending", json!([]))];
        assert!(is_over(&item, true, &placed, at(1)));
        assert!(!is_over(&item, false, &placed, at(1)), "the mover is still there");
    }

    #[test]
    fn a_movers_pod_holds_its_claim_until_it_has_ended() {
        let annotations = json!({"backup.hearth.home.arpa/claim": "data", "backup.hearth.home.arpa/attempt": "1"});
        let job: Job = serde_json::from_value(json!({"metadata": {"name": "j", "annotations": annotations}})).unwrap();
        let pod = |phase: &str, node: Option<&str>| -> Pod {
            serde_json::from_value(json!({
                "metadata": {"name": "j-x", "labels": {"batch.kubernetes.io/job-name": "j"}},
                "spec": {"containers": [], "nodeName": node, "nodeSelector": {"kubernetes.io/hostname": "desk"}},
                "status": {"phase": phase},
            }))
            .unwrap()
        };
        let one = |pod: Pod| holders(std::slice::from_ref(&job), &[pod]);
        assert_eq!(one(pod("Running", Some("pi"))), [holder("pi", true)]);
        assert_eq!(one(pod("Pending", None)), [holder("desk", false)]);
        assert_eq!(one(pod("Succeeded", Some("pi"))), []);
    }
}
