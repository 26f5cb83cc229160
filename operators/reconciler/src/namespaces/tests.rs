use futures::FutureExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::runtime::reflector;
use serde_json::json;

use super::*;

fn in_namespace(namespace: &str, name: &str, owner: Option<&str>) -> ConfigMap {
    let controller =
        |uid: &str| json!([{ "apiVersion": "v1", "kind": "Secret", "name": uid, "uid": uid, "controller": true }]);
    let meta = json!({ "namespace": namespace, "name": name, "ownerReferences": owner.map(controller) });
    serde_json::from_value(json!({ "metadata": meta })).unwrap()
}

/// The names that each update touches, and whether the store is ready then.
fn merged(updates: Vec<(usize, Update<ConfigMap>)>) -> (Vec<String>, reflector::Store<ConfigMap>, bool) {
    let (store, writer) = reflector::store::<ConfigMap>();
    let namespaces = vec!["a".to_owned(), "b".to_owned()];
    let touched = reflect_namespaces(stream::iter(updates), namespaces, writer);
    let touched: Vec<String> = touched
        .map(|object| object.unwrap().name_any())
        .collect()
        .now_or_never()
        .unwrap();
    let ready = store
        .wait_until_ready()
        .now_or_never()
        .is_some_and(|ready| ready.is_ok());
    (touched, store, ready)
}

fn listed(position: usize, objects: &[ConfigMap]) -> Vec<(usize, Update<ConfigMap>)> {
    let objects = objects.iter().cloned().map(Event::InitApply);
    let events = std::iter::once(Event::Init).chain(objects).chain([Event::InitDone]);
    events.map(|event| (position, Update::Event(event))).collect()
}

#[tokio::test]
async fn several_namespaces_fill_one_store_and_a_list_of_one_says_nothing_of_the_others() {
    let (x, y, z) = (
        in_namespace("a", "x", None),
        in_namespace("a", "y", None),
        in_namespace("b", "z", None),
    );
    let first = [listed(0, &[x.clone(), y]), listed(1, &[z])].concat();
    let relisted = [first.clone(), listed(0, &[x])].concat();
    let (touched, store, ready) = merged(relisted);
    assert_eq!(touched, ["x", "y", "z", "x", "y"], "y is reported as removed");
    let mut names: Vec<String> = store.state().iter().map(|object| object.name_any()).collect();
    names.sort();
    assert_eq!((names, ready), (vec!["x".to_owned(), "z".to_owned()], true));
}

#[tokio::test]
async fn the_store_of_several_namespaces_is_ready_when_each_is_listed_or_cannot_be() {
    let x = [in_namespace("a", "x", None)];
    let failing = |reason| {
        let message = String::new();
        (1, Update::Failing { reason, message })
    };
    assert!(!merged(listed(0, &x)).2);
    assert!(!merged([listed(0, &x), vec![failing("Unreachable")]].concat()).2);
    let (touched, store, ready) = merged([listed(0, &x), vec![failing("Forbidden")]].concat());
    assert!(ready && touched == ["x"] && store.state().len() == 1);
}

#[tokio::test]
async fn owners_of_what_came_changed_or_was_removed_are_reported() {
    let updates = [
        listed(0, &[in_namespace("a", "x", Some("o1")), in_namespace("a", "y", None)]),
        vec![(0, Update::Event(Event::Apply(in_namespace("a", "x", Some("o2")))))],
        listed(0, &[]),
    ]
    .concat();
    let owners: Vec<String> = owners::<ConfigMap, Secret>(stream::iter(updates))
        .map(|owner| format!("{}/{}", owner.namespace.unwrap_or_default(), owner.name))
        .collect()
        .await;
    assert_eq!(owners, ["a/o1", "a/o1", "a/o2", "a/o2"]);
}
