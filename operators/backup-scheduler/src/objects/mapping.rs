//! New names of namespaces and storage classes, also where objects refer to them. Texts in `ConfigMaps` and in the environment of
//! containers are not changed: nobody knows which of them are names. Whoever maps is told how many objects have such texts.
use std::collections::BTreeMap;

use serde_json::Value;

use super::text_at;

/// Names by the names in the backup.
pub type Mapping = BTreeMap<String, String>;

/// The new name.
pub fn mapped<'a>(mapping: &'a Mapping, name: &'a str) -> &'a str {
    mapping.get(name).map_or(name, String::as_str)
}

/// Where a Service is referred to: in CustomResourceDefinitions, and in `APIServices`. Those of webhooks are in a list.
const SERVICES: [(&str, &str); 2] = [
    (
        "CustomResourceDefinition",
        "/spec/conversion/webhook/clientConfig/service",
    ),
    ("APIService", "/spec/service"),
];
/// What the names of users and groups of service accounts begin with; the namespace follows.
const ACCOUNTS: [&str; 2] = ["system:serviceaccount:", "system:serviceaccounts:"];

/// Maps the namespace of an object, and the namespaces in it.
pub fn map_namespaces(object: &mut Value, mapping: &Mapping) {
    if mapping.is_empty() {
        return;
    }
    let kind = text_at(object, "/kind").to_owned();
    if kind == "Namespace" {
        map_field(object, "/metadata/name", mapping);
    }
    map_field(object, "/metadata/namespace", mapping);
    match kind.as_str() {
        "RoleBinding" | "ClusterRoleBinding" => {
            for subject in object
                .get_mut("subjects")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                map_field(subject, "/namespace", mapping);
                map_account(subject, mapping);
            }
        }
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => {
            for webhook in object
                .get_mut("webhooks")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                map_field(webhook, "/clientConfig/service/namespace", mapping);
            }
        }
        _ => {}
    }
    for (of, pointer) in SERVICES {
        if of == kind {
            map_field(object, &format!("{pointer}/namespace"), mapping);
        }
    }
}

fn map_field(object: &mut Value, pointer: &str, mapping: &Mapping) {
    if let Some(field) = object.pointer_mut(pointer)
        && let Some(new) = field.as_str().and_then(|name| mapping.get(name))
    {
        *field = Value::String(new.clone());
    }
}

/// `system:serviceaccount:<namespace>:<name>`, and the group of all accounts of a namespace.
fn map_account(subject: &mut Value, mapping: &Mapping) {
    let Some(field) = subject.get_mut("name") else { return };
    let name = field.as_str().unwrap_or_default();
    let new = ACCOUNTS.iter().find_map(|prefix| {
        let rest = name.strip_prefix(prefix)?;
        let (namespace, account) = rest.split_once(':').map_or((rest, None), |(of, name)| (of, Some(name)));
        let namespace = mapping.get(namespace)?;
        Some(account.map_or_else(
            || format!("{prefix}{namespace}"),
            |account| format!("{prefix}{namespace}:{account}"),
        ))
    });
    if let Some(new) = new {
        *field = Value::String(new);
    }
}

/// Maps the storage classes of a claim, and of the claims that a `StatefulSet` makes.
pub fn map_classes(object: &mut Value, mapping: &Mapping) {
    match text_at(object, "/kind") {
        "PersistentVolumeClaim" => map_field(object, "/spec/storageClassName", mapping),
        "StatefulSet" => {
            let templates = object.pointer_mut("/spec/volumeClaimTemplates");
            for template in templates.and_then(Value::as_array_mut).into_iter().flatten() {
                map_field(template, "/spec/storageClassName", mapping);
            }
        }
        _ => {}
    }
}

