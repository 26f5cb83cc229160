use super::*;
use crate::testing::script::Script;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};

const LIST: &str = "/api/v1/namespaces/home/secrets";
const ONE: &str = "/api/v1/namespaces/home/secrets/s";

fn owner() -> ConfigMap {
    serde_json::from_value(json!({ "metadata": { "name": "owner", "namespace": "home", "uid": "me" } })).unwrap()
}

fn secret(owner: &str, more: &Value) -> Value {
    let reference =
        json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner, "controller": true }]);
    let mut meta =
        json!({ "name": "s", "namespace": "home", "uid": "s1", "resourceVersion": "7", "ownerReferences": reference });
    meta.as_object_mut()
        .unwrap()
        .extend(more.as_object().cloned().unwrap_or_default());
    json!({ "metadata": meta })
}

fn typed(value: Value) -> Secret {
    serde_json::from_value(value).unwrap()
}

async fn applied(script: Script) -> Result<Secret, ApplyError> {
    let (client, server) = script.start();
    let desired = typed(json!({ "metadata": { "name": "s", "namespace": "home" }, "stringData": { "k": "v" } }));
    let result = apply(
        &Api::namespaced(client, "home"),
        "op",
        &Owner::controller(&owner()),
        &desired,
    )
    .await;
    server.finish();
    result
}

#[test]
fn owning_is_controlling_by_uid() {
    let me = Owner::controller(&owner());
    assert!(me.owns(&typed(secret("me", &json!({})))));
    assert!(!me.owns(&typed(secret("an owner of the same name, earlier", &json!({})))));
    assert!(!me.owns(&typed(json!({ "metadata": {} }))));
    let mut plain = typed(secret("me", &json!({})));
    plain.metadata.owner_references.as_mut().unwrap()[0].controller = None;
    assert!(!me.owns(&plain), "an owner that does not control");
    let nobody = Owner::controller(&ConfigMap::default());
    assert!(
        !nobody.owns(&typed(secret("", &json!({})))),
        "an owner without a UID owns nothing"
    );
}

#[test]
fn owning_by_mark_is_being_named() {
    let mark = Owner::mark("x.io/owner", &owner());
    let marked = |owner: &str| typed(json!({ "metadata": { "annotations": { "x.io/owner": owner } } }));
    assert!(mark.owns(&marked("home/owner")));
    assert!(!mark.owns(&marked("away/owner")));
    assert!(
        !mark.owns(&typed(secret("me", &json!({})))),
        "a controller reference is no mark"
    );
    let mut desired = typed(json!({ "metadata": {} }));
    mark.claim(&mut desired);
    assert!(mark.owns(&desired));
}

/// As the server stores it: with our `Apply` entry for these fields.
fn stored(fields: &Value, data: &Value) -> Value {
    let entry = json!([{ "manager": "op", "operation": "Apply", "fieldsV1": fields }]);
    let mut stored = secret("me", &json!({ "managedFields": entry, "labels": { "other": "x" } }));
    stored["data"] = data.clone();
    stored
}

async fn applied_data(script: Script) {
    let (client, server) = script.start();
    let desired = typed(json!({ "metadata": { "name": "s", "namespace": "home" }, "data": { "k": "dg==" } }));
    apply(
        &Api::namespaced(client, "home"),
        "op",
        &Owner::controller(&owner()),
        &desired,
    )
    .await
    .unwrap();
    server.finish();
}

#[tokio::test]
async fn what_is_as_desired_is_not_written() {
    let fields = json!({ "f:data": { ".": {}, "f:k": {} }, "f:metadata": { "f:ownerReferences": { "k:{\"uid\":\"me\"}": {} } } });
    let stored = stored(&fields, &json!({ "k": "dg==", "of another": "eA==" }));
    applied_data(Script::new().expect("GET", ONE, 200, stored)).await;
}

#[tokio::test]
async fn another_value_a_field_no_longer_desired_and_a_field_that_is_not_ours_are_written() {
    for (fields, data) in [
        (json!({ "f:data": { "f:k": {} } }), json!({ "k": "eA==" })),
        (
            json!({ "f:data": { "f:k": {}, "f:old": {} } }),
            json!({ "k": "dg==", "old": "eA==" }),
        ),
        (
            json!({ "f:metadata": { "f:finalizers": { "v:\"x\"": {} } } }),
            json!({ "k": "dg==" }),
        ),
    ] {
        let path = format!("{ONE}?&force=true&fieldManager=op");
        let script = Script::new().expect("GET", ONE, 200, stored(&fields, &data));
        applied_data(script.expect("PATCH", path, 200, secret("me", &json!({})))).await;
    }
    let path = format!("{ONE}?&force=true&fieldManager=op");
    let mut nobodys = secret("me", &json!({}));
    nobodys["data"] = json!({ "k": "dg==" });
    let script = Script::new().expect("GET", ONE, 200, nobodys);
    applied_data(script.expect("PATCH", path, 200, secret("me", &json!({})))).await;
}

