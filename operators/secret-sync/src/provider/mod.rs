//! Where secrets come from. A [`Connection`] is one client and one login for one source; it speaks the provider's protocol and
//! says what an answer means. It knows nothing of Kubernetes objects: settings and credentials come in as values.
//!
//! It does not retry, limit or cache: [`crate::source`] does, for all providers alike.
pub mod failure;
pub mod http;
pub mod key_vault;
pub mod vault;

#[cfg(test)]
mod test_server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

pub use self::failure::{Class, Failure, Reason};

/// One object at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Vault: the path below the mount, without `data/`. Key Vault: the name.
    pub name: String,
    /// Vault: a number. Key Vault: 32 hexadecimal digits. None: the newest.
    pub version: Option<String>,
    /// What is asked for.
    pub form: Form,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// The value as it is stored.
    Value,
    /// A certificate with its private key, as PEM (Key Vault converts what it stores as PKCS#12).
    Certificate,
}

/// What a provider answered. Never printed.
#[derive(Clone)]
pub struct Object {
    /// Which version it is: Vault's number (KV v1 has none: empty), Key Vault's 32 digits.
    pub version: String,
    /// The secret itself.
    pub content: Content,
}

/// The secret itself. Never printed.
#[derive(Clone)]
pub enum Content {
    /// Vault: fields, each as the JSON text that the server sent, so that a number keeps all its digits.
    Fields(BTreeMap<String, Box<RawValue>>),
    /// Key Vault: a text and its content type.
    Text {
        /// The value.
        value: String,
        /// For example `application/x-pkcs12`.
        content_type: Option<String>,
    },
}

/// A client and a login at one provider. Clones share both.
#[derive(Clone)]
pub enum Connection {
    /// Vault or `OpenBao`.
    Vault(Arc<vault::Vault>),
    /// Azure Key Vault.
    KeyVault(Arc<key_vault::KeyVault>),
}

impl Connection {
    /// Logs in if that is due, and makes one authenticated call.
    pub async fn check(&self) -> Result<(), Failure> {
        match self {
            Self::Vault(vault) => vault.check().await,
            Self::KeyVault(vault) => vault.check().await,
        }
    }

    /// Reads one object, and logs in before if that is due.
    pub async fn read(&self, key: &ObjectKey) -> Result<Object, Failure> {
        match self {
            Self::Vault(vault) => vault.read(key).await,
            Self::KeyVault(vault) => vault.read(key).await,
        }
    }

    /// Renews the login if that is due. Returns when it is due next, if ever.
    pub async fn renew(&self) -> Result<Option<Duration>, Failure> {
        match self {
            Self::Vault(vault) => vault.renew().await,
            Self::KeyVault(_) => Ok(None),
        }
    }

    /// Ends the login at the provider, if it is our own and can be ended: Entra's tokens cannot.
    pub async fn close(&self) -> Result<(), Failure> {
        match self {
            Self::Vault(vault) => vault.close().await,
            Self::KeyVault(_) => Ok(()),
        }
    }
}
