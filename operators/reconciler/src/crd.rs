//! What every generated CRD gets beyond its Rust type.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSON};
use serde_json::json;

/// On each CRD: the release that it is from, so that people see whether CRDs that they install themselves fit the operator.
const BUNDLE_VERSION: &str = "hearth.home.arpa/bundle-version";

/// Completes a generated CRD: the version of its release; category `hearth`, for `kubectl get hearth`; the default status that
/// makes kstatus wait for the operator; conditions as a list-map by `type`.
pub fn finish(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let version = (BUNDLE_VERSION.to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    crd.metadata.annotations.get_or_insert_default().extend([version]);
    crd.spec.names.categories = Some(vec!["hearth".to_owned()]);
    for version in &mut crd.spec.versions {
        let root = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut());
        let Some(status) = root.and_then(|r| r.properties.as_mut()?.get_mut("status")) else {
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

#[cfg(test)]
mod tests {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrArray};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
    use kube::{CustomResource, CustomResourceExt};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::testing::problems;

    /// A thing.
    #[derive(CustomResource, Debug, Clone, Deserialize, Serialize, JsonSchema)]
    #[kube(
        group = "x.hearth.home.arpa",
        version = "v1",
        kind = "Thing",
        namespaced,
        status = "ThingStatus",
        doc = "A thing."
    )]
    struct ThingSpec {
        /// How many.
        count: i32,
        /// Sizes by name.
        sizes: std::collections::BTreeMap<String, i32>,
        /// Parts.
        parts: Vec<Part>,
    }

    /// A part.
    #[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
    struct Part {
        /// Its weight in grams.
        weight: i64,
    }

    /// What is so.
    #[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    struct ThingStatus {
        /// The generation looked at.
        observed_generation: Option<i64>,
        /// Conditions.
        conditions: Vec<Condition>,
    }

    fn schema(crd: &CustomResourceDefinition) -> &JSONSchemaProps {
        crd.spec.versions[0]
            .schema
            .as_ref()
            .unwrap()
            .open_api_v3_schema
            .as_ref()
            .unwrap()
    }

    #[test]
    fn a_finished_crd_has_version_category_default_status_and_condition_keys() {
        let crd = finish(Thing::crd());
        let annotations = crd.metadata.annotations.as_ref().unwrap();
        assert_eq!(annotations[BUNDLE_VERSION], env!("CARGO_PKG_VERSION"));
        assert_eq!(crd.spec.names.categories.as_deref().unwrap(), ["hearth"]);
        let status = &schema(&crd).properties.as_ref().unwrap()["status"];
        assert_eq!(status.default, Some(JSON(json!({ "observedGeneration": -1 }))));
        let conditions = &status.properties.as_ref().unwrap()["conditions"];
        assert_eq!(conditions.x_kubernetes_list_type.as_deref(), Some("map"));
        assert_eq!(conditions.x_kubernetes_list_map_keys.as_deref().unwrap(), ["type"]);
        assert_eq!(problems(&crd), Vec::<String>::new());
    }

    #[test]
    fn finishing_twice_is_finishing_once() {
        let once = finish(Thing::crd());
        assert_eq!(finish(once.clone()), once);
    }

    #[test]
    fn defaults_inside_lists_and_other_faults_are_found() {
        let mut crd = finish(Thing::crd());
        let schema = crd.spec.versions[0]
            .schema
            .as_mut()
            .unwrap()
            .open_api_v3_schema
            .as_mut()
            .unwrap();
        let properties = schema.properties.as_mut().unwrap();
        properties
            .get_mut("status")
            .unwrap()
            .properties
            .as_mut()
            .unwrap()
            .remove("observedGeneration");
        let spec = properties.get_mut("spec").unwrap().properties.as_mut().unwrap();
        spec.get_mut("count").unwrap().default = Some(JSON(json!(1)));
        let Some(JSONSchemaPropsOrArray::Schema(part)) = &mut spec.get_mut("parts").unwrap().items else {
            panic!()
        };
        let weight = part.properties.as_mut().unwrap().get_mut("weight").unwrap();
        (weight.default, weight.format) = (Some(JSON(json!(1))), Some("uint64".to_owned()));
        assert_eq!(
            problems(&crd),
            [
                "v1.spec.parts[].weight: default inside a list",
                "v1.spec.parts[].weight: unsigned format",
                "v1.status: no observedGeneration, which the default needs",
            ]
        );
    }
}
