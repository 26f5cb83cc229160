//! The Vault client on a real `OpenBao` or `HashiCorp` Vault: what each answer means, each way to log in, and what becomes of a
//! login.
//!
//! `HEARTH_OPENBAO` names the program of the one (see `hack/tools/openbao`), `HEARTH_VAULT` that of the other (`hack/tools/vault`).
//! Where they differ, the test says for each [`Product`] what is expected.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

use std::sync::Arc;
use std::time::Duration;

use hearth_e2e::vault_server::{Api, DevServer, Product};
use hearth_secret_sync::provider::vault::{Login, Settings, Times, Vault};
use hearth_secret_sync::provider::{Connection, Content, Failure, Form, Object, ObjectKey, Reason};
use serde_json::{Value, json};

#[path = "vault/closing.rs"]
mod closing;
#[path = "vault/disk.rs"]
mod disk;
#[path = "vault/kubernetes.rs"]
mod kubernetes;
#[path = "vault/login.rs"]
mod login;
#[path = "vault/reads.rs"]
mod reads;
#[path = "vault/token_reviews.rs"]
mod token_reviews;

/// A source at this server, whose login is the root token.
fn settings(api: &Api) -> Settings {
    Settings {
        server: api.url().to_owned(),
        ca: None,
        namespace: None,
        path: "secret".to_owned(),
        version_2: true,
        login: Login::Token("root".to_owned()),
    }
}

fn connect(settings: Settings) -> Connection {
    Connection::Vault(Arc::new(Vault::new(settings).unwrap()))
}

/// A connection that takes a refusal for a reason to log in as soon as the token has this age.
fn impatient(settings: Settings, relogin_after: Duration) -> Connection {
    let times = Times {
        relogin_after,
        ..Times::default()
    };
    Connection::Vault(Arc::new(Vault::with_times(settings, times).unwrap()))
}

fn key(name: &str, version: Option<u64>) -> ObjectKey {
    ObjectKey {
        name: name.to_owned(),
        version: version.map(|version| version.to_string()),
        form: Form::Value,
    }
}

async fn read(connection: &Connection, name: &str) -> Result<Object, Failure> {
    connection.read(&key(name, None)).await
}

async fn reason(connection: &Connection, name: &str) -> Reason {
    read(connection, name).await.err().expect("a failure").reason
}

/// A field as the JSON text that came.
fn field(object: &Object, name: &str) -> String {
    match &object.content {
        Content::Fields(fields) => fields[name].get().to_owned(),
        Content::Text { .. } => panic!("a text"),
    }
}

/// Writes version after version of a KV v2 object.
async fn put(api: &Api, name: &str, data: Value) {
    api.post(&format!("secret/data/{name}"), json!({ "data": data }))
        .await
        .unwrap();
}

async fn policy(api: &Api, name: &str, rules: &str) {
    api.post(&format!("sys/policies/acl/{name}"), json!({ "policy": rules }))
        .await
        .unwrap();
}

/// A token with these options; the default ones are those of `auth/token/create`.
async fn token(api: &Api, options: Value) -> String {
    let made = api.post("auth/token/create", options).await.unwrap();
    made["auth"]["client_token"].as_str().unwrap().to_owned()
}

/// An `AppRole` with these options, and the login with it.
async fn app_role(api: &Api, options: Value) -> Login {
    let (status, _) = api
        .call("POST", "sys/auth/approle", &json!({ "type": "approle" }))
        .await
        .unwrap();
    assert!(status == 204 || status == 400, "{status}");
    api.post("auth/approle/role/app", options).await.unwrap();
    let role = api.get("auth/approle/role/app/role-id").await.unwrap();
    let secret = api.post("auth/approle/role/app/secret-id", json!({})).await.unwrap();
    Login::AppRole {
        mount: "approle".to_owned(),
        role_id: role["data"]["role_id"].as_str().unwrap().to_owned(),
        secret_id: secret["data"]["secret_id"].as_str().unwrap().to_owned(),
    }
}

/// How many tokens there are.
async fn tokens(api: &Api) -> usize {
    let listed = api.succeed("LIST", "auth/token/accessors", Value::Null).await.unwrap();
    listed["data"]["keys"].as_array().unwrap().len()
}
