//! Which claims of a namespace a run backs up.
use std::collections::BTreeMap;

use hearth_reconciler::labels;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;

use crate::crd::backup_run::{Mode, Volumes};
use crate::crd::{BACKUP, K8UP_BACKUP};

/// The claims that a run backs up, by name, sorted. What is left out by name, label or annotation is not among them.
pub fn chosen<'a>(claims: &'a [PersistentVolumeClaim], volumes: &Volumes) -> Vec<&'a PersistentVolumeClaim> {
    let mut chosen: Vec<_> = claims.iter().filter(|claim| is_chosen(claim, volumes)).collect();
    chosen.sort_by_key(|claim| claim.name_any());
    chosen
}

fn is_chosen(claim: &PersistentVolumeClaim, volumes: &Volumes) -> bool {
    let name = claim.name_any();
    let named = volumes.claims.is_empty() || volumes.claims.iter().any(|pattern| labels::glob(pattern, &name));
    let labelled = volumes
        .selector
        .as_ref()
        .is_none_or(|selector| labels::matches(selector, |key| claim.labels().get(key).map(String::as_str)));
    named && labelled && is_wanted(claim, volumes.mode)
}

/// Whether the annotation leaves a claim out.
pub fn is_excluded(annotations: &BTreeMap<String, String>) -> bool {
    said(annotations) == Some("false")
}

/// What the annotation says. Ours wins over K8up's.
fn said(annotations: &BTreeMap<String, String>) -> Option<&str> {
    annotations
        .get(BACKUP)
        .or(annotations.get(K8UP_BACKUP))
        .map(String::as_str)
}

/// Whether a claim is to be backed up. A value that is neither `true` nor `false` leaves nothing out.
fn is_wanted(claim: &PersistentVolumeClaim, mode: Mode) -> bool {
    let annotation = said(claim.annotations());
    match mode {
        Mode::All => true,
        Mode::OptIn => annotation.is_some_and(|value| value == "true"),
        Mode::OptOut => annotation.is_none_or(|value| value != "false"),
    }
}

/// Why a claim cannot be backed up now: a reason and a message.
pub fn obstacle(claim: &PersistentVolumeClaim, pods: &[Pod]) -> Option<(&'static str, String)> {
    let (spec, name) = (claim.spec.as_ref()?, claim.name_any());
    if claim.metadata.deletion_timestamp.is_some() {
        return Some(("Terminating", "the claim is being deleted".to_owned()));
    }
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    if phase != Some("Bound") {
        let message = "the claim has no volume yet; it gets one when a pod uses it, or leave it out by the annotation";
        return Some(("NotBound", format!("{message} {BACKUP}: \"false\"")));
    }
    if spec.volume_mode.as_deref() == Some("Block") {
        let message = "the volume is a block device without a file system, which cannot be read as files; leave it out by the annotation";
        return Some(("BlockDevice", format!("{message} {BACKUP}: \"false\"")));
    }
    let exclusive = spec
        .access_modes
        .iter()
        .flatten()
        .any(|mode| mode == "ReadWriteOncePod");
    let user = users(pods, &name).next();
    match user {
        Some(pod) if exclusive => {
            let message = format!(
                "pod {} uses it, and ReadWriteOncePod allows no second pod",
                pod.name_any()
            );
            Some(("RWOPInUse", message))
        }
        _ => None,
    }
}

/// Whether pods on several nodes may use a claim at once.
pub fn is_shared(claim: &PersistentVolumeClaim) -> bool {
    let modes = claim.spec.as_ref().and_then(|spec| spec.access_modes.as_deref());
    let mut modes = modes.unwrap_or_default().iter();
    modes.any(|mode| mode == "ReadWriteMany" || mode == "ReadOnlyMany")
}

/// The pods that use a claim and have not ended.
pub fn users<'a>(pods: &'a [Pod], claim: &str) -> impl Iterator<Item = &'a Pod> {
    pods.iter().filter(move |pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        !matches!(phase, Some("Succeeded" | "Failed")) && volume_of(pod, claim).is_some()
    })
}

/// The name of the pod's volume that is the claim.
pub fn volume_of<'a>(pod: &'a Pod, claim: &str) -> Option<&'a str> {
    let volumes = pod.spec.as_ref()?.volumes.as_deref().unwrap_or_default();
    let is = |volume: &&k8s_openapi::api::core::v1::Volume| {
        let source = volume.persistent_volume_claim.as_ref();
        source.is_some_and(|source| source.claim_name == claim)
    };
    volumes.iter().find(is).map(|volume| volume.name.as_str())
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "tests write JSON where they pass it")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claim(name: &str, annotations: Value) -> PersistentVolumeClaim {
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"app": name}, "annotations": annotations},
            "spec": {"accessModes": ["ReadWriteOnce"]}, "status": {"phase": "Bound"},
        }))
        .unwrap()
    }

    fn pod(claim: &str, phase: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "app-0"},
            "spec": {"containers": [], "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]},
            "status": {"phase": phase},
        }))
        .unwrap()
    }

    #[test]
    fn claims_are_chosen_by_annotation_label_and_name() {
        let all = [
            claim("c", json!({})),
            claim("a", json!({"backup.hearth.home.arpa/backup": "true"})),
            claim("b", json!({"k8up.io/backup": "false"})),
            claim(
                "d",
                json!({"k8up.io/backup": "false", "backup.hearth.home.arpa/backup": "true"}),
            ),
        ];
        let names = |volumes: Value| {
            let volumes = serde_json::from_value(volumes).unwrap();
            let chosen = chosen(&all, &volumes);
            chosen.iter().map(|claim| claim.name_any()).collect::<String>()
        };
        assert_eq!(names(json!({})), "acd");
        assert_eq!(names(json!({"mode": "OptIn"})), "ad");
        assert_eq!(names(json!({"mode": "All"})), "abcd");
        assert_eq!(names(json!({"mode": "All", "claims": ["[bc]", "b", "?"]})), "abcd");
        assert_eq!(names(json!({"claims": ["b"]})), "");
        assert_eq!(names(json!({"selector": {"matchLabels": {"app": "c"}}})), "c");
    }

    #[test]
    fn a_claim_that_cannot_be_mounted_says_why() {
        let mut bad = claim("a", json!({}));
        assert_eq!(obstacle(&bad, &[]), None);
        bad.spec.as_mut().unwrap().access_modes = Some(vec!["ReadWriteOncePod".to_owned()]);
        assert_eq!(obstacle(&bad, &[pod("a", "Succeeded")]), None);
        let (reason, message) = obstacle(&bad, &[pod("a", "Running")]).unwrap();
        assert!(reason == "RWOPInUse" && message.contains("app-0"), "{message}");
        bad.spec.as_mut().unwrap().volume_mode = Some("Block".to_owned());
        assert_eq!(obstacle(&bad, &[]).unwrap().0, "BlockDevice");
        bad.status.as_mut().unwrap().phase = Some("Pending".to_owned());
        assert_eq!(obstacle(&bad, &[]).unwrap().0, "NotBound");
    }
}
