//! Where in a bucket the restic repository of a namespace is, and which snapshots there are of this namespace.
use crate::crd::BackupRepositorySpec;
use crate::crd::repository::Layout;

/// The part of a bucket, if the spec names none.
const PREFIX: &str = "hearth";

/// Stands for the repository of all API objects where a namespace is named otherwise, and for the API objects of a namespace where a
/// claim is named otherwise. Neither can have this name.
pub const OBJECTS: &str = ".objects";
/// The same for the API objects of no namespace.
pub const CLUSTER_OBJECTS: &str = ".cluster";
/// The same for the search for the namespaces whose API objects are backed up.
pub const SEARCH: &str = ".search";
/// The same for the restore of namespaces themselves, before what is in them.
pub const NAMESPACES: &str = ".namespaces";
/// Where API objects are in a snapshot, by namespace.
pub const OBJECTS_FOLDER: &str = "/objects";

/// Whose repository it is, in words.
pub fn whose(namespace: &str) -> String {
    if namespace == OBJECTS {
        "API objects".to_owned()
    } else {
        format!("namespace {namespace}")
    }
}

/// The path in a snapshot of the API objects of a namespace; of no namespace, if it is [`CLUSTER_OBJECTS`].
pub fn objects_path(namespace: &str) -> String {
    format!("{OBJECTS_FOLDER}/{namespace}")
}

/// Whether what a Job works on are API objects.
pub fn is_objects(claim: &str) -> bool {
    [OBJECTS, CLUSTER_OBJECTS, SEARCH, NAMESPACES].contains(&claim)
}

/// The part of the bucket that has our mark, without a slash at its ends; empty: the whole bucket.
pub fn prefix(spec: &BackupRepositorySpec) -> &str {
    spec.s3.prefix.as_deref().unwrap_or(PREFIX)
}

/// The path of the repository in the bucket, without a slash at its ends; empty: the bucket itself.
pub fn path(spec: &BackupRepositorySpec, namespace: &str) -> String {
    match (&spec.adopt, spec.layout) {
        (Some(adopt), _) => adopt.path.clone().unwrap_or_default(),
        (None, Layout::Single) => prefix(spec).to_owned(),
        (None, Layout::PerNamespace) if namespace == OBJECTS => format!("{}/objects", prefix(spec)),
        (None, Layout::PerNamespace) => format!("{}/volumes/{namespace}", prefix(spec)),
    }
}

/// The location of the repository as restic writes it.
pub fn location(spec: &BackupRepositorySpec, namespace: &str) -> String {
    let bucket = format!("s3:{}/{}", spec.s3.endpoint.trim_end_matches('/'), spec.s3.bucket);
    match path(spec, namespace).as_str() {
        "" => bucket,
        path => format!("{bucket}/{path}"),
    }
}

/// The host of snapshots. Where namespaces share a repository it tells their snapshots apart, so it is the namespace, as in K8up;
/// otherwise it is the cluster's name.
pub fn host(spec: &BackupRepositorySpec, cluster: &str, namespace: &str) -> String {
    match (&spec.adopt, spec.layout) {
        (Some(adopt), _) => adopt.host.clone().unwrap_or_else(|| namespace.to_owned()),
        (None, Layout::Single) => namespace.to_owned(),
        (None, Layout::PerNamespace) => cluster.to_owned(),
    }
}

/// Whether there are snapshots that others have made.
pub fn has_foreign(spec: &BackupRepositorySpec) -> bool {
    spec.adopt.is_some() || spec.layout == Layout::Single
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "tests write JSON where they pass it")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(more: Value) -> BackupRepositorySpec {
        let mut spec = json!({
            "s3": {"endpoint": "https://s3.example.com/", "bucket": "home", "secretRef": {"name": "b2"}},
            "initialize": "Never",
        });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn each_namespace_has_a_repository_of_its_own_under_the_prefix() {
        let spec = spec(json!({}));
        assert_eq!(
            location(&spec, "media"),
            "s3:https://s3.example.com/home/hearth/volumes/media"
        );
        assert_eq!(
            (host(&spec, "attic", "media"), has_foreign(&spec)),
            ("attic".to_owned(), false)
        );
    }

    #[test]
    fn a_single_repository_is_the_prefix_itself_and_tells_namespaces_apart_by_the_host() {
        let mut spec = spec(json!({"layout": "Single"}));
        spec.s3.prefix = Some("restic/all".to_owned());
        assert_eq!(location(&spec, "media"), "s3:https://s3.example.com/home/restic/all");
        assert_eq!(
            (host(&spec, "attic", "media"), has_foreign(&spec)),
            ("media".to_owned(), true)
        );
        spec.s3.prefix = Some(String::new());
        assert_eq!(location(&spec, "media"), "s3:https://s3.example.com/home");
    }

    #[test]
    fn an_adopted_repository_is_where_the_spec_says_with_the_host_that_it_says() {
        let adopt = |more: Value| spec(json!({"adopt": more}));
        let k8up = adopt(json!({"passwordSecretRef": {"name": "k8up"}}));
        assert_eq!(location(&k8up, "media"), "s3:https://s3.example.com/home");
        assert_eq!(host(&k8up, "attic", "media"), "media");
        let volsync = adopt(json!({"passwordSecretRef": {"name": "v"}, "path": "a/b", "host": "volsync"}));
        assert_eq!(location(&volsync, "media"), "s3:https://s3.example.com/home/a/b");
        assert_eq!(host(&volsync, "attic", "media"), "volsync");
    }
}
