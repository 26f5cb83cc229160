//! Writes status, if it differs.

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
/// A newer object of the same name is never written to. The API server ignores the UID of a status that is applied, so it is given the
/// resource version; if that is not the present one, the object is looked at. The status must leave fields out that have no value.
/// RBAC: `get` on the kind, `patch` on its status. Fails as the client does.
pub async fn patch_status<K>(api: &Api<K>, manager: &str, object: &K, status: &K::Status) -> kube::Result<()>
where
    K: Resource<DynamicType = ()> + HasStatus + DeserializeOwned + Clone + std::fmt::Debug,
    K::Status: Serialize + PartialEq,
{
    if object.status() == Some(status) {
        return Ok(());
    }
    let (name, params) = (object.name_any(), PatchParams::apply(manager).force());
    let (api_version, kind) = (K::api_version(&()), K::kind(&()));
    let mut meta = object.meta().clone();
    loop {
        let of = json!({"name": name, "namespace": meta.namespace, "resourceVersion": meta.resource_version});
        let body = json!({"apiVersion": api_version, "kind": kind, "metadata": of, "status": status});
        match api.patch_status(&name, &params, &Patch::Apply(&body)).await {
            Err(kube::Error::Api(answer)) if answer.is_not_found() => return Ok(()),
            Err(kube::Error::Api(answer)) if answer.is_conflict() => match api.get_metadata_opt(&name).await? {
                Some(now) if now.metadata.uid == meta.uid => meta = now.metadata,
                _ => return Ok(()),
            },
            answer => return answer.map(drop),
        }
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

    fn at(version: &'static str) -> impl Fn(&Value) {
        move |body: &Value| {
            let meta = json!({ "name": "a", "namespace": "home", "resourceVersion": version });
            let status = json!({ "phase": "Failed" });
            assert_eq!(
                *body,
                json!({ "apiVersion": "x.io/v1", "kind": "Thing", "metadata": meta, "status": status })
            );
        }
    }

    fn metadata(uid: &str) -> Value {
        let meta = json!({ "name": "a", "namespace": "home", "uid": uid, "resourceVersion": "7" });
        json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": meta })
    }

    #[tokio::test]
    async fn a_difference_is_applied_to_the_status_as_it_was_seen() {
        let script = Script::new().expect_body("PATCH", PATH, at("5"), 200, json!(thing()));
        reported(script, "Failed", None).await.unwrap();
    }

    #[tokio::test]
    async fn an_object_that_has_changed_is_written_again_and_one_that_is_gone_or_created_anew_is_not() {
        const OBJECT: &str = "/apis/x.io/v1/namespaces/home/things/a";
        let gone = Script::new().refuse("PATCH", PATH, 404, "NotFound");
        reported(gone, "Failed", None).await.unwrap();
        let changed = || Script::new().refuse("PATCH", PATH, 409, "Conflict");
        let again = changed().expect("GET", OBJECT, 200, metadata("u1"));
        let again = again.expect_body("PATCH", PATH, at("7"), 200, json!(thing()));
        reported(again, "Failed", None).await.unwrap();
        let anew = changed().expect("GET", OBJECT, 200, metadata("u2"));
        reported(anew, "Failed", None).await.unwrap();
        let gone = changed().refuse("GET", OBJECT, 404, "NotFound");
        reported(gone, "Failed", None).await.unwrap();
    }
}
