//! The admin server: `/metrics`, `/livez`, `/readyz`. Other servers listen in the same way.

use std::future::ready;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore};

use crate::{health::Health, metrics};

/// More clients than this wait: a kubelet and a few scrapers are all that should come.
const CONNECTIONS: usize = 32;
/// How long a client may take to send its request's head.
const HEAD: Duration = Duration::from_secs(5);

/// Binds the address. Where IPv6 is off, `[::]` becomes 0.0.0.0.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        // What is wrong beside IPv6, say a port in use, is wrong with IPv4 as well.
        Err(_) if address.ip() == Ipv6Addr::UNSPECIFIED => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        result => result,
    }
}

/// Serves until the process ends.
pub(crate) async fn serve(listener: TcpListener, metrics: metrics::Metrics, health: Health) {
    let answer =
        move |request: Request<Incoming>| ready(answer(request.method(), request.uri().path(), &metrics, &health));
    listen(listener, answer).await;
}

/// Answers requests until the process ends. A client may take 5 s for the head of a request; the body is up to `answer`.
pub async fn listen<F, R>(listener: TcpListener, answer: F)
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = http::Result<Response<String>>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, or the client went away: neither ends the server.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let answer = service_fn(answer.clone());
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(stream), answer);
            // A client that breaks off is its own matter.
            let _ = connection.await;
            drop(slot);
        });
    }
}

fn answer(method: &Method, path: &str, metrics: &metrics::Metrics, health: &Health) -> http::Result<Response<String>> {
    let (status, text) = match path {
        _ if method != Method::GET && method != Method::HEAD => {
            (StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_owned())
        }
        "/metrics" => return response(StatusCode::OK, metrics::CONTENT_TYPE, metrics.text()),
        "/livez" => verdict("stuck", &health.stuck(Instant::now())),
        "/readyz" => verdict("waiting for", &health.missing()),
        _ => (StatusCode::NOT_FOUND, "/metrics /livez /readyz\n".to_owned()),
    };
    response(status, "text/plain; charset=utf-8", text)
}

fn response(status: StatusCode, content_type: &str, body: String) -> http::Result<Response<String>> {
    let response = Response::builder().status(status);
    response.header(CONTENT_TYPE, content_type).body(body)
}

fn verdict(what: &str, wrong: &[String]) -> (StatusCode, String) {
    if wrong.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let body = format!("{what}: {}\n", wrong.join(", "));
    (StatusCode::SERVICE_UNAVAILABLE, body)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::metrics::Metrics;

    fn get(path: &str, metrics: &Metrics, health: &Health) -> (u16, String) {
        let response = answer(&Method::GET, path, metrics, health).unwrap();
        (response.status().as_u16(), response.into_body())
    }

    #[test]
    fn readyz_lists_what_is_missing() {
        let (metrics, health) = (Metrics::new("x"), Health::default());
        assert_eq!(get("/readyz", &metrics, &health), (200, "ok\n".into()));
        let gates = (health.gate("zones"), health.gate("records"));
        assert_eq!(
            get("/readyz", &metrics, &health),
            (503, "waiting for: zones, records\n".into())
        );
        assert_eq!(get("/livez", &metrics, &health), (200, "ok\n".into()));
        drop(gates);
    }

    #[test]
    fn only_reading_is_allowed_and_unknown_paths_are_404() {
        let (metrics, health) = (Metrics::new("x"), Health::default());
        let refused = answer(&Method::POST, "/metrics", &metrics, &health).unwrap();
        assert_eq!(refused.status(), 405);
        assert_eq!(get("/", &metrics, &health).0, 404);
    }

    #[tokio::test]
    async fn metrics_are_openmetrics_over_http() {
        let listener = bind("[::]:0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(serve(listener, Metrics::new("x"), Health::default()));
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(
            answer.contains(metrics::CONTENT_TYPE) && answer.ends_with("# EOF\n"),
            "{answer}"
        );
    }
}
