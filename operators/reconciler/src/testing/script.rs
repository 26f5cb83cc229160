//! An API server that follows a script: each call is expected by method and path, in order, and answered. A call that
//! is not in the script, or one that does not come, fails the test.
//!
//! ```
//! # use hearth_reconciler::testing::script::Script;
//! # use k8s_openapi::api::core::v1::ConfigMap; use kube::Api; use serde_json::json;
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let (client, server) = Script::new()
//!     .expect("GET", "/api/v1/namespaces/home/configmaps/a", 200, json!({"metadata": {"name": "a"}}))
//!     .expect_body("PATCH", "/api/v1/namespaces/home/configmaps/a", |body| assert_eq!(body["data"]["k"], "v"), 200, json!({}))
//!     .start();
//! # let api = Api::<ConfigMap>::namespaced(client, "home");
//! # api.get("a").await.unwrap();
//! # let patch = kube::api::Patch::Merge(json!({"data": {"k": "v"}}));
//! # api.patch("a", &kube::api::PatchParams::default(), &patch).await.unwrap();
//! server.finish();
//! # }
//! ```

use std::{collections::VecDeque, fmt, panic::AssertUnwindSafe, sync::Arc};

use http::{Request, Response};
use kube::{Client, client::Body};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// The calls that will come.
#[derive(Debug, Default)]
#[must_use]
pub struct Script(VecDeque<Call>);

type Check = Box<dyn FnOnce(&Value) + Send>;

struct Call {
    method: &'static str,
    /// With a query, it must be exactly this; without, any query will do.
    path: String,
    body: Option<Check>,
    code: u16,
    answer: Value,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Script {
    /// No calls at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Then this call comes and gets this answer. A path with `?…` must match the whole query.
    pub fn expect(self, method: &'static str, path: impl Into<String>, code: u16, answer: Value) -> Self {
        self.push(Call {
            method,
            path: path.into(),
            body: None,
            code,
            answer,
        })
    }

    /// As [`Script::expect`], and the check of the body (JSON) must not panic.
    pub fn expect_body(
        self,
        method: &'static str,
        path: impl Into<String>,
        check: impl FnOnce(&Value) + Send + 'static,
        code: u16,
        answer: Value,
    ) -> Self {
        self.push(Call {
            method,
            path: path.into(),
            body: Some(Box::new(check)),
            code,
            answer,
        })
    }

    /// Then this call comes and is refused, with a proper `Status` of this code and reason.
    pub fn refuse(self, method: &'static str, path: impl Into<String>, code: u16, reason: &str) -> Self {
        self.expect(method, path, code, refusal(code, reason))
    }

    fn push(mut self, call: Call) -> Self {
        self.0.push_back(call);
        self
    }

    /// The client to test with, and the server to [finish](Server::finish). Needs a Tokio runtime.
    pub fn start(self) -> (Client, Server) {
        let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let state = Arc::new(Mutex::new(State {
            calls: self.0,
            wrong: Vec::new(),
        }));
        let server = Server(Arc::clone(&state));
        tokio::spawn(async move {
            while let Some((request, answer)) = handle.next_request().await {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap_or_default();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                let path = parts.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
                let mut state = state.lock();
                answer.send_response(state.answer(parts.method.as_str(), path, &body));
            }
        });
        (Client::new(service, "default"), server)
    }
}

/// The `Status` with which an API server refuses.
pub fn refusal(code: u16, reason: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason })
}

/// The running script.
#[derive(Debug)]
#[must_use = "call finish(), or missing calls go unseen"]
pub struct Server(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    calls: VecDeque<Call>,
    wrong: Vec<String>,
}

impl Server {
    /// Panics if a call was missing, unexpected or wrong.
    pub fn finish(self) {
        let state = self.0.lock();
        assert!(state.wrong.is_empty(), "{}", state.wrong.join("\n"));
        assert!(state.calls.is_empty(), "these calls did not come: {:?}", state.calls);
    }

    /// How many calls are still to come.
    pub fn left(&self) -> usize {
        self.0.lock().calls.len()
    }
}

impl State {
    fn answer(&mut self, method: &str, path: &str, body: &Value) -> Response<Body> {
        let fits = |call: &Call| {
            let path = if call.path.contains('?') {
                path
            } else {
                path.split('?').next().unwrap_or_default()
            };
            call.method == method && call.path == path
        };
        let Some(call) = self.calls.pop_front_if(|call| fits(call)) else {
            self.wrong.push(format!(
                "unexpected: {method} {path}\n  expected: {:?}",
                self.calls.front()
            ));
            return response(500, &refusal(500, "NotInTheScript"));
        };
        if let Some(check) = call.body
            && let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(|| check(body)))
        {
            let why = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            self.wrong
                .push(format!("wrong body: {method} {path}\n  {why}\n  {body}"));
        }
        response(call.code, &call.answer)
    }
}

pub(super) fn response(code: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string().into_bytes()));
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
    response
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{Api, api::PostParams};

    use super::*;

    fn panics(server: Server) -> String {
        let panic = std::panic::catch_unwind(AssertUnwindSafe(|| server.finish())).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    }

    #[tokio::test]
    async fn a_missing_an_unexpected_and_a_wrong_call_fail_the_test() {
        let path = "/api/v1/namespaces/home/configmaps/a";
        let api = |client| Api::<ConfigMap>::namespaced(client, "home");

        let (_client, server) = Script::new().expect("GET", path, 200, json!({})).start();
        assert!(panics(server).contains("did not come: [GET /api/v1"));

        let (client, server) = Script::new().start();
        assert!(api(client).get("a").await.is_err());
        assert!(panics(server).contains("unexpected: GET /api/v1"));

        let wrong = |body: &Value| assert_eq!(body["data"]["k"], "other", "data");
        let (client, server) = Script::new()
            .expect_body("POST", "/api/v1/namespaces/home/configmaps", wrong, 201, json!({}))
            .start();
        api(client)
            .create(&PostParams::default(), &ConfigMap::default())
            .await
            .unwrap();
        assert!(panics(server).contains("wrong body"));
    }

    #[tokio::test]
    async fn a_refusal_arrives_as_an_api_error() {
        let (client, server) = Script::new()
            .refuse("GET", "/api/v1/namespaces/home/configmaps/a", 409, "Conflict")
            .start();
        match Api::<ConfigMap>::namespaced(client, "home").get("a").await {
            Err(kube::Error::Api(status)) => assert!(status.is_conflict()),
            other => panic!("{other:?}"),
        }
        server.finish();
    }
}
