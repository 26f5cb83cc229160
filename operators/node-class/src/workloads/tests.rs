use serde_json::json;

use super::*;

fn pod(owner: Option<(&str, &str)>, node: &str) -> SlimPod {
    let owners = owner.map(
        |(kind, name)| json!([{ "kind": kind, "name": name, "apiVersion": "v1", "uid": "u", "controller": true }]),
    );
    let meta = json!({ "name": "web-5d4f-x", "namespace": "home", "labels": { "pod-template-hash": "5d4f" }, "ownerReferences": owners });
    serde_json::from_value(json!({ "metadata": meta, "spec": { "nodeName": node }, "status": { "phase": "Running" } }))
        .unwrap()
}

#[test]
fn pods_count_for_their_workload() {
    let pods = [
        pod(Some(("ReplicaSet", "web-5d4f")), "gamer-1"),
        pod(Some(("ReplicaSet", "web-5d4f")), "mini-1"),
        pod(Some(("StatefulSet", "db")), "gamer-1"),
        pod(Some(("DaemonSet", "cni")), "gamer-1"),
        pod(None, "gamer-1"),
    ];
    let pods: Vec<PodPlacement> = pods.iter().map(of_pod).collect();
    let volumes = BTreeMap::new();
    let found = gather(pods.iter(), volumes.iter());
    let names: Vec<(&str, usize)> = found
        .nodes
        .iter()
        .map(|(name, nodes)| (name.as_str(), nodes.len()))
        .collect();
    assert_eq!(
        names,
        [
            ("Deployment home/web", 2),
            ("Pod home/web-5d4f-x", 1),
            ("StatefulSet home/db", 1)
        ]
    );
}

#[test]
fn a_volume_is_bound_only_if_every_term_names_nodes() {
    let volume = |terms: serde_json::Value| -> PersistentVolume {
        serde_json::from_value(json!({ "metadata": { "name": "v" },
            "spec": { "nodeAffinity": { "required": { "nodeSelectorTerms": terms } } } }))
        .unwrap()
    };
    let host = |name: &str| json!({ "matchExpressions": [{ "key": "kubernetes.io/hostname", "operator": "In", "values": [name] }] });
    let zone =
        json!({ "matchExpressions": [{ "key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a"] }] });
    assert_eq!(of_volume(&volume(json!([host("a"), host("b")]))).unwrap().len(), 2);
    assert_eq!(of_volume(&volume(json!([host("a"), zone]))), None);
    assert_eq!(of_volume(&PersistentVolume::default()), None);
}
