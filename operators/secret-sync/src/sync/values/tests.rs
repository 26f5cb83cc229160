#![allow(clippy::needless_pass_by_value, reason = "json! is made for each call")]
use serde_json::json;

use super::*;
use crate::crd::SecretSyncSpec;
use crate::crd::source::ClusterSecretSourceSpec;
use crate::provider::Form;

fn config(spec: serde_json::Value) -> Config {
    let source = json!({ "allow": [{ "namespaces": ["*"] }], "vault": {
        "server": "https://vault:8200", "path": "secret", "auth": { "token": { "secretRef": { "name": "t" } } },
    } });
    let source: ClusterSecretSourceSpec = serde_json::from_value(source).unwrap();
    let mut spec = spec;
    spec["source"] = json!("kv");
    let spec: SecretSyncSpec = serde_json::from_value(spec).unwrap();
    Config::parse("app", "apps", &spec, &source).unwrap()
}

fn key(name: &str) -> ObjectKey {
    ObjectKey {
        name: name.to_owned(),
        version: None,
        form: Form::Value,
    }
}

fn fields_of(json: &str) -> Object {
    Object {
        version: "7".to_owned(),
        content: Content::Fields(serde_json::from_str(json).unwrap()),
    }
}

fn text(value: &str) -> Object {
    Object {
        version: "0123".to_owned(),
        content: Content::Text {
            value: value.to_owned(),
            content_type: None,
        },
    }
}

fn reads(objects: Vec<(&str, Object)>) -> Reads {
    objects
        .into_iter()
        .map(|(name, object)| (key(name), Ok(Arc::new(object))))
        .collect()
}

fn made(spec: serde_json::Value, objects: Vec<(&str, Object)>) -> Assembled {
    assemble(&config(spec), &reads(objects), &[]).unwrap_or_else(|problem| panic!("{}", problem.message))
}

fn refused(spec: serde_json::Value, objects: Vec<(&str, Object)>) -> Problem {
    assemble(&config(spec), &reads(objects), &[]).err().unwrap()
}

fn value(assembled: &Assembled, key: &str) -> String {
    String::from_utf8(assembled.data[key].clone()).unwrap()
}

#[test]
fn values_are_what_was_stored() {
    let json = r#"{"text":"a\"b\u00e9\n","empty":"","number":123456789012345678901234567890,"float":1.10,"yes":true,"list":[1, 2],"in":{"a":{"b":"deep"}},"dot.ted":"exact"}"#;
    let keys = json!({ "keys": {
        "text": "o#text", "empty": "o#empty", "number": "o#number", "float": "o#float", "yes": "o#yes",
        "list": "o#list", "deep": "o#in.a.b", "dotted": "o#dot.ted",
    } });
    let assembled = made(keys, vec![("o", fields_of(json))]);
    let expected = [
        ("text", "a\"bé\n"),
        ("empty", ""),
        ("number", "123456789012345678901234567890"),
        ("float", "1.10"),
        ("yes", "true"),
        ("list", "[1, 2]"),
        ("deep", "deep"),
        ("dotted", "exact"),
    ];
    for (key, text) in expected {
        assert_eq!(value(&assembled, key), text, "{key}");
    }
    assert_eq!(assembled.data.len(), expected.len());
    let row = &assembled.keys[0];
    assert_eq!(
        (row.key.as_str(), row.object.as_str(), row.version.as_deref()),
        ("deep", "o", Some("7"))
    );
}

