//! Writes and deletes objects that we own, and only those. What is as desired is not written.

use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

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
            // What is in the way is not watched: only time shows when it is removed.
            Self::NotOurs(_) => Retry::After(RECHECK_AFTER),
            Self::Kube(error) => error.retry(),
        }
    }
}

/// How an object shows whose it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Owner {
    /// The owner is its controller: by UID, so that an older owner of the same name does not count. It is deleted with it.
    Controller(Option<OwnerReference>),
    /// An annotation names the owner: for owners in another namespace, and for objects that outlive their owner.
    Mark {
        /// The annotation's key.
        annotation: &'static str,
        /// The owner: `namespace/name`, or `name` of one that has no namespace.
        owner: String,
    },
}

impl Owner {
    /// Owning by controller reference.
    pub fn controller<O: Resource<DynamicType = ()>>(owner: &O) -> Self {
        Self::Controller(owner.controller_owner_ref(&()).filter(|owner| !owner.uid.is_empty()))
    }

    /// Owning by mark.
    pub fn mark<O: Resource>(annotation: &'static str, owner: &O) -> Self {
        let name = owner.name_any();
        let owner = owner
            .namespace()
            .map_or_else(|| name.clone(), |namespace| format!("{namespace}/{name}"));
        Self::Mark { annotation, owner }
    }

    /// Whether the object is this owner's. An owner without a UID controls nothing.
    pub fn owns<K: Resource>(&self, existing: &K) -> bool {
        match self {
            Self::Controller(None) => false,
            Self::Controller(Some(owner)) => {
                let mut owners = existing.owner_references().iter();
                owners.any(|other| other.controller == Some(true) && other.uid == owner.uid)
            }
            Self::Mark { annotation, owner } => existing.annotations().get(*annotation) == Some(owner),
        }
    }

    /// Makes the object this owner's.
    fn claim<K: Resource>(&self, desired: &mut K) {
        match self {
            Self::Controller(owner) => {
                let owners = desired.owner_references_mut();
                owners.retain(|other| other.controller != Some(true));
                owners.extend(owner.clone());
            }
            Self::Mark { annotation, owner } => {
                desired
                    .annotations_mut()
                    .insert((*annotation).to_owned(), owner.clone());
            }
        }
    }
}

/// Brings an owned object to the desired state: created by POST when absent, else applied (forced, with its UID) if it
/// differs, and only if `owner` owns what is there. The owner reference or mark is added. Returns what the server stored.
///
/// Nothing is written when the object has all desired values, and our field manager owns none that is no longer desired.
/// Values that the server stores in another form (a Secret's `stringData`, `1000m`) differ each time.
pub async fn apply<K>(api: &Api<K>, manager: &str, owner: &Owner, desired: &K) -> Result<K, ApplyError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let mut desired = desired.clone();
    owner.claim(&mut desired);
    let name = desired.name_any();
    let Some(existing) = api.get_opt(&name).await? else {
        let params = PostParams {
            field_manager: Some(manager.to_owned()),
            ..PostParams::default()
        };
        return Ok(api.create(&params, &desired).await?);
    };
    guard(&existing, owner)?;
    if is_applied(manager, &existing, &desired) {
        return Ok(existing);
    }
    disown_update(api, manager, &existing).await?;
    // An apply with a UID never creates and never meets another object than the one just checked.
    desired.meta_mut().uid = existing.uid();
    let params = PatchParams::apply(manager).force();
    Ok(api.patch(&name, &params, &Patch::Apply(desired)).await?)
}

/// Deletes an owned object exactly as it was seen (UID and `resourceVersion` are preconditions), dependents in the
/// background. It is no error if it was removed already.
pub async fn delete<K>(api: &Api<K>, owner: &Owner, existing: &K) -> Result<(), ApplyError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
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

fn guard<K: Resource<DynamicType = ()>>(existing: &K, owner: &Owner) -> Result<(), ApplyError> {
    if owner.owns(existing) {
        return Ok(());
    }
    let what = format!("{} {}", K::kind(&()), existing.name_any());
    Err(ApplyError::NotOurs(what))
}

