//! Secrets: <https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups>.
//!
//! A read outside the window of `nbf` and `exp` succeeds: "A secret's get operation will work for not-yet-valid and expired
//! secrets" (<https://learn.microsoft.com/azure/key-vault/secrets/about-secrets>, "Date-time controlled operations").

use std::collections::BTreeMap;

use http::Request;
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Outcome};
use super::input;
use super::listing::{find, item, list, versions};
use super::log::Kind;
use super::route::Route;
use super::store::{Entry, PEM, PKCS12, Settable, Vault, Version, now};

/// Values have at most 25 kB.
const VALUE_LIMIT: usize = 25 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetBody {
    value: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(rename = "contentType")]
    content_type: Option<String>,
    #[serde(default)]
    attributes: Settable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateBody {
    tags: Option<BTreeMap<String, String>>,
    #[serde(rename = "contentType")]
    content_type: Option<String>,
    #[serde(default)]
    attributes: Settable,
}

/// Carries out a call on secrets.
pub(super) fn act(vault: &mut Vault, route: &Route, request: &Request<Bytes>, api_version: &str) -> Outcome {
    let base = route.base();
    let name = route.name.as_deref().unwrap_or_default();
    match route.kind {
        Kind::ListSecrets => return list(vault, route, |entry| entry.deleted.is_none(), "secrets"),
        Kind::ListDeletedSecrets => return list(vault, route, |entry| entry.deleted.is_some(), "secrets"),
        _ => input::check_name(name)?,
    }
    if let Some(version) = &route.version {
        input::check_version(version)?;
    }
    let content_type = request
        .headers()
        .get("content-type")
        .and_then(|kind| kind.to_str().ok());
    match route.kind {
        Kind::GetSecret => get(vault, route, name, api_version),
        Kind::SetSecret => set(vault, &base, name, input::body(content_type, request.body())?),
        Kind::UpdateSecret => update(vault, route, name, &input::body(content_type, request.body())?),
        Kind::ListSecretVersions => {
            let entry = vault.get(name).ok_or_else(|| not_found(name, None))?;
            versions(entry, route, "secrets")
        }
        Kind::DeleteSecret => delete(vault, &base, name),
        Kind::GetDeletedSecret => {
            let entry = vault.get_deleted(name).ok_or_else(|| deleted_not_found(name))?;
            Ok(Answer::json(200, &Value::Object(deleted_secret(entry, &base))))
        }
        Kind::RecoverDeletedSecret => {
            let entry = vault.entries.get_mut(&name.to_ascii_lowercase());
            let entry = entry
                .filter(|entry| entry.deleted.is_some())
                .ok_or_else(|| deleted_not_found(name))?;
            entry.deleted = None;
            let version = entry.newest().ok_or_else(|| not_found(name, None))?;
            Ok(Answer::json(200, &Value::Object(item(entry, version, &base, true))))
        }
        Kind::PurgeDeletedSecret => {
            vault.get_deleted(name).ok_or_else(|| deleted_not_found(name))?;
            vault.entries.remove(&name.to_ascii_lowercase());
            Ok(Answer::nothing())
        }
        _ => Err(Answer::error(404, "NotFound", "no such call", None)),
    }
}

fn get(vault: &Vault, route: &Route, name: &str, api_version: &str) -> Outcome {
    let wanted = route.version.as_deref();
    let entry = vault.get(name).ok_or_else(|| not_found(name, wanted))?;
    let version = find(entry, wanted).ok_or_else(|| not_found(name, wanted))?;
    if !version.enabled {
        return Err(Answer::error(
            403,
            "Forbidden",
            "Operation get is not allowed on a disabled secret.",
            Some("SecretDisabled"),
        ));
    }
    let mut document = item(entry, version, &route.base(), true);
    document.insert("value".to_owned(), json!(version.value));
    // "Currently, only PFX to PEM conversion is supported. If an unsupported format is specified, the request is rejected."
    // What happens for a secret without a certificate is not documented: the fake leaves it as it is.
    let asked = input::value(&route.query, "outContentType").filter(|_| input::converts(api_version));
    match asked {
        None => {}
        Some(PEM) => {
            if let (Some(bundle), Some(PKCS12)) = (&version.bundle, version.content_type.as_deref()) {
                document.insert("value".to_owned(), json!(bundle.pem));
                document.insert("contentType".to_owned(), json!(PEM));
            }
        }
        Some(PKCS12) if version.content_type.as_deref() == Some(PKCS12) => {}
        Some(other) => {
            return Err(Answer::bad_parameter(&format!(
                "The specified outContentType {other} is not supported."
            )));
        }
    }
    Ok(Answer::json(200, &Value::Object(document)))
}

