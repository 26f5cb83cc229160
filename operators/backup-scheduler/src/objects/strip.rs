//! Removes from an object what only the old cluster knew: what the API server and controllers set by themselves, and set anew.
//! The same is removed from what is there, before the two are compared.
use serde_json::{Map, Value};

use super::{list_at, object_at, text_at};

/// Fields of `metadata` that are of the old object. Finalizers are among them: whoever needs one adds it again, and one that nobody
/// removes would keep the object for ever.
const METADATA: [&str; 11] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];
/// Annotations that controllers write for themselves.
const ANNOTATIONS: [&str; 9] = [
    "batch.kubernetes.io/job-tracking",
    "deployment.kubernetes.io/revision",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-class-provisioner",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-resizer",
];
/// Labels that tie a Job to its pods by the Job's UID.
const JOB_LABELS: [&str; 4] = [
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "controller-uid",
    "job-name",
];
/// The manifest that `kubectl apply` was given last.
const LAST_APPLIED: &str = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";
/// The volume with the token that the API server gives to each pod.
const TOKEN_VOLUME: &str = "kube-api-access-";

/// Strips an object.
pub fn strip(object: &mut Value) {
    // The manifest of `kubectl apply` is looked at, and stays.
    match text_at(object, "/kind") {
        "Service" => service(object),
        "PersistentVolumeClaim" => remove(object, "/spec", &["volumeName", "dataSource", "dataSourceRef"]),
        "Pod" => pod(object),
        "Job" => job(object),
        "ServiceAccount" => account(object),
        // The API server writes both itself.
        "Namespace" => {
            remove(object, "", &["spec"]);
            remove(object, "/metadata/labels", &["kubernetes.io/metadata.name"]);
        }
        _ => {}
    }
    remove(object, "", &["status"]);
    remove(object, "/metadata", &METADATA);
    remove(object, "/metadata/annotations", &ANNOTATIONS);
    for empty in ["labels", "annotations"] {
        if let Some(metadata) = object_at(object, "/metadata")
            && metadata
                .get(empty)
                .is_some_and(|map| map.as_object().is_some_and(Map::is_empty))
        {
            metadata.remove(empty);
        }
    }
}

fn remove(object: &mut Value, pointer: &str, fields: &[&str]) {
    if let Some(map) = object_at(object, pointer) {
        for field in fields {
            map.remove(*field);
        }
    }
}

/// A Service keeps `None` as its address, and node ports that a person has chosen.
fn service(object: &mut Value) {
    if text_at(object, "/spec/clusterIP") != "None" {
        remove(object, "/spec", &["clusterIP", "clusterIPs"]);
    }
    remove(object, "/spec", &["healthCheckNodePort"]);
    let applied: Value = serde_json::from_str(text_at(object, LAST_APPLIED)).unwrap_or_default();
    let chosen: Vec<u64> = list_at(&applied, "/spec/ports")
        .filter_map(|port| port["nodePort"].as_u64())
        .collect();
    for port in ports(object) {
        if port
            .get("nodePort")
            .and_then(Value::as_u64)
            .is_none_or(|number| !chosen.contains(&number))
        {
            port.remove("nodePort");
        }
    }
}

/// Removes all node ports of a Service; whether it had some.
pub fn remove_node_ports(object: &mut Value) -> bool {
    let mut any = false;
    for port in ports(object) {
        any |= port.remove("nodePort").is_some();
    }
    any
}

fn ports(object: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let ports = object.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
    ports.into_iter().flatten().filter_map(Value::as_object_mut)
}

fn pod(object: &mut Value) {
    // The priority is set from its class; ephemeral containers cannot be created.
    remove(object, "/spec", &["nodeName", "ephemeralContainers"]);
    if !text_at(object, "/spec/priorityClassName").is_empty() {
        remove(object, "/spec", &["priority", "preemptionPolicy"]);
    }
    let is_token = |entry: &Value| text_at(entry, "/name").starts_with(TOKEN_VOLUME);
    if let Some(volumes) = object.pointer_mut("/spec/volumes").and_then(Value::as_array_mut) {
        volumes.retain(|volume| !is_token(volume));
    }
    for containers in ["/spec/containers", "/spec/initContainers"] {
        let containers = object.pointer_mut(containers).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            if let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
                mounts.retain(|mount| !is_token(mount));
            }
        }
    }
}

