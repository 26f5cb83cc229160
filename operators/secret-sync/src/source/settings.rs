//! From the spec of a source and its credential to the settings of a connection. Pure.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use k8s_openapi::ByteString;
use serde_json::Value;

use crate::crd::AnyForm;
use crate::crd::source::{CaRef, ClusterSecretSourceSpec, KeyRef, KvVersion, ServiceAccountAuth, VaultAuth};
use crate::provider::{Connection, key_vault, vault};

/// The audience that Vault's role is expected to ask for.
const DEFAULT_AUDIENCE: &str = "vault";

/// What the installation allows and has.
#[derive(Debug, Clone, Default)]
pub struct Installed {
    /// The files of the operator's own projected tokens, by audience.
    pub tokens: BTreeMap<String, PathBuf>,
    /// Hosts of Key Vaults that are not under their cloud's suffix.
    pub allowed_hosts: Vec<String>,
}

/// Why there are no settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalid {
    /// The spec must be changed: field and what is wrong.
    Spec(String),
    /// The credential must be changed.
    Credential(String),
}

/// The Secret that holds the credential, and the key in it.
pub fn credential(spec: &ClusterSecretSourceSpec) -> Option<(&KeyRef, &'static str)> {
    if let Some(vault) = &spec.azure_key_vault {
        return Some((&vault.service_principal.secret_ref, "client-secret"));
    }
    let auth = &spec.vault.as_ref()?.auth;
    match auth {
        VaultAuth {
            app_role: Some(role), ..
        } => Some((&role.secret_ref, "secret-id")),
        VaultAuth { token: Some(token), .. } => Some((&token.secret_ref, "token")),
        _ => None,
    }
}

/// Where the certificates to trust are.
pub fn ca(spec: &ClusterSecretSourceSpec) -> Option<&CaRef> {
    let vault = spec.vault.as_ref().and_then(|vault| vault.ca.as_ref());
    vault.or_else(|| spec.azure_key_vault.as_ref().and_then(|vault| vault.ca.as_ref()))
}

/// The credential in its Secret's data: without the line break that editors and `echo` leave at the end.
pub fn secret_text(data: &BTreeMap<String, ByteString>, reference: &KeyRef, key: &str) -> Result<String, Invalid> {
    let key = reference.key.as_deref().unwrap_or(key);
    let name = &reference.name;
    let value = data.get(key).ok_or_else(|| {
        let keys: Vec<&str> = data.keys().map(String::as_str).collect();
        let keys = if keys.is_empty() {
            "none".to_owned()
        } else {
            keys.join(", ")
        };
        Invalid::Credential(format!("Secret {name} has no key {key}; its keys: {keys}"))
    })?;
    let text = std::str::from_utf8(&value.0);
    let text = text.map_err(|_| Invalid::Credential(format!("key {key} of Secret {name} is not text")))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.trim().is_empty() {
        return Err(Invalid::Credential(format!("key {key} of Secret {name} is empty")));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Invalid::Credential(format!(
            "key {key} of Secret {name} has blanks or control characters in it; store the bare value"
        )));
    }
    Ok(text.to_owned())
}

/// A connection for the spec, with its credential and the certificates to trust. No call is made.
pub fn connect(
    spec: &ClusterSecretSourceSpec,
    secret: Option<&BTreeMap<String, ByteString>>,
    ca: Option<Vec<u8>>,
    installed: &Installed,
) -> Result<Connection, Invalid> {
    let credential = match (credential(spec), secret) {
        (Some((reference, key)), Some(data)) => Some(secret_text(data, reference, key)?),
        (Some((reference, _)), None) => {
            return Err(Invalid::Credential(format!("there is no Secret {}", reference.name)));
        }
        (None, _) => None,
    };
    match (&spec.vault, spec.azure_key_vault.as_ref()) {
        (Some(source), None) => {
            let login = login(&source.auth, credential, installed)?;
            let settings = vault::Settings {
                server: source.server.trim_end_matches('/').to_owned(),
                ca,
                namespace: source.namespace.clone(),
                path: source.path.trim_matches('/').to_owned(),
                version_2: source.version == KvVersion::V2,
                login,
            };
            let vault = vault::Vault::new(settings);
            let vault = vault.map_err(|error| Invalid::Spec(format!("spec.vault.{error}")))?;
            Ok(Connection::Vault(Arc::new(vault)))
        }
        (None, Some(source)) => {
            let (authority_host, vault_suffix) = cloud(source.cloud.as_ref())?;
            let settings = key_vault::Settings {
                vault_url: source.vault_url.trim_end_matches('/').to_owned(),
                tenant_id: source.tenant_id.clone(),
                client_id: source.service_principal.client_id.clone(),
                client_secret: credential.unwrap_or_default(),
                authority_host,
                vault_suffix,
                allowed_hosts: installed.allowed_hosts.clone(),
                ca,
            };
            let vault = key_vault::KeyVault::new(settings);
            let vault = vault.map_err(|error| Invalid::Spec(format!("spec.{error}")))?;
            Ok(Connection::KeyVault(Arc::new(vault)))
        }
        _ => Err(Invalid::Spec(
            "exactly one provider must be set: vault or azureKeyVault".to_owned(),
        )),
    }
}

