use std::time::Duration;

use hearth_reconciler::testing::script::{Script, refusal};
use serde_json::{Value, json};

use super::*;

const CLASSES: &str = "/apis/nodes.hearth.home.arpa/v1alpha1/nodeclasses";

fn path(name: &str) -> String {
    format!("{CLASSES}/{name}")
}

fn there(name: &str) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": { "name": name },
    })
}

#[tokio::test]
async fn a_missing_class_is_created_and_one_that_is_there_is_left_alone() {
    let (client, server) = Script::new()
        .expect("GET", path("volatile"), 200, there("volatile"))
        .expect("GET", path("steady"), 404, refusal(404, "NotFound"))
        .expect_body(
            "POST",
            CLASSES,
            |class| {
                assert_eq!(class["metadata"]["name"], "steady");
                assert_eq!(class["spec"]["priority"], -100);
                assert!(class.get("status").is_none_or(Value::is_null));
            },
            201,
            json!({ "metadata": { "name": "steady" }, "spec": { "match": {} } }),
        )
        .start();
    create_missing(&Api::all(client)).await.unwrap();
    server.finish();
}

#[tokio::test]
async fn a_class_that_somebody_creates_meanwhile_is_no_failure() {
    let (client, server) = Script::new()
        .expect("GET", path("volatile"), 404, refusal(404, "NotFound"))
        .expect("POST", CLASSES, 409, refusal(409, "AlreadyExists"))
        .expect("GET", path("steady"), 200, there("steady"))
        .start();
    create_missing(&Api::all(client)).await.unwrap();
    server.finish();
}

/// A failed read says nothing about whether the class is there.
#[tokio::test]
async fn nothing_is_created_after_a_failed_read() {
    let (client, server) = Script::new()
        .expect("GET", path("volatile"), 403, refusal(403, "Forbidden"))
        .start();
    let created = tokio::time::timeout(Duration::from_secs(5), create_missing(&Api::all(client))).await;
    assert!(matches!(created, Ok(Err(kube::Error::Api(_)))), "{created:?}");
    server.finish();
}

/// Who keeps them in Git begins with the file.
#[test]
fn the_example_of_the_chart_has_the_same_classes() {
    let example = include_str!("../../../../charts/node-class/examples/classes.yaml");
    let documents: Vec<NodeClass> = serde_saphyr::from_multiple(example).unwrap();
    let specs = |classes: &[NodeClass]| -> Vec<_> {
        let named = classes.iter();
        named
            .map(|class| (class.metadata.name.clone(), class.spec.clone()))
            .collect()
    };
    assert_eq!(specs(&documents), specs(&classes()));
}
