//! Hints: names that users of other charts try. The schema of the values refuses them with a `const` that says what the value is
//! called here, since Helm prints it: `at '/replicas': value must be 'unset (use replicaCount)'`.
use anyhow::{Result, ensure};
use serde_json::Value;

/// Every value that a hint names is there.
pub(super) fn check(schema: &Value, values: &Value) -> Result<()> {
    let mut wrong = hints(schema);
    wrong.retain(|hint| !named(hint).all(|path| values.pointer(&format!("/{}", path.replace('.', "/"))).is_some()));
    ensure!(
        wrong.is_empty(),
        "hints in the schema that name no value: {}",
        wrong.join(", ")
    );
    Ok(())
}

/// The hints of a schema, without what is the same in all of them.
fn hints(schema: &Value) -> Vec<&str> {
    let hint = schema["const"].as_str();
    let hint = hint.and_then(|text| text.strip_prefix("unset (use ")?.strip_suffix(')'));
    let below: Vec<&Value> = match schema {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    hint.into_iter().chain(below.into_iter().flat_map(hints)).collect()
}

/// The values of the chart that a hint names; those of objects (`spec.policy of a DNSZone`) are none.
fn named(hint: &str) -> impl Iterator<Item = &str> {
    let parts = hint
        .split(", ")
        .flat_map(|part| part.split(" or "))
        .flat_map(|part| part.split(" and "));
    parts
        .map(|part| part.trim_start_matches("or "))
        .filter(|part| !part.contains(" of a "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hints_are_found_at_any_depth_and_must_name_values() {
        let schema = json!({"properties": {
            "replicas": {"const": "unset (use replicaCount)"},
            "image": {"properties": {"name": {"const": "unset (use image.repository)"}}},
            "kind": {"const": "fixed"}}});
        let values = json!({"replicaCount": 1, "image": {"repository": null}});
        check(&schema, &values).unwrap();
        let error = check(&schema, &json!({"replicaCount": 1, "image": {}})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "hints in the schema that name no value: image.repository"
        );
    }

    #[test]
    fn a_hint_may_name_several_values_and_fields_of_objects() {
        let found = |hint| named(hint).collect::<Vec<_>>();
        assert_eq!(
            found("commonLabels, podLabels or a.b"),
            ["commonLabels", "podLabels", "a.b"]
        );
        assert_eq!(found("clusterName, or spec.ownerID of a DNSZone"), ["clusterName"]);
        assert!(found("spec.policy of a DNSZone").is_empty());
    }
}
