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
mod tests;
