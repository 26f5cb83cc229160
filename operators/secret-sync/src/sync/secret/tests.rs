#![allow(clippy::needless_pass_by_value, reason = "json! is made for each call")]
use serde_json::{Value, json};

use super::*;
use crate::crd::sync::KeyStatus;

fn entry(manager: &str, operation: &str, keys: &[&str]) -> Value {
    let data: serde_json::Map<String, Value> = keys.iter().map(|key| (format!("f:{key}"), json!({}))).collect();
    json!({ "manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": { "f:data": data } })
}

fn existing(fields: Value) -> Secret {
    serde_json::from_value(json!({
        "metadata": {
            "name": "app", "namespace": "apps", "uid": "u", "managedFields": fields,
            "labels": { MANAGED: "true", "team": "home", "other": "x" },
            "annotations": { OWNER: "app" },
        },
        "type": "Opaque",
        "data": { "A": "MQ==", "B": "Mg==" },
    }))
    .unwrap()
}

fn wanted() -> Secret {
    let config = Config {
        rows: Vec::new(),
        extract: Vec::new(),
        certificate: None,
        secret: "app".to_owned(),
        type_: "Opaque".to_owned(),
        labels: [("team".to_owned(), "home".to_owned())].into(),
        annotations: BTreeMap::new(),
        adopt: false,
        refresh: None,
    };
    let row = |key: &str| KeyStatus {
        key: key.to_owned(),
        object: "o".to_owned(),
        version: None,
    };
    let assembled = Assembled {
        data: [("A".to_owned(), b"1".to_vec()), ("B".to_owned(), b"2".to_vec())].into(),
        keys: vec![row("A"), row("B")],
        certificate_expires: None,
    };
    desired("apps", &config, &assembled)
}

#[test]
fn the_same_data_under_our_name_needs_no_write() {
    for operation in ["Apply", "Update"] {
        assert!(is_as_desired(
            &existing(json!([entry(MANAGER, operation, &["A", "B"])])),
            &wanted()
        ));
    }
}

#[test]
fn any_difference_needs_a_write() {
    let ours = json!([entry(MANAGER, "Apply", &["A", "B"])]);
    let mut type_ = existing(ours.clone());
    type_.type_ = Some("x".to_owned());
    let mut label = existing(ours.clone());
    label.metadata.labels.as_mut().unwrap().remove("team");
    let mut value = existing(ours.clone());
    value
        .data
        .as_mut()
        .unwrap()
        .insert("A".to_owned(), ByteString(b"other".to_vec()));
    let more = existing(json!([entry(MANAGER, "Apply", &["A", "B", "C"])]));
    let taken = existing(json!([
        entry(MANAGER, "Apply", &["A"]),
        entry("kubectl-edit", "Update", &["B"])
    ]));
    for (name, secret) in [
        ("type", type_),
        ("label", label),
        ("value", value),
        ("more", more),
        ("taken", taken),
    ] {
        assert!(!is_as_desired(&secret, &wanted()), "{name}");
    }
}

#[test]
fn metadata_show_whose_it_is_and_whether_somebody_changed_a_value() {
    let shown = |fields: Value| {
        let mut meta = PartialObjectMeta::<Secret> {
            metadata: existing(fields).metadata,
            ..PartialObjectMeta::default()
        };
        slim(&mut meta);
        marked(&meta)
    };
    let ours = shown(json!([
        entry(MANAGER, "Update", &["B", "A"]),
        entry("kubectl", "Update", &["C"])
    ]));
    assert_eq!(
        (&*ours.owner, &*ours.owned_keys, ours.terminating),
        ("app", "A B", false)
    );
    assert_eq!(&*ours.owned_keys, joined(["B", "A"]));
    let edited = shown(json!([
        entry(MANAGER, "Apply", &["A"]),
        entry("kubectl-edit", "Update", &["B"])
    ]));
    assert_ne!(edited, ours);
    assert_eq!(&*shown(json!([])).owned_keys, "");
}

#[test]
fn fields_in_any_form_do_not_panic() {
    for fields in [
        json!(null),
        json!({}),
        json!({ "f:data": 1 }),
        json!({ "f:data": { "x": 1 } }),
        json!([1]),
    ] {
        let entry = json!({ "manager": MANAGER, "operation": "Apply", "fieldsV1": fields });
        let entry: ManagedFieldsEntry = serde_json::from_value(entry).unwrap();
        assert!(owned_keys(&[entry]).is_empty());
    }
}
