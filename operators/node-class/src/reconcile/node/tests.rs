//! Writes against a scripted API server.
use std::collections::BTreeMap;

use clap::Parser;
use hearth_reconciler::cli;
use hearth_reconciler::testing::script::{Script, refusal};
use hearth_reconciler::trigger::trigger;
use kube::Client;
use kube::runtime::reflector;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::super::Objects;
use super::*;
use crate::args::{Cli, Command};
use crate::class::Wanted;
use crate::crd::OWNED_TAINTS;
use crate::crd::class::{ClassTaint, Effect};
use crate::facts::{SlimHistory, slim};
use crate::metrics::Metrics;
use crate::planner::{NodePlan, Plan, Planner, pending_write};
use crate::reconcile::node_patch::theirs;

const NODE: &str = "/api/v1/nodes/a";

fn node(version: &str, taints: &Value) -> Value {
    json!({ "metadata": { "name": "a", "uid": "u", "resourceVersion": version }, "spec": { "taints": taints } })
}

fn facts(value: Value) -> NodeFacts {
    let mut node: SlimNode = serde_json::from_value(value).unwrap();
    slim(&mut node);
    NodeFacts::of(&node)
}

fn node_plan() -> NodePlan {
    let taint = ClassTaint {
        key: "home/slow".to_owned(),
        value: None,
        effect: Effect::NoSchedule,
    };
    NodePlan {
        wanted: Wanted {
            taints: vec![(taint, Some("slow".to_owned()))],
            ..Wanted::default()
        },
        ..NodePlan::default()
    }
}

