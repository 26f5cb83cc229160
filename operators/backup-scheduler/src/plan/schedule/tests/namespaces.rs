use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use super::*;
use crate::crd::BackupRepository;

fn repository(namespaces: Value) -> BackupRepository {
    serde_json::from_value(json!({
        "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": "BackupRepository", "metadata": {"name": "b2"},
        "spec": {
            "s3": {"endpoint": "https://s3.example.org", "bucket": "home", "secretRef": {"name": "s3"}},
            "passphraseSecretRef": {"name": "p"}, "initialize": "WhenEmpty", "namespaces": namespaces,
        },
    }))
    .unwrap()
}

fn claim(namespace: &str) -> PersistentVolumeClaim {
    serde_json::from_value(json!({"metadata": {"namespace": namespace, "name": "data"}, "spec": {}})).unwrap()
}

fn namespace(name: &str) -> NamespaceFacts {
    NamespaceFacts {
        name: name.to_owned(),
        labels: [("tier".to_owned(), name.to_owned())].into(),
        terminating: name == "leaving",
    }
}

fn chosen(namespaces: Value, allowed: Value, watched: &[&str]) -> Result<Targets, Problem> {
    chosen_by(json!({"namespaces": namespaces}), allowed, watched, false)
}

fn chosen_by(spec: Value, allowed: Value, watched: &[&str], objects: bool) -> Result<Targets, Problem> {
    let world = World::new("2026-01-01T10:00:00Z", spec);
    let all = ["attic", "home", "kube-system", "leaving", "media"];
    let claims = ["attic", "home", "leaving", "media"].map(claim);
    let watched: Vec<String> = watched.iter().map(|name| (*name).to_owned()).collect();
    targets(
        &world.schedule,
        &TargetFacts {
            own: "home",
            watched: &watched,
            namespaces: &all.map(namespace),
            claims: &claims,
            objects,
            repository: &repository(allowed),
        },
    )
}

#[test]
fn an_empty_selector_is_all_namespaces_with_claims_that_the_repository_allows() {
    let found = chosen(json!({}), json!(["m*"]), &[]).unwrap();
    assert_eq!(found.chosen, ["home", "media"], "the operator's own always may");
    let remarks = found.remarks.join("; ");
    assert!(
        remarks.contains("not allowed") && remarks.contains("attic"),
        "{remarks}"
    );
    assert!(remarks.contains("being deleted: leaving"), "{remarks}");
    assert!(!remarks.contains("kube-system"), "{remarks}");
}

#[test]
fn a_namespace_without_claims_is_chosen_for_its_objects_unless_claims_are_named() {
    let chosen = |more: Value, objects| {
        let mut spec = json!({"namespaces": {"names": ["kube-system", "media"]}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        chosen_by(spec, json!(["*"]), &[], objects).unwrap().chosen
    };
    assert_eq!(chosen(json!({}), true), ["kube-system", "media"]);
    assert_eq!(chosen(json!({}), false), ["media"]);
    assert_eq!(chosen(json!({"objects": {"enabled": false}}), true), ["media"]);
    assert_eq!(chosen(json!({"volumes": {"claims": ["data"]}}), true), ["media"]);
}

#[test]
fn names_exclusions_and_labels_must_all_fit() {
    let names = |selector| chosen(selector, json!(["*"]), &[]).unwrap().chosen;
    assert_eq!(names(json!({"names": ["m*", "h?me"]})), ["home", "media"]);
    assert_eq!(names(json!({"exclude": ["m*"]})), ["attic", "home"]);
    assert_eq!(
        names(json!({"names": ["*"], "selector": {"matchLabels": {"tier": "attic"}}})),
        ["attic"]
    );
}

#[test]
fn a_namespace_that_is_not_watched_is_named() {
    let found = chosen(json!({}), json!(["*"]), &["home"]).unwrap();
    assert_eq!(found.chosen, ["home"]);
    assert!(
        found.remarks.join("; ").contains("scope.namespaces"),
        "{:?}",
        found.remarks
    );
}

#[test]
fn a_selector_that_matches_nothing_is_no_success() {
    for (selector, allowed, part) in [
        (json!({"names": ["none"]}), json!(["*"]), "selects no namespace"),
        (json!({"names": ["kube-system"]}), json!(["*"]), "no claim"),
        (
            json!({"names": ["attic"]}),
            json!([]),
            "not allowed by spec.namespaces of the repository: attic",
        ),
        (json!({"names": ["leaving"]}), json!(["*"]), "being deleted"),
    ] {
        let (reason, message) = chosen(selector, allowed, &[]).unwrap_err();
        assert!(
            reason == "SelectorMatchesNothing" && message.contains(part),
            "{message}"
        );
    }
}

#[test]
fn without_a_selector_it_is_the_schedules_own_namespace() {
    let mut world = World::new("2026-01-01T10:00:00Z", json!({}));
    world.schedule.metadata.namespace = Some("media".to_owned());
    let found = |allowed| {
        let repository = repository(allowed);
        let facts = TargetFacts {
            own: "backup-scheduler",
            watched: &[],
            namespaces: &[],
            claims: &[],
            objects: true,
            repository: &repository,
        };
        targets(&world.schedule, &facts)
    };
    assert_eq!(found(json!(["media"])).unwrap().chosen, ["media"]);
    let (reason, message) = found(json!(["home"])).unwrap_err();
    assert!(
        reason == "NamespaceNotAllowed" && message.contains("spec.namespaces"),
        "{message}"
    );
}
