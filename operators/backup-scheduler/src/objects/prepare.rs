//! What is written: an object of the backup without what only the old cluster knew, with new names of namespaces.
use serde_json::{Value, json};

use super::{group_of, mapping, object_at, strip, text_at};
use crate::crd::RESTORED_BY;
use crate::task::RestoreObjects;

/// Our own group.
const OURS: &str = "backup.hearth.home.arpa";

/// An object as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The object, with the mark of the run.
    pub object: Value,
    /// Its owners in the old cluster, without UIDs: each is added when it is there.
    pub owners: Vec<Value>,
}

/// Makes what is written of an object of the backup.
pub fn prepare(mut object: Value, task: &RestoreObjects) -> Prepared {
    let owners = owners(&object);
    strip::strip(&mut object);
    mapping::map_namespaces(&mut object, &task.namespace_mapping);
    mapping::map_classes(&mut object, &task.storage_class_mapping);
    if is_schedule(&object)
        && let Some(spec) = object_at(&mut object, "/spec")
    {
        spec.insert("suspend".to_owned(), Value::Bool(true));
    }
    set_mark(&mut object, &task.mark);
    Prepared { object, owners }
}

/// Whether it is a schedule of backups: it comes up suspended, since a cluster that is being restored is not yet worth a backup, and
/// may be a copy beside the one that makes backups.
pub fn is_schedule(object: &Value) -> bool {
    text_at(object, "/kind") == "BackupSchedule" && group_of(text_at(object, "/apiVersion")) == OURS
}

fn owners(object: &Value) -> Vec<Value> {
    let owners = super::list_at(object, "/metadata/ownerReferences").cloned();
    let without_uid = owners.map(|mut owner| {
        if let Some(fields) = owner.as_object_mut() {
            fields.remove("uid");
        }
        owner
    });
    without_uid.collect()
}

fn set_mark(object: &mut Value, mark: &str) {
    let Some(metadata) = object_at(object, "/metadata") else {
        return;
    };
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(RESTORED_BY.to_owned(), Value::String(mark.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> RestoreObjects {
        RestoreObjects {
            mark: "home/again/1".to_owned(),
            namespace_mapping: [("a".to_owned(), "b".to_owned())].into(),
            ..RestoreObjects::default()
        }
    }

    #[test]
    fn an_object_gets_the_mark_of_the_run_and_its_new_namespace_and_its_owners_are_kept_without_their_uids() {
        let owner = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u1"});
        let object = json!({"kind": "ConfigMap", "metadata": {"name": "x", "namespace": "a", "uid": "u2", "ownerReferences": [owner, 7]}});
        let prepared = prepare(object, &task());
        assert_eq!(
            prepared.object,
            json!({"kind": "ConfigMap", "metadata": {"name": "x", "namespace": "b", "annotations": {RESTORED_BY: "home/again/1"}}})
        );
        assert_eq!(
            prepared.owners,
            [
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}),
                json!(7)
            ]
        );
    }

    /// Case 87.
    #[test]
    fn a_restored_schedule_comes_up_suspended() {
        let schedule = |version: &str| json!({"apiVersion": version, "kind": "BackupSchedule", "metadata": {}, "spec": {"cron": "0 3 * * *"}});
        let prepared = prepare(schedule("backup.hearth.home.arpa/v1alpha1"), &task());
        assert_eq!(prepared.object["spec"]["suspend"], true);
        let foreign = prepare(schedule("example.org/v1"), &task());
        assert_eq!(foreign.object["spec"].get("suspend"), None);
    }
}
