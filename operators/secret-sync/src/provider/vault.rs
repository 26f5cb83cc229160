//! Vault and `OpenBao`: KV v1 and v2.
use std::time::Duration;

use super::{Failure, Object, ObjectKey, Reason};

/// How to reach and use a Vault: plain values, from the source's spec and its credential.
#[derive(Clone)]
pub struct Settings {
    /// `https://vault.example.org:8200`, or `http://` where the spec allows it.
    pub server: String,
    /// PEM certificates to trust instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// `X-Vault-Namespace`.
    pub namespace: Option<String>,
    /// The mount of the KV engine, may have several segments.
    pub path: String,
    /// Whether the engine is KV version 2.
    pub version_2: bool,
    /// How to log in.
    pub login: Login,
}

/// How to log in. Never printed.
#[derive(Clone)]
pub enum Login {
    /// A token as it is.
    Token(String),
    /// `AppRole`.
    AppRole {
        /// Where the method is mounted, for example `approle`.
        mount: String,
        /// The role's id.
        role_id: String,
        /// From the credential's Secret.
        secret_id: String,
    },
    /// A token of the operator's `ServiceAccount`, by the methods kubernetes and jwt (both: `auth/<mount>/login`).
    ServiceAccount {
        /// Where the method is mounted, for example `kubernetes`.
        mount: String,
        /// The role.
        role: String,
        /// The audience of the token, for messages.
        audience: String,
        /// The file of the projected token; read anew for each login, since the kubelet replaces it.
        token_file: std::path::PathBuf,
    },
}

/// A client and a login.
pub struct Vault;

impl Vault {
    /// Checks the settings; makes no call. Fails with a sentence that names the field.
    pub fn new(_settings: Settings) -> Result<Self, String> {
        Ok(Self)
    }

    pub(super) async fn check(&self) -> Result<(), Failure> {
        Err(Failure::new(Reason::Unreachable, "not written yet"))
    }

    pub(super) async fn read(&self, _key: &ObjectKey) -> Result<Object, Failure> {
        Err(Failure::new(Reason::Unreachable, "not written yet"))
    }

    pub(super) async fn renew(&self) -> Result<Option<Duration>, Failure> {
        Ok(None)
    }
}