/// Whether a text has the name of a Service in one of the mapped namespaces: `name.namespace.svc`.
pub fn mentions(text: &str, mapping: &Mapping) -> bool {
    mapping
        .iter()
        .any(|(old, new)| old != new && text.contains(&format!(".{old}.svc")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mapping() -> Mapping {
        BTreeMap::from([("a".to_owned(), "b".to_owned())])
    }

    /// Case 80.
    #[test]
    fn namespaces_are_renamed_where_objects_refer_to_them_and_not_in_texts() {
        let table = [
            (
                json!({"kind": "Namespace", "metadata": {"name": "a"}}),
                json!({"kind": "Namespace", "metadata": {"name": "b"}}),
            ),
            (
                json!({"kind": "ConfigMap", "metadata": {"name": "a", "namespace": "a"}, "data": {"host": "web.a.svc"}}),
                json!({"kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}, "data": {"host": "web.a.svc"}}),
            ),
            (
                json!({"kind": "RoleBinding", "metadata": {"namespace": "a"}, "subjects": [
                    {"kind": "ServiceAccount", "name": "a", "namespace": "a"}, {"kind": "ServiceAccount", "name": "x", "namespace": "c"},
                    {"kind": "User", "name": "system:serviceaccount:a:web"}, {"kind": "Group", "name": "system:serviceaccounts:a"},
                    {"kind": "Group", "name": "system:serviceaccounts"}, {"kind": "User", "name": "a"}, 7]}),
                json!({"kind": "RoleBinding", "metadata": {"namespace": "b"}, "subjects": [
                    {"kind": "ServiceAccount", "name": "a", "namespace": "b"}, {"kind": "ServiceAccount", "name": "x", "namespace": "c"},
                    {"kind": "User", "name": "system:serviceaccount:b:web"}, {"kind": "Group", "name": "system:serviceaccounts:b"},
                    {"kind": "Group", "name": "system:serviceaccounts"}, {"kind": "User", "name": "a"}, 7]}),
            ),
            (
                json!({"kind": "ValidatingWebhookConfiguration", "webhooks": [{"clientConfig": {"service": {"namespace": "a"}}}, {"clientConfig": {"url": "a"}}]}),
                json!({"kind": "ValidatingWebhookConfiguration", "webhooks": [{"clientConfig": {"service": {"namespace": "b"}}}, {"clientConfig": {"url": "a"}}]}),
            ),
            (
                json!({"kind": "APIService", "spec": {"service": {"namespace": "a", "name": "a"}}}),
                json!({"kind": "APIService", "spec": {"service": {"namespace": "b", "name": "a"}}}),
            ),
            (
                json!({"kind": "CustomResourceDefinition", "spec": {"conversion": {"webhook": {"clientConfig": {"service": {"namespace": "a"}}}}}}),
                json!({"kind": "CustomResourceDefinition", "spec": {"conversion": {"webhook": {"clientConfig": {"service": {"namespace": "b"}}}}}}),
            ),
        ];
        for (mut object, expected) in table {
            map_namespaces(&mut object, &mapping());
            assert_eq!(object, expected);
        }
        assert!(mentions("http://web.a.svc.cluster.local", &mapping()));
        assert!(!mentions(
            "http://web.aa.svc, http://a.svc, http://web.b.svc",
            &mapping()
        ));
    }

    #[test]
    fn storage_classes_are_mapped_in_claims_and_in_the_templates_of_statefulsets() {
        let mut claim = json!({"kind": "PersistentVolumeClaim", "spec": {"storageClassName": "a"}});
        map_classes(&mut claim, &mapping());
        assert_eq!(claim["spec"]["storageClassName"], "b");
        let mut set = json!({"kind": "StatefulSet", "spec": {"volumeClaimTemplates": [{"spec": {"storageClassName": "a"}}, {"spec": {}}]}});
        map_classes(&mut set, &mapping());
        let expected = json!([{"spec": {"storageClassName": "b"}}, {"spec": {}}]);
        assert_eq!(set["spec"]["volumeClaimTemplates"], expected);
    }
}
