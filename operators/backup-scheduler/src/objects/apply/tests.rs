use std::path::PathBuf;

use hearth_reconciler::testing::script::Script;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::objects::plan::Planner;
use crate::objects::text_at;
use crate::task::AbsentClaims;

const MARK: &str = "home/again/1";
const MAPS: &str = "/api/v1/namespaces/home/configmaps";

fn task() -> RestoreObjects {
    RestoreObjects {
        namespaces: vec!["home".to_owned()],
        mark: MARK.to_owned(),
        absent_claims: AbsentClaims::CreateEmpty,
        ..RestoreObjects::default()
    }
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "home", "uid": "old"}, "data": {"a": "1"}})
}

/// The folder of an export with these objects, and its plan.
fn folder(task: &RestoreObjects, objects: &[Value]) -> (TempDir, Plan) {
    let folder = tempfile::tempdir().unwrap();
    let mut planner = Planner::new(task);
    for (number, object) in objects.iter().enumerate() {
        let (kind, name) = (text_at(object, "/kind"), text_at(object, "/metadata/name"));
        let plural = format!("{}s", kind.to_lowercase());
        let file = PathBuf::from(format!("{number}/{name}.json"));
        std::fs::create_dir(folder.path().join(number.to_string())).unwrap();
        std::fs::write(folder.path().join(&file), object.to_string()).unwrap();
        let source = object["metadata"]
            .get("namespace")
            .or((kind == "Namespace").then_some(&object["metadata"]["name"]));
        planner.add(source.and_then(Value::as_str), &file, &plural, &object.to_string());
    }
    let plan = planner.finish();
    (folder, plan)
}

async fn run(task: &RestoreObjects, objects: &[Value], script: Script) -> Result<ObjectsReport, Stop> {
    let (folder, plan) = folder(task, objects);
    let (client, server) = script.start();
    let result = apply(&client, folder.path(), &plan, task, &CancellationToken::new()).await;
    server.finish();
    result
}

fn resources(version: &str, kinds: &[(&str, &str, bool)]) -> Value {
    let resource = |(name, kind, namespaced): &(&str, &str, bool)| json!({"name": name, "singularName": "", "kind": kind, "namespaced": namespaced, "verbs": ["create", "get"]});
    json!({"groupVersion": version, "resources": kinds.iter().map(resource).collect::<Vec<_>>()})
}

fn core() -> Value {
    let kinds = [
        ("configmaps", "ConfigMap", true),
        ("namespaces", "Namespace", false),
        ("pods", "Pod", true),
        ("secrets", "Secret", true),
        ("services", "Service", true),
        ("persistentvolumeclaims", "PersistentVolumeClaim", true),
    ];
    resources("v1", &kinds)
}

fn with_core() -> Script {
    Script::new().expect("GET", "/api/v1", 200, core())
}

fn absent(script: Script, path: &str) -> Script {
    script.refuse("GET", path, 404, "NotFound")
}

fn results(report: &ObjectsReport) -> Vec<(&str, &str)> {
    let results = report.objects.iter();
    results
        .map(|result| (result.object.as_str(), result.result.as_str()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_absent_is_created_with_our_field_manager_and_mark() {
    let create = format!("{MAPS}?fieldManager=backup-scheduler");
    let script = absent(with_core(), &format!("{MAPS}/a")).expect_body(
        "POST",
        create,
        |body| {
            let metadata = json!({"name": "a", "namespace": "home", "annotations": {RESTORED_BY: MARK}});
            assert_eq!(
                *body,
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}})
            );
        },
        201,
        json!({}),
    );
    let report = run(&task(), &[map("a")], script).await.unwrap();
    assert_eq!((report.created, report.failed, report.objects.len()), (1, 0, 0));
}

