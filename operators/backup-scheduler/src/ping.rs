//! Sends a ping: one GET of a URL that is a secret. No text that leaves this module has any part of it.
//!
//! Plain HTTP goes to loopback and private addresses only. No redirect is followed, no proxy is used, and of the answer's body at most
//! 1 KiB is read.
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hearth_outbound::{is_private, refusal};
use http::header::{HOST, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Position, Url};

/// How long a ping may take in all.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// A longer URL is refused, in bytes.
const LONGEST: usize = 2048;
/// The most that is read of the head of an answer, in bytes; hyper's least is 8 KiB.
const MOST_HEAD: usize = 16 * 1024;
/// The most that is read of its body.
const MOST_BODY: usize = 1024;

/// Where a ping goes. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    tls: bool,
    host: Host<String>,
    port: u16,
    path: String,
}

impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Target")
    }
}

impl Target {
    /// Reads a URL from a Secret. Fails with a sentence.
    pub fn parse(value: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(value.trim_ascii()).ok();
        let url = text.filter(|text| text.len() <= LONGEST);
        let url = url.and_then(|text| Url::parse(text).ok());
        let url = url.ok_or("it is no URL like https://hc-ping.com/…")?;
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err("the URL must begin with https://".to_owned()),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the URL must have no user and no password, which are not sent".to_owned());
        }
        match (url.host(), url.port_or_known_default()) {
            (Some(host), Some(port)) => Ok(Self {
                tls,
                host: host.to_owned(),
                port,
                path: url[Position::BeforePath..Position::AfterQuery].to_owned(),
            }),
            _ => Err("the URL must have a host".to_owned()),
        }
    }

    fn authority(&self) -> String {
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => self.host.to_string(),
            _ => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Sends a ping. Fails with a sentence if nobody has accepted it within `limit`.
pub async fn send(target: &Target, limit: Duration) -> Result<(), String> {
    let sent = timeout(limit, send_unlimited(target)).await;
    sent.unwrap_or_else(|_| Err("the server has not answered in time".to_owned()))
}

async fn send_unlimited(target: &Target) -> Result<(), String> {
    let addresses = callable(target, &addresses(target).await?)?;
    let stream = connect(&addresses).await?;
    if !target.tls {
        return call(target, stream).await;
    }
    let name = match &target.host {
        Host::Domain(name) => {
            ServerName::try_from(name.clone()).map_err(|_| "the server's name cannot be in a certificate".to_owned())?
        }
        Host::Ipv4(address) => IpAddr::V4(*address).into(),
        Host::Ipv6(address) => IpAddr::V6(*address).into(),
    };
    let connector = TlsConnector::from(Arc::new(hearth_outbound::tls(None)?));
    let stream = connector.connect(name, stream).await.map_err(|failed| {
        let invalid = failed.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match invalid {
            Some(rustls::Error::InvalidCertificate(_)) => {
                "the server's certificate is not valid, or of an unknown issuer"
            }
            _ => "there is no TLS with the server",
        }
    })?;
    call(target, stream).await
}

async fn addresses(target: &Target) -> Result<Vec<SocketAddr>, String> {
    match &target.host {
        Host::Ipv4(address) => Ok(vec![(*address, target.port).into()]),
        Host::Ipv6(address) => Ok(vec![(*address, target.port).into()]),
        Host::Domain(name) => match lookup_host((name.as_str(), target.port)).await {
            Ok(found) => Ok(found.collect()),
            Err(_) => Err("the server's name cannot be resolved".to_owned()),
        },
    }
}

/// The addresses that may be called.
fn callable(target: &Target, found: &[SocketAddr]) -> Result<Vec<SocketAddr>, String> {
    let allowed = found.iter().filter(|address| refusal(address.ip()).is_none());
    let allowed: Vec<SocketAddr> = allowed.copied().collect();
    if allowed.is_empty() {
        return Err("the server has no address that is called".to_owned());
    }
    let near = |address: &SocketAddr| target.tls || is_private(address.ip());
    let near: Vec<SocketAddr> = allowed.into_iter().filter(near).collect();
    if near.is_empty() {
        return Err("the URL must begin with https://, since the server is not in a private network".to_owned());
    }
    Ok(near)
}

/// An address that drops packets leaves time for the others.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    let share = TIMEOUT / 2 / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    for address in addresses {
        if let Ok(Ok(stream)) = timeout(share, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    Err("the server cannot be reached".to_owned())
}

async fn call<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(target: &Target, stream: S) -> Result<(), String> {
    let broken = |_| "the connection has ended before the answer".to_owned();
    let request = Request::get(&target.path)
        .header(HOST, target.authority())
        .header(
            USER_AGENT,
            concat!("hearth-backup-scheduler/", env!("CARGO_PKG_VERSION")),
        )
        .body(Empty::<Bytes>::new())
        .map_err(|_| "the URL cannot be sent".to_owned())?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MOST_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // It ends with the sender and the body.
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
    judge(head.status, &begin(body).await)
}

/// The begin of a body. What cannot be read says nothing: the status has come.
async fn begin(mut body: Incoming) -> Vec<u8> {
    let mut text = Vec::new();
    while text.len() < MOST_BODY {
        let Some(Ok(frame)) = body.frame().await else {
            break;
        };
        text.extend(frame.data_ref().into_iter().flatten());
    }
    text.truncate(MOST_BODY);
    text
}

/// healthchecks.io answers 200 with `OK (not found)` and `OK (rate limited)` to pings by a UUID that it does not count.
fn judge(status: StatusCode, body: &[u8]) -> Result<(), String> {
    let code = status.as_u16();
    if status.is_redirection() {
        return Err(format!(
            "the server answers {code}: redirects are not followed, so put the address that it names into the Secret"
        ));
    }
    if !status.is_success() {
        return Err(format!("the server answers {code}"));
    }
    match body {
        _ if body.starts_with(b"OK (not found)") => Err("the server knows no such check".to_owned()),
        _ if body.starts_with(b"OK (rate limited)") => Err("the server has had too many pings".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "ping/tests.rs"]
mod tests;
