//! The HTTP client of both providers: how it is built, how an answer is read, and what a failed call means.
//!
//! The client follows no redirect, uses no proxy and reads no environment variable but those of the system's certificates
//! (`SSL_CERT_FILE`, which the image sets). It connects to no link-local address. An answer is read up to [`MAX_BODY`].
mod address;
mod transport;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use reqwest::Url;
use tokio::sync::Semaphore;

pub use self::address::check_host;
pub use self::transport::transport_failure;
use super::{Failure, Reason};

/// How many bytes of an answer's body are read. A Secret holds no more, and no honest answer is larger.
pub const MAX_BODY: usize = 1024 * 1024;
/// So much of each answer may be in memory. Of more than that one at a time is read, for each client.
const SMALL_BODY: usize = 64 * 1024;

/// How long a connection may take, with TLS.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a call may take in all, with its body.
const TOTAL: Duration = Duration::from_secs(10);
/// How long an unused connection stays open. Reads of one refresh follow each other closely.
const IDLE: Duration = Duration::from_secs(30);
/// As many as the calls that run at once.
const IDLE_CONNECTIONS: usize = 8;

/// What differs between the clients of two sources.
#[derive(Debug, Clone)]
pub struct Options {
    /// PEM certificates to trust instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// Whether `http://` is allowed.
    pub allow_http: bool,
    /// How long a connection may take. Tests shorten it.
    pub connect: Duration,
    /// How long a call may take in all. Tests shorten it.
    pub total: Duration,
}

impl Options {
    /// The limits of the product.
    pub fn new(ca: Option<Vec<u8>>, allow_http: bool) -> Self {
        Self {
            ca,
            allow_http,
            connect: CONNECT,
            total: TOTAL,
        }
    }
}

/// A client of one provider.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Held while more than [`SMALL_BODY`] of an answer is read, so that a server that answers every call with too much costs the
    /// memory of one answer.
    large: Arc<Semaphore>,
}

/// Builds a client. Fails with a sentence about the certificates. It makes no call.
pub fn client(options: &Options) -> Result<Client, String> {
    let tls = hearth_outbound::tls(options.ca.as_deref())?;
    let http = reqwest::Client::builder()
        .use_preconfigured_tls(tls)
        .https_only(!options.allow_http)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .retry(reqwest::retry::never())
        .http1_only()
        .dns_resolver(Arc::new(address::Resolver))
        .user_agent(concat!("hearth-secret-sync/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(options.connect)
        .timeout(options.total)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .build()
        .map_err(|_| "the HTTP client cannot be built".to_owned())?;
    Ok(Client {
        http,
        large: Arc::new(Semaphore::new(1)),
    })
}

/// An answer of at most [`MAX_BODY`], whatever its status.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, complete.
    pub body: Vec<u8>,
}

impl Answer {
    /// `Retry-After` in seconds, or as a date, for which 0 to so many seconds from now are returned. It is not clamped.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers, jiff::Timestamp::now())
    }
}

/// [`Answer::retry_after`] at this time.
pub(super) fn retry_after(headers: &HeaderMap, now: jiff::Timestamp) -> Option<Duration> {
    let value = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        return value.parse().ok().map(Duration::from_secs);
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// Sends a request and reads the answer. A status is no failure here. A larger body is [`Reason::TooLarge`]: reading ends and
/// the connection is closed. Large answers are read one at a time; while others wait their time goes on.
pub async fn send(client: &Client, request: reqwest::Request) -> Result<Answer, Failure> {
    let at = host_and_port(request.url());
    if let Some(host) = request.url().host() {
        check_host(&host).map_err(|why| Failure::new(Reason::Unreachable, format!("{at}: {why}")))?;
    }
    let mut response = client
        .http
        .execute(request)
        .await
        .map_err(|error| transport_failure(&error, &at))?;
    let announced = response.content_length().unwrap_or(0);
    if announced > MAX_BODY as u64 {
        return Err(too_large(&at));
    }
    let (mut body, mut slot) = (Vec::new(), None);
    while let Some(chunk) = response.chunk().await.map_err(|error| transport_failure(&error, &at))? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(too_large(&at));
        }
        if body.len() + chunk.len() > SMALL_BODY && slot.is_none() {
            // It is never closed.
            slot = client.large.acquire().await.ok();
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body,
    })
}

fn too_large(at: &str) -> Failure {
    let message = format!("{at} answers with more than 1 MiB, which no Secret can hold");
    Failure::new(Reason::TooLarge, message)
}

/// `vault.example.org:8200`: what messages name.
pub fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or("(no host)");
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