/// Case 85.
#[tokio::test(start_paused = true)]
async fn a_repeated_run_finds_what_the_first_has_made_also_if_its_answer_was_lost() {
    let mut made = map("a");
    made["metadata"]["annotations"] = json!({RESTORED_BY: MARK});
    let again = with_core().expect("GET", format!("{MAPS}/a"), 200, made.clone());
    assert_eq!(run(&task(), &[map("a")], again).await.unwrap().created, 1);
    let lost = absent(with_core(), &format!("{MAPS}/a"))
        .refuse("POST", MAPS, 504, "Timeout")
        .refuse("POST", MAPS, 409, "AlreadyExists")
        .expect("GET", format!("{MAPS}/a"), 200, made);
    assert_eq!(run(&task(), &[map("a")], lost).await.unwrap().created, 1);
}

/// Case 76.
#[tokio::test(start_paused = true)]
async fn an_object_that_differs_is_listed_and_left() {
    let mut live = map("b");
    live["data"] = json!({"a": "2"});
    let script =
        with_core()
            .expect("GET", format!("{MAPS}/a"), 200, map("a"))
            .expect("GET", format!("{MAPS}/b"), 200, live);
    let report = run(&task(), &[map("a"), map("b")], script).await.unwrap();
    assert_eq!((report.unchanged, report.skipped["Exists"]), (1, 1));
    assert_eq!(results(&report), [("home/configmaps/b", "Exists")]);
}

fn conflict(manager: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 409, "reason": "Conflict", "message": "m", "details": {"causes": [
        {"reason": "FieldManagerConflict", "message": format!("conflict with \"{manager}\" using v1"), "field": ".data.a"}]}})
}

/// Case 76.
#[tokio::test(start_paused = true)]
async fn an_update_is_applied_on_the_server_undoes_what_people_changed_and_lists_what_controllers_have_set() {
    let task = RestoreObjects {
        existing: Existing::Update,
        ..task()
    };
    let mut live = map("a");
    live["data"] = json!({"a": "2"});
    let path = format!("{MAPS}/a");
    let query = |force: bool| format!("{path}?fieldManager=backup-scheduler&force={force}");
    let start = || with_core().expect("GET", &path, 200, live.clone());
    let body = |body: &Value| {
        assert_eq!(body["data"]["a"], "1");
        assert_eq!(
            body["metadata"],
            json!({"name": "a", "namespace": "home", "annotations": {}})
        );
    };
    let plain = start().expect_body("PATCH", query(false), body, 200, json!({}));
    assert_eq!(run(&task, &[map("a")], plain).await.unwrap().updated, 1);
    let person = start()
        .expect("PATCH", query(false), 409, conflict("kubectl-edit"))
        .expect("PATCH", query(true), 200, json!({}));
    assert_eq!(run(&task, &[map("a")], person).await.unwrap().updated, 1);
    let controller = start().expect("PATCH", query(false), 409, conflict("autoscaler"));
    let report = run(&task, &[map("a")], controller).await.unwrap();
    assert_eq!((report.updated, report.failed), (0, 1));
    assert_eq!(
        report.objects[0].message.as_deref(),
        Some("fields are set by others: .data.a (autoscaler)")
    );
}

