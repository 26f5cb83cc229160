use serde_json::json;

use super::*;
use crate::task::AbsentClaims;

fn task() -> RestoreObjects {
    RestoreObjects {
        namespaces: vec!["home".to_owned()],
        mark: "home/again/1".to_owned(),
        absent_claims: AbsentClaims::CreateEmpty,
        ..RestoreObjects::default()
    }
}

/// An object of the namespace `home`, or of none, as its file has it.
fn object(version: &str, kind: &str, name: &str, more: Value) -> Value {
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}});
    if !["Namespace", "ClusterRole", "CustomResourceDefinition", "StorageClass"].contains(&kind) {
        object["metadata"]["namespace"] = json!("home");
    }
    for (key, value) in more.as_object().into_iter().flatten() {
        match value.as_object().filter(|_| key == "metadata") {
            Some(fields) => object["metadata"].as_object_mut().unwrap().extend(fields.clone()),
            None => object[key] = value.clone(),
        }
    }
    object
}

fn plural(object: &Value) -> String {
    let plural = format!("{}s", text_at(object, "/kind").to_lowercase());
    match group_of(text_at(object, "/apiVersion")) {
        "" => plural,
        group => format!("{plural}.{group}"),
    }
}

fn plan(task: &RestoreObjects, objects: &[Value]) -> Plan {
    let mut planner = Planner::new(task);
    for object in objects {
        let plural = plural(object);
        let file = PathBuf::from(format!("{plural}/{}.json", text_at(object, "/metadata/name")));
        let is_of_cluster = object["metadata"].get("namespace").is_none() && object["kind"] != "Namespace";
        planner.add((!is_of_cluster).then_some("home"), &file, &plural, &object.to_string());
    }
    planner.finish()
}

fn labels_of(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(Step::label).collect()
}

fn skipped(plan: &Plan) -> Vec<(&str, Why)> {
    plan.skipped.iter().map(|(label, why)| (label.as_str(), *why)).collect()
}

/// Case 82.
#[test]
fn a_workload_comes_after_all_that_it_uses_and_a_webhook_after_its_backend() {
    let none = json!({});
    let objects = [
        object(
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
            "hook",
            json!({"metadata": {"namespace": null}}),
        ),
        object("apps/v1", "Deployment", "web", none.clone()),
        object("v1", "Pod", "lone", none.clone()),
        object("cert-manager.io/v1", "Certificate", "web", none.clone()),
        object("v1", "Service", "web", none.clone()),
        object("rbac.authorization.k8s.io/v1", "RoleBinding", "web", none.clone()),
        object("rbac.authorization.k8s.io/v1", "Role", "web", none.clone()),
        object("v1", "PersistentVolumeClaim", "data", none.clone()),
        object("v1", "Secret", "web", none.clone()),
        object("v1", "ServiceAccount", "web", none.clone()),
        object("storage.k8s.io/v1", "StorageClass", "fast", none.clone()),
        object(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "certificates.cert-manager.io",
            none.clone(),
        ),
        object("v1", "Namespace", "home", none),
    ];
    let mut task = task();
    let expected = [
        "namespaces/home",
        "customresourcedefinitions.apiextensions.k8s.io/certificates.cert-manager.io",
        "storageclasss.storage.k8s.io/fast",
        "home/serviceaccounts/web",
        "home/secrets/web",
        "home/persistentvolumeclaims/data",
        "home/roles.rbac.authorization.k8s.io/web",
        "home/rolebindings.rbac.authorization.k8s.io/web",
        "home/services/web",
        "home/certificates.cert-manager.io/web",
        "home/deployments.apps/web",
        "home/pods/lone",
        "validatingwebhookconfigurations.admissionregistration.k8s.io/hook",
    ];
    let mut objects = objects.to_vec();
    objects[0]["metadata"].as_object_mut().unwrap().remove("namespace");
    assert_eq!(labels_of(&plan(&task, &objects)), expected);
    // The claim that the restore of volumes has made is not made again.
    task.claims = vec!["home/data".to_owned()];
    let with_volumes = plan(&task, &objects);
    assert_eq!(
        skipped(&with_volumes),
        [("home/persistentvolumeclaims/data", Why::Volume)]
    );
    assert_eq!(with_volumes.steps.len(), expected.len() - 1);
}

