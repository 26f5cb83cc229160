//! Versions, and the lists of secrets and certificates, page by page.

use serde_json::{Map, Value, json};

use super::answer::{Answer, Outcome};
use super::input;
use super::log::Kind;
use super::route::Route;
use super::store::{Entry, Vault, Version};

/// The version that is asked for, or the newest, whether it is enabled or not.
pub(super) fn find<'a>(entry: &'a Entry, version: Option<&str>) -> Option<&'a Version> {
    match version {
        None => entry.newest(),
        Some(id) => entry
            .versions
            .iter()
            .find(|version| version.id.eq_ignore_ascii_case(id)),
    }
}

/// A secret without its value.
pub(super) fn item(entry: &Entry, version: &Version, base: &str, with_version: bool) -> Map<String, Value> {
    let mut fields = Map::new();
    let id = if with_version {
        format!("{base}/secrets/{}/{}", entry.name, version.id)
    } else {
        format!("{base}/secrets/{}", entry.name)
    };
    fields.insert("id".to_owned(), json!(id));
    fields.insert("attributes".to_owned(), version.attributes());
    if let Some(kind) = &version.content_type {
        fields.insert("contentType".to_owned(), json!(kind));
    }
    if !version.tags.is_empty() {
        fields.insert("tags".to_owned(), json!(version.tags));
    }
    if version.bundle.is_some() {
        fields.insert("managed".to_owned(), json!(true));
        if with_version {
            let kid = format!("{base}/keys/{}/{}", entry.name, version.id);
            fields.insert("kid".to_owned(), json!(kid));
        }
    }
    fields
}

/// A page of a vault's objects.
pub(super) fn list(vault: &Vault, route: &Route, fits: impl Fn(&Entry) -> bool, collection: &str) -> Outcome {
    let base = route.base();
    let entries = vault.entries.iter().filter(|(_, entry)| fits(entry));
    let items = entries.map(|(key, entry)| {
        let mut fields = entry.deletion(&base, collection);
        if let Some(version) = entry.newest() {
            let own = item(entry, version, &base, false);
            fields.extend(if collection == "secrets" {
                own
            } else {
                listed(entry, version, &base, false)
            });
        }
        (key.clone(), Value::Object(fields))
    });
    page(route, items)
}

/// A page of an object's versions.
pub(super) fn versions(entry: &Entry, route: &Route, collection: &str) -> Outcome {
    let base = route.base();
    let items = entry.versions.iter().map(|version| {
        let fields = if collection == "secrets" {
            item(entry, version, &base, true)
        } else {
            listed(entry, version, &base, true)
        };
        (version.id.clone(), Value::Object(fields))
    });
    let mut items: Vec<_> = items.collect();
    items.sort_by(|(left, _), (right, _)| left.cmp(right));
    page(route, items.into_iter())
}

/// At most 25 items after the token of the page before.
fn page(route: &Route, items: impl Iterator<Item = (String, Value)>) -> Outcome {
    let size = input::page_size(&route.query)?;
    let after = match input::value(&route.query, "$skiptoken") {
        None => None,
        Some(token) => Some(
            token
                .strip_prefix("fake!")
                .ok_or_else(|| Answer::bad_parameter("The skiptoken is invalid"))?,
        ),
    };
    let mut rest = items.filter(|(key, _)| after.is_none_or(|after| key.as_str() > after));
    let page: Vec<_> = rest.by_ref().take(size).collect();
    let next = page.last().filter(|_| rest.next().is_some()).map(|(last, _)| {
        let collection = match (route.kind, &route.name) {
            (Kind::ListSecretVersions, Some(name)) => format!("secrets/{name}/versions"),
            (Kind::ListCertificateVersions, Some(name)) => format!("certificates/{name}/versions"),
            (Kind::ListDeletedSecrets, _) => "deletedsecrets".to_owned(),
            (Kind::ListCertificates, _) => "certificates".to_owned(),
            (Kind::ListDeletedCertificates, _) => "deletedcertificates".to_owned(),
            _ => "secrets".to_owned(),
        };
        let version = input::value(&route.query, "api-version").unwrap_or_default();
        format!(
            "{}/{collection}?api-version={version}&$skiptoken=fake!{last}&maxresults={size}",
            route.base()
        )
    });
    let items: Vec<Value> = page.into_iter().map(|(_, item)| item).collect();
    Ok(Answer::json(200, &json!({ "value": items, "nextLink": next })))
}

/// A certificate as lists show it.
pub(super) fn listed(entry: &Entry, version: &Version, base: &str, with_version: bool) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut id = format!("{base}/certificates/{}", entry.name);
    if with_version {
        id = format!("{id}/{}", version.id);
    }
    fields.insert("id".to_owned(), json!(id));
    fields.insert("attributes".to_owned(), version.attributes());
    if let Some(bundle) = &version.bundle {
        fields.insert("x5t".to_owned(), json!(bundle.thumbprint));
    }
    if !version.tags.is_empty() {
        fields.insert("tags".to_owned(), json!(version.tags));
    }
    fields
}