/// Whether an apply would change nothing.
fn is_applied<K: Resource + Serialize>(manager: &str, existing: &K, desired: &K) -> bool {
    let (desired, has) = (json!(desired), json!(existing));
    let owned = existing.managed_fields().iter().find(|field| {
        let ours = field.manager.as_deref() == Some(manager) && field.subresource.is_none();
        ours && field.operation.as_deref() == Some("Apply")
    });
    let owned = owned.and_then(|field| field.fields_v1.as_ref());
    owned.is_some_and(|owned| covers(&has, &desired) && is_desired(&owned.0, &has, &desired))
}

/// Whether `has` contains all of `desired`. A list of plain values must be the same; of objects, others may stand beside.
fn covers(has: &Value, desired: &Value) -> bool {
    match (has, desired) {
        (_, Value::Null) => true,
        (Value::Object(has), Value::Object(desired)) => desired
            .iter()
            .all(|(key, value)| has.get(key).map_or_else(|| value.is_null(), |has| covers(has, value))),
        (Value::Array(has), Value::Array(desired)) if desired.iter().all(Value::is_object) => {
            desired.iter().all(|item| has.iter().any(|has| covers(has, item)))
        }
        _ => has == desired,
    }
}

/// Whether all fields of a `fieldsV1` are in `desired`: one that is not would be removed by an apply.
fn is_desired(fields: &Value, has: &Value, desired: &Value) -> bool {
    let Some(fields) = fields.as_object().filter(|fields| !fields.is_empty()) else {
        // A list as a whole.
        return has.as_array().map(Vec::len) == desired.as_array().map(Vec::len);
    };
    fields.iter().all(|(key, inner)| match key.split_once(':') {
        Some(("f", name)) => desired
            .get(name)
            .is_some_and(|desired| is_desired(inner, &has[name], desired)),
        Some(("k", item)) => {
            let item = serde_json::from_str(item).unwrap_or_default();
            let of = |list: &Value| list.as_array()?.iter().find(|value| covers(value, &item)).cloned();
            of(desired).is_some_and(|desired| is_desired(inner, &of(has).unwrap_or_default(), &desired))
        }
        Some(("v", value)) => {
            let value: Value = serde_json::from_str(value).unwrap_or_default();
            desired.as_array().is_some_and(|items| items.contains(&value))
        }
        // `.`: the map or item itself.
        _ => true,
    })
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
    use super::*;
    use crate::testing::script::Script;
    use k8s_openapi::api::core::v1::{ConfigMap, Secret};

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
        let result = apply(
            &Api::namespaced(client, "home"),
            "op",
            &Owner::controller(&owner()),
            &desired,
        )
        .await;
        server.finish();
        result
    }

    #[test]
    fn owning_is_controlling_by_uid() {
        let me = Owner::controller(&owner());
        assert!(me.owns(&typed(secret("me", &json!({})))));
        assert!(!me.owns(&typed(secret("an owner of the same name, earlier", &json!({})))));
        assert!(!me.owns(&typed(json!({ "metadata": {} }))));
        let mut plain = typed(secret("me", &json!({})));
        plain.metadata.owner_references.as_mut().unwrap()[0].controller = None;
        assert!(!me.owns(&plain), "an owner that does not control");
        let nobody = Owner::controller(&ConfigMap::default());
        assert!(
            !nobody.owns(&typed(secret("", &json!({})))),
            "an owner without a UID owns nothing"
        );
    }

    #[test]
    fn owning_by_mark_is_being_named() {
        let mark = Owner::mark("x.io/owner", &owner());
        let marked = |owner: &str| typed(json!({ "metadata": { "annotations": { "x.io/owner": owner } } }));
        assert!(mark.owns(&marked("home/owner")));
        assert!(!mark.owns(&marked("away/owner")));
        assert!(
            !mark.owns(&typed(secret("me", &json!({})))),
            "a controller reference is no mark"
        );
        let mut desired = typed(json!({ "metadata": {} }));
        mark.claim(&mut desired);
        assert!(mark.owns(&desired));
    }

    /// As the server stores it: with our `Apply` entry for these fields.
    fn stored(fields: &Value, data: &Value) -> Value {
        let entry = json!([{ "manager": "op", "operation": "Apply", "fieldsV1": fields }]);
        let mut stored = secret("me", &json!({ "managedFields": entry, "labels": { "other": "x" } }));
        stored["data"] = data.clone();
        stored
    }

    async fn applied_data(script: Script) {
        let (client, server) = script.start();
        let desired = typed(json!({ "metadata": { "name": "s", "namespace": "home" }, "data": { "k": "dg==" } }));
        apply(
            &Api::namespaced(client, "home"),
            "op",
            &Owner::controller(&owner()),
            &desired,
        )
        .await
        .unwrap();
        server.finish();
    }

    #[tokio::test]
    async fn what_is_as_desired_is_not_written() {
        let fields = json!({ "f:data": { ".": {}, "f:k": {} }, "f:metadata": { "f:ownerReferences": { "k:{\"uid\":\"me\"}": {} } } });
        let stored = stored(&fields, &json!({ "k": "dg==", "of another": "eA==" }));
        applied_data(Script::new().expect("GET", ONE, 200, stored)).await;
    }

    #[tokio::test]
    async fn another_value_a_field_no_longer_desired_and_a_field_that_is_not_ours_are_written() {
        for (fields, data) in [
            (json!({ "f:data": { "f:k": {} } }), json!({ "k": "eA==" })),
            (
                json!({ "f:data": { "f:k": {}, "f:old": {} } }),
                json!({ "k": "dg==", "old": "eA==" }),
            ),
            (
                json!({ "f:metadata": { "f:finalizers": { "v:\"x\"": {} } } }),
                json!({ "k": "dg==" }),
            ),
        ] {
            let path = format!("{ONE}?&force=true&fieldManager=op");
            let script = Script::new().expect("GET", ONE, 200, stored(&fields, &data));
            applied_data(script.expect("PATCH", path, 200, secret("me", &json!({})))).await;
        }
        let path = format!("{ONE}?&force=true&fieldManager=op");
        let mut nobodys = secret("me", &json!({}));
        nobodys["data"] = json!({ "k": "dg==" });
        let script = Script::new().expect("GET", ONE, 200, nobodys);
        applied_data(script.expect("PATCH", path, 200, secret("me", &json!({})))).await;
    }

    #[test]
    fn lists_of_plain_values_must_be_equal_and_lists_of_objects_may_have_more() {
        assert!(!covers(&json!({ "args": ["a", "b"] }), &json!({ "args": ["a"] })));
        let has = json!({ "items": [{ "name": "a", "x": 1 }, { "name": "b" }] });
        assert!(covers(&has, &json!({ "items": [{ "name": "a" }] })));
        assert!(!covers(&has, &json!({ "items": [{ "name": "c" }] })));
        // But not where we own the list as a whole.
        let desired = json!({ "items": [{ "name": "a" }] });
        assert!(!is_desired(&json!({ "f:items": {} }), &has, &desired));
        assert!(is_desired(
            &json!({ "f:items": { "k:{\"name\":\"a\"}": { ".": {} } } }),
            &has,
            &desired
        ));
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
        let (me, ours) = (Owner::controller(&owner()), typed(secret("me", &json!({}))));
        delete(&api, &me, &ours).await.unwrap();
        delete(&api, &me, &ours).await.expect("removed already is no error");
        assert_eq!(delete(&api, &me, &ours).await.unwrap_err().reason(), "Conflict");
        let foreign = typed(secret("other", &json!({})));
        assert_eq!(delete(&api, &me, &foreign).await.unwrap_err().reason(), "NotOurs");
        server.finish();
    }
}