/// Case 82.
#[test]
fn a_workload_whose_data_is_not_complete_is_not_made() {
    let task = RestoreObjects {
        claims: vec!["home/data".to_owned(), "home/www-db-0".to_owned()],
        incomplete_claims: vec![
            "home/data".to_owned(),
            "home/www-db-0".to_owned(),
            "other/fine".to_owned(),
        ],
        ..task()
    };
    let pod = |claim: &str| json!({"volumes": [{"emptyDir": {}}, {"persistentVolumeClaim": {"claimName": claim}}]});
    let set = json!({"spec": {"volumeClaimTemplates": [{"metadata": {"name": "www"}}], "template": {}}});
    let objects = [
        object(
            "apps/v1",
            "Deployment",
            "a",
            json!({"spec": {"template": {"spec": pod("data")}}}),
        ),
        object(
            "apps/v1",
            "Deployment",
            "b",
            json!({"spec": {"template": {"spec": pod("fine")}}}),
        ),
        object(
            "batch/v1",
            "CronJob",
            "c",
            json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": pod("data")}}}}}),
        ),
        object("v1", "Pod", "d", json!({"spec": pod("data")})),
        object("apps/v1", "StatefulSet", "db", set.clone()),
        object("apps/v1", "StatefulSet", "other", set),
    ];
    let plan = plan(&task, &objects);
    assert_eq!(
        labels_of(&plan),
        ["home/deployments.apps/b", "home/statefulsets.apps/other"]
    );
    assert!(
        plan.skipped
            .iter()
            .all(|(_, why)| *why == Why::VolumeNotRestored && why.is_loss())
    );
    assert_eq!(plan.skipped.len(), 4);
}

