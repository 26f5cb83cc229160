//! The Key Vault client against the fake: what each answer means, where token and client secret go, and what becomes of a login.
//!
//! The program `openssl` makes the certificates.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

use std::sync::Arc;
use std::time::Duration;

use hearth_e2e::fake_key_vault::{Application, Control, FakeKeyVault, FakeKeyVaultHandle, Kind, Options};
use hearth_secret_sync::provider::key_vault::{KeyVault, Settings, Times};
use hearth_secret_sync::provider::{Connection, Content, Failure, Form, Object, ObjectKey, Reason};

#[path = "key_vault/answers.rs"]
mod answers;
#[path = "key_vault/login.rs"]
mod login;
#[path = "key_vault/objects.rs"]
mod objects;

const TENANT: &str = "7b790000-0000-4000-8000-000000000001";
const CLIENT_ID: &str = "1f2e0000-0000-4000-8000-000000000002";
const CLIENT_SECRET: &str = "canary-client-secret~1";
/// The vault of the fake.
const VAULT: &str = "127.0.0.1";

struct Bench {
    fake: FakeKeyVaultHandle,
    control: Control,
}

impl Bench {
    async fn start() -> Self {
        let options = Options {
            listen: "127.0.0.1:0".parse().unwrap(),
            control: None,
            hosts: vec![VAULT.to_owned()],
            application: Application {
                tenant: TENANT.to_owned(),
                client_id: CLIENT_ID.to_owned(),
                secrets: vec![CLIENT_SECRET.to_owned()],
                expired_secrets: vec!["canary-expired-secret".to_owned()],
            },
            resource: "https://vault.azure.net".to_owned(),
        };
        let fake = FakeKeyVault::start(options).await.unwrap();
        let control = fake.control();
        Self { fake, control }
    }

    fn settings(&self) -> Settings {
        let host = self.fake.addr().to_string();
        Settings {
            vault_url: format!("https://{host}"),
            tenant_id: TENANT.to_owned(),
            client_id: CLIENT_ID.to_owned(),
            client_secret: format!("{CLIENT_SECRET}\n"),
            authority_host: format!("https://{host}"),
            vault_suffix: "vault.azure.net".to_owned(),
            allowed_hosts: vec![host],
            ca: Some(self.fake.ca().to_vec()),
        }
    }

    fn connect(&self) -> Connection {
        connect(self.settings())
    }

    fn put(&self, name: &str, value: &str) -> String {
        self.control.put_text(VAULT, name, value).unwrap()
    }
}

fn connect(settings: Settings) -> Connection {
    let times = Times {
        total: Duration::from_secs(2),
        ..Times::default()
    };
    Connection::KeyVault(Arc::new(KeyVault::with_times(settings, times).unwrap()))
}

fn key(name: &str) -> ObjectKey {
    ObjectKey {
        name: name.to_owned(),
        version: None,
        form: Form::Value,
    }
}

fn certificate(name: &str) -> ObjectKey {
    ObjectKey {
        form: Form::Certificate,
        ..key(name)
    }
}

fn text(object: &Object) -> &str {
    match &object.content {
        Content::Text { value, .. } => value,
        Content::Fields(_) => panic!("fields from a Key Vault"),
    }
}

/// A read that must fail, whose message has nothing that a server may have written or a credential holds.
async fn refused(connection: &Connection, key: &ObjectKey) -> Failure {
    let failure = connection.read(key).await.err().expect("an object");
    assert!(!failure.message.to_lowercase().contains("canary"), "{failure}");
    assert!(!format!("{failure:?}").to_lowercase().contains("canary"), "{failure:?}");
    failure
}
