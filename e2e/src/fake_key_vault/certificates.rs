//! Certificates: <https://learn.microsoft.com/rest/api/keyvault/certificates/operation-groups>. Each has a secret of the same
//! name and version, with its private key.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Request;
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Outcome};
use super::bundles;
use super::input;
use super::listing::{find, list, listed, versions};
use super::log::Kind;
use super::route::Route;
use super::store::{Bundle, Entry, PEM, PKCS12, Settable, Vault, Version, now};

#[derive(Deserialize)]
struct ImportBody {
    value: String,
    pwd: Option<String>,
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    attributes: Settable,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default, rename = "preserveCertOrder")]
    preserve_order: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Policy {
    secret_props: SecretProperties,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SecretProperties {
    #[serde(rename = "contentType")]
    content_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateBody {
    tags: Option<BTreeMap<String, String>>,
    #[serde(default)]
    attributes: Settable,
    #[serde(rename = "policy")]
    _policy: Option<Value>,
}

/// What an import makes: prepared before the vault is locked, since `openssl` takes its time.
pub(super) async fn prepare(request: &Request<Bytes>) -> Result<Version, Answer> {
    let content_type = request
        .headers()
        .get("content-type")
        .and_then(|kind| kind.to_str().ok());
    let body: ImportBody = input::body(content_type, request.body())?;
    let asked = body.policy.secret_props.content_type.as_deref();
    let invalid = |words: &str| Answer::bad_parameter(words);
    // The clients send base64, of PEM too; the reference shows PEM as it is.
    let bytes = if body.value.contains("-----BEGIN ") {
        body.value.clone().into_bytes()
    } else {
        BASE64_STANDARD
            .decode(&body.value)
            .map_err(|_| invalid("The specified X.509 certificate content is not base64"))?
    };
    let pem = std::str::from_utf8(&bytes)
        .ok()
        .filter(|text| text.contains("-----BEGIN "));
    let bundle = match (pem, asked) {
        (Some(pem), Some(PEM)) => bundles::bundle_of_pem(pem, body.preserve_order).await,
        (None, None | Some(PKCS12)) => bundles::bundle_of_pfx(&bytes, body.pwd.as_deref().unwrap_or_default()).await,
        (Some(_), _) => {
            return Err(invalid(
                "The specified PKCS#12 X.509 certificate content can not be read. Please check if certificate is in valid \
                 PKCS#12 format.",
            ));
        }
        (None, _) => {
            return Err(invalid(
                "The specified PEM X.509 certificate content is in an unexpected format. Please check if certificate is in \
                 valid PEM format.",
            ));
        }
    };
    let bundle = bundle.map_err(|_| invalid("The specified X.509 certificate content can not be read."))?;
    let mut version = version_of(bundle, asked.unwrap_or(PKCS12));
    version.tags = body.tags;
    version.set(body.attributes);
    Ok(version)
}

/// A certificate as a version of a secret, in the form that its policy asks for.
pub(super) fn version_of(bundle: Bundle, content_type: &str) -> Version {
    let value = if content_type == PEM { &bundle.pem } else { &bundle.pfx };
    let mut version = Version::new(value.clone(), Some(content_type.to_owned()));
    version.bundle = Some(Arc::new(bundle));
    version
}

/// Carries out a call on certificates; `imported` is what an import has prepared.
pub(super) fn act(vault: &mut Vault, route: &Route, request: &Request<Bytes>, imported: Option<Version>) -> Outcome {
    let base = route.base();
    let name = route.name.as_deref().unwrap_or_default();
    let current = |entry: &Entry| entry.deleted.is_none() && entry.is_certificate();
    let deleted = |entry: &Entry| entry.deleted.is_some() && entry.is_certificate();
    match route.kind {
        Kind::ListCertificates => return list(vault, route, current, "certificates"),
        Kind::ListDeletedCertificates => return list(vault, route, deleted, "certificates"),
        _ => input::check_name(name)?,
    }
    if let Some(version) = &route.version {
        input::check_version(version)?;
    }
    if let (Kind::ImportCertificate, Some(version)) = (route.kind, imported) {
        let id = version.id.clone();
        let entry = vault.add(name, version)?;
        return bundle(entry, Some(&id), &base);
    }
    let key = name.to_ascii_lowercase();
    let is_deleted = vault.entries.get(&key).is_some_and(deleted);
    if !is_deleted && !vault.entries.get(&key).is_some_and(current) {
        return Err(not_found(name));
    }
    let wants_deleted = matches!(
        route.kind,
        Kind::GetDeletedCertificate | Kind::RecoverDeletedCertificate | Kind::PurgeDeletedCertificate
    );
    if wants_deleted != is_deleted {
        return Err(not_found(name));
    }
    if route.kind == Kind::PurgeDeletedCertificate {
        vault.entries.remove(&key);
        return Ok(Answer::nothing());
    }
    if route.kind == Kind::ListCertificateVersions {
        let entry = vault.get(name).ok_or_else(|| not_found(name))?;
        return versions(entry, route, "certificates");
    }
    let entry = vault.entries.get_mut(&key).ok_or_else(|| not_found(name))?;
    match route.kind {
        Kind::DeleteCertificate => entry.deleted = Some(now()),
        Kind::RecoverDeletedCertificate => entry.deleted = None,
        Kind::UpdateCertificate => {
            let content_type = request
                .headers()
                .get("content-type")
                .and_then(|kind| kind.to_str().ok());
            update(entry, route, &input::body(content_type, request.body())?)?;
        }
        Kind::GetCertificate | Kind::GetDeletedCertificate => {}
        _ => return Err(Answer::error(404, "NotFound", "no such call", None)),
    }
    bundle(entry, route.version.as_deref(), &base)
}

fn update(entry: &mut Entry, route: &Route, body: &UpdateBody) -> Result<(), Answer> {
    let id = find(entry, route.version.as_deref())
        .map(|version| version.id.clone())
        .ok_or_else(|| not_found(&entry.name))?;
    for version in entry.versions.iter_mut().filter(|version| version.id == id) {
        version.set(body.attributes);
        if let Some(tags) = &body.tags {
            version.tags.clone_from(tags);
        }
        version.updated = now();
    }
    Ok(())
}

/// A certificate with its policy, and when it was deleted.
fn bundle(entry: &Entry, version: Option<&str>, base: &str) -> Outcome {
    let version = find(entry, version).ok_or_else(|| not_found(&entry.name))?;
    let mut document = entry.deletion(base, "certificates");
    document.extend(listed(entry, version, base, true));
    let (name, id) = (&entry.name, &version.id);
    document.insert("kid".to_owned(), json!(format!("{base}/keys/{name}/{id}")));
    document.insert("sid".to_owned(), json!(format!("{base}/secrets/{name}/{id}")));
    if let Some(held) = &version.bundle {
        document.insert("cer".to_owned(), json!(held.cer));
    }
    document.insert(
        "policy".to_owned(),
        json!({
            "id": format!("{base}/certificates/{name}/policy"),
            "key_props": {"exportable": true, "kty": "EC", "crv": "P-256", "reuse_key": false},
            "secret_props": {"contentType": version.content_type},
            "issuer": {"name": "Unknown"},
            "attributes": {"enabled": true, "created": version.created, "updated": version.updated},
        }),
    );
    Ok(Answer::json(200, &Value::Object(document)))
}

fn not_found(name: &str) -> Answer {
    Answer::error(
        404,
        "CertificateNotFound",
        &format!(
            "A certificate with (name/id) {name} was not found in this key vault. If you recently deleted this certificate you \
             may be able to recover it using the correct recovery command. For help resolving this issue, please see \
             https://go.microsoft.com/fwlink/?linkid=2125182"
        ),
        None,
    )
}
