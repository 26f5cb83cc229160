//! Writes and deletes objects that we own, and only those.

use std::fmt::Debug;

use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::error::{RECHECK_AFTER, ReconcileError, Retry};

/// Why an owned object was not written or deleted.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// What stands in the way, by kind and name: it is not ours. It was not touched.
    #[error("{0} exists and does not belong to this object; delete or rename one of them")]
    NotOurs(String),
    /// The client's error.
    #[error(transparent)]
    Kube(#[from] kube::Error),
}

impl ReconcileError for ApplyError {
    fn reason(&self) -> &'static str {
        match self {
            Self::NotOurs(_) => "NotOurs",
            Self::Kube(error) => error.reason(),
        }
    }

    fn retry(&self) -> Retry {
        match self {
            // What is in the way is not watched: only time tells when it is gone.
            Self::NotOurs(_) => Retry::After(RECHECK_AFTER),
            Self::Kube(error) => error.retry(),
        }
    }
}

/// Whether `owner` controls `existing`: by UID, so that an older owner of the same name does not count.
pub fn owned_by<K: Resource, O: Resource>(existing: &K, owner: &O) -> bool {
    let Some(uid) = owner.uid().filter(|uid| !uid.is_empty()) else {
        return false;
    };
    let mut owners = existing.owner_references().iter();
    owners.any(|owner| owner.controller == Some(true) && owner.uid == uid)
}

/// Brings an owned object to the desired state: created by POST when absent, else applied (forced, with its UID), and
/// only if `owner` controls what is there. `desired` must carry the owner reference. Returns what the server stored.
pub async fn apply<K, O>(api: &Api<K>, manager: &str, owner: &O, desired: &K) -> Result<K, ApplyError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
    O: Resource,
{
    let name = desired.name_any();
    let Some(existing) = api.get_opt(&name).await? else {
        let params = PostParams {
            field_manager: Some(manager.to_owned()),
            ..PostParams::default()
        };
        return Ok(api.create(&params, desired).await?);
    };
    guard(&existing, owner)?;
    disown_update(api, manager, &existing).await?;
    // An apply with a UID never creates and never meets another object than the one just checked.
    let mut desired = desired.clone();
    desired.meta_mut().uid = existing.uid();
    let params = PatchParams::apply(manager).force();
    Ok(api.patch(&name, &params, &Patch::Apply(desired)).await?)
}

/// Deletes an owned object exactly as it was seen (UID and `resourceVersion` are preconditions), dependents in the
/// background. It is no error if it was gone already.
pub async fn delete<K, O>(api: &Api<K>, owner: &O, existing: &K) -> Result<(), ApplyError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    O: Resource,
{
    guard(existing, owner)?;
    let params = DeleteParams::background().preconditions(Preconditions {
        uid: existing.uid(),
        resource_version: existing.resource_version(),
    });
    match api.delete(&existing.name_any(), &params).await {
        Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(()),
        answer => Ok(answer.map(drop)?),
    }
}

fn guard<K: Resource<DynamicType = ()>, O: Resource>(existing: &K, owner: &O) -> Result<(), ApplyError> {
    if owned_by(existing, owner) {
        return Ok(());
    }
    let what = format!("{} {}", K::kind(&()), existing.name_any());
    Err(ApplyError::NotOurs(what))
}

