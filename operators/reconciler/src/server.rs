//! The admin server: `/metrics`, `/livez`, `/readyz`.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore};

use crate::{health::Health, metrics};

/// More clients than this wait: a kubelet and a few scrapers are all that should come.
const CONNECTIONS: usize = 32;
/// How long a client may take to send its request's head.
const HEAD: Duration = Duration::from_secs(5);

/// Binds the address. Where IPv6 is off, `[::]` becomes 0.0.0.0.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) if address.ip().is_unspecified() && address.is_ipv6() && no_ipv6(&error) => {
            TcpListener::bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port())).await
        }
        result => result,
    }
}

fn no_ipv6(error: &io::Error) -> bool {
    /// `EAFNOSUPPORT` on Linux; the standard library has no stable name for it.
    const FAMILY_NOT_SUPPORTED: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(FAMILY_NOT_SUPPORTED)
}

/// Serves until the process ends.
pub(crate) async fn serve(listener: TcpListener, metrics: metrics::Metrics, health: Health) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Out of file descriptors, or the client went away: neither ends the server.
            Err(error) => {
                tracing::debug!(%error, "connection not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (metrics, health) = (metrics.clone(), health.clone());
        tokio::spawn(async move {
            let answer = service_fn(|request: Request<hyper::body::Incoming>| {
                let answer = answer(request.method(), request.uri().path(), &metrics, &health);
                std::future::ready(Ok::<_, std::convert::Infallible>(answer))
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(stream), answer);
            if let Err(error) = connection.await {
                tracing::trace!(%error, "admin connection");
            }
            drop(slot);
        });
    }
}

fn answer(method: &Method, path: &str, metrics: &metrics::Metrics, health: &Health) -> Response<String> {
    if method != Method::GET && method != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_owned());
    }
    match path {
        "/metrics" => metrics.text().map_or_else(
            |_| text(StatusCode::INTERNAL_SERVER_ERROR, "a collector failed\n".to_owned()),
            |body| {
                let mut response = text(StatusCode::OK, body);
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
                response
            },
        ),
        "/livez" => verdict("stuck", &health.stuck(Instant::now())),
        "/readyz" => verdict("waiting for", &health.missing()),
        _ => text(StatusCode::NOT_FOUND, "/metrics /livez /readyz\n".to_owned()),
    }
}

fn verdict(what: &str, wrong: &[String]) -> Response<String> {
    if wrong.is_empty() {
        return text(StatusCode::OK, "ok\n".to_owned());
    }
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("{what}: {}\n", wrong.join(", ")),
    )
}

fn text(status: StatusCode, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::metrics::Metrics;

    fn get(path: &str, metrics: &Metrics, health: &Health) -> (u16, String) {
        let response = answer(&Method::GET, path, metrics, health);
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
        assert_eq!(answer(&Method::POST, "/metrics", &metrics, &health).status(), 405);
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

    #[test]
    fn a_host_without_ipv6_is_recognised() {
        assert!(no_ipv6(&io::Error::from_raw_os_error(97)));
        assert!(!no_ipv6(&io::Error::from(io::ErrorKind::AddrInUse)));
    }
}
