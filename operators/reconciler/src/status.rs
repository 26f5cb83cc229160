//! Writes status, if it differs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::object::HasStatus,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

/// Applies `status` to the object's status subresource, if it differs from the status that `object` carries. It is no
/// error if the object is gone.
///
/// The body holds the object's UID, so that a newer object of the same name is never written to (the answer is then a
/// conflict). The status must leave fields out that have no value. Fails as the client does.
pub async fn patch_status<K>(api: &Api<K>, manager: &str, object: &K, status: &K::Status) -> kube::Result<()>
where
    K: Resource<DynamicType = ()> + HasStatus + DeserializeOwned + Clone + std::fmt::Debug,
    K::Status: Serialize + PartialEq,
{
    if object.status() == Some(status) {
        return Ok(());
    }
    let body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": ObjectMeta {
            name: object.meta().name.clone(),
            namespace: object.namespace(),
            uid: object.uid(),
            ..ObjectMeta::default()
        },
        "status": status,
    });
    let (name, params) = (object.name_any(), PatchParams::apply(manager).force());
    match api.patch_status(&name, &params, &Patch::Apply(&body)).await {
        Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(()),
        answer => answer.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use kube::CustomResource;
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;
    use crate::testing::script::Script;

    #[derive(CustomResource, Debug, Clone, Deserialize, Serialize, JsonSchema)]
    #[kube(group = "x.io", version = "v1", kind = "Thing", namespaced, status = "ThingStatus")]
    struct ThingSpec {}

    #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
    struct ThingStatus {
        phase: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }

    const PATH: &str = "/apis/x.io/v1/namespaces/home/things/a/status?&force=true&fieldManager=op";

    fn thing() -> Thing {
        let meta = json!({ "name": "a", "namespace": "home", "uid": "u1", "resourceVersion": "5" });
        let status = json!({ "phase": "Running", "message": "m", "reason": null });
        let thing = json!({ "apiVersion": "x.io/v1", "kind": "Thing", "metadata": meta, "spec": {}, "status": status });
        serde_json::from_value(thing).unwrap()
    }

    async fn reported(script: Script, phase: &str, message: Option<&str>) -> kube::Result<()> {
        let (client, server) = script.start();
        let status = ThingStatus {
            phase: phase.to_owned(),
            message: message.map(str::to_owned),
            reason: None,
        };
        let result = patch_status(&Api::<Thing>::namespaced(client, "home"), "op", &thing(), &status).await;
        server.finish();
        result
    }

    #[tokio::test]
    async fn an_equal_status_is_not_written_whether_fields_are_null_or_absent() {
        reported(Script::new(), "Running", Some("m")).await.unwrap();
    }

    #[tokio::test]
    async fn a_difference_is_applied_to_the_status_of_exactly_this_object() {
        let check = |body: &Value| {
            let meta = json!({ "name": "a", "namespace": "home", "uid": "u1" });
            let status = json!({ "phase": "Failed" });
            assert_eq!(
                *body,
                json!({ "apiVersion": "x.io/v1", "kind": "Thing", "metadata": meta, "status": status })
            );
        };
        let script = Script::new().expect_body("PATCH", PATH, check, 200, json!(thing()));
        reported(script, "Failed", None).await.unwrap();
    }

    #[tokio::test]
    async fn an_object_that_is_gone_is_no_error_and_one_created_anew_is_a_conflict() {
        let gone = Script::new().refuse("PATCH", PATH, 404, "NotFound");
        reported(gone, "Failed", None).await.unwrap();
        let anew = Script::new().refuse("PATCH", PATH, 409, "Conflict");
        assert!(reported(anew, "Failed", None).await.is_err());
    }
}
