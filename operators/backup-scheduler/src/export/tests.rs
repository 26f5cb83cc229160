#![allow(clippy::needless_pass_by_value, reason = "tests write JSON where they pass it")]
use hearth_reconciler::testing::script::Script;
use serde_json::json;
use tempfile::TempDir;

use super::*;

/// The groups and kinds of a small API server.
fn server() -> Script {
    let resource = |name: &str, kind: &str, namespaced: bool, verbs: &[&str]| json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": verbs});
    let all = ["get", "list", "watch"];
    let core = json!({"groupVersion": "v1", "resources": [
        resource("bindings", "Binding", true, &["create"]),
        resource("configmaps", "ConfigMap", true, &all),
        resource("events", "Event", true, &all),
        resource("nodes", "Node", false, &all),
        resource("pods", "Pod", true, &all),
        resource("pods/log", "Pod", true, &all),
    ]});
    let apps = json!({"groupVersion": "apps/v1", "resources": [
        resource("deployments", "Deployment", true, &all),
        resource("replicasets", "ReplicaSet", true, &all),
    ]});
    let group = |name: &str, version: &str| {
        let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
        json!({"name": name, "versions": [version], "preferredVersion": version})
    };
    let groups = json!({"groups": [group("apps", "v1"), group("metrics.k8s.io", "v1beta1"), group("x.io", "v1")]});
    Script::new()
        .expect("GET", "/api/v1", 200, core)
        .expect("GET", "/apis", 200, groups)
        .expect("GET", "/apis/apps/v1", 200, apps)
}

fn object(name: &str, more: Value) -> Value {
    let mut object = json!({"metadata": {
        "name": name, "namespace": "home", "uid": format!("uid-{name}"), "resourceVersion": "7", "generation": 3,
        "managedFields": [{"manager": "kubectl"}], "labels": {"b": "2", "a": "1"},
    }});
    for (key, value) in more.as_object().into_iter().flatten() {
        match value.as_object().filter(|_| key == "metadata") {
            Some(meta) => object["metadata"].as_object_mut().unwrap().extend(meta.clone()),
            None => object[key] = value.clone(),
        }
    }
    object
}

fn owned_by(name: &str, uid: &str) -> Value {
    let owner = json!({"apiVersion": "x", "kind": "Y", "name": "z", "uid": uid, "controller": true});
    object(name, json!({"metadata": {"ownerReferences": [owner]}}))
}

fn page(items: &[Value], next: &str) -> Value {
    json!({"metadata": {"resourceVersion": "100", "continue": next}, "items": items})
}

const MAPS: &str = "/api/v1/namespaces/home/configmaps?limit=25";
const PODS: &str = "/api/v1/namespaces/home/pods?limit=25";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/home/deployments?limit=25";
const REPLICAS: &str = "/apis/apps/v1/namespaces/home/replicasets?limit=25";

async fn run(script: Script) -> (Summary, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let summary = run_without(script, &[], &folder).await;
    (summary, folder)
}

async fn run_without(script: Script, exclude: &[String], folder: &TempDir) -> Summary {
    let (client, server) = script.start();
    let scope = Scope::Namespace("home".to_owned());
    let summary = export(&client, &scope, exclude, folder.path()).await.unwrap();
    server.finish();
    summary
}

fn with_group(script: Script) -> Script {
    let none = json!({"groupVersion": "x.io/v1", "resources": []});
    script.expect("GET", "/apis/x.io/v1", 200, none)
}

fn with_namespace(script: Script) -> Script {
    let home = json!({"metadata": {"name": "home", "uid": "uid-home", "labels": {"team": "a"}}});
    script.expect("GET", "/api/v1/namespaces/home", 200, home)
}

fn text(folder: &TempDir, file: &str) -> String {
    fs::read_to_string(folder.path().join(file)).unwrap()
}

#[tokio::test]
async fn objects_are_written_with_sorted_keys_and_without_what_only_this_cluster_knows() {
    let map = object("settings", json!({"data": {"é": "1", "a": "2"}}));
    let script = with_group(server())
        .expect(
            "GET",
            MAPS,
            200,
            page(&[map, object("kube-root-ca.crt", json!({}))], ""),
        )
        .expect("GET", PODS, 200, page(&[], ""))
        .expect("GET", DEPLOYMENTS, 200, page(&[], ""))
        .expect("GET", REPLICAS, 200, page(&[], ""));
    let (summary, folder) = run(with_namespace(script)).await;
    let written = text(&folder, "configmaps/settings.json");
    let expected = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "2", "é": "1"},
        "metadata": {"labels": {"a": "1", "b": "2"}, "name": "settings", "namespace": "home", "uid": "uid-settings"},
    });
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), expected);
    assert!(written.find("\"a\": \"2\"") < written.find("\"é\""), "{written}");
    assert_eq!(
        summary.objects,
        [("configmaps".to_owned(), 1), ("namespaces".to_owned(), 1)].into()
    );
    assert!(text(&folder, "namespaces/home.json").contains("team"));
    assert_eq!(summary.failed, BTreeMap::new());
    assert!(text(&folder, HEADER).contains("\"deployments.apps\": \"100\""));
}

