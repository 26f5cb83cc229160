#![allow(clippy::needless_pass_by_value, reason = "json! is made for each call")]
use serde_json::json;

use super::*;

fn vault() -> ClusterSecretSourceSpec {
    source(json!({ "vault": {
        "server": "https://vault:8200", "path": "secret", "auth": { "token": { "secretRef": { "name": "t" } } },
    } }))
}

fn key_vault() -> ClusterSecretSourceSpec {
    source(json!({ "azureKeyVault": {
        "vaultURL": "https://home.vault.azure.net", "tenantID": "t",
        "servicePrincipal": { "clientID": "c", "secretRef": { "name": "sp" } },
    } }))
}

fn source(mut spec: Value) -> ClusterSecretSourceSpec {
    spec["allow"] = json!([{ "namespaces": ["*"] }]);
    serde_json::from_value(spec).unwrap()
}

fn parse_with(spec: Value, source: &ClusterSecretSourceSpec) -> Result<Config, Problem> {
    let mut spec = spec;
    spec["source"] = json!("kv");
    Config::parse("app", "apps", &serde_json::from_value(spec).unwrap(), source)
}

fn parse(spec: Value) -> Result<Config, Problem> {
    parse_with(spec, &vault())
}

/// The message, which begins with the field's path.
fn refused(spec: Value, source: &ClusterSecretSourceSpec) -> String {
    parse_with(spec, source).unwrap_err().message.into_owned()
}

#[test]
fn short_and_long_forms() {
    let config = parse(json!({ "keys": {
        "A": "db/main",
        "B": "db/main#password",
        "C": { "from": "db/main", "property": "user", "version": "3", "decode": "base64", "optional": true },
        "D": { "from": "db/main#port" },
    } }));
    let rows = config.unwrap().rows;
    let row = |key: &str, property: Option<&str>| Row {
        key: key.to_owned(),
        object: object("db/main", None, Form::Value),
        property: property.map(str::to_owned),
        decode: false,
        optional: false,
    };
    let c = Row {
        object: object("db/main", Some("3".to_owned()), Form::Value),
        decode: true,
        optional: true,
        ..row("C", Some("user"))
    };
    assert_eq!(
        rows,
        [row("A", None), row("B", Some("password")), c, row("D", Some("port"))]
    );
}

#[test]
fn defaults() {
    let config = parse(json!({ "keys": { "A": "a" } })).unwrap();
    assert_eq!(
        (config.secret.as_str(), config.type_.as_str(), config.adopt),
        ("app", "Opaque", false)
    );
    assert_eq!(config.refresh, Some(Duration::from_hours(1)));
    let config = parse_with(json!({ "certificate": "web" }), &key_vault()).unwrap();
    assert_eq!(config.type_, TLS);
    assert_eq!(config.certificate.unwrap().form, Form::Certificate);
}

#[test]
fn a_wrong_spec_is_refused_with_the_path_of_the_field() {
    let table = [
        (json!({}), "spec: set keys, extract or certificate"),
        (json!({ "keys": { "a b": "x" } }), "spec.keys[\"a b\"]"),
        (json!({ "keys": { "..": "x" } }), "spec.keys[\"..\"]"),
        (json!({ "keys": { "A": 3 } }), "spec.keys[A]: must be a text"),
        (json!({ "keys": { "A": null } }), "spec.keys[A]: must be a text"),
        (json!({ "keys": { "A": "" } }), "spec.keys[A]: \"\" is no path"),
        (json!({ "keys": { "A": "x#" } }), "spec.keys[A]: there is nothing after"),
        (json!({ "keys": { "A": {} } }), "spec.keys[A].from"),
        (
            json!({ "keys": { "A": { "from": "x", "key": "y" } } }),
            "spec.keys[A]: unknown field \"key\"",
        ),
        (
            json!({ "keys": { "A": { "from": "x", "property": 1 } } }),
            "spec.keys[A].property",
        ),
        (
            json!({ "keys": { "A": { "from": "x#a", "property": "b" } } }),
            "spec.keys[A].property",
        ),
        (
            json!({ "keys": { "A": { "from": "x", "decode": "hex" } } }),
            "spec.keys[A].decode",
        ),
        (
            json!({ "keys": { "A": { "from": "x", "optional": "yes" } } }),
            "spec.keys[A].optional",
        ),
        (
            json!({ "keys": { "A": { "from": "x", "version": "latest" } } }),
            "spec.keys[A].version",
        ),
        (
            json!({ "keys": { "A": { "from": "x", "version": "0" } } }),
            "spec.keys[A].version",
        ),
        (
            json!({ "keys": { "A": "../sys/mounts" } }),
            "spec.keys[A]: \"../sys/mounts\" is no path",
        ),
        (json!({ "keys": { "A": "a//b" } }), "spec.keys[A]: \"a//b\" is no path"),
        (json!({ "keys": { "A": "/a" } }), "spec.keys[A]"),
        (json!({ "keys": { "A": "a/" } }), "spec.keys[A]"),
        (json!({ "keys": { "A": "a\n" } }), "spec.keys[A]"),
        (json!({ "extract": ["a", "a"] }), "spec.extract: \"a\" is named twice"),
        (json!({ "extract": ["a", "./b"] }), "spec.extract[1]"),
        (
            json!({ "certificate": "web" }),
            "spec.certificate: only Azure Key Vault",
        ),
        (
            json!({ "keys": { "A": "a" }, "refresh": "1s" }),
            "spec.refresh: 1s is too short",
        ),
        (json!({ "keys": { "A": "a" }, "refresh": "soon" }), "spec.refresh"),
        (
            json!({ "keys": { "A": "a" }, "target": { "type": "kubernetes.io/service-account-token" } }),
            "spec.target.type",
        ),
        (
            json!({ "keys": { "A": "a" }, "target": { "type": "bootstrap.kubernetes.io/token" } }),
            "spec.target.type",
        ),
        (
            json!({ "keys": { "A": "a" }, "target": { "labels": { MANAGED: "no" } } }),
            "spec.target.labels",
        ),
        (
            json!({ "keys": { "A": "a" }, "target": { "annotations": { OWNER: "x" } } }),
            "spec.target.annotations",
        ),
    ];
    for (spec, expected) in table {
        let message = refused(spec.clone(), &vault());
        assert!(message.starts_with(expected), "{spec}: {message}");
    }
}

