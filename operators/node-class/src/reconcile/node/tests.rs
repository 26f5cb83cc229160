//! Writes against a scripted API server.
use hearth_reconciler::testing::script::{Script, refusal};

use serde_json::{Value, json};

use super::*;
use crate::class::Wanted;
use crate::crd::OWNED_TAINTS;
use crate::crd::class::{ClassTaint, Effect};
use crate::facts::slim;
use crate::planner::{NodePlan, pending_write};
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
