//! What every generated CRD gets beyond its Rust type.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::json;

/// The category of all our kinds: `kubectl get hearth`.
pub const CATEGORY: &str = "hearth";

/// Completes a generated CRD: category `hearth`; the default status that makes kstatus wait for the operator; conditions
/// as a list-map by `type`; no `uint` formats, which API servers do not know.
pub fn finish(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let categories = crd.spec.names.categories.get_or_insert_default();
    if !categories.iter().any(|c| c == CATEGORY) {
        categories.push(CATEGORY.to_owned());
    }
    for version in &mut crd.spec.versions {
        let Some(root) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) else {
            continue;
        };
        visit(root, &mut |schema| {
            if schema.format.as_deref().is_some_and(|f| f.starts_with("uint")) {
                schema.format = None;
            }
        });
        let Some(status) = root.properties.as_mut().and_then(|p| p.get_mut("status")) else {
            continue;
        };
        status.default = Some(JSON(json!({ "observedGeneration": -1 })));
        // `null` would hide the default.
        status.nullable = None;
        if let Some(conditions) = status.properties.as_mut().and_then(|p| p.get_mut("conditions")) {
            conditions.x_kubernetes_list_type = Some("map".to_owned());
            conditions.x_kubernetes_list_map_keys = Some(vec!["type".to_owned()]);
        }
    }
    crd
}

/// What must not be in a CRD of ours; empty means fine. [`crate::testing::assert_crd`] checks it.
pub fn problems(crd: &CustomResourceDefinition) -> Vec<String> {
    let mut found = Vec::new();
    for version in &crd.spec.versions {
        let Some(root) = version.schema.as_ref().and_then(|s| s.open_api_v3_schema.as_ref()) else {
            found.push(format!("{}: no schema", version.name));
            continue;
        };
        look(root, &version.name, false, &mut found);
        let status = root.properties.as_ref().and_then(|p| p.get("status"));
        let properties = status.and_then(|s| s.properties.as_ref());
        if status.is_some() && !properties.is_some_and(|p| p.contains_key("observedGeneration")) {
            found.push(format!(
                "{}.status: no observedGeneration, which the default needs",
                version.name
            ));
        }
    }
    found
}

fn look(schema: &JSONSchemaProps, path: &str, in_list: bool, found: &mut Vec<String>) {
    if in_list && schema.default.is_some() {
        // Server-side apply merges list items by key; a defaulted field inside shows as a difference for ever.
        found.push(format!("{path}: default inside a list"));
    }
    if schema.format.as_deref().is_some_and(|f| f.starts_with("uint")) {
        found.push(format!("{path}: unsigned format"));
    }
    if schema
        .description
        .as_deref()
        .is_some_and(|d| d.starts_with("Auto-generated"))
    {
        found.push(format!("{path}: no description (#[kube(doc = …)] or a doc comment)"));
    }
    for (name, child) in schema.properties.iter().flatten() {
        look(child, &format!("{path}.{name}"), in_list, found);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
        look(item, &format!("{path}[]"), true, found);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
        look(value, &format!("{path}{{}}"), in_list, found);
    }
}

fn visit(schema: &mut JSONSchemaProps, change: &mut impl FnMut(&mut JSONSchemaProps)) {
    change(schema);
    for child in schema.properties.iter_mut().flat_map(|p| p.values_mut()) {
        visit(child, change);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => visit(item, change),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(|item| visit(item, change)),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &mut schema.additional_properties {
        visit(value, change);
    }
}
