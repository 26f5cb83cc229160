//! Writes status, if it differs.

use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Applies `status` to the object's status subresource, if it differs from the status that `object` carries. True if it
/// was written; false if there was nothing to write or the object is gone.
///
/// The body holds the object's UID, so that a newer object of the same name is never written to (the answer is then a
/// conflict). Fails as the client does.
pub async fn report<K, S>(api: &Api<K>, manager: &str, object: &K, status: &S) -> kube::Result<bool>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
    S: Serialize,
{
    let Some(body) = body(object, status).map_err(kube::Error::SerdeError)? else {
        return Ok(false);
    };
    let params = PatchParams::apply(manager).force();
    match api
        .patch_status(&object.name_any(), &params, &Patch::Apply(&body))
        .await
    {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// What to apply; nothing if the object carries it already.
fn body<K, S>(object: &K, status: &S) -> serde_json::Result<Option<Value>>
where
    K: Resource<DynamicType = ()> + Serialize,
    S: Serialize,
{
    let mut wanted = serde_json::to_value(status)?;
    let mut current = serde_json::to_value(object)?
        .get_mut("status")
        .map(Value::take)
        .unwrap_or_default();
    drop_nulls(&mut wanted);
    drop_nulls(&mut current);
    if wanted == current {
        return Ok(None);
    }
    let meta = object.meta();
    let mut metadata = json!({ "name": meta.name, "namespace": meta.namespace, "uid": meta.uid });
    drop_nulls(&mut metadata);
    Ok(Some(json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": metadata,
        "status": wanted,
    })))
}

/// To the API, null and absent are the same.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;

    use super::*;
    use crate::testing::script::Script;

    const PATH: &str = "/api/v1/namespaces/home/pods/a/status?&force=true&fieldManager=op";

    fn pod() -> Pod {
        let meta = json!({ "name": "a", "namespace": "home", "uid": "u1", "resourceVersion": "5" });
        serde_json::from_value(json!({ "metadata": meta, "status": { "phase": "Running", "message": "m" } })).unwrap()
    }

    async fn reported(script: Script, status: Value) -> kube::Result<bool> {
        let (client, server) = script.start();
        let result = report(&Api::<Pod>::namespaced(client, "home"), "op", &pod(), &status).await;
        server.finish();
        result
    }

    #[tokio::test]
    async fn an_equal_status_is_not_written_whether_fields_are_null_or_absent() {
        let same = json!({ "phase": "Running", "message": "m", "reason": null });
        assert!(!reported(Script::new(), same).await.unwrap());
    }

    #[tokio::test]
    async fn a_difference_is_applied_to_the_status_of_exactly_this_object() {
        let check = |body: &Value| {
            let meta = json!({ "name": "a", "namespace": "home", "uid": "u1" });
            let status = json!({ "phase": "Failed" });
            assert_eq!(
                *body,
                json!({ "apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": status })
            );
        };
        let script = Script::new().expect_body("PATCH", PATH, check, 200, json!(pod()));
        assert!(
            reported(script, json!({ "phase": "Failed", "message": null }))
                .await
                .unwrap()
        );
    }

    #[tokio::test]
    async fn an_object_that_is_gone_is_no_error_and_one_created_anew_is_a_conflict() {
        let gone = Script::new().refuse("PATCH", PATH, 404, "NotFound");
        assert!(!reported(gone, json!({ "phase": "Failed" })).await.unwrap());
        let anew = Script::new().refuse("PATCH", PATH, 409, "Conflict");
        assert!(reported(anew, json!({ "phase": "Failed" })).await.is_err());
    }
}
