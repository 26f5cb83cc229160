//! The owners of an object: references to what is there under the same kind and name now. An owner that is not there is left out,
//! since the API server deletes an object whose owner does not exist.
use serde_json::Value;

use super::text_at;

/// What an owner is found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerName {
    /// Its `apiVersion`.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// What an owner reference names; none if it is none.
pub fn name_of(reference: &Value) -> Option<OwnerName> {
    let text = |pointer: &str| Some(text_at(reference, pointer).to_owned()).filter(|text| !text.is_empty());
    Some(OwnerName {
        api_version: text("/apiVersion")?,
        kind: text("/kind")?,
        name: text("/name")?,
    })
}

/// The references of an object, given the ones that it has and those of the backup whose owners are there now, with their UIDs.
/// None if nothing is added. A second controller is never added: the API server refuses it.
pub fn linked(present: &[Value], found: &[(Value, String)]) -> Option<Vec<Value>> {
    let mut all = present.to_vec();
    for (reference, uid) in found {
        let known = all.iter().any(|other| text_at(other, "/uid") == uid);
        let is_controller = |reference: &Value| reference["controller"] == true;
        if known || is_controller(reference) && all.iter().any(is_controller) {
            continue;
        }
        let mut reference = reference.clone();
        if let Some(fields) = reference.as_object_mut() {
            fields.insert("uid".to_owned(), Value::String(uid.clone()));
            all.push(reference);
        }
    }
    (all.len() > present.len()).then_some(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reference(name: &str, controller: bool) -> Value {
        json!({"apiVersion": "x.io/v1", "kind": "Y", "name": name, "controller": controller})
    }

    #[test]
    fn an_owner_is_added_once_with_its_new_uid_and_never_as_a_second_controller() {
        let with_uid = |name: &str, controller: bool, uid: &str| {
            let mut reference = reference(name, controller);
            reference["uid"] = json!(uid);
            reference
        };
        let found = [
            (reference("a", true), "new-a".to_owned()),
            (reference("b", false), "new-b".to_owned()),
        ];
        let expected = vec![with_uid("a", true, "new-a"), with_uid("b", false, "new-b")];
        assert_eq!(linked(&[], &found), Some(expected.clone()));
        assert_eq!(linked(&expected, &found), None);
        let other = [with_uid("c", true, "c")];
        let both = vec![with_uid("c", true, "c"), with_uid("b", false, "new-b")];
        assert_eq!(linked(&other, &found), Some(both));
        assert_eq!(linked(&[], &[]), None);
    }

    #[test]
    fn a_broken_reference_names_nobody() {
        for broken in [
            json!(7),
            json!({}),
            json!({"apiVersion": "v1", "kind": "Y", "name": ""}),
        ] {
            assert_eq!(name_of(&broken), None);
        }
        assert!(name_of(&reference("a", true)).is_some());
    }
}
