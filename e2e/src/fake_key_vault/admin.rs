//! A small JSON interface on a listener of its own, without TLS, for tests in other processes. It is for test machines only: it
//! asks for no credentials.
//!
//! | call | does |
//! | --- | --- |
//! | `GET /log?since=N` | `{"mark": M, "calls": […]}`, the calls from the N-th on |
//! | `DELETE /log` | forgets them |
//! | `GET /counts` | how many calls of each kind there were |
//! | `POST /fault` | injects a [`Rule`] |
//! | `DELETE /fault` | takes all back |
//! | `POST /down`, `/up` | closes the vaults' listener and all its connections; listens again |
//! | `POST /application` | adds or replaces an [`Application`] |
//! | `POST /tokens/revoke` | vaults refuse all tokens issued until now |
//! | `POST /tokens/lifetime` | a number: seconds that tokens live from now on |
//! | `POST /challenge` | a text or `null`: `WWW-Authenticate` of vaults |
//! | `POST /vaults/V/secrets/NAME` | adds a version, a [`Plain`]; answers `{"version": …}` |
//! | `POST /vaults/V/certificates/NAME` | `{"commonName": …, "contentType": …}` makes and adds one with an intermediate; with `pem` instead of `commonName`: adds that. Answers `{"version": …, "pem": …}` |
//! | `POST /vaults/V/enable/NAME`, `/disable/NAME`, `/delete/NAME`, `/recover/NAME` | as somebody else would |
//! | `DELETE /vaults/V` | empties it |

use http::{Method, Request};
use hyper::body::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::Answer;
use super::control::Control;
use super::entra::Application;
use super::fault::Rule;
use super::log::Mark;
use super::store::{PKCS12, Plain};

type Failure = (u16, String);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Certificate {
    common_name: Option<String>,
    pem: Option<String>,
    #[serde(default = "pkcs12")]
    content_type: String,
}

fn pkcs12() -> String {
    PKCS12.to_owned()
}

/// Answers a call to the control port.
pub(super) async fn answer(control: &Control, request: &Request<Bytes>) -> Answer {
    match act(control, request).await {
        Ok(value) => Answer::json(200, &value),
        Err((status, message)) => Answer::json(status, &json!({ "error": message })),
    }
}

async fn act(control: &Control, request: &Request<Bytes>) -> Result<Value, Failure> {
    let parts: Vec<&str> = request.uri().path().split('/').skip(1).collect();
    match (request.method().as_str(), &parts[..]) {
        ("GET", ["log"]) => {
            let query = request.uri().query();
            let since = query
                .and_then(|query| query.strip_prefix("since=")?.parse().ok())
                .unwrap_or(0);
            let calls = control.calls_since(Mark(since));
            return Ok(json!({ "mark": since + calls.len(), "calls": calls }));
        }
        ("GET", ["counts"]) => return Ok(json!(control.counts())),
        ("DELETE", ["log"]) => control.reset_log(),
        ("POST", ["fault"]) => drop(control.fault(body::<Rule>(request)?)),
        ("DELETE", ["fault"]) => control.clear_faults(),
        ("POST", ["down"]) => control.down().await,
        ("POST", ["up"]) => control.up().await,
        ("POST", ["application"]) => control.application(body::<Application>(request)?),
        ("POST", ["tokens", "revoke"]) => control.revoke_tokens(),
        ("POST", ["tokens", "lifetime"]) => {
            control.token_lifetime(std::time::Duration::from_secs(body::<u32>(request)?.into()));
        }
        ("POST", ["challenge"]) => control.challenge(body::<Option<String>>(request)?.as_deref()),
        (_, ["vaults", vault, rest @ ..]) => return of_vault(control, request, vault, rest).await,
        (method, _) => return Err((404, format!("{method} {} is not known", request.uri().path()))),
    }
    Ok(json!({}))
}

async fn of_vault(control: &Control, request: &Request<Bytes>, vault: &str, rest: &[&str]) -> Result<Value, Failure> {
    let failed = |error: anyhow::Error| (400, format!("{error:#}"));
    match (request.method(), rest) {
        (&Method::DELETE, []) => control.wipe(vault),
        (&Method::POST, ["secrets", name]) => {
            let version = control.put(vault, name, body::<Plain>(request)?).map_err(failed)?;
            return Ok(json!({ "version": version }));
        }
        (&Method::POST, ["certificates", name]) => {
            let wanted: Certificate = body(request)?;
            let pem = match (wanted.pem, wanted.common_name) {
                (Some(pem), None) => pem,
                (None, Some(name)) => super::bundles::make_chain(&name).await.map_err(failed)?,
                _ => return Err((400, "either commonName or pem".to_owned())),
            };
            let put = control.put_certificate(vault, name, &pem, &wanted.content_type);
            let version = put.await.map_err(failed)?;
            return Ok(json!({ "version": version, "pem": pem }));
        }
        (&Method::POST, ["enable", name]) => control.enable(vault, name, true),
        (&Method::POST, ["disable", name]) => control.enable(vault, name, false),
        (&Method::POST, ["delete", name]) => control.delete(vault, name),
        (&Method::POST, ["recover", name]) => control.recover(vault, name),
        (method, _) => return Err((404, format!("{method} {} is not known", request.uri().path()))),
    }
    .map_err(failed)?;
    Ok(json!({}))
}

fn body<T: DeserializeOwned>(request: &Request<Bytes>) -> Result<T, Failure> {
    serde_json::from_slice(request.body()).map_err(|error| (400, error.to_string()))
}
