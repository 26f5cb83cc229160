use hearth_reconciler::testing::script::Script;
use serde_json::{Value, json};

use super::*;

fn pod(more: &Value) -> SlimPod {
    let metadata = json!({ "name": "p", "namespace": "n" });
    let mut pod = json!({ "metadata": metadata, "spec": { "containers": [] }, "status": { "phase": "Running" } });
    for (key, value) in more.as_object().unwrap() {
        pod[key] = value.clone();
    }
    serde_json::from_value(pod).unwrap()
}

#[test]
fn daemons_mirrors_and_ended_pods_stay() {
    let goes = |more: &Value| Left::of(&pod(more), "a", &BTreeSet::new(), Accepted::default()).is_some();
    assert!(goes(&json!({})), "also a pod that nothing would replace");
    assert!(goes(&ready("ReplicaSet")));
    assert!(!goes(&ready("DaemonSet")));
    assert!(!goes(&ready("Node")), "the kubelet's own");
    for phase in ["Succeeded", "Failed"] {
        assert!(!goes(&json!({ "status": { "phase": phase } })));
    }
    let etcd = json!({ "name": "etcd", "namespace": "kube-system", "labels": { "component": "etcd", "tier": "control-plane" } });
    assert!(!goes(&json!({ "metadata": etcd, "status": { "phase": "Failed" } })));
}

fn from(kind: &str, name: &str) -> Value {
    json!({ "name": "p", "namespace": "n",
        "ownerReferences": [{ "kind": kind, "name": name, "apiVersion": "v1", "uid": "u", "controller": true }] })
}

fn ready(kind: &str) -> Value {
    json!({ "metadata": from(kind, "o") })
}

/// What is answered to the eviction of a pod.
async fn answered(code: u16, answer: Value) -> String {
    let (client, server) = Script::new()
        .expect("POST", "/api/v1/namespaces/n/pods/p/eviction", code, answer)
        .start();
    let left = Left::of(&pod(&ready("ReplicaSet")), "a", &BTreeSet::new(), Accepted::default());
    let mut left = [left.unwrap()];
    evict(&client, &mut left).await;
    server.finish();
    let [left] = left;
    left.why
}

fn status(code: u16, message: &str, causes: &Value) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message,
        "details": { "causes": causes } })
}

/// Case `n08`: only the cause says that it was a budget; else the API server's own words are worth more.
#[tokio::test]
async fn refusals_are_told_apart_by_their_cause() {
    let none = json!([]);
    let budget = "The disruption budget guarded needs 1 healthy pods and has 1 currently";
    let cause = json!([{ "reason": "DisruptionBudget", "message": budget }]);
    let refused = "Cannot evict pod as it would violate the pod's disruption budget.";
    let webhook = "admission webhook \"virt.example\" denied the request: evacuation of VMI";
    let broken = "Internal error occurred: failed calling webhook \"virt.example\": EOF";
    let two = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    for (code, message, causes, expected) in [
        (
            429,
            refused,
            &cause,
            format!("a PodDisruptionBudget does not allow it now: {budget}"),
        ),
        (429, webhook, &none, format!("the API server refuses it now: {webhook}")),
        (500, broken, &none, format!("cannot be evicted: {broken}")),
        (
            403,
            "pods \"p\" is forbidden",
            &none,
            "cannot be evicted: pods \"p\" is forbidden".to_owned(),
        ),
        (
            500,
            two,
            &none,
            "more than one PodDisruptionBudget selects it, so it cannot be evicted; leave one of them".to_owned(),
        ),
    ] {
        assert_eq!(answered(code, status(code, message, causes)).await, expected);
    }
}

/// Case `n10` and what a drain destroys: not evicted before it is accepted.
#[test]
fn jobs_bare_pods_and_data_are_left_until_that_is_accepted() {
    let disk = json!({ "containers": [], "volumes": [{ "name": "cache", "emptyDir": {} }] });
    let mut with_data = ready("ReplicaSet");
    with_data["spec"] = disk;
    let memory = json!({ "containers": [], "volumes": [{ "name": "shm", "emptyDir": { "medium": "Memory" } }] });
    let mut in_memory = ready("ReplicaSet");
    in_memory["spec"] = memory;
    let drain = |acknowledge: Value| serde_json::from_value(json!({ "acknowledge": acknowledge })).unwrap();
    let (bare, data): (Drain, Drain) = (drain(json!(["NoController"])), drain(json!(["EmptyDir"])));
    let both: Drain = drain(json!(["NoController", "EmptyDir"]));
    let of = |drain| Accepted {
        forced: false,
        drain: Some(drain),
    };
    let nothing = Accepted::default();
    let forced = Accepted {
        forced: true,
        drain: None,
    };
    for (pod_, accepted, waits) in [
        (ready("ReplicaSet"), nothing, None),
        (in_memory, nothing, None),
        (ready("Job"), nothing, Some("works for Job n/o")),
        (ready("Job"), of(&both), Some("works for Job n/o")),
        (ready("Job"), forced, None),
        (json!({}), nothing, Some("add NoController to spec.drain.acknowledge")),
        (json!({}), of(&bare), None),
        (json!({}), forced, None),
        (with_data.clone(), nothing, Some("would lose the data of an emptyDir")),
        (with_data.clone(), of(&data), None),
        (with_data, forced, None),
    ] {
        let left = Left::of(&pod(&pod_), "a", &BTreeSet::new(), accepted).unwrap();
        assert_eq!(left.waits, waits.is_some(), "{left:?}");
        assert!(left.why.contains(waits.unwrap_or("runs")), "{left:?}");
    }
}

/// Pods on a node that is down do not end, whoever evicts them.
#[test]
fn a_pod_that_ends_on_a_dead_node_is_told_apart() {
    let mut ending = ready("ReplicaSet");
    ending["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let down = BTreeSet::from(["b".to_owned()]);
    let why = |node| Left::of(&pod(&ending), node, &down, Accepted::default()).unwrap().why;
    assert_eq!(why("a"), "is ending");
    assert!(why("b").starts_with("cannot end, because b is down"));
}

/// Case `n06`: without pods, but with a volume.
#[tokio::test]
async fn volumes_that_are_still_attached_are_waited_for() {
    let list = |items: Value| json!({ "kind": "List", "apiVersion": "v1", "metadata": {}, "items": items });
    let attachment = |name: &str, node: &str| {
        json!({ "metadata": { "name": name }, "status": { "attached": true },
        "spec": { "attacher": "csi.example", "nodeName": node, "source": { "persistentVolumeName": format!("pv-{name}") } } })
    };
    let attachments = "/apis/storage.k8s.io/v1/volumeattachments";
    let (client, server) = Script::new()
        .expect("GET", "/api/v1/pods", 200, list(json!([])))
        .expect(
            "GET",
            attachments,
            200,
            list(json!([attachment("1", "a"), attachment("2", "elsewhere")])),
        )
        .start();
    let left = left(&client, &["a".to_owned()], &BTreeSet::new(), Accepted::default())
        .await
        .unwrap();
    server.finish();
    let lines: Vec<String> = left.iter().map(Left::line).collect();
    assert_eq!(lines, ["volume pv-1: is still attached to a (csi.example)"]);
}
