//! A proxy between an operator's process and the API server. It holds each kind of write once before and once after it is
//! done: those are the moments to kill the operator in. No emulator is used, since only the real API server behind it
//! can show the result of half-done work.
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use parking_lot::{Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

/// When a write is held: before it is done, or after, without a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The API server never gets it.
    Before,
    /// The API server has done it, and the operator gets no response.
    After,
}

/// A listening proxy; dropping it closes it and all its connections.
pub(crate) struct ApiProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    /// Asks the API server with the operator's own rights.
    upstream: Client,
    state: Mutex<State>,
    held: Notify,
}

#[derive(Default)]
struct State {
    /// Hold writes.
    holds: bool,
    /// How often each kind of write was held in this part.
    met: BTreeMap<String, u8>,
    /// A write is held: no other passes, since the process that sent it will be killed.
    closed: bool,
    /// It came this far.
    held: Option<String>,
    writes: Vec<String>,
    last: Option<Instant>,
}

impl ApiProxy {
    /// Listens on loopback, without TLS, and asks `upstream` for everything.
    pub(crate) async fn open(upstream: Client) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            state: Mutex::default(),
            held: Notify::new(),
        });
        let task = tokio::spawn(listen(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self { address, shared, task })
    }

    /// For a kubeconfig's `server`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A new part begins: each kind of write is held once more, or none is. All writes so far are forgotten.
    pub(crate) fn begin(&self, holds: bool) {
        *self.shared.state() = State {
            holds,
            ..State::default()
        };
    }

    /// The held write was lost with its process; the next process may go on.
    pub(crate) fn go_on(&self) {
        let mut state = self.shared.state();
        (state.closed, state.held, state.last) = (false, None, None);
    }

    /// Waits until a write is held; which one.
    pub(crate) async fn held(&self) -> String {
        loop {
            let notified = self.shared.held.notified();
            if let Some(write) = &self.shared.state().held {
                return write.clone();
            }
            notified.await;
        }
    }

    /// The writes of this part that have passed or were held, named as by [`ApiProxy::held`].
    pub(crate) fn writes(&self) -> Vec<String> {
        self.shared.state().writes.clone()
    }

    /// When the last write came, since [`ApiProxy::go_on`].
    pub(crate) fn last(&self) -> Option<Instant> {
        self.shared.state().last
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// When to hold a write, if at all; does not return if it is one too many.
    async fn admit(&self, write: &str) -> Option<Moment> {
        let moment = {
            let mut state = self.state();
            if state.closed {
                None
            } else {
                state.writes.push(write.to_owned());
                state.last = Some(Instant::now());
                let moment = if state.holds {
                    let met = state.met.entry(write.to_owned()).or_default();
                    *met = met.saturating_add(1);
                    match *met {
                        1 => Some(Moment::Before),
                        2 => Some(Moment::After),
                        _ => None,
                    }
                } else {
                    None
                };
                state.closed = moment.is_some();
                Some(moment)
            }
        };
        match moment {
            Some(moment) => moment,
            None => std::future::pending().await,
        }
    }

    /// Never answers. The connection ends with the process that asks.
    async fn hang<T>(&self, write: String) -> T {
        self.state().held = Some(write);
        self.held.notify_waiters();
        std::future::pending().await
    }

    async fn pass(&self, request: Request<Incoming>) -> Result<Response<Body>> {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes().to_vec();
        let write = kind(&parts.method, parts.uri.path(), &body);
        let moment = if reads { None } else { self.admit(&write).await };
        if moment == Some(Moment::Before) {
            return self.hang(write).await;
        }
        for name in [HOST, CONTENT_LENGTH, AUTHORIZATION] {
            parts.headers.remove(name);
        }
        let answer = self.upstream.send(Request::from_parts(parts, Body::from(body))).await?;
        if moment == Some(Moment::After) {
            return self.hang(write).await;
        }
        Ok(answer)
    }
}