#[tokio::test(start_paused = true)]
async fn with_existing_fail_nothing_is_written_if_one_object_differs() {
    let task = RestoreObjects {
        existing: Existing::Fail,
        ..task()
    };
    let mut live = map("b");
    live["data"] = json!({});
    let script = absent(with_core(), &format!("{MAPS}/a")).expect("GET", format!("{MAPS}/b"), 200, live);
    match run(&task, &[map("a"), map("b")], script).await {
        Err(Stop::Exists(report)) => assert_eq!(results(&report), [("home/configmaps/b", "Exists")]),
        other => panic!("{other:?}"),
    }
    let path = format!("{MAPS}/a");
    let free = absent(absent(with_core(), &path), &path).expect("POST", MAPS, 201, json!({}));
    assert_eq!(run(&task, &[map("a")], free).await.unwrap().created, 1);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_reads_the_same_and_writes_nothing() {
    let task = RestoreObjects {
        dry_run: true,
        ..task()
    };
    let mut live = map("b");
    live["data"] = json!({});
    let script = absent(with_core(), &format!("{MAPS}/a")).expect("GET", format!("{MAPS}/b"), 200, live);
    let report = run(&task, &[map("a"), map("b")], script).await.unwrap();
    let expected = [("home/configmaps/a", "Create"), ("home/configmaps/b", "Exists")];
    assert_eq!(results(&report), expected);
}

/// Case 72.
#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_being_deleted_is_waited_for_and_then_named_with_its_finalizers() {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "home", "labels": {"team": "x"}}});
    let ending = json!({"kind": "Namespace", "metadata": {"name": "home", "deletionTimestamp": "t"}, "spec": {"finalizers": ["kubernetes"]},
        "status": {"conditions": [{"type": "NamespaceFinalizersRemaining", "status": "True", "message": "x.io/f in 1 resource instances"}]}});
    let path = "/api/v1/namespaces/home";
    let gone = absent(with_core().expect("GET", path, 200, ending.clone()), path).expect(
        "POST",
        "/api/v1/namespaces",
        201,
        json!({}),
    );
    let gone = absent(gone, &format!("{MAPS}/a")).expect("POST", MAPS, 201, json!({}));
    assert_eq!(
        run(&task(), &[map("a"), namespace.clone()], gone)
            .await
            .unwrap()
            .created,
        2
    );
    let looks = DELETED.as_secs() / LOOK.as_secs() + 1;
    let stuck = (0..looks).fold(with_core(), |script, _| script.expect("GET", path, 200, ending.clone()));
    let report = run(&task(), &[map("a"), namespace], stuck).await.unwrap();
    assert_eq!((report.failed, report.created), (2, 0));
    let message = report.objects[0].message.as_deref().unwrap();
    assert!(
        message.contains("after 10 minutes") && message.contains("kubernetes") && message.contains("x.io/f in 1"),
        "{message}"
    );
    assert!(
        report.objects[1]
            .message
            .as_deref()
            .unwrap()
            .starts_with("namespace home: ")
    );
}

/// Case 75.
#[tokio::test(start_paused = true)]
async fn a_storage_class_that_is_missing_is_told_before_anything_is_written() {
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "home"}, "spec": {"storageClassName": "fast"}});
    let list = |names: &[&str]| json!({"items": names.iter().map(|name| json!({"metadata": {"name": name}})).collect::<Vec<_>>()});
    let classes = "/apis/storage.k8s.io/v1/storageclasses";
    let claims = "/api/v1/namespaces/home/persistentvolumeclaims";
    let path = format!("{claims}/data");
    let missing = Script::new()
        .expect("GET", classes, 200, list(&["slow"]))
        .expect("GET", "/api/v1", 200, core());
    let result = run(&task(), &[claim.clone(), map("a")], absent(missing, &path)).await;
    assert_eq!(result, Err(Stop::ClassMissing(vec!["fast".to_owned()])));
    let mapped = RestoreObjects {
        storage_class_mapping: [("fast".to_owned(), "slow".to_owned())].into(),
        ..task()
    };
    let there = Script::new()
        .expect("GET", classes, 200, list(&["slow"]))
        .expect("GET", "/api/v1", 200, core());
    let there = absent(there, &path).expect_body(
        "POST",
        claims,
        |body| assert_eq!(body["spec"]["storageClassName"], "slow"),
        201,
        json!({}),
    );
    assert_eq!(run(&mapped, &[claim], there).await.unwrap().created, 1);
}

/// Case 82.
#[tokio::test(start_paused = true)]
async fn without_volumes_a_claim_that_is_absent_is_not_made_and_neither_is_what_uses_it() {
    let task = RestoreObjects {
        absent_claims: AbsentClaims::Skip,
        ..task()
    };
    let claim = |name: &str| json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "home"}, "spec": {"storageClassName": "fast"}});
    let pod = |name: &str, claim: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "home"},
        "spec": {"volumes": [{"persistentVolumeClaim": {"claimName": claim}}]}})
    };
    let (claims, pods) = (
        "/api/v1/namespaces/home/persistentvolumeclaims",
        "/api/v1/namespaces/home/pods",
    );
    let script =
        absent(with_core(), &format!("{claims}/gone")).expect("GET", format!("{claims}/there"), 200, claim("there"));
    let script =
        absent(absent(script, &format!("{pods}/a")), &format!("{pods}/b")).expect("POST", pods, 201, json!({}));
    let objects = [claim("gone"), claim("there"), pod("a", "gone"), pod("b", "there")];
    let report = run(&task, &objects, script).await.unwrap();
    assert_eq!(
        (report.created, report.unchanged, report.skipped["VolumeNotRestored"]),
        (1, 1, 2)
    );
    let expected = [
        ("home/persistentvolumeclaims/gone", "VolumeNotRestored"),
        ("home/pods/a", "VolumeNotRestored"),
    ];
    assert_eq!(results(&report), expected);
}

