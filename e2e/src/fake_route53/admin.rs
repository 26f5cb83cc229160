//! A small JSON interface on the same listener, for the demo and the benchmark in processes of their own.
//!
//! | call | does |
//! | --- | --- |
//! | `GET /_hearth/log?since=N` | `{"mark": M, "calls": […]}`, the calls from the N-th on |
//! | `DELETE /_hearth/log` | forgets them |
//! | `POST /_hearth/fault` | injects a [`Rule`] |
//! | `DELETE /_hearth/fault` | takes all back |
//! | `POST /_hearth/throttle` | a [`Throttle`], or `null` |
//! | `GET /_hearth/zones/Z` | the zone's record sets |
//! | `POST /_hearth/zones/Z` | a list of [`RecordSet`]s to create or replace, as somebody else would |

use http::{Method, Request};
use hyper::body::Bytes;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::answer::Answer;
use super::control::Control;
use super::fault::{Rule, Throttle};
use super::log::Mark;
use super::record::RecordSet;

/// Answers a call below `/_hearth/`.
pub(super) fn answer(control: &Control, request: &Request<Bytes>) -> Answer {
    match act(control, request) {
        Ok(value) => Answer::json(200, &value),
        Err((status, message)) => Answer::json(status, &json!({ "error": message })),
    }
}

type Failure = (u16, String);

fn act(control: &Control, request: &Request<Bytes>) -> Result<serde_json::Value, Failure> {
    let path = request.uri().path().trim_start_matches("/_hearth/");
    let done = json!({});
    match (request.method(), path) {
        (&Method::GET, "log") => {
            let since = request
                .uri()
                .query()
                .and_then(|query| query.strip_prefix("since=")?.parse().ok())
                .unwrap_or(0);
            let calls = control.calls_since(Mark(since));
            Ok(json!({ "mark": since + calls.len(), "calls": calls }))
        }
        (&Method::DELETE, "log") => {
            control.reset_log();
            Ok(done)
        }
        (&Method::POST, "fault") => {
            control.fault(body::<Rule>(request)?);
            Ok(done)
        }
        (&Method::DELETE, "fault") => {
            control.clear_faults();
            Ok(done)
        }
        (&Method::POST, "throttle") => {
            control.throttle(body::<Option<Throttle>>(request)?);
            Ok(done)
        }
        (method, path) => {
            let zone = path
                .strip_prefix("zones/")
                .ok_or_else(|| (404, format!("{method} {path} is not known")))?;
            if method == Method::POST {
                control
                    .put_all(zone, body::<Vec<RecordSet>>(request)?)
                    .map_err(|error| (400, format!("{error:#}")))?;
                return Ok(done);
            }
            Ok(json!(
                control.records(zone).map_err(|error| (404, format!("{error:#}")))?
            ))
        }
    }
}

fn body<T: DeserializeOwned>(request: &Request<Bytes>) -> Result<T, Failure> {
    serde_json::from_slice(request.body()).map_err(|error| (400, error.to_string()))
}
