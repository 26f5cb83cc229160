//! The restore of API objects from the files of an export.
//!
//! [`plan`] says what is restored, in which order, and what is not, and why: from the files and the options alone. [`prepare`] makes
//! of a file what is written. [`compare`] says what is to be done, given what is there. These are pure. [`apply`] does it.
pub mod apply;
mod calls;
pub mod compare;
pub mod managed;
pub mod mapping;
pub mod order;
pub mod owners;
pub mod plan;
pub mod prepare;
mod served;
pub mod strip;
mod workload;

use serde_json::{Map, Value};

/// A field of an object as an object; none if it is absent or something else.
fn object_at<'a>(value: &'a mut Value, pointer: &str) -> Option<&'a mut Map<String, Value>> {
    value.pointer_mut(pointer)?.as_object_mut()
}

/// The text of a field; empty if it is absent or something else.
fn text_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The entries of a field that is a list.
fn list_at<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// The group of an `apiVersion`; empty for the core.
fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}