fn thing() -> Value {
    json!({"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {"name": "one", "namespace": "home"}})
}

/// Case 77.
#[tokio::test(start_paused = true)]
async fn a_custom_object_waits_until_its_definition_is_established() {
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.x.io"},
        "spec": {"group": "x.io", "names": {"kind": "Thing"}, "versions": [{"name": "v1", "served": true}]}});
    let kinds = resources(
        "apiextensions.k8s.io/v1",
        &[("customresourcedefinitions", "CustomResourceDefinition", false)],
    );
    let all = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let path = format!("{all}/things.x.io");
    let established = |status: &str| json!({"status": {"conditions": [{"type": "Established", "status": status}]}});
    let things = "/apis/x.io/v1/namespaces/home/things";
    let script = Script::new().expect("GET", "/apis/apiextensions.k8s.io/v1", 200, kinds.clone());
    let script = absent(script, &path)
        .expect("POST", all, 201, json!({}))
        .expect("GET", &path, 200, established("False"))
        .expect("GET", &path, 200, established("True"))
        .expect(
            "GET",
            "/apis/x.io/v1",
            200,
            resources("x.io/v1", &[("things", "Thing", true)]),
        );
    let script = absent(script, &format!("{things}/one")).expect("POST", things, 201, json!({}));
    let report = run(&task(), &[thing(), definition.clone()], script).await.unwrap();
    assert_eq!((report.created, report.failed), (2, 0));
    // In a dry run the kind is known from its definition.
    let dry = RestoreObjects {
        dry_run: true,
        ..task()
    };
    let script = Script::new().expect("GET", "/apis/apiextensions.k8s.io/v1", 200, kinds);
    let script = absent(absent(script, &path), "/apis/x.io/v1");
    assert_eq!(run(&dry, &[thing(), definition], script).await.unwrap().created, 2);
}

/// Case 78.
#[tokio::test(start_paused = true)]
async fn an_object_whose_version_is_not_served_is_listed_and_holds_up_no_other() {
    let script = absent(with_core(), &format!("{MAPS}/a")).expect("POST", MAPS, 201, json!({}));
    let script = absent(script, "/apis/x.io/v1");
    let report = run(&task(), &[thing(), map("a")], script).await.unwrap();
    assert_eq!((report.created, report.skipped["NotServed"]), (1, 1));
    assert_eq!(results(&report), [("home/things/one", "NotServed")]);
}

/// Case 79.
#[tokio::test(start_paused = true)]
async fn what_a_webhook_holds_up_is_tried_again_three_times_after_the_others() {
    let (a, b) = (format!("{MAPS}/a"), format!("{MAPS}/b"));
    let refused = "failed calling webhook \"check.x.io\": no endpoints available";
    let start = || {
        let first = absent(with_core(), &a).refuse("POST", MAPS, 500, refused);
        absent(first, &b).expect("POST", MAPS, 201, json!({}))
    };
    let round = |script: Script| absent(script.expect("GET", "/api/v1", 200, core()), &a);
    let healed = round(round(start()).refuse("POST", MAPS, 500, refused)).expect("POST", MAPS, 201, json!({}));
    let report = run(&task(), &[map("a"), map("b")], healed).await.unwrap();
    assert_eq!((report.created, report.failed), (2, 0));
    let never = (0..3).fold(start(), |script, _| round(script).refuse("POST", MAPS, 500, refused));
    let report = run(&task(), &[map("a"), map("b")], never).await.unwrap();
    assert_eq!((report.created, report.failed), (1, 1));
    assert_eq!(report.objects[0].message.as_deref(), Some(refused));
}