/// What was created by POST belongs to our manager's `Update` entry. Apply would leave those fields standing for ever,
/// so the entry becomes an `Apply` entry first, as client-go's csaupgrade does.
async fn disown_update<K>(api: &Api<K>, manager: &str, existing: &K) -> kube::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let mut fields = existing.managed_fields().to_vec();
    let created = fields.iter_mut().find(|field| {
        let ours = field.manager.as_deref() == Some(manager) && field.subresource.is_none();
        ours && field.operation.as_deref() == Some("Update")
    });
    let Some(field) = created else {
        return Ok(());
    };
    field.operation = Some("Apply".to_owned());
    let body = json!({ "metadata": { "resourceVersion": existing.resource_version(), "managedFields": fields } });
    let (name, params) = (existing.name_any(), PatchParams::default());
    api.patch(&name, &params, &Patch::Merge(&body)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{ConfigMap, Secret};
    use serde_json::Value;

    use super::*;
    use crate::testing::script::Script;

    const LIST: &str = "/api/v1/namespaces/home/secrets";
    const ONE: &str = "/api/v1/namespaces/home/secrets/s";

    fn owner() -> ConfigMap {
        serde_json::from_value(json!({ "metadata": { "name": "owner", "namespace": "home", "uid": "me" } })).unwrap()
    }

    fn secret(owner: &str, more: &Value) -> Value {
        let reference =
            json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner, "controller": true }]);
        let mut meta = json!({ "name": "s", "namespace": "home", "uid": "s1", "resourceVersion": "7", "ownerReferences": reference });
        meta.as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap_or_default());
        json!({ "metadata": meta })
    }

    fn typed(value: Value) -> Secret {
        serde_json::from_value(value).unwrap()
    }

    async fn applied(script: Script) -> Result<Secret, ApplyError> {
        let (client, server) = script.start();
        let desired = typed(json!({ "metadata": { "name": "s", "namespace": "home" }, "stringData": { "k": "v" } }));
        let result = apply(&Api::namespaced(client, "home"), "op", &owner(), &desired).await;
        server.finish();
        result
    }

    #[test]
    fn owning_is_controlling_by_uid() {
        assert!(owned_by(&typed(secret("me", &json!({}))), &owner()));
        assert!(!owned_by(
            &typed(secret("an owner of the same name, earlier", &json!({}))),
            &owner()
        ));
        assert!(!owned_by(&typed(json!({ "metadata": {} })), &owner()));
        let mut plain = typed(secret("me", &json!({})));
        plain.metadata.owner_references.as_mut().unwrap()[0].controller = None;
        assert!(!owned_by(&plain, &owner()), "an owner that does not control");
        assert!(
            !owned_by(&typed(secret("", &json!({}))), &ConfigMap::default()),
            "an owner without a UID owns nothing"
        );
    }

    #[tokio::test]
    async fn an_absent_object_is_created_by_post() {
        let script = Script::new().refuse("GET", ONE, 404, "NotFound").expect(
            "POST",
            format!("{LIST}?&fieldManager=op"),
            201,
            secret("me", &json!({})),
        );
        applied(script).await.unwrap();
    }

    #[tokio::test]
    async fn losing_the_race_to_create_takes_nothing_over() {
        let script = Script::new()
            .refuse("GET", ONE, 404, "NotFound")
            .refuse("POST", LIST, 409, "AlreadyExists");
        assert_eq!(applied(script).await.unwrap_err().reason(), "AlreadyExists");
    }

    #[tokio::test]
    async fn an_owned_object_is_applied_with_its_uid() {
        let check = |body: &Value| {
            assert_eq!(
                (&body["metadata"]["uid"], &body["kind"]),
                (&json!("s1"), &json!("Secret"))
            );
            assert_eq!(body["stringData"]["k"], "v");
        };
        let path = format!("{ONE}?&force=true&fieldManager=op");
        let script = Script::new()
            .expect("GET", ONE, 200, secret("me", &json!({})))
            .expect_body("PATCH", path, check, 200, secret("me", &json!({})));
        applied(script).await.unwrap();
    }

    #[tokio::test]
    async fn what_we_do_not_own_is_not_touched() {
        for other in [secret("other", &json!({})), json!({ "metadata": { "name": "s" } })] {
            let error = applied(Script::new().expect("GET", ONE, 200, other)).await.unwrap_err();
            assert_eq!(
                (error.reason(), error.retry()),
                ("NotOurs", Retry::After(RECHECK_AFTER))
            );
        }
    }

    #[tokio::test]
    async fn fields_from_our_post_are_handed_to_apply_so_that_they_can_go_away() {
        let entry = |operation: &str| json!({ "manager": "op", "operation": operation, "fieldsV1": { "f:data": {} } });
        let check = move |body: &Value| {
            assert_eq!(body["metadata"]["resourceVersion"], "7");
            assert_eq!(body["metadata"]["managedFields"], json!([entry("Apply")]));
        };
        let script = Script::new()
            .expect(
                "GET",
                ONE,
                200,
                secret("me", &json!({ "managedFields": [entry("Update")] })),
            )
            .expect_body("PATCH", ONE, check, 200, secret("me", &json!({})))
            .expect(
                "PATCH",
                format!("{ONE}?&force=true&fieldManager=op"),
                200,
                secret("me", &json!({})),
            );
        applied(script).await.unwrap();
    }

    #[tokio::test]
    async fn deleting_names_the_very_object_and_version_and_only_ours() {
        let check = |body: &Value| {
            assert_eq!(body["preconditions"], json!({ "uid": "s1", "resourceVersion": "7" }));
            assert_eq!(body["propagationPolicy"], "Background");
        };
        let (client, server) = Script::new()
            .expect_body("DELETE", ONE, check, 200, secret("me", &json!({})))
            .refuse("DELETE", ONE, 404, "NotFound")
            .refuse("DELETE", ONE, 409, "Conflict")
            .start();
        let api = Api::<Secret>::namespaced(client, "home");
        let ours = typed(secret("me", &json!({})));
        delete(&api, &owner(), &ours).await.unwrap();
        delete(&api, &owner(), &ours).await.expect("gone already is no error");
        assert_eq!(delete(&api, &owner(), &ours).await.unwrap_err().reason(), "Conflict");
        let foreign = typed(secret("other", &json!({})));
        assert_eq!(delete(&api, &owner(), &foreign).await.unwrap_err().reason(), "NotOurs");
        server.finish();
    }
}