#[tokio::test]
async fn what_a_controller_makes_again_is_set_aside_only_if_the_controller_is_there() {
    let script = with_group(server())
        .expect("GET", MAPS, 200, page(&[], ""))
        .expect(
            "GET",
            PODS,
            200,
            page(&[owned_by("web-1-x", "uid-web-1"), owned_by("lone", "gone")], ""),
        )
        .expect("GET", DEPLOYMENTS, 200, page(&[object("web", json!({}))], ""))
        .expect("GET", REPLICAS, 200, page(&[owned_by("web-1", "uid-web")], ""));
    let (summary, folder) = run(with_namespace(script)).await;
    assert_eq!(summary.owned, 2);
    for file in [
        "deployments.apps/web.json",
        "pods/lone.json",
        "owned/pods/web-1-x.json",
        "owned/replicasets.apps/web-1.json",
    ] {
        assert!(folder.path().join(file).exists(), "{file}");
    }
    assert!(!folder.path().join("pods/web-1-x.json").exists());
}

#[tokio::test]
async fn a_list_whose_version_is_gone_begins_anew_and_no_object_comes_twice() {
    let more = "/api/v1/namespaces/home/configmaps?limit=50&continue=t%2B1%3D";
    let script = with_group(server())
        .expect("GET", MAPS, 200, page(&[object("a", json!({}))], "t+1="))
        .refuse("GET", more, 410, "Expired")
        .expect(
            "GET",
            "/api/v1/namespaces/home/configmaps?limit=50",
            200,
            page(&[object("a", json!({}))], "t+1="),
        )
        .expect(
            "GET",
            "/api/v1/namespaces/home/configmaps?limit=100&continue=t%2B1%3D",
            200,
            page(&[object("b", json!({}))], ""),
        )
        .expect("GET", PODS, 200, page(&[], ""))
        .expect("GET", DEPLOYMENTS, 200, page(&[], ""))
        .expect("GET", REPLICAS, 200, page(&[], ""));
    let (summary, _folder) = run(with_namespace(script)).await;
    assert_eq!(summary.objects["configmaps"], 2);
    assert_eq!(summary.failed, BTreeMap::new());
}

#[tokio::test]
async fn a_kind_or_a_group_that_cannot_be_read_is_named_and_the_others_are_written() {
    let script = server()
        .refuse("GET", "/apis/x.io/v1", 503, "ServiceUnavailable")
        .refuse("GET", MAPS, 403, "Forbidden")
        .expect("GET", PODS, 200, page(&[object("p", json!({}))], ""))
        .expect("GET", DEPLOYMENTS, 200, json!("no list"))
        .refuse("GET", REPLICAS, 500, "conversion webhook failed");
    let (summary, folder) = run(with_namespace(script)).await;
    let failed: Vec<&String> = summary.failed.keys().collect();
    assert_eq!(failed, ["configmaps", "deployments.apps", "replicasets.apps", "x.io"]);
    assert!(summary.failed["replicasets.apps"].contains("webhook"));
    assert!(folder.path().join("pods/p.json").exists());
}

#[tokio::test]
async fn a_group_that_does_not_answer_can_be_left_out_as_a_whole() {
    let script = server()
        .refuse("GET", "/apis/x.io/v1", 503, "ServiceUnavailable")
        .expect("GET", MAPS, 200, page(&[], ""))
        .expect("GET", PODS, 200, page(&[], ""));
    let exclude = ["*.x.io".to_owned(), "*.apps".to_owned()];
    let folder = tempfile::tempdir().unwrap();
    let summary = run_without(with_namespace(script), &exclude, &folder).await;
    assert!(summary.failed.is_empty(), "{:?}", summary.failed);
}

#[tokio::test]
async fn what_movers_need_for_their_work_is_left_out() {
    let mover = object("mover", json!({"metadata": {"labels": {(crate::crd::RUN): "u1"}}}));
    let script = with_group(server())
        .expect("GET", MAPS, 200, page(&[mover.clone(), object("m", json!({}))], ""))
        .expect("GET", PODS, 200, page(&[mover], ""))
        .expect("GET", DEPLOYMENTS, 200, page(&[], ""))
        .expect("GET", REPLICAS, 200, page(&[], ""));
    let (summary, folder) = run(with_namespace(script)).await;
    assert_eq!(summary.objects.get("configmaps"), Some(&1));
    assert!(!folder.path().join("pods/mover.json").exists());
}

#[tokio::test]
async fn objects_that_are_being_deleted_and_secrets_of_the_cluster_are_left_out() {
    let secrets = Kind {
        plural: "secrets".to_owned(),
        kind: "Secret".to_owned(),
        namespaced: true,
        ..Kind::namespaces()
    };
    let deleted = object("a", json!({"metadata": {"deletionTimestamp": "2026-11-30T00:00:00Z"}}));
    assert_eq!(object::read(&secrets, deleted), Read::Terminating);
    for type_ in ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"] {
        assert_eq!(
            object::read(&secrets, object("a", json!({"type": type_}))),
            Read::LeftOut
        );
    }
    let helm = object("sh.helm.release.v1.web.v1", json!({"type": "helm.sh/release.v1"}));
    assert!(matches!(object::read(&secrets, helm), Read::Object(_)));
}

#[test]
fn a_name_that_is_no_file_name_is_left_out() {
    for name in ["", ".", "..", "../../etc/passwd", "a/b", "a\0b"] {
        let object = json!({"metadata": {"name": name, "uid": "u"}});
        assert_eq!(object::read(&Kind::namespaces(), object), Read::LeftOut, "{name:?}");
    }
    for broken in [json!(null), json!([]), json!({"metadata": 7}), json!({})] {
        assert_eq!(object::read(&Kind::namespaces(), broken), Read::LeftOut);
    }
    // RBAC allows colons in names.
    let object = json!({"metadata": {"name": "system:node", "uid": "u"}});
    assert!(matches!(object::read(&Kind::namespaces(), object), Read::Object(_)));
}
