//! The part of an API server that the auth method kubernetes asks: `TokenReview`, over TLS.
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hearth_e2e::vault_server::DevServer;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::*;

/// The token that Vault must show.
pub(crate) const REVIEWER: &str = "the-reviewer";
const ISSUER: &str = "https://kubernetes.default.svc";
const NAMESPACE: &str = "hearth";
const NAME: &str = "secret-sync";
const UID: &str = "2b7e9f0a-0000-4000-8000-000000000001";

#[derive(Default)]
struct State {
    valid: BTreeSet<String>,
    /// The tokens and audiences that were asked for by somebody who may ask.
    reviews: Vec<(String, Value)>,
}

/// Answers reviews. Dropping it ends it.
pub(crate) struct TokenReviews {
    address: SocketAddr,
    /// What Vault must trust.
    pub(crate) ca: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for TokenReviews {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TokenReviews {
    /// Listens with a certificate that the server's own engine issues.
    pub(crate) async fn start(server: &DevServer) -> Self {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let issued = server.issue_certificate(loopback).await.unwrap();
        let chain = vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = TcpListener::bind((loopback, 0)).await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::new(Mutex::default()));
        Self {
            address,
            ca: issued.ca,
            state: Arc::clone(&state),
            task: tokio::spawn(listen(listener, TlsAcceptor::from(Arc::new(config)), state)),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// A new valid token of the operator's `ServiceAccount`.
    pub(crate) fn issue(&self, audience: &str) -> String {
        let token = token_of(NAME, audience);
        self.state.lock().valid.insert(token.clone());
        token
    }

    /// A new valid token of another `ServiceAccount`.
    pub(crate) fn issue_for(&self, name: &str, audience: &str) -> String {
        let token = token_of(name, audience);
        self.state.lock().valid.insert(token.clone());
        token
    }

    /// From now on the token is refused, as after its pod was deleted.
    pub(crate) fn invalidate(&self, token: &str) {
        self.state.lock().valid.remove(token);
    }

    /// The tokens and audiences that were asked for.
    pub(crate) fn reviews(&self) -> Vec<(String, Value)> {
        self.state.lock().reviews.clone()
    }
}

/// A token in the form of projected ones. Nobody checks the signature: Vault has no keys and asks for a review.
fn token_of(name: &str, audience: &str) -> String {
    let now = jiff::Timestamp::now().as_second();
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "alg": "RS256", "kid": "one" }));
    let claims = part(json!({
        "iss": ISSUER,
        "sub": format!("system:serviceaccount:{NAMESPACE}:{name}"),
        "aud": [audience],
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "jti": fastrand::u64(..).to_string(),
        "kubernetes.io": { "namespace": NAMESPACE, "serviceaccount": { "name": name, "uid": UID } },
    }));
    let signature = BASE64_URL_SAFE_NO_PAD.encode([7; 256]);
    format!("{header}.{claims}.{signature}")
}

async fn listen(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
        connections.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(|request| serve(Arc::clone(&state), request));
            // Vault may close at any time.
            let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            drop(served.await);
        });
    }
}

async fn serve(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let bearer = head.headers.get("authorization").and_then(|value| value.to_str().ok());
    let (status, answer) =
        if head.method != Method::POST || head.uri.path() != "/apis/authentication.k8s.io/v1/tokenreviews" {
            refusal(404, "NotFound")
        } else if bearer != Some(&format!("Bearer {REVIEWER}")) {
            refusal(401, "Unauthorized")
        } else {
            (201, review(&mut state.lock(), &serde_json::from_slice(&body).unwrap()))
        };
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::from(answer.to_string()));
    Ok(response.unwrap())
}

fn refusal(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": code,
    });
    (code, status)
}

/// As an API server: a token without one of the audiences is refused.
fn review(state: &mut State, asked: &Value) -> Value {
    let token = asked["spec"]["token"].as_str().unwrap().to_owned();
    let wanted = asked["spec"]["audiences"].as_array().cloned().unwrap_or_default();
    state.reviews.push((token.clone(), json!(wanted)));
    let claims: Value = BASE64_URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .map(|claims| serde_json::from_slice(&claims).unwrap())
        .unwrap();
    let audiences: Vec<Value> = wanted
        .into_iter()
        .filter(|audience| claims["aud"].as_array().unwrap().contains(audience))
        .collect();
    let status = if state.valid.contains(&token) && !audiences.is_empty() {
        json!({
            "authenticated": true,
            "user": { "username": claims["sub"], "uid": UID, "groups": ["system:serviceaccounts"] },
            "audiences": audiences,
        })
    } else {
        json!({ "authenticated": false, "error": "[invalid bearer token]" })
    };
    json!({ "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "status": status })
}
