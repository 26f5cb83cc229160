//! Writes and deletes objects that we own, and only those.

use std::fmt::Debug;

use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::error::{LOOK_AGAIN, ReconcileError, Retry};

/// Why an owned object was not written or deleted.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// An object of this name exists and is not ours. It was not touched.
    #[error("{kind} {name} exists and does not belong to this object; delete or rename one of them")]
    NotOurs {
        /// The kind of the object in the way.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The object to write has no name: a fault in the operator.
    #[error("the object to write has no name")]
    Unnamed,
    /// The client's error.
    #[error(transparent)]
    Kube(#[from] kube::Error),
}

impl ReconcileError for ApplyError {
    fn reason(&self) -> &'static str {
        match self {
            Self::NotOurs { .. } => "NotOurs",
            Self::Unnamed => "Unnamed",
            Self::Kube(error) => error.reason(),
        }
    }

    fn retry(&self) -> Retry {
        match self {
            // What is in the way is not watched: only time tells when it is gone.
            Self::NotOurs { .. } => Retry::After(LOOK_AGAIN),
            Self::Unnamed => Retry::OnChange,
            Self::Kube(error) => error.retry(),
        }
    }
}

/// Whether `owner` controls `existing`: by UID, so that an older owner of the same name does not count.
pub fn owned_by<K: Resource, O: Resource>(existing: &K, owner: &O) -> bool {
    let Some(uid) = owner.meta().uid.as_deref().filter(|uid| !uid.is_empty()) else {
        return false;
    };
    existing
        .owner_references()
        .iter()
        .any(|r| r.controller == Some(true) && r.uid == uid)
}

/// Brings an owned object to the desired state: created by POST when absent, else applied (forced, with its UID), and
/// only if `owner` controls what is there. `desired` must carry the owner reference. Returns what the server stored.
pub async fn apply<K, O>(api: &Api<K>, manager: &str, owner: &O, desired: &K) -> Result<K, ApplyError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
    O: Resource,
{
    let name = desired.meta().name.as_deref().ok_or(ApplyError::Unnamed)?;
    let Some(existing) = api.get_opt(name).await? else {
        let params = PostParams {
            field_manager: Some(manager.to_owned()),
            ..PostParams::default()
        };
        return Ok(api.create(&params, desired).await?);
    };
    guard(&existing, owner)?;
    disown_update(api, manager, &existing).await?;
    let mut body = serde_json::to_value(desired).map_err(kube::Error::SerdeError)?;
    body["apiVersion"] = json!(K::api_version(&()));
    body["kind"] = json!(K::kind(&()));
    // An apply with a UID never creates and never meets another object than the one just checked.
    body["metadata"]["uid"] = json!(existing.meta().uid);
    Ok(api
        .patch(name, &PatchParams::apply(manager).force(), &Patch::Apply(&body))
        .await?)
}

/// Deletes an owned object exactly as it was seen (UID and `resourceVersion` are preconditions), dependents in the
/// background. False if it was gone already.
pub async fn delete<K, O>(api: &Api<K>, owner: &O, existing: &K) -> Result<bool, ApplyError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    O: Resource,
{
    guard(existing, owner)?;
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: existing.uid(),
            resource_version: existing.resource_version(),
        }),
        propagation_policy: Some(PropagationPolicy::Background),
        ..DeleteParams::default()
    };
    match api
        .delete(existing.meta().name.as_deref().ok_or(ApplyError::Unnamed)?, &params)
        .await
    {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn guard<K: Resource<DynamicType = ()>, O: Resource>(existing: &K, owner: &O) -> Result<(), ApplyError> {
    if owned_by(existing, owner) {
        return Ok(());
    }
    Err(ApplyError::NotOurs {
        kind: K::kind(&()).into_owned(),
        name: existing.name_any(),
    })
}

/// What was created by POST belongs to our manager's `Update` entry. Apply would leave those fields standing for ever,
/// so the entry becomes an `Apply` entry first, as client-go's csaupgrade does.
async fn disown_update<K>(api: &Api<K>, manager: &str, existing: &K) -> kube::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let mut fields = existing.managed_fields().to_vec();
    let ours = |operation: &str, f: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry| {
        f.manager.as_deref() == Some(manager) && f.operation.as_deref() == Some(operation) && f.subresource.is_none()
    };
    let applied = fields.iter().any(|f| ours("Apply", f));
    let Some(at) = fields.iter().position(|f| ours("Update", f)) else {
        return Ok(());
    };
    if applied {
        fields.remove(at);
    } else if let Some(entry) = fields.get_mut(at) {
        entry.operation = Some("Apply".to_owned());
    }
    let body = json!({ "metadata": { "resourceVersion": existing.resource_version(), "managedFields": fields } });
    api.patch(&existing.name_any(), &PatchParams::default(), &Patch::Merge(&body))
        .await
        .map(drop)
}