/// Case 83.
#[test]
fn what_flux_helm_or_argo_cd_make_is_left_to_them_unless_it_is_to_be_included() {
    let flux = json!({"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}});
    let objects = [
        object("v1", "Namespace", "home", flux.clone()),
        object("apps/v1", "Deployment", "web", flux),
        object("v1", "ConfigMap", "mine", json!({})),
    ];
    let mut task = task();
    let left = plan(&task, &objects);
    assert_eq!(
        skipped(&left),
        [("home/deployments.apps/web", Why::Managed(Manager::Flux))]
    );
    // Nothing can be made in a namespace that is not there.
    assert_eq!(labels_of(&left), ["namespaces/home", "home/configmaps/mine"]);
    assert!(left.steps[0].only_if_absent && left.hints.is_empty());
    assert_eq!(labels_of(&plan(&task, &objects[..2])), Vec::<String>::new());
    task.gitops = Gitops::Include;
    let included = plan(&task, &objects);
    assert_eq!((included.steps.len(), included.skipped.len()), (3, 0));
    assert!(!included.steps[0].only_if_absent);
    assert!(
        included.hints[0].contains("2 objects are made by Flux: suspend it"),
        "{:?}",
        included.hints
    );
}

#[test]
fn a_tenant_restores_neither_rights_nor_limits_nor_the_namespace_itself() {
    let none = json!({});
    let objects = [
        object("v1", "Namespace", "home", none.clone()),
        object("rbac.authorization.k8s.io/v1", "Role", "a", none.clone()),
        object("rbac.authorization.k8s.io/v1", "RoleBinding", "a", none.clone()),
        object("v1", "ResourceQuota", "a", none.clone()),
        object("v1", "LimitRange", "a", none.clone()),
        object("v1", "ConfigMap", "a", none),
    ];
    let tenant = RestoreObjects { tenant: true, ..task() };
    let plan = plan(&tenant, &objects);
    assert_eq!(labels_of(&plan), ["home/configmaps/a"]);
    assert!(plan.skipped.iter().all(|(_, why)| *why == Why::NotPermitted) && plan.skipped.len() == 4);
}

#[test]
fn an_object_of_another_namespace_than_its_export_is_never_restored() {
    let (task, mut plan_of) = (task(), Vec::new());
    for (source, kind, metadata) in [
        (Some("home"), "ConfigMap", json!({"name": "a", "namespace": "other"})),
        (Some("home"), "ClusterRole", json!({"name": "a"})),
        (Some("home"), "Namespace", json!({"name": "a"})),
        (None, "ConfigMap", json!({"name": "a", "namespace": "home"})),
        (Some("home"), "ConfigMap", json!({"name": "b", "namespace": "home"})),
        (Some("home"), "", json!({"name": "a", "namespace": "home"})),
    ] {
        let mut planner = Planner::new(&task);
        let text = json!({"apiVersion": "v1", "kind": kind, "metadata": metadata}).to_string();
        planner.add(source, Path::new("x/a.json"), "x", &text);
        plan_of.push(planner.finish());
    }
    assert!(
        plan_of
            .iter()
            .all(|plan| plan.steps.is_empty() && plan.broken.len() == 1),
        "{plan_of:?}"
    );
}

#[test]
fn a_file_that_cannot_be_read_and_a_name_that_is_no_part_of_a_path_hold_up_no_other() {
    let task = task();
    let mut planner = Planner::new(&task);
    planner.add(Some("home"), Path::new("configmaps/a.json"), "configmaps", "{\0");
    for name in ["a?b", "..", "a b", "a%2f"] {
        let text = object("v1", "ConfigMap", name, json!({})).to_string();
        planner.add(
            Some("home"),
            &PathBuf::from(format!("configmaps/{name}.json")),
            "configmaps",
            &text,
        );
    }
    let text = object("v1", "ConfigMap", "good", json!({})).to_string();
    planner.add(Some("home"), Path::new("configmaps/good.json"), "configmaps", &text);
    let plan = planner.finish();
    assert_eq!(
        (plan.broken.len(), labels_of(&plan)),
        (5, vec!["home/configmaps/good".to_owned()])
    );
    assert_eq!(plan.broken[0].0, "home/configmaps/a");
}

#[test]
fn what_has_ended_and_what_the_cluster_makes_by_itself_is_skipped() {
    let complete = json!({"status": {"conditions": [{"type": "Complete", "status": "True"}]}});
    let suspended = json!({"status": {"conditions": [{"type": "Suspended", "status": "True"}, {"type": "Failed", "status": "False"}]}});
    let defaults = json!({"metadata": {"labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}});
    let mover = json!({"metadata": {"labels": {"backup.hearth.home.arpa/run": "u"}}});
    let own = json!({"spec": {"group": "backup.hearth.home.arpa"}});
    let objects = [
        object("batch/v1", "Job", "done", complete),
        object("batch/v1", "Job", "waits", suspended),
        object("v1", "Pod", "done", json!({"status": {"phase": "Succeeded"}})),
        object(
            "v1",
            "Pod",
            "kubelet",
            json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}),
        ),
        object(
            "v1",
            "Secret",
            "token",
            json!({"type": "kubernetes.io/service-account-token"}),
        ),
        object("v1", "Secret", "mover", mover),
        object("rbac.authorization.k8s.io/v1", "ClusterRole", "admin", defaults),
        object(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "backupruns.backup.hearth.home.arpa",
            own,
        ),
    ];
    let plan = plan(&task(), &objects);
    assert_eq!(labels_of(&plan), ["home/jobs.batch/waits"]);
    let reasons: Vec<&str> = plan.skipped.iter().map(|(_, why)| why.as_str()).collect();
    let expected = [
        "Finished",
        "Finished",
        "MadeByCluster",
        "MadeByCluster",
        "BackupScheduler",
        "MadeByCluster",
        "BackupScheduler",
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn only_what_is_selected_is_restored_and_its_namespace_only_where_it_is_absent() {
    let objects = [
        object("v1", "Namespace", "home", json!({})),
        object(
            "v1",
            "ConfigMap",
            "web-a",
            json!({"metadata": {"labels": {"app": "web"}}}),
        ),
        object("v1", "ConfigMap", "web-b", json!({})),
        object("v1", "Secret", "web-c", json!({"metadata": {"labels": {"app": "web"}}})),
    ];
    let select = |selection: Value| {
        let task = RestoreObjects {
            selection: serde_json::from_value(selection).unwrap(),
            ..task()
        };
        let plan = plan(&task, &objects);
        let is_asked_for = plan.steps.len() == 1;
        let expected = |step: &Step| step.kind == "Namespace" && !is_asked_for;
        assert!(plan.steps.iter().all(|step| step.only_if_absent == expected(step)));
        labels_of(&plan)
    };
    let with_namespace = |names: &[&str]| {
        let namespace = (!names.is_empty()).then_some("namespaces/home");
        namespace
            .iter()
            .chain(names)
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        select(json!({"kinds": ["secrets"]})),
        with_namespace(&["home/secrets/web-c"])
    );
    assert_eq!(
        select(json!({"excludeKinds": ["secret*"], "names": ["*-b"]})),
        with_namespace(&["home/configmaps/web-b"])
    );
    let labelled = with_namespace(&["home/configmaps/web-a", "home/secrets/web-c"]);
    assert_eq!(select(json!({"selector": {"matchLabels": {"app": "web"}}})), labelled);
    assert_eq!(select(json!({"kinds": ["nothing"]})), with_namespace(&[]));
    assert_eq!(select(json!({"kinds": ["namespaces"]})), ["namespaces/home"]);
}

/// Case 80.
#[test]
fn a_renamed_namespace_is_made_and_texts_that_name_services_of_the_old_one_are_counted() {
    let task = RestoreObjects {
        namespace_mapping: [("home".to_owned(), "copy".to_owned())].into(),
        storage_class_mapping: [("fast".to_owned(), "slow".to_owned())].into(),
        ..task()
    };
    let objects = [
        object("v1", "Namespace", "home", json!({})),
        object("v1", "ConfigMap", "a", json!({"data": {"url": "http://web.home.svc/"}})),
        object(
            "v1",
            "PersistentVolumeClaim",
            "data",
            json!({"spec": {"storageClassName": "fast"}}),
        ),
    ];
    let plan = plan(&task, &objects);
    assert_eq!(
        labels_of(&plan),
        [
            "namespaces/copy",
            "copy/configmaps/a",
            "copy/persistentvolumeclaims/data"
        ]
    );
    assert_eq!(plan.steps[2].class.as_deref(), Some("slow"));
    assert!(
        plan.hints[0].starts_with("1 objects have texts") && plan.hints[1].ends_with(": data"),
        "{:?}",
        plan.hints
    );
}

/// Case 87.
#[test]
fn restored_schedules_are_named_since_they_come_up_suspended() {
    let plan = plan(
        &task(),
        &[object(
            "backup.hearth.home.arpa/v1alpha1",
            "BackupSchedule",
            "nightly",
            json!({"spec": {}}),
        )],
    );
    assert_eq!(plan.steps[0].phase, Phase::Custom);
    assert!(plan.hints[0].contains("suspended") && plan.hints[0].ends_with("nightly"));
}

/// Case 77.
#[test]
fn the_kinds_that_definitions_make_are_known() {
    let spec = json!({"spec": {"group": "x.io", "names": {"kind": "Thing"}, "versions": [
        {"name": "v1", "served": true}, {"name": "v1alpha1", "served": false}]}});
    let objects = [
        object("x.io/v1", "Thing", "one", json!({})),
        object(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "things.x.io",
            spec,
        ),
    ];
    let plan = plan(&task(), &objects);
    assert_eq!(plan.kinds, [("x.io/v1".to_owned(), "Thing".to_owned())].into());
    assert_eq!(plan.steps[1].kind, "Thing");
}