#[tokio::test]
async fn a_taint_that_somebody_adds_meanwhile_is_kept() {
    let theirs = json!({ "key": "theirs", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z" });
    let first = |body: &Value| {
        assert_eq!(body["metadata"]["resourceVersion"], "7");
        assert_eq!(
            body["spec"]["taints"],
            json!([{ "key": "home/slow", "effect": "NoSchedule" }])
        );
    };
    let kept = theirs.clone();
    let second = move |body: &Value| {
        assert_eq!(body["metadata"]["resourceVersion"], "8");
        assert_eq!(
            body["spec"]["taints"],
            json!([kept, { "key": "home/slow", "effect": "NoSchedule" }])
        );
        assert_eq!(body["metadata"]["annotations"][OWNED_TAINTS], "home/slow:NoSchedule");
    };
    let patch = format!("{NODE}?&fieldManager=node-class");
    let (client, server) = Script::new()
        .expect_body("PATCH", patch.clone(), first, 409, refusal(409, "Conflict"))
        .expect("GET", NODE, 200, node("8", &json!([theirs])))
        .expect_body("PATCH", patch, second, 200, node("9", &json!([])))
        .start();
    let api = Api::<SlimNode>::all(client);
    let mut written = 0;
    let first = facts(node("7", &json!([])));
    let theirs = write(&api, first, &node_plan(), |_, _| written += 1).await.unwrap();
    assert_eq!(theirs, []);
    assert_eq!(written, 1);
    server.finish();
}

#[test]
fn a_still_plan_writes_nothing() {
    let still = NodePlan {
        still: true,
        ..node_plan()
    };
    assert!(pending_write(&facts(node("1", &json!([]))), &still).is_none());
    assert!(pending_write(&facts(node("1", &json!([]))), &node_plan()).is_some());
}

#[test]
fn a_refused_apply_names_the_managers_of_the_keys() {
    let details = json!({ "causes": [
        { "reason": "FieldManagerConflict", "field": ".metadata.annotations.home/note", "message": "conflict with \"kubectl\" using v1" },
        { "reason": "Other", "field": ".metadata.labels.x", "message": "" } ] });
    let details = serde_json::from_value(details).unwrap();
    let status = kube::core::Status::failure("", "Conflict")
        .with_code(409)
        .with_details(details);
    let found = theirs(&kube::Error::Api(status.boxed()));
    assert_eq!(found, [("annotation home/note".to_owned(), "kubectl".to_owned())]);
}

/// What reconcilers share, around a scripted API server, with these features and a plan for node `a`, whose history exists.
fn context(client: Client, features: &str, node_plan: NodePlan) -> Arc<Context> {
    let given = [
        "node-class",
        "run",
        "--namespace",
        "n",
        "--cluster-name",
        "home",
        "--features",
        features,
    ];
    let Command::Shared(cli::Command::Run(settings)) = Cli::try_parse_from(given).unwrap().command else {
        panic!()
    };
    let plan = Plan {
        nodes: BTreeMap::from([("a".to_owned(), Arc::new(node_plan))]),
        ..Plan::default()
    };
    let (histories, mut writer) = reflector::store::<SlimHistory>();
    let history: SlimHistory = serde_json::from_value(json!({ "metadata": { "name": "a" } })).unwrap();
    writer.apply_watcher_event(&kube::runtime::watcher::Event::Apply(history));
    Arc::new(Context {
        process: hearth_reconciler::testing::process(client.clone()),
        evictions: client,
        metrics: Metrics::register(&mut prometheus_client::registry::Registry::default()),
        planner: Mutex::new(Planner::new(&settings, Now::read())),
        observed: Mutex::default(),
        plan: Arc::new(Mutex::new(Arc::new(plan))),
        nodes: objects(reflector::store().0),
        hosts: objects(reflector::store().0),
        classes: objects(reflector::store().0),
        histories: objects(histories),
        wake: Notify::new(),
    })
}

fn objects<K: kube::Resource<DynamicType = ()> + 'static>(store: reflector::Store<K>) -> Objects<K> {
    Objects {
        store,
        trigger: trigger().0,
    }
}

/// Our out-of-service taint on a Ready node, from which a class' taint is missing.
fn back_with_the_taint() -> (Arc<SlimNode>, Value) {
    let taint = json!({ "key": crate::crd::OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute" });
    let mut back = node("7", &json!([taint]));
    back["metadata"]["annotations"] =
        json!({ OWNED_TAINTS: format!("{}=nodeshutdown:NoExecute", crate::crd::OUT_OF_SERVICE) });
    back["status"] = json!({ "conditions": [{ "type": "Ready", "status": "True" }] });
    let mut slim_node: SlimNode = serde_json::from_value(back.clone()).unwrap();
    crate::facts::reduce(&mut slim_node);
    (Arc::new(slim_node), back)
}

fn stays() -> NodePlan {
    let taint = json!({ "key": crate::crd::OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute" });
    NodePlan {
        extra: vec![serde_json::from_value(taint).unwrap()],
        ..node_plan()
    }
}

/// Defect 2: with failover switched off nothing is asked about volumes, and the node is written to.
#[tokio::test]
async fn without_failover_a_taint_that_is_out_holds_up_no_write() {
    let (slim_node, back) = back_with_the_taint();
    let patch = format!("{NODE}?&fieldManager=node-class");
    let (client, server) = Script::new().expect("PATCH", patch, 200, back).start();
    reconcile(slim_node, context(client, "drain,workloads", stays()))
        .await
        .unwrap();
    server.finish();
}

/// Defect 2: where volumes may not be listed, the node is written to all the same.
#[tokio::test]
async fn volumes_that_may_not_be_listed_hold_up_no_write() {
    let (slim_node, back) = back_with_the_taint();
    let pods = json!({ "kind": "List", "apiVersion": "v1", "metadata": {}, "items": [] });
    let patch = format!("{NODE}?&fieldManager=node-class");
    let (client, server) = Script::new()
        .expect("GET", "/api/v1/pods", 200, pods)
        .refuse("GET", "/apis/storage.k8s.io/v1/volumeattachments", 403, "Forbidden")
        .expect("PATCH", patch, 200, back)
        .start();
    let outcome = reconcile(slim_node, context(client, "drain,failover", stays())).await;
    assert!(outcome.is_err(), "it is tried again");
    server.finish();
}
