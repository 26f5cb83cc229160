//! One request and its answer.
use std::fmt;
use std::time::{Duration, SystemTime};

use http::header::{DATE, HOST};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::connect::Connector;
use super::endpoint::{Endpoint, Settings, is_key};
use super::errors::{Action, Failure, Reason};
use super::sign::Signer;

/// The largest answer that is read, in bytes.
const LARGEST: usize = 1024 * 1024;
/// The largest head of an answer that is read, in bytes.
const LARGEST_HEAD: usize = 64 * 1024;

/// What tests change.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a connection may take, with the name and TLS.
    pub connect: Duration,
    /// How long a call may take in all.
    pub total: Duration,
    /// By how many seconds the client's clock is wrong.
    pub clock_shift_seconds: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(30),
            clock_shift_seconds: 0,
        }
    }
}

/// A complete answer of at most [`LARGEST`], whatever its status.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What is asked for.
pub(super) struct Call<'a> {
    pub(super) action: Action,
    pub(super) method: Method,
    /// Empty for the bucket.
    pub(super) key: &'a str,
    /// Sorted by name.
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) header: Option<(HeaderName, String)>,
    pub(super) body: Bytes,
}

impl<'a> Call<'a> {
    pub(super) fn of_object(action: Action, method: Method, key: &'a str) -> Self {
        Self {
            action,
            method,
            key,
            query: &[],
            header: None,
            body: Bytes::new(),
        }
    }
}

/// The way to one bucket.
pub(super) struct Transport {
    pub(super) endpoint: Endpoint,
    connector: Connector,
    signer: Signer,
    options: Options,
    skew: Mutex<Option<i64>>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(formatter)
    }
}

impl Transport {
    pub(super) fn new(settings: &Settings, options: Options) -> Result<Self, String> {
        let endpoint = Endpoint::new(settings)?;
        Ok(Self {
            connector: Connector::new(&endpoint, settings.ca.as_deref(), options.connect)?,
            signer: Signer::new(&settings.credentials, &endpoint.region),
            endpoint,
            options,
            skew: Mutex::new(None),
        })
    }

    /// By how many seconds this machine's clock is ahead of the server's, by the last answer with a date.
    pub(super) fn skew_seconds(&self) -> Option<i64> {
        *self.skew.lock()
    }

    /// Sends a request. A status is no failure here.
    pub(super) async fn send(&self, call: Call<'_>) -> Result<Answer, Failure> {
        if call.action != Action::List && !is_key(call.key) {
            return Err(Failure::new(Reason::BadAnswer, "the key of an object cannot be sent"));
        }
        let answer = timeout(self.options.total, self.send_unlimited(call)).await;
        let answer = answer.unwrap_or_else(|_| Err(self.silent("has not answered in time")))?;
        if let Some(seconds) = skew(&answer.headers, self.now()) {
            *self.skew.lock() = Some(seconds);
        }
        Ok(answer)
    }

    async fn send_unlimited(&self, call: Call<'_>) -> Result<Answer, Failure> {
        let request = self.request(call)?;
        let stream = self.connector.connect().await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(LARGEST_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(&error))?;
        // It ends with the sender and the body, which are dropped when this call ends.
        tokio::spawn(connection);
        let response = sender.send_request(request).await;
        let (head, body) = response.map_err(|error| self.broken(&error))?.into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: self.read(body).await?,
        })
    }

    async fn read(&self, mut body: Incoming) -> Result<Bytes, Failure> {
        let mut all = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.broken(&error))?;
            if let Some(data) = frame.data_ref() {
                if all.len() + data.len() > LARGEST {
                    return Err(self.bad("more than 1 MiB"));
                }
                all.extend_from_slice(data);
            }
        }
        Ok(all.into())
    }

    fn request(&self, call: Call<'_>) -> Result<Request<Full<Bytes>>, Failure> {
        let unsendable = || Failure::new(Reason::BadAnswer, "the request cannot be signed");
        let path = self.endpoint.path_and_query(call.key, call.query);
        let authority = self.endpoint.authority();
        let mut builder = Request::builder()
            .method(call.method)
            .uri(path.as_str())
            .header(HOST, &authority);
        if let Some((name, value)) = call.header {
            builder = builder.header(name, value);
        }
        let mut request = builder.body(Full::new(call.body.clone())).map_err(|_| unsendable())?;
        let scheme = if self.endpoint.tls { "https" } else { "http" };
        let url = format!("{scheme}://{authority}{path}");
        self.signer
            .sign(&mut request, &url, &call.body, SystemTime::from(self.now()))
            .ok_or_else(unsendable)?;
        Ok(request)
    }

    fn now(&self) -> Timestamp {
        let shift = SignedDuration::from_secs(self.options.clock_shift_seconds);
        Timestamp::now().saturating_add(shift).unwrap_or(Timestamp::MAX)
    }

    fn broken(&self, error: &hyper::Error) -> Failure {
        if error.is_parse() {
            self.bad("something that is no HTTP")
        } else {
            self.silent("has closed the connection before its answer was complete")
        }
    }

    fn silent(&self, what: &str) -> Failure {
        Failure::new(Reason::Unreachable, format!("{} {what}", self.endpoint.host_and_port()))
    }

    /// An answer that no S3 server gives.
    pub(super) fn bad(&self, what: &str) -> Failure {
        let at = self.endpoint.host_and_port();
        Failure::new(
            Reason::BadAnswer,
            format!("{at} answers with {what}; is it an S3 server, or is something between that answers for it?"),
        )
    }
}

/// A header, if it is text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// By how many seconds `now` is ahead of the date of an answer.
fn skew(headers: &HeaderMap, now: Timestamp) -> Option<i64> {
    let date = jiff::fmt::rfc2822::parse(text(headers, &DATE)?).ok()?;
    Some(now.as_second().saturating_sub(date.timestamp().as_second()))
}