#[test]
fn names_and_versions_are_those_of_key_vault() {
    let table = [
        (
            json!({ "keys": { "A": "my_key" } }),
            "spec.keys[A]: \"my_key\" is no name of Key Vault",
        ),
        (json!({ "keys": { "A": "a/b" } }), "spec.keys[A]"),
        (json!({ "keys": { "A": "x".repeat(128) } }), "spec.keys[A]"),
        (
            json!({ "keys": { "A": { "from": "a", "version": "3" } } }),
            "spec.keys[A].version",
        ),
        (json!({ "certificate": "a.b" }), "spec.certificate"),
        (
            json!({ "certificate": "web", "keys": { "tls.crt": "a" } }),
            "spec.keys[tls.crt]: spec.certificate writes",
        ),
        (
            json!({ "certificate": "web", "target": { "type": "Opaque" } }),
            "spec.target.type",
        ),
    ];
    for (spec, expected) in table {
        let message = refused(spec.clone(), &key_vault());
        assert!(message.starts_with(expected), "{spec}: {message}");
    }
    let version = "0123456789abcdef0123456789ABCDEF";
    let spec = json!({ "keys": { "A": { "from": "a-1", "version": version } } });
    assert!(parse_with(spec, &key_vault()).is_ok());
}

#[test]
fn an_engine_of_version_1_has_no_versions() {
    let mut source = vault();
    source.vault.as_mut().unwrap().version = crate::crd::source::KvVersion::V1;
    let message = refused(json!({ "keys": { "A": { "from": "a", "version": "3" } } }), &source);
    assert!(message.starts_with("spec.keys[A].version"), "{message}");
}

#[test]
fn only_what_the_source_allows_may_be_read() {
    let mut source = vault();
    source.allow = serde_json::from_value(json!([
        { "namespaces": ["media"] },
        { "namespaces": ["app?"], "keys": ["apps/*", "shared"] },
    ]))
    .unwrap();
    assert!(parse_with(json!({ "keys": { "A": "apps/n8n", "B": "shared" } }), &source).is_ok());
    let problem = parse_with(json!({ "keys": { "A": "shared", "B": "root" } }), &source).unwrap_err();
    assert_eq!(problem.reason, "NotAllowed");
    assert!(
        problem
            .message
            .starts_with("spec.keys[B]: ClusterSecretSource kv does not allow \"root\"")
    );
    source.allow.pop();
    let problem = parse_with(json!({ "keys": { "A": "shared" } }), &source).unwrap_err();
    assert!(
        problem
            .message
            .starts_with("spec.source: ClusterSecretSource kv allows nothing to namespace apps")
    );
}

#[test]
fn the_refresh_is_the_own_one_then_that_of_the_source() {
    let mut source = vault();
    source.refresh = Some("4h".to_owned());
    let refresh = |spec| parse_with(spec, &source).unwrap().refresh;
    assert_eq!(refresh(json!({ "keys": { "A": "a" } })), Some(Duration::from_hours(4)));
    assert_eq!(
        refresh(json!({ "keys": { "A": "a" }, "refresh": "2d" })),
        Some(Duration::from_hours(48))
    );
    assert_eq!(refresh(json!({ "keys": { "A": "a" }, "refresh": "Once" })), None);
    source.refresh = Some("59s".to_owned());
    let message = refused(json!({ "keys": { "A": "a" } }), &source);
    assert!(
        message.starts_with("spec.refresh of the ClusterSecretSource"),
        "{message}"
    );
}

#[test]
fn those_that_read_the_same_objects_are_due_together() {
    let seed = |spec| parse(spec).unwrap().seed("kv");
    let one = seed(json!({ "keys": { "A": "a#x", "B": "b" } }));
    assert_eq!(
        one,
        seed(json!({ "keys": { "X": "b", "Y": "a" }, "target": { "name": "other" } }))
    );
    assert_ne!(one, seed(json!({ "keys": { "A": "a" } })));
    assert_ne!(
        one,
        parse(json!({ "keys": { "A": "a#x", "B": "b" } }))
            .unwrap()
            .seed("other")
    );
}

#[test]
fn every_object_is_read_once() {
    let config =
        parse(json!({ "keys": { "A": "a#x", "B": "a#y", "C": { "from": "a", "version": "1" } }, "extract": ["a"] }));
    assert_eq!(config.unwrap().objects().len(), 2);
}