/// The API server gives a Job a selector and labels with its UID, unless the manifest says that it has its own.
fn job(object: &mut Value) {
    if object.pointer("/spec/manualSelector") == Some(&Value::Bool(true)) {
        return;
    }
    remove(object, "/spec", &["selector"]);
    remove(object, "/metadata/labels", &JOB_LABELS);
    remove(object, "/spec/template/metadata/labels", &JOB_LABELS);
}

/// Secrets with tokens are made for each account anew. `NAME-token-x7f2k` and `NAME-dockercfg-x7f2k` are such.
fn account(object: &mut Value) {
    let name = text_at(object, "/metadata/name").to_owned();
    let generated = [format!("{name}-token-"), format!("{name}-dockercfg-")];
    for field in ["secrets", "imagePullSecrets"] {
        let Some(list) = object.get_mut(field).and_then(Value::as_array_mut) else {
            continue;
        };
        list.retain(|secret| {
            !generated
                .iter()
                .any(|prefix| text_at(secret, "/name").starts_with(prefix))
        });
        if list.is_empty() {
            remove(object, "", &[field]);
        }
    }
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "tests write JSON where they pass it")]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(object: Value, expected: Value) {
        let mut stripped = object;
        strip(&mut stripped);
        assert_eq!(stripped, expected);
        strip(&mut stripped);
        assert_eq!(stripped, expected, "not the same the second time");
    }

    #[test]
    fn what_the_old_object_was_is_removed_and_what_a_person_wrote_stays() {
        check(
            json!({"kind": "ConfigMap", "data": {"a": "1"}, "status": {}, "metadata": {
                "name": "a", "namespace": "home", "uid": "u", "resourceVersion": "7", "generation": 3, "creationTimestamp": "t",
                "deletionTimestamp": "t", "finalizers": ["x.io/f"], "ownerReferences": [], "generateName": "a-", "managedFields": [],
                "labels": {"app": "web"}, "annotations": {"note": "mine", "deployment.kubernetes.io/revision": "4"},
            }}),
            json!({"kind": "ConfigMap", "data": {"a": "1"}, "metadata": {
                "name": "a", "namespace": "home", "labels": {"app": "web"}, "annotations": {"note": "mine"},
            }}),
        );
        check(
            json!({"kind": "X", "metadata": {"labels": {}, "annotations": {}}}),
            json!({"kind": "X", "metadata": {}}),
        );
    }

    /// Case 73.
    #[test]
    fn the_address_of_a_service_is_cleared_none_is_kept_and_a_node_port_is_kept_only_if_it_was_asked_for() {
        let applied = r#"{"spec":{"ports":[{"port":80,"nodePort":30080}]}}"#;
        let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": applied});
        check(
            json!({"kind": "Service", "metadata": {"annotations": annotations}, "spec": {
                "clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"], "healthCheckNodePort": 32000,
                "ports": [{"port": 80, "nodePort": 30080}, {"port": 81, "nodePort": 31234}, {"port": 82}, 7],
            }}),
            json!({"kind": "Service", "metadata": {"annotations": annotations}, "spec": {
                "ports": [{"port": 80, "nodePort": 30080}, {"port": 81}, {"port": 82}, 7],
            }}),
        );
        let headless = json!({"kind": "Service", "spec": {"clusterIP": "None", "clusterIPs": ["None"]}});
        check(headless.clone(), headless);
        let mut service = json!({"kind": "Service", "spec": {"ports": [{"port": 80, "nodePort": 30080}]}});
        assert!(remove_node_ports(&mut service) && !remove_node_ports(&mut service));
        assert_eq!(service["spec"]["ports"], json!([{"port": 80}]));
    }

    #[test]
    fn a_claim_is_not_bound_to_the_old_volume() {
        check(
            json!({"kind": "PersistentVolumeClaim", "metadata": {"annotations": {
                "pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes",
                "volume.kubernetes.io/selected-node": "n1", "volume.beta.kubernetes.io/storage-provisioner": "x", "a": "b",
            }}, "spec": {"volumeName": "pvc-1", "dataSource": {}, "dataSourceRef": {}, "storageClassName": "fast"}}),
            json!({"kind": "PersistentVolumeClaim", "metadata": {"annotations": {"a": "b"}}, "spec": {"storageClassName": "fast"}}),
        );
    }

    #[test]
    fn a_pod_is_not_bound_to_its_node_and_gets_a_new_token() {
        let mounts = json!([{"name": "data"}, {"name": "kube-api-access-x2f"}]);
        check(
            json!({"kind": "Pod", "spec": {
                "nodeName": "n1", "priority": 7, "priorityClassName": "low", "preemptionPolicy": "Never", "ephemeralContainers": [],
                "volumes": mounts, "containers": [{"volumeMounts": mounts}, {}], "initContainers": [{"volumeMounts": mounts}],
            }}),
            json!({"kind": "Pod", "spec": {
                "priorityClassName": "low", "volumes": [{"name": "data"}],
                "containers": [{"volumeMounts": [{"name": "data"}]}, {}], "initContainers": [{"volumeMounts": [{"name": "data"}]}],
            }}),
        );
    }

    #[test]
    fn a_job_gets_a_new_selector_unless_it_has_its_own() {
        let labels =
            json!({"app": "x", "controller-uid": "u", "job-name": "j", "batch.kubernetes.io/controller-uid": "u"});
        let spec =
            json!({"selector": {"matchLabels": {"controller-uid": "u"}}, "template": {"metadata": {"labels": labels}}});
        check(
            json!({"kind": "Job", "metadata": {"labels": labels}, "spec": spec}),
            json!({"kind": "Job", "metadata": {"labels": {"app": "x"}}, "spec": {"template": {"metadata": {"labels": {"app": "x"}}}}}),
        );
        let own = json!({"kind": "Job", "spec": {"manualSelector": true, "selector": {"matchLabels": {"a": "b"}}}});
        check(own.clone(), own);
    }

    #[test]
    fn an_account_keeps_the_secrets_that_a_person_gave_it() {
        check(
            json!({"kind": "ServiceAccount", "metadata": {"name": "web"}, "secrets": [{"name": "web-token-abcde"}],
                "imagePullSecrets": [{"name": "registry"}, {"name": "web-dockercfg-abcde"}]}),
            json!({"kind": "ServiceAccount", "metadata": {"name": "web"}, "imagePullSecrets": [{"name": "registry"}]}),
        );
    }

    #[test]
    fn a_namespace_keeps_its_labels_but_for_its_name() {
        check(
            json!({"kind": "Namespace", "metadata": {"name": "a", "labels": {"kubernetes.io/metadata.name": "a", "team": "x"}}, "spec": {"finalizers": ["kubernetes"]}}),
            json!({"kind": "Namespace", "metadata": {"name": "a", "labels": {"team": "x"}}}),
        );
    }

    #[test]
    fn a_broken_object_is_no_panic() {
        for kind in [
            "Service",
            "PersistentVolumeClaim",
            "Pod",
            "Job",
            "ServiceAccount",
            "Namespace",
        ] {
            for field in [
                json!(null),
                json!(7),
                json!([]),
                json!([7]),
                json!({"ports": 7, "volumes": {}, "containers": [7]}),
            ] {
                let mut object = json!({"kind": kind, "metadata": field, "spec": field, "secrets": field});
                strip(&mut object);
            }
            strip(&mut json!(kind));
        }
    }
}
