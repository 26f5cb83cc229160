//! What is to be done with an object, given what is there under its name.
use serde_json::{Value, json};

use super::{list_at, object_at, strip, text_at};
use crate::crd::RESTORED_BY;
use crate::task::Existing;

/// Kinds whose objects are work that runs, or has run. The API server lets almost none of their fields be changed.
const RUNNING: [&str; 2] = ["Pod", "Job"];

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// It is not there: create it.
    Create,
    /// An earlier attempt of this run has created it.
    Created,
    /// It is as in the backup.
    Unchanged,
    /// It differs, and stays.
    Exists,
    /// It gets the fields of the backup.
    Update,
    /// It gets what it lacks, by this patch.
    Merge(Value),
    /// It is being deleted; what it waits for.
    Deleting(String),
}

/// Says what is to be done with an object as it would be written.
pub fn action(wanted: &Value, live: Option<&Value>, existing: Existing) -> Action {
    let Some(live) = live else { return Action::Create };
    if live.pointer("/metadata/deletionTimestamp").is_some() {
        return Action::Deleting(waits_for(live));
    }
    let mark = |object: &Value| {
        object
            .pointer("/metadata/annotations")
            .and_then(|all| all.get(RESTORED_BY))
            .cloned()
    };
    if mark(live).is_some() && mark(live) == mark(wanted) {
        return Action::Created;
    }
    if comparable(wanted) == comparable(live) {
        return Action::Unchanged;
    }
    if let Some(patch) = default_account(wanted, live) {
        return Action::Merge(patch);
    }
    match existing {
        Existing::Update if !RUNNING.contains(&text_at(wanted, "/kind")) => Action::Update,
        _ => Action::Exists,
    }
}

/// Without what the cluster sets, and without our mark.
fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(annotations) = object_at(&mut object, "/metadata/annotations") {
        annotations.remove(RESTORED_BY);
    }
    strip::strip(&mut object);
    object
}

/// What keeps an object that is being deleted.
fn waits_for(live: &Value) -> String {
    let finalizers: Vec<&str> = list_at(live, "/metadata/finalizers")
        .chain(list_at(live, "/spec/finalizers"))
        .filter_map(Value::as_str)
        .collect();
    // A namespace tells in its conditions what is left in it.
    let told: Vec<&str> = list_at(live, "/status/conditions")
        .filter(|condition| condition["status"] == "True")
        .map(|condition| text_at(condition, "/message"))
        .filter(|message| !message.is_empty())
        .collect();
    let mut text = "it is being deleted".to_owned();
    if !finalizers.is_empty() {
        text = format!("{text}, with the finalizers {}", finalizers.join(", "));
    }
    if !told.is_empty() {
        text = format!("{text}: {}", told.join("; "));
    }
    text
}

/// The account `default` is made with each namespace, so it is always there: it gets the pull secrets, labels and annotations that
/// it lacks. None if it is another object, or lacks nothing.
fn default_account(wanted: &Value, live: &Value) -> Option<Value> {
    if text_at(wanted, "/kind") != "ServiceAccount" || text_at(wanted, "/metadata/name") != "default" {
        return None;
    }
    let mut patch = json!({});
    for field in ["imagePullSecrets", "secrets"] {
        let present: Vec<&Value> = list_at(live, &format!("/{field}")).collect();
        let missing: Vec<&Value> = list_at(wanted, &format!("/{field}"))
            .filter(|secret| !present.contains(secret))
            .collect();
        if !missing.is_empty() {
            patch[field] = present.into_iter().chain(missing).cloned().collect();
        }
    }
    for field in ["labels", "annotations"] {
        let wanted = wanted.pointer(&format!("/metadata/{field}")).and_then(Value::as_object);
        for (key, value) in wanted.into_iter().flatten().filter(|(key, _)| *key != RESTORED_BY) {
            if live
                .pointer(&format!("/metadata/{field}"))
                .is_none_or(|present| present.get(key).is_none())
            {
                patch["metadata"][field][key] = value.clone();
            }
        }
    }
    (patch != json!({})).then_some(patch)
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "tests write JSON where they pass it")]
mod tests {
    use super::*;

    fn map(data: &str, metadata: Value) -> Value {
        let mut object = json!({"kind": "ConfigMap", "metadata": metadata, "data": {"a": data}});
        object["metadata"]["name"] = json!("x");
        object
    }

    fn wanted() -> Value {
        map("1", json!({"annotations": {RESTORED_BY: "run-1"}}))
    }

    #[test]
    fn an_object_that_is_not_there_is_created_and_one_that_is_equal_is_left() {
        assert_eq!(action(&wanted(), None, Existing::Skip), Action::Create);
        let live = map(
            "1",
            json!({"uid": "u", "resourceVersion": "7", "annotations": {"deployment.kubernetes.io/revision": "1"}}),
        );
        for existing in [Existing::Skip, Existing::Update, Existing::Fail] {
            assert_eq!(action(&wanted(), Some(&live), existing), Action::Unchanged);
        }
    }

    /// Case 76.
    #[test]
    fn an_object_that_differs_is_left_unless_it_is_to_be_updated() {
        let live = map("2", json!({}));
        assert_eq!(action(&wanted(), Some(&live), Existing::Skip), Action::Exists);
        assert_eq!(action(&wanted(), Some(&live), Existing::Fail), Action::Exists);
        assert_eq!(action(&wanted(), Some(&live), Existing::Update), Action::Update);
        let pod = |image: &str| json!({"kind": "Pod", "metadata": {}, "spec": {"image": image}});
        assert_eq!(action(&pod("a"), Some(&pod("b")), Existing::Update), Action::Exists);
    }

    /// Case 85.
    #[test]
    fn what_an_earlier_attempt_of_the_run_has_made_is_its_own_also_if_it_was_changed_since() {
        let live = |mark: &str| map("2", json!({"annotations": {RESTORED_BY: mark}}));
        assert_eq!(action(&wanted(), Some(&live("run-1")), Existing::Fail), Action::Created);
        assert_eq!(action(&wanted(), Some(&live("run-0")), Existing::Fail), Action::Exists);
    }

    #[test]
    fn an_object_that_is_being_deleted_says_what_it_waits_for() {
        let live = map("1", json!({"deletionTimestamp": "t", "finalizers": ["x.io/a"]}));
        let expected = "it is being deleted, with the finalizers x.io/a";
        assert_eq!(
            action(&wanted(), Some(&live), Existing::Skip),
            Action::Deleting(expected.to_owned())
        );
    }

    #[test]
    fn the_default_account_gets_what_it_lacks_and_keeps_what_it_has() {
        let account = |more: Value| {
            let mut account = json!({"kind": "ServiceAccount", "metadata": {"name": "default"}});
            account
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            account
        };
        let wanted = account(json!({"imagePullSecrets": [{"name": "a"}, {"name": "b"}]}));
        let live = account(json!({"imagePullSecrets": [{"name": "b"}, {"name": "c"}]}));
        let patch = json!({"imagePullSecrets": [{"name": "b"}, {"name": "c"}, {"name": "a"}]});
        assert_eq!(action(&wanted, Some(&live), Existing::Skip), Action::Merge(patch));
        let more = account(json!({"imagePullSecrets": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}));
        assert_eq!(action(&wanted, Some(&more), Existing::Skip), Action::Exists);
        let mut labelled = wanted.clone();
        labelled["metadata"]["labels"] = json!({"team": "x"});
        let patch = json!({"metadata": {"labels": {"team": "x"}}});
        assert_eq!(action(&labelled, Some(&more), Existing::Skip), Action::Merge(patch));
    }
}
