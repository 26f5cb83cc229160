//! What is kept of an object. Pure.
use serde_json::Value;

use super::Kind;
use crate::crd::RUN;

/// Fields of `metadata` that only this cluster and this moment know.
const DROPPED: [&str; 4] = ["managedFields", "resourceVersion", "selfLink", "generation"];
/// Types of Secrets that the cluster makes for itself.
const SECRET_TYPES: [&str; 2] = ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"];

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// An object to write.
    Object(Object),
    /// It is being deleted.
    Terminating,
    /// The cluster makes it anew by itself, or it has no name.
    LeftOut,
}

/// An object to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Object {
    /// Its name, which is a file name too: no `/`, and neither `.` nor `..`.
    pub(super) name: String,
    /// Its UID.
    pub(super) uid: String,
    /// Who makes it.
    pub(super) owner: Owner,
    /// Its JSON, with sorted keys.
    pub(super) json: Vec<u8>,
}

/// Who makes an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A person, as far as is known.
    None,
    /// The controller with this UID.
    Controller(String),
}

/// Reads an item of a list. Items have no kind of their own.
pub(super) fn read(kind: &Kind, mut object: Value) -> Read {
    let Some(fields) = object.as_object_mut() else {
        return Read::LeftOut;
    };
    fields.insert("apiVersion".to_owned(), Value::String(kind.api_version()));
    fields.insert("kind".to_owned(), Value::String(kind.kind.clone()));
    let is_secret = kind.group.is_empty() && kind.kind == "Secret";
    let type_ = fields.get("type").and_then(Value::as_str).unwrap_or_default();
    if is_secret && SECRET_TYPES.contains(&type_) {
        return Read::LeftOut;
    }
    let Some(meta) = fields.get_mut("metadata").and_then(Value::as_object_mut) else {
        return Read::LeftOut;
    };
    if meta.contains_key("deletionTimestamp") {
        return Read::Terminating;
    }
    // Jobs, pods and Secrets of movers.
    if meta.get("labels").is_some_and(|labels| labels.get(RUN).is_some()) {
        return Read::LeftOut;
    }
    for field in DROPPED {
        meta.remove(field);
    }
    let text = |field: &str| meta.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (name, uid) = (text("name"), text("uid"));
    if name.is_empty()
        || name.contains(['/', '\0'])
        || name == "."
        || name == ".."
        || is_of_every_namespace(kind, &name)
    {
        return Read::LeftOut;
    }
    let owners = meta.get("ownerReferences").and_then(Value::as_array);
    let controller = owners.into_iter().flatten().find(|owner| owner["controller"] == true);
    let owner = controller.and_then(|owner| owner["uid"].as_str());
    let owner = owner.map_or(Owner::None, |uid| Owner::Controller(uid.to_owned()));
    // A value that was read from JSON has only keys that are text, so this cannot fail.
    let json = serde_json::to_vec_pretty(&object).unwrap_or_default();
    Read::Object(Object { name, uid, owner, json })
}

/// What the cluster makes in every namespace.
fn is_of_every_namespace(kind: &Kind, name: &str) -> bool {
    kind.group.is_empty() && kind.kind == "ConfigMap" && name == "kube-root-ca.crt"
}
