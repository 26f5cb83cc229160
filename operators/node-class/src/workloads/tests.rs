use serde_json::{Value, json};

use super::*;
use crate::facts::{Ready, texts};

/// A pod of `home`, working on a node; `more` is merged over it, key by key.
fn pod(owner: Option<(&str, &str)>, node: &str, more: &Value) -> SlimPod {
    let owners = owner.map(
        |(kind, name)| json!([{ "kind": kind, "name": name, "apiVersion": "v1", "uid": "u", "controller": true }]),
    );
    let mut pod = json!({
        "metadata": { "name": "web-5d4f-x", "namespace": "home", "labels": { "pod-template-hash": "5d4f" }, "ownerReferences": owners },
        "spec": { "nodeName": node, "containers": [] },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] },
    });
    for (part, fields) in more.as_object().into_iter().flatten() {
        for (field, value) in fields.as_object().into_iter().flatten() {
            pod[part][field] = value.clone();
        }
    }
    serde_json::from_value(pod).unwrap()
}

const WEB: Option<(&str, &str)> = Some(("ReplicaSet", "web-5d4f"));

fn node(name: &str, labels: &[(&str, &str)]) -> (String, Arc<NodeFacts>) {
    let labels: Vec<_> = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let facts = NodeFacts {
        name: name.to_owned(),
        labels: texts(labels.iter().map(|(key, value)| (key, value))),
        ready: Ready::default(),
        ..NodeFacts::default()
    };
    (name.to_owned(), Arc::new(facts))
}

fn gathered(pods: &[SlimPod]) -> Workloads {
    let pods: Vec<_> = pods.iter().filter_map(of_pod).collect();
    gather(pods.iter(), std::iter::empty(), &BTreeMap::new())
}

fn on<'a>(found: &'a Workloads, workload: &str) -> Vec<&'a str> {
    found
        .nodes
        .get(workload)
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect()
}

#[test]
fn pods_count_for_their_workload() {
    let none = json!({});
    let found = gathered(&[
        pod(WEB, "gamer-1", &none),
        pod(WEB, "mini-1", &none),
        pod(Some(("StatefulSet", "db")), "gamer-1", &none),
        pod(Some(("DaemonSet", "cni")), "gamer-1", &none),
        pod(Some(("Job", "backup")), "gamer-1", &none),
        pod(None, "gamer-1", &none),
    ]);
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
    let roles: Vec<Role> = found.pods.iter().map(|pod| pod.role).collect();
    assert_eq!(
        roles,
        [
            Role::Moves,
            Role::Moves,
            Role::Moves,
            Role::Stays,
            Role::Job,
            Role::Bare
        ]
    );
}

/// Case `n09`: the desktop is where it lives, whatever the small boards try.
#[test]
fn a_pod_that_crashes_ends_or_waits_is_no_shelter() {
    let not_ready = json!([{ "type": "Ready", "status": "False" }]);
    let crashing = json!([{ "ready": false, "state": { "waiting": { "reason": "CrashLoopBackOff" } } }]);
    for other in [
        pod(WEB, "pi-1", &json!({ "status": { "conditions": not_ready } })),
        pod(
            WEB,
            "pi-1",
            &json!({ "status": { "conditions": [], "containerStatuses": crashing } }),
        ),
        pod(
            WEB,
            "pi-1",
            &json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" } }),
        ),
        pod(WEB, "pi-1", &json!({ "status": { "phase": "Pending" } })),
        pod(
            WEB,
            "",
            &json!({ "spec": { "nodeName": null }, "status": { "phase": "Pending" } }),
        ),
    ] {
        let found = gathered(&[pod(WEB, "gamer", &json!({})), other.clone()]);
        assert_eq!(on(&found, "Deployment home/web"), ["gamer"], "{other:?}");
    }
    let starting = pod(WEB, "gamer", &json!({ "status": { "phase": "Pending" } }));
    assert_eq!(on(&gathered(&[starting]), "Deployment home/web"), ["gamer"]);
}

#[test]
fn pods_that_have_ended_are_nothing() {
    for phase in ["Succeeded", "Failed"] {
        assert_eq!(of_pod(&pod(WEB, "a", &json!({ "status": { "phase": phase } }))), None);
    }
}

/// Case `n01`: kubeadm's etcd is known by its pods.
#[test]
fn pods_of_etcd_are_found() {
    let labels = json!({ "component": "etcd", "tier": "control-plane" });
    let etcd = json!({ "metadata": { "namespace": "kube-system", "labels": labels } });
    let found = gathered(&[pod(Some(("Node", "a")), "a", &etcd)]);
    assert_eq!(found.etcd, BTreeSet::from(["a".to_owned()]));
    let mut ended = etcd.clone();
    ended["status"] = json!({ "phase": "Failed" });
    let found = gathered(&[pod(Some(("Node", "a")), "a", &ended)]);
    assert!(
        found.etcd.contains("a"),
        "its node was shut down, which removes no member from etcd"
    );
    let theirs = json!({ "metadata": { "labels": labels } });
    assert!(gathered(&[pod(WEB, "a", &theirs)]).etcd.is_empty(), "another namespace");
}

