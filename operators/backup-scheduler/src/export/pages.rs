//! Lists in pages, each list at one version.
use std::io;

use http::Request;
use kube::Client;
use serde::Deserialize;
use serde_json::Value;

use super::kinds::words;
use super::{Kind, Scope};

/// Objects of the first page. A Secret has up to 1 MiB.
const FIRST_PAGE: usize = 25;
/// Objects of the largest page.
const LARGEST_PAGE: usize = 500;
/// A page that was smaller than this, in bytes, is followed by one of twice as many objects.
const SMALL: usize = 512 << 10;
/// A list is begun anew when the API server does not have its version any more.
const BEGINNINGS: usize = 3;

/// Why there is no list.
#[derive(Debug)]
pub(super) enum Error {
    /// What the API server says.
    Refused(String),
    /// The objects cannot be kept.
    Sink(io::Error),
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    metadata: PageMeta,
    #[serde(default)]
    items: Vec<Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct PageMeta {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: String,
}

/// Hands over every object of a kind; the version of the list. An object may come twice, if the list had to begin anew.
pub(super) async fn list(
    client: &Client,
    kind: &Kind,
    scope: &Scope,
    sink: &mut impl FnMut(Value) -> io::Result<()>,
) -> Result<String, Error> {
    let namespace = match scope {
        Scope::Namespace(name) => Some(name.as_str()),
        Scope::Cluster => None,
    };
    let path = kind.path(namespace);
    let mut beginnings = 1;
    let (mut next, mut limit) = (String::new(), FIRST_PAGE);
    loop {
        let mut query = form_urlencoded(&[("limit", &limit.to_string())]);
        if !next.is_empty() {
            query = form_urlencoded(&[("limit", &limit.to_string()), ("continue", &next)]);
        }
        let text = match ask(client, &format!("{path}?{query}")).await {
            Ok(text) => text,
            Err(kube::Error::Api(status)) if status.code == 410 && beginnings < BEGINNINGS => {
                beginnings += 1;
                next.clear();
                continue;
            }
            Err(error) => return Err(Error::Refused(words(&error))),
        };
        let page: Page =
            serde_json::from_str(&text).map_err(|error| Error::Refused(format!("the answer is no list: {error}")))?;
        if text.len() < SMALL {
            limit = (limit * 2).min(LARGEST_PAGE);
        }
        for object in page.items {
            sink(object).map_err(Error::Sink)?;
        }
        if page.metadata.next.is_empty() {
            return Ok(page.metadata.resource_version);
        }
        next = page.metadata.next;
    }
}

/// One object of no namespace.
pub(super) async fn get(client: &Client, kind: &Kind, name: &str) -> Result<Value, String> {
    let text = ask(client, &format!("{}/{name}", kind.path(None))).await;
    let text = text.map_err(|error| words(&error))?;
    serde_json::from_str(&text).map_err(|error| format!("the answer is no object: {error}"))
}

async fn ask(client: &Client, path: &str) -> kube::Result<String> {
    let request = Request::get(path).header("accept", "application/json");
    let request = request.body(Vec::new()).map_err(kube::Error::HttpError)?;
    client.request_text(request).await
}

fn form_urlencoded(pairs: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        form.append_pair(name, value);
    }
    form.finish()
}
