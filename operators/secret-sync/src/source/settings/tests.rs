#![allow(clippy::needless_pass_by_value, reason = "json! is made for each call")]
use serde_json::json;

use super::*;

fn spec(provider: &str, body: Value) -> ClusterSecretSourceSpec {
    serde_json::from_value(json!({ provider: body, "allow": [{ "namespaces": ["*"] }] })).unwrap()
}

fn vault(auth: Value) -> ClusterSecretSourceSpec {
    spec(
        "vault",
        json!({ "server": "https://vault:8200", "path": "secret", "auth": auth }),
    )
}

fn data(key: &str, value: &[u8]) -> BTreeMap<String, ByteString> {
    [(key.to_owned(), ByteString(value.to_vec()))].into()
}

fn token() -> ClusterSecretSourceSpec {
    vault(json!({ "token": { "secretRef": { "name": "vault" } } }))
}

fn text(value: &[u8]) -> Result<String, Invalid> {
    let spec = token();
    let (reference, key) = credential(&spec).unwrap();
    secret_text(&data("token", value), reference, key)
}

#[test]
fn a_line_break_at_the_end_of_a_credential_is_taken_off() {
    for value in [&b"s.abc"[..], b"s.abc\n", b"s.abc\r\n"] {
        assert_eq!(text(value).unwrap(), "s.abc");
    }
}

#[test]
fn a_credential_that_cannot_be_sent_is_refused_and_not_echoed() {
    for (value, expected) in [
        (&b""[..], "is empty"),
        (b"\n", "is empty"),
        (b"  \n", "is empty"),
        (b"s.ab c", "blanks"),
        (b"s.a\nb", "blanks"),
        (b"s.a\0b", "blanks"),
        (b"\xff\xfe", "not text"),
    ] {
        let Err(Invalid::Credential(message)) = text(value) else {
            panic!("{value:?}");
        };
        assert!(
            message.starts_with("key token of Secret vault") && message.contains(expected),
            "{message}"
        );
        assert!(!message.contains("s.a"));
    }
}

#[test]
fn a_missing_key_names_the_keys_that_are_there() {
    let spec = token();
    let (reference, key) = credential(&spec).unwrap();
    let invalid = secret_text(&data("TOKEN", b"x"), reference, key).unwrap_err();
    assert_eq!(
        invalid,
        Invalid::Credential("Secret vault has no key token; its keys: TOKEN".to_owned())
    );
}

#[test]
fn each_method_has_its_default_key() {
    let table = [
        (
            vault(json!({ "token": { "secretRef": { "name": "s" } } })),
            Some("token"),
        ),
        (
            vault(json!({ "appRole": { "roleID": "r", "secretRef": { "name": "s" } } })),
            Some("secret-id"),
        ),
        (vault(json!({ "kubernetes": { "role": "r" } })), None),
        (
            spec(
                "azureKeyVault",
                json!({
                    "vaultURL": "https://home.vault.azure.net", "tenantID": "t",
                    "servicePrincipal": { "clientID": "c", "secretRef": { "name": "s" } },
                }),
            ),
            Some("client-secret"),
        ),
    ];
    for (spec, expected) in table {
        assert_eq!(credential(&spec).map(|(_, key)| key), expected);
    }
}

/// Vault Secrets Operator #462: a token without the audience that the role expects.
#[test]
fn a_service_account_asks_for_the_audience_vault_unless_told_otherwise() {
    let installed = Installed {
        tokens: [("vault".to_owned(), "/tokens/vault".into())].into(),
        allowed_hosts: Vec::new(),
    };
    let source = vault(json!({ "kubernetes": { "role": "r" } }));
    let Ok(vault::Login::ServiceAccount { mount, audience, .. }) =
        login(&source.vault.as_ref().unwrap().auth, None, &installed)
    else {
        panic!("no login");
    };
    assert_eq!((mount.as_str(), audience.as_str()), ("kubernetes", "vault"));
    let other = vault(json!({ "jwt": { "role": "r", "audience": "other" } }));
    let Err(Invalid::Spec(message)) = login(&other.vault.as_ref().unwrap().auth, None, &installed) else {
        panic!("accepted");
    };
    assert!(
        message.starts_with("spec.vault.auth.jwt.audience: the operator has no token"),
        "{message}"
    );
    assert!(
        message.contains("it has: vault") && message.contains("tokenAudiences"),
        "{message}"
    );
}

#[test]
fn clouds_have_names_or_hosts() {
    let of = |value: Value| cloud(Some(&AnyForm(value)));
    assert_eq!(cloud(None).unwrap().1, "vault.azure.net");
    assert_eq!(of(json!("USGovernment")).unwrap().1, "vault.usgovcloudapi.net");
    assert_eq!(of(json!("China")).unwrap().0, "https://login.chinacloudapi.cn");
    let own = of(json!({ "authorityHost": "https://login.example.org/", "vaultSuffix": ".vault.example.org" }));
    assert_eq!(
        own.unwrap(),
        ("https://login.example.org".to_owned(), "vault.example.org".to_owned())
    );
    for wrong in [
        json!("Germany"),
        json!(3),
        json!({}),
        json!({ "authorityHost": "https://x" }),
        json!({ "authorityHost": "http://x", "vaultSuffix": "y" }),
        json!({ "authorityHost": "https://x", "vaultSuffix": "y", "more": "z" }),
    ] {
        let Err(Invalid::Spec(message)) = of(wrong.clone()) else {
            panic!("{wrong}");
        };
        assert!(message.starts_with("spec.azureKeyVault.cloud"), "{message}");
    }
}