fn login(auth: &VaultAuth, credential: Option<String>, installed: &Installed) -> Result<vault::Login, Invalid> {
    let credential = credential.unwrap_or_default();
    match auth {
        VaultAuth { token: Some(_), .. } => Ok(vault::Login::Token(credential)),
        VaultAuth {
            app_role: Some(role), ..
        } => Ok(vault::Login::AppRole {
            mount: role.mount_path.clone().unwrap_or_else(|| "approle".to_owned()),
            role_id: role.role_id.clone(),
            secret_id: credential,
        }),
        VaultAuth {
            kubernetes: Some(account),
            ..
        } => service_account(account, "kubernetes", installed),
        VaultAuth { jwt: Some(account), .. } => service_account(account, "jwt", installed),
        _ => Err(Invalid::Spec(
            "spec.vault.auth: exactly one method must be set: kubernetes, jwt, appRole or token".to_owned(),
        )),
    }
}

fn service_account(account: &ServiceAccountAuth, method: &str, installed: &Installed) -> Result<vault::Login, Invalid> {
    let audience = account.audience.as_deref().unwrap_or(DEFAULT_AUDIENCE);
    let Some(file) = installed.tokens.get(audience) else {
        let known: Vec<&str> = installed.tokens.keys().map(String::as_str).collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        return Err(Invalid::Spec(format!(
            "spec.vault.auth.{method}.audience: the operator has no token for the audience {audience:?} (it has: {known}); add it \
             to the chart's value tokenAudiences"
        )));
    };
    Ok(vault::Login::ServiceAccount {
        mount: account.mount_path.clone().unwrap_or_else(|| method.to_owned()),
        role: account.role.clone(),
        audience: audience.to_owned(),
        token_file: file.clone(),
    })
}

/// Where logins go, and what the hosts of vaults end with
/// (<https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates>).
fn cloud(cloud: Option<&AnyForm>) -> Result<(String, String), Invalid> {
    let of = |authority: &str, suffix: &str| Ok((authority.to_owned(), suffix.to_owned()));
    match cloud.map(|cloud| &cloud.0) {
        None | Some(Value::Null) => of("https://login.microsoftonline.com", "vault.azure.net"),
        Some(Value::String(name)) => match name.as_str() {
            "Public" => of("https://login.microsoftonline.com", "vault.azure.net"),
            "USGovernment" => of("https://login.microsoftonline.us", "vault.usgovcloudapi.net"),
            "China" => of("https://login.chinacloudapi.cn", "vault.azure.cn"),
            _ => Err(Invalid::Spec(
                "spec.azureKeyVault.cloud: must be Public, USGovernment, China, or an object with authorityHost and vaultSuffix"
                    .to_owned(),
            )),
        },
        Some(value) => {
            let text = |field: &str| value.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
            let count = value.as_object().map(serde_json::Map::len);
            let (Some(authority), Some(suffix), Some(2)) = (text("authorityHost"), text("vaultSuffix"), count) else {
                return Err(Invalid::Spec(
                    "spec.azureKeyVault.cloud: must have exactly authorityHost and vaultSuffix".to_owned(),
                ));
            };
            if !authority.starts_with("https://") {
                return Err(Invalid::Spec(
                    "spec.azureKeyVault.cloud.authorityHost: must begin with https://".to_owned(),
                ));
            }
            of(authority.trim_end_matches('/'), suffix.trim_start_matches('.'))
        }
    }
}

#[cfg(test)]
mod tests;