/// A write as `PATCH /api/v1/nodes/a`. Objects with generated names are grouped: pods by their namespace, events by
/// their reason and object.
fn kind(method: &Method, path: &str, body: &[u8]) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    if let Some(at) = parts.iter().position(|part| *part == "events") {
        let event: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let of = ["regarding", "involvedObject"].map(|field| event[field]["name"].as_str());
        let of = of.into_iter().flatten().next().unwrap_or_default();
        let reason = event["reason"].as_str().unwrap_or("of a series");
        return format!("{method} {} {reason} {of}", parts[..=at].join("/"));
    }
    if let Some(name) = parts
        .iter()
        .position(|part| *part == "pods")
        .and_then(|at| parts.get_mut(at + 1))
    {
        *name = "…";
    }
    format!("{method} {}", parts.join("/"))
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request| {
                let shared = Arc::clone(&shared);
                async move {
                    let answer = shared.pass(request).await.context("the proxy");
                    Ok::<_, std::convert::Infallible>(answer.unwrap_or_else(|error| {
                        let mut answer = Response::new(Body::from(format!("{error:#}").into_bytes()));
                        *answer.status_mut() = StatusCode::BAD_GATEWAY;
                        answer
                    }))
                }
            });
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hearth_reconciler::testing::script::Script;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::{Patch, PatchParams};
    use kube::{Api, Config};
    use serde_json::json;
    use tokio::time::timeout;

    use super::*;

    const LONG_ENOUGH: Duration = Duration::from_millis(300);
    const PATH: &str = "/api/v1/namespaces/home/configmaps/a";

    fn through(proxy: &ApiProxy) -> Api<ConfigMap> {
        let client = Client::try_from(Config::new(proxy.endpoint().parse().unwrap())).unwrap();
        Api::namespaced(client, "home")
    }

    async fn write(api: &Api<ConfigMap>) -> kube::Result<ConfigMap> {
        let patch = Patch::Merge(json!({"data": {"k": "v"}}));
        api.patch("a", &PatchParams::default(), &patch).await
    }

    #[tokio::test]
    async fn reads_and_writes_pass_and_writes_are_recorded() {
        let (upstream, server) = Script::new()
            .expect("GET", PATH, 200, json!({"metadata": {"name": "a"}}))
            .expect_body("PATCH", PATH, |body| assert_eq!(body["data"]["k"], "v"), 200, json!({}))
            .start();
        let proxy = ApiProxy::open(upstream).await.unwrap();
        let api = through(&proxy);
        assert_eq!(api.get("a").await.unwrap().metadata.name.as_deref(), Some("a"));
        assert!(proxy.last().is_none());
        write(&api).await.unwrap();
        assert_eq!(proxy.writes(), [format!("PATCH {PATH}")]);
        assert!(proxy.last().is_some());
        server.finish();
    }

    #[tokio::test]
    async fn a_write_is_held_before_then_after_and_then_passes() {
        let (upstream, server) = Script::new()
            .expect("GET", PATH, 200, json!({}))
            .expect("PATCH", PATH, 200, json!({}))
            .expect("PATCH", PATH, 200, json!({"metadata": {"name": "a"}}))
            .start();
        let proxy = ApiProxy::open(upstream).await.unwrap();
        proxy.begin(true);
        let (first, second) = (through(&proxy), through(&proxy));
        timeout(LONG_ENOUGH, write(&first)).await.unwrap_err();
        assert_eq!(proxy.held().await, format!("PATCH {PATH}"));
        timeout(LONG_ENOUGH, write(&second)).await.unwrap_err();
        second.get("a").await.unwrap();
        assert_eq!(
            proxy.writes().len(),
            1,
            "what comes while one is held is not even counted"
        );

        proxy.go_on();
        timeout(LONG_ENOUGH, write(&through(&proxy))).await.unwrap_err();
        proxy.held().await;
        proxy.go_on();
        assert_eq!(
            write(&through(&proxy)).await.unwrap().metadata.name.as_deref(),
            Some("a")
        );
        server.finish();
    }

    #[test]
    fn objects_with_generated_names_are_grouped() {
        let kind = |path, body: serde_json::Value| kind(&Method::POST, path, body.to_string().as_bytes());
        assert_eq!(kind("/api/v1/nodes/a", json!({})), "POST /api/v1/nodes/a");
        assert_eq!(
            kind("/api/v1/namespaces/n/pods/web-1/eviction", json!({})),
            "POST /api/v1/namespaces/n/pods/…/eviction"
        );
        let event = json!({"reason": "NodeWentDown", "regarding": {"name": "a"}, "metadata": {"name": "x.1"}});
        assert_eq!(
            kind("/apis/events.k8s.io/v1/namespaces/default/events", event),
            "POST /apis/events.k8s.io/v1/namespaces/default/events NodeWentDown a"
        );
    }
}