/// Case 81.
#[tokio::test(start_paused = true)]
async fn owners_are_found_by_kind_and_name_also_if_they_are_made_later_and_left_out_if_they_are_absent() {
    let owner = |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "name": name, "uid": "old"});
    let mut a = map("a");
    a["metadata"]["ownerReferences"] = json!([owner("Service", "web"), owner("ConfigMap", "gone")]);
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "home"}});
    let web = "/api/v1/namespaces/home/services/web";
    let script = absent(
        absent(absent(with_core(), &format!("{MAPS}/a")), web),
        &format!("{MAPS}/gone"),
    );
    let script = script.expect_body(
        "POST",
        MAPS,
        |body| assert_eq!(body["metadata"].get("ownerReferences"), None),
        201,
        json!({}),
    );
    let script = absent(script, web)
        .expect("POST", "/api/v1/namespaces/home/services", 201, json!({}))
        .expect("GET", web, 200, json!({"metadata": {"uid": "new"}}));
    let script = absent(script, &format!("{MAPS}/gone"))
        .expect(
            "GET",
            format!("{MAPS}/a"),
            200,
            json!({"metadata": {"resourceVersion": "9"}}),
        )
        .expect_body(
            "PATCH",
            format!("{MAPS}/a"),
            |body| {
                let reference = json!({"apiVersion": "v1", "kind": "Service", "name": "web", "uid": "new"});
                assert_eq!(
                    *body,
                    json!({"metadata": {"resourceVersion": "9", "ownerReferences": [reference]}})
                );
            },
            200,
            json!({}),
        );
    let report = run(&task(), &[a, service], script).await.unwrap();
    assert_eq!(report.created, 2);
    assert!(
        report.hints[0].starts_with("1 objects have no owner any more"),
        "{:?}",
        report.hints
    );
}

/// Case 73.
#[tokio::test(start_paused = true)]
async fn a_node_port_that_is_taken_is_replaced_by_another() {
    let applied = r#"{"spec":{"ports":[{"nodePort":30080}]}}"#;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "home",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied}}, "spec": {"ports": [{"port": 80, "nodePort": 30080}]}});
    let services = "/api/v1/namespaces/home/services";
    let script = absent(with_core(), &format!("{services}/web"))
        .expect_body(
            "POST",
            services,
            |body| assert_eq!(body["spec"]["ports"][0]["nodePort"], 30080),
            422,
            refusal("provided port is already allocated"),
        )
        .expect_body(
            "POST",
            services,
            |body| assert_eq!(body["spec"]["ports"][0], json!({"port": 80})),
            201,
            json!({}),
        );
    let report = run(&task(), &[service], script).await.unwrap();
    assert_eq!(report.created, 1);
    assert!(report.hints[0].ends_with("home/services/web"));
}

fn refusal(message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 422, "reason": "Invalid", "message": message})
}

#[tokio::test(start_paused = true)]
async fn one_bad_object_holds_up_no_other_and_what_is_said_of_a_secret_has_none_of_its_values() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "home"}, "data": {"k": "aHVudGVyMg=="}});
    let secrets = "/api/v1/namespaces/home/secrets";
    let script = absent(with_core(), &format!("{MAPS}/a")).expect("POST", MAPS, 422, refusal("data: Too long"));
    let script = absent(script, &format!("{secrets}/a")).expect(
        "POST",
        secrets,
        422,
        refusal("Invalid value: \"aHVudGVyMg==\""),
    );
    let report = run(&task(), &[map("a"), secret], script).await.unwrap();
    assert_eq!(report.failed, 2);
    assert_eq!(report.objects[0].message.as_deref(), Some("data: Too long"));
    assert!(!serde_json::to_string(&report).unwrap().contains("aHVud"), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_mover_that_is_told_to_end_ends() {
    let (task, stop) = (task(), CancellationToken::new());
    let (folder, plan) = folder(&task, &[map("a")]);
    let (client, server) = Script::new().start();
    stop.cancel();
    let result = apply(&client, folder.path(), &plan, &task, &stop).await;
    assert_eq!(result, Err(Stop::Cancelled));
    server.finish();
}