#[test]
fn without_a_property_the_whole_object_is_the_value() {
    let spec = || json!({ "keys": { "A": "o" } });
    assert_eq!(
        value(&made(spec(), vec![("o", fields_of(r#"{"b":1e21,"a":"x"}"#))]), "A"),
        r#"{"a":"x","b":1e21}"#
    );
    assert_eq!(value(&made(spec(), vec![("o", text("plain\n"))]), "A"), "plain\n");
}

#[test]
fn a_text_that_is_json_has_properties_and_another_has_none() {
    let spec = || json!({ "keys": { "A": "o#a" } });
    assert_eq!(value(&made(spec(), vec![("o", text(r#"{"a": 1.50}"#))]), "A"), "1.50");
    let problem = refused(spec(), vec![("o", text("secret-text"))]);
    assert_eq!(problem.reason, "NotJson");
    assert!(!problem.message.contains("secret-text"));
}

#[test]
fn binary_values_come_through_base64() {
    let spec = || json!({ "keys": { "A": { "from": "o#a", "decode": "base64" } } });
    for text in [r#"{"a":"AP8Q/w=="}"#, r#"{"a":"AP8Q\n/w"}"#] {
        assert_eq!(made(spec(), vec![("o", fields_of(text))]).data["A"], [0, 255, 16, 255]);
    }
    let problem = refused(spec(), vec![("o", fields_of(r#"{"a":"secret!"}"#))]);
    assert_eq!(problem.reason, "NotBase64");
    assert!(!problem.message.contains("secret!"));
}

#[test]
fn nothing_is_written_for_a_null_or_a_property_that_is_not_there() {
    for json in [r#"{"a":null,"b":"x"}"#, r#"{"b":"x"}"#] {
        let problem = refused(
            json!({ "keys": { "A": "o#a", "B": "o#b" } }),
            vec![("o", fields_of(json))],
        );
        assert_eq!(problem.reason, "KeyMissing");
        assert!(
            problem.message.starts_with("spec.keys[A]: o has no property \"a\""),
            "{}",
            problem.message
        );
    }
    let problem = refused(json!({ "extract": ["o"] }), vec![("o", fields_of(r#"{"a":null}"#))]);
    assert_eq!(problem.reason, "NoKeys", "no empty Secret");
}

#[test]
fn each_property_of_an_extracted_object_becomes_a_key_and_rows_win() {
    let spec = json!({ "extract": ["o"], "keys": { "a": "p#x" } });
    let assembled = made(
        spec,
        vec![
            ("o", fields_of(r#"{"a":"1","b":"2"}"#)),
            ("p", fields_of(r#"{"x":"3"}"#)),
        ],
    );
    assert_eq!(
        (value(&assembled, "a"), value(&assembled, "b")),
        ("3".to_owned(), "2".to_owned())
    );
    let objects: Vec<_> = assembled
        .keys
        .iter()
        .map(|row| (row.key.as_str(), row.object.as_str()))
        .collect();
    assert_eq!(objects, [("a", "p"), ("b", "o")]);
}

#[test]
fn a_key_that_two_objects_have_is_refused() {
    let objects = vec![("o", fields_of(r#"{"a":"1"}"#)), ("p", fields_of(r#"{"a":"1"}"#))];
    let problem = refused(json!({ "extract": ["o", "p"] }), objects);
    assert_eq!(problem.reason, "KeyTwice");
    assert!(
        problem.message.starts_with("spec.extract[1]: property \"a\" of p"),
        "{}",
        problem.message
    );
}

#[test]
fn a_property_that_cannot_be_a_key_is_refused() {
    let problem = refused(json!({ "extract": ["o"] }), vec![("o", fields_of(r#"{"a b":"1"}"#))]);
    assert_eq!(problem.reason, "InvalidKey");
}

/// External Secrets #1049: "pointing out to non-existent key is shown as synced".
#[test]
fn one_missing_object_holds_back_the_whole_secret() {
    let config = config(json!({ "keys": { "a": "o#a", "b": "gone" } }));
    let mut reads = reads(vec![("o", fields_of(r#"{"a":"1"}"#))]);
    reads.insert(key("gone"), Err(Failure::new(Reason::KeyMissing, "there is no gone")));
    let problem = assemble(&config, &reads, &[]).err().unwrap();
    assert_eq!((problem.reason, &*problem.message), ("KeyMissing", "there is no gone"));
}

#[test]
fn an_optional_row_may_be_absent_but_not_vanish() {
    let config = config(json!({ "keys": { "a": "o#a", "b": { "from": "gone", "optional": true } } }));
    let mut reads = reads(vec![("o", fields_of(r#"{"a":"1"}"#))]);
    reads.insert(key("gone"), Err(Failure::new(Reason::KeyMissing, "there is no gone")));
    let assembled = assemble(&config, &reads, &[]).ok().unwrap();
    assert_eq!(assembled.data.len(), 1);
    let present = [KeyStatus {
        key: "b".to_owned(),
        object: "gone".to_owned(),
        version: None,
    }];
    assert_eq!(assemble(&config, &reads, &present).err().unwrap().reason, "KeyMissing");
    // Only that it is not there is optional.
    reads.insert(key("gone"), Err(Failure::new(Reason::Denied, "no")));
    assert_eq!(assemble(&config, &reads, &[]).err().unwrap().reason, "Denied");
}

#[test]
fn a_property_of_an_extracted_object_does_not_vanish_on_the_providers_word() {
    let config = config(json!({ "extract": ["o"] }));
    let before = assemble(&config, &reads(vec![("o", fields_of(r#"{"a":"1","b":"2"}"#))]), &[])
        .ok()
        .unwrap();
    let after = reads(vec![("o", fields_of(r#"{"a":"1"}"#))]);
    let problem = assemble(&config, &after, &before.keys).err().unwrap();
    assert_eq!(problem.reason, "KeyMissing");
    assert!(
        problem.message.contains("no property b any more"),
        "{}",
        problem.message
    );
    assert!(
        assemble(&config, &after, &[]).is_ok(),
        "for another spec it need not be there"
    );
}

#[test]
fn what_a_secret_cannot_hold_is_refused_with_sizes() {
    let half = "x".repeat(MAX_SECRET / 2);
    let fits = made(
        json!({ "keys": { "a": "o", "b": "p" } }),
        vec![("o", text(&half)), ("p", text(&half))],
    );
    assert_eq!(fits.data.len(), 2);
    let more = format!("{half}x");
    let problem = refused(
        json!({ "keys": { "a": "o", "b": "p" } }),
        vec![("o", text(&half)), ("p", text(&more))],
    );
    assert_eq!(problem.reason, "TooLarge");
    assert!(
        problem.message.contains("1048577 bytes") && problem.message.contains("b has 524289"),
        "{}",
        problem.message
    );
}