#[test]
fn lists_of_plain_values_must_be_equal_and_lists_of_objects_may_have_more() {
    assert!(!covers(&json!({ "args": ["a", "b"] }), &json!({ "args": ["a"] })));
    let has = json!({ "items": [{ "name": "a", "x": 1 }, { "name": "b" }] });
    assert!(covers(&has, &json!({ "items": [{ "name": "a" }] })));
    assert!(!covers(&has, &json!({ "items": [{ "name": "c" }] })));
    // But not where we own the list as a whole.
    let desired = json!({ "items": [{ "name": "a" }] });
    assert!(!is_desired(&json!({ "f:items": {} }), &has, &desired));
    assert!(is_desired(
        &json!({ "f:items": { "k:{\"name\":\"a\"}": { ".": {} } } }),
        &has,
        &desired
    ));
}

#[tokio::test]
async fn an_absent_object_is_created_by_post() {
    let script = Script::new().refuse("GET", ONE, 404, "NotFound").expect(
        "POST",
        format!("{LIST}?&fieldManager=op"),
        201,
        secret("me", &json!({})),
    );
    applied(script).await.unwrap();
}

#[tokio::test]
async fn losing_the_race_to_create_takes_nothing_over() {
    let script = Script::new()
        .refuse("GET", ONE, 404, "NotFound")
        .refuse("POST", LIST, 409, "AlreadyExists");
    assert_eq!(applied(script).await.unwrap_err().reason(), "AlreadyExists");
}

#[tokio::test]
async fn an_owned_object_is_applied_with_its_uid() {
    let check = |body: &Value| {
        assert_eq!(
            (&body["metadata"]["uid"], &body["kind"]),
            (&json!("s1"), &json!("Secret"))
        );
        assert_eq!(body["stringData"]["k"], "v");
    };
    let path = format!("{ONE}?&force=true&fieldManager=op");
    let script = Script::new()
        .expect("GET", ONE, 200, secret("me", &json!({})))
        .expect_body("PATCH", path, check, 200, secret("me", &json!({})));
    applied(script).await.unwrap();
}

#[tokio::test]
async fn what_we_do_not_own_is_not_touched() {
    for other in [secret("other", &json!({})), json!({ "metadata": { "name": "s" } })] {
        let error = applied(Script::new().expect("GET", ONE, 200, other)).await.unwrap_err();
        assert_eq!(
            (error.reason(), error.retry()),
            ("NotOurs", Retry::After(RECHECK_AFTER))
        );
    }
}

#[tokio::test]
async fn fields_from_our_post_are_handed_to_apply_so_that_they_can_go_away() {
    let entry = |operation: &str| json!({ "manager": "op", "operation": operation, "fieldsV1": { "f:data": {} } });
    let check = move |body: &Value| {
        assert_eq!(body["metadata"]["resourceVersion"], "7");
        assert_eq!(body["metadata"]["managedFields"], json!([entry("Apply")]));
    };
    let script = Script::new()
        .expect(
            "GET",
            ONE,
            200,
            secret("me", &json!({ "managedFields": [entry("Update")] })),
        )
        .expect_body("PATCH", ONE, check, 200, secret("me", &json!({})))
        .expect(
            "PATCH",
            format!("{ONE}?&force=true&fieldManager=op"),
            200,
            secret("me", &json!({})),
        );
    applied(script).await.unwrap();
}

#[tokio::test]
async fn deleting_names_the_very_object_and_version_and_only_ours() {
    let check = |body: &Value| {
        assert_eq!(body["preconditions"], json!({ "uid": "s1", "resourceVersion": "7" }));
        assert_eq!(body["propagationPolicy"], "Background");
    };
    let (client, server) = Script::new()
        .expect_body("DELETE", ONE, check, 200, secret("me", &json!({})))
        .refuse("DELETE", ONE, 404, "NotFound")
        .refuse("DELETE", ONE, 409, "Conflict")
        .start();
    let api = Api::<Secret>::namespaced(client, "home");
    let (me, ours) = (Owner::controller(&owner()), typed(secret("me", &json!({}))));
    delete(&api, &me, &ours).await.unwrap();
    delete(&api, &me, &ours).await.expect("removed already is no error");
    assert_eq!(delete(&api, &me, &ours).await.unwrap_err().reason(), "Conflict");
    let foreign = typed(secret("other", &json!({})));
    assert_eq!(delete(&api, &me, &foreign).await.unwrap_err().reason(), "NotOurs");
    server.finish();
}