#[test]
fn what_a_pod_demands_is_kept_if_there_is_anything() {
    let injected = json!({ "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 });
    let plain = json!({ "spec": { "tolerations": [injected] } });
    assert_eq!(of_pod(&pod(WEB, "a", &plain)).unwrap().demands, None);
    let container = |memory: &str| json!({ "name": "c", "resources": { "requests": { "memory": memory } } });
    let demanding = json!({ "spec": {
        "tolerations": [injected, { "key": "gpu", "operator": "Exists" }],
        "nodeSelector": { "gpu": "yes" },
        "containers": [container("1Gi"), container("512Mi")], "initContainers": [container("1200Mi")],
        "volumes": [{ "name": "a", "persistentVolumeClaim": { "claimName": "data" } }, { "name": "b", "emptyDir": {} }],
    } });
    let found = of_pod(&pod(WEB, "a", &demanding)).unwrap();
    assert_eq!((found.memory, found.empty_dir), (1536 << 20, true));
    let demands = found.demands.as_deref().unwrap();
    assert_eq!((demands.tolerations.len(), demands.selector.len()), (1, 1));
    assert_eq!(demands.claims, ["home/data"]);
    let in_memory = json!({ "spec": { "volumes": [{ "name": "b", "emptyDir": { "medium": "Memory" } }] } });
    assert!(!of_pod(&pod(WEB, "a", &in_memory)).unwrap().empty_dir);
}

fn volume(terms: &Value) -> PersistentVolume {
    serde_json::from_value(json!({ "metadata": { "name": "v" }, "spec": {
        "claimRef": { "namespace": "home", "name": "data" },
        "nodeAffinity": { "required": { "nodeSelectorTerms": terms } } } }))
    .unwrap()
}

/// Local volumes are bound to a node by its name, or by a label of the driver's own.
#[test]
fn a_volume_is_on_the_nodes_that_its_labels_select() {
    let nodes = BTreeMap::from([
        node("a", &[("topology.lvm.example/node", "x"), ("zone", "1")]),
        node("b", &[("zone", "1")]),
        node("c", &[("kubernetes.io/hostname", "other"), ("zone", "2")]),
    ]);
    let one = |key: &str, values: &[&str]| json!({ "matchExpressions": [{ "key": key, "operator": "In", "values": values }] });
    let field = json!({ "matchFields": [{ "key": "metadata.name", "operator": "In", "values": ["b"] }] });
    let not = json!({ "matchExpressions": [{ "key": "zone", "operator": "NotIn", "values": ["1"] }] });
    for (terms, expected) in [
        (json!([one("kubernetes.io/hostname", &["a"])]), vec!["a"]),
        (json!([one("kubernetes.io/hostname", &["c"])]), vec![]),
        (json!([one("topology.lvm.example/node", &["x"])]), vec!["a"]),
        (json!([one("zone", &["1", "3"])]), vec!["a", "b"]),
        (json!([one("zone", &["2"]), field]), vec!["b", "c"]),
        (json!([not]), vec!["c"]),
        (json!([{}]), vec![]),
    ] {
        let facts = of_volume(&volume(&terms)).unwrap();
        let name = "pv".to_owned();
        let found = gather(std::iter::empty(), std::iter::once((&name, &facts)), &nodes);
        assert_eq!(on(&found, "PersistentVolume pv"), expected, "{terms}");
        assert_eq!(found.claims.contains_key("home/data"), !expected.is_empty());
    }
    assert_eq!(of_volume(&PersistentVolume::default()), None);
}

/// A network drive names the zone: it is not local to a machine where the zone is large.
#[test]
fn a_volume_that_many_nodes_can_use_is_not_local() {
    let terms = json!([{ "matchExpressions": [{ "key": "zone", "operator": "In", "values": ["1"] }] }]);
    let facts = of_volume(&volume(&terms)).unwrap();
    for (count, local) in [(63, true), (64, true), (65, false), (66, false)] {
        let nodes: BTreeMap<_, _> = (0..count).map(|i| node(&format!("n{i}"), &[("zone", "1")])).collect();
        let name = "pv".to_owned();
        let found = gather(std::iter::empty(), std::iter::once((&name, &facts)), &nodes);
        assert_eq!(on(&found, "PersistentVolume pv").len(), if local { count } else { 0 });
        assert_eq!(found.claims.contains_key("home/data"), local, "{count}");
    }
}

#[test]
fn each_operator_of_a_node_selector_selects_as_the_scheduler_does() {
    let nodes = BTreeMap::from([node("a", &[("disk", "ssd"), ("cores", "8")])]);
    let index = NodeIndex::new(&nodes);
    for (key, operator, values, expected) in [
        ("disk", "In", vec!["hdd", "ssd"], true),
        ("disk", "In", vec!["hdd"], false),
        ("gpu", "In", vec!["yes"], false),
        ("disk", "NotIn", vec!["hdd"], true),
        ("disk", "NotIn", vec!["hdd", "ssd"], false),
        ("gpu", "NotIn", vec!["yes"], true),
        ("disk", "Exists", vec![], true),
        ("gpu", "Exists", vec![], false),
        ("gpu", "DoesNotExist", vec![], true),
        ("disk", "DoesNotExist", vec![], false),
        ("cores", "Gt", vec!["7"], true),
        ("cores", "Gt", vec!["8"], false),
        ("cores", "Gt", vec!["9"], false),
        ("cores", "Lt", vec!["9"], true),
        ("cores", "Lt", vec!["8"], false),
        ("cores", "Lt", vec!["7"], false),
        ("disk", "Gt", vec!["1"], false),
        ("gpu", "Lt", vec!["1"], false),
        ("disk", "Like", vec!["ssd"], false),
    ] {
        let term = json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] });
        let selector: NodeSelector = serde_json::from_value(json!({ "nodeSelectorTerms": [term] })).unwrap();
        assert_eq!(selects(&selector, &nodes["a"]), expected, "{term}");
        assert_eq!(index.selected(&selector).count(), usize::from(expected), "{term}");
    }
}

#[test]
fn annotations_of_pods_are_not_kept() {
    let mut pod = pod(WEB, "a", &json!({ "metadata": { "annotations": { "long": "text" } } }));
    slim(&mut pod);
    assert_eq!(pod.metadata.annotations, None);
    assert!(pod.metadata.labels.is_some(), "they name the Deployment");
}