fn set(vault: &mut Vault, base: &str, name: &str, body: SetBody) -> Outcome {
    if body.value.len() > VALUE_LIMIT {
        return Err(Answer::bad_parameter("The secret value is longer than 25 KB"));
    }
    check_tags(&body.tags)?;
    if body.content_type.as_ref().is_some_and(|kind| kind.len() > 255) {
        return Err(Answer::bad_parameter("contentType is longer than 255 characters"));
    }
    if vault.get(name).is_some_and(Entry::is_certificate) {
        return Err(managed());
    }
    let mut version = Version::new(body.value.clone(), body.content_type);
    version.tags = body.tags;
    version.set(body.attributes);
    let id = version.id.clone();
    let entry = vault.add(name, version)?;
    let version = find(entry, Some(&id)).ok_or_else(|| not_found(name, Some(&id)))?;
    let mut document = item(entry, version, base, true);
    document.insert("value".to_owned(), json!(body.value));
    Ok(Answer::json(200, &Value::Object(document)))
}

fn update(vault: &mut Vault, route: &Route, name: &str, body: &UpdateBody) -> Outcome {
    let wanted = route.version.as_deref();
    let entry = vault.get_mut(name).ok_or_else(|| not_found(name, wanted))?;
    let id = find(entry, wanted)
        .map(|version| version.id.clone())
        .ok_or_else(|| not_found(name, wanted))?;
    if let Some(tags) = &body.tags {
        check_tags(tags)?;
    }
    for version in entry.versions.iter_mut().filter(|version| version.id == id) {
        version.set(body.attributes);
        if let Some(tags) = &body.tags {
            version.tags.clone_from(tags);
        }
        if body.content_type.is_some() {
            version.content_type.clone_from(&body.content_type);
        }
        version.updated = now();
    }
    let version = find(entry, Some(&id)).ok_or_else(|| not_found(name, wanted))?;
    Ok(Answer::json(
        200,
        &Value::Object(item(entry, version, &route.base(), true)),
    ))
}

fn delete(vault: &mut Vault, base: &str, name: &str) -> Outcome {
    let entry = vault.get_mut(name).ok_or_else(|| not_found(name, None))?;
    if entry.is_certificate() {
        return Err(managed());
    }
    entry.deleted = Some(now());
    Ok(Answer::json(200, &Value::Object(deleted_secret(entry, base))))
}

fn deleted_secret(entry: &Entry, base: &str) -> Map<String, Value> {
    let mut document = entry.deletion(base, "secrets");
    if let Some(version) = entry.newest() {
        document.extend(item(entry, version, base, true));
    }
    document
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Answer> {
    let fits = tags.len() <= 15 && tags.iter().all(|(name, value)| name.len() <= 512 && value.len() <= 256);
    if fits {
        Ok(())
    } else {
        Err(Answer::bad_parameter(
            "at most 15 tags with names of 512 and values of 256 characters",
        ))
    }
}

pub(super) fn not_found(name: &str, version: Option<&str>) -> Answer {
    let id = version.map_or_else(|| name.to_owned(), |version| format!("{name}/{version}"));
    Answer::error(
        404,
        "SecretNotFound",
        &format!(
            "A secret with (name/id) {id} was not found in this key vault. If you recently deleted this secret you may be able \
             to recover it using the correct recovery command. For help resolving this issue, please see \
             https://go.microsoft.com/fwlink/?linkid=2125182"
        ),
        None,
    )
}

fn deleted_not_found(name: &str) -> Answer {
    Answer::error(
        404,
        "SecretNotFound",
        &format!("Deleted Secret not found: {name}"),
        None,
    )
}

/// A secret that belongs to a certificate is changed through the certificate.
fn managed() -> Answer {
    Answer::error(
        403,
        "Forbidden",
        "Operation is not allowed on a secret that is managed by a certificate.",
        Some("SecretManagedByKeyVault"),
    )
}
