//! Connections to a server: its name, its address, TLS.
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hearth_outbound::refusal;
use rustls::CertificateError;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Host;

use super::endpoint::Endpoint;
use super::errors::{Failure, Reason};

/// A connection, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How connections to one server are made.
pub(super) struct Connector {
    host: Host<String>,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    limit: Duration,
}

impl Connector {
    /// Fails with a sentence about the field that is wrong. It makes no connection.
    pub(super) fn new(endpoint: &Endpoint, ca: Option<&[u8]>, limit: Duration) -> Result<Self, String> {
        let tls = if endpoint.tls {
            let config = hearth_outbound::tls(ca)?;
            let name = match &endpoint.host {
                Host::Domain(name) => ServerName::try_from(name.clone())
                    .map_err(|_| "endpoint: its host cannot be in a certificate".to_owned())?,
                Host::Ipv4(address) => IpAddr::V4(*address).into(),
                Host::Ipv6(address) => IpAddr::V6(*address).into(),
            };
            Some((TlsConnector::from(Arc::new(config)), name))
        } else {
            None
        };
        Ok(Self {
            host: endpoint.host.clone(),
            port: endpoint.port,
            tls,
            limit,
        })
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<Box<dyn Stream>, Failure> {
        let silence = "it has not answered in time; is it up, and does a firewall drop packets?";
        match timeout(self.limit, self.connect_unlimited()).await {
            Ok(result) => result,
            Err(_) => Err(self.unreachable(silence)),
        }
    }

    async fn connect_unlimited(&self) -> Result<Box<dyn Stream>, Failure> {
        let stream = self.connect_tcp().await?;
        // Requests are written in one piece.
        let _ = stream.set_nodelay(true);
        let Some((tls, name)) = &self.tls else {
            return Ok(Box::new(stream));
        };
        match tls.connect(name.clone(), stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(self.tls_failure(&error)),
        }
    }

    async fn connect_tcp(&self) -> Result<TcpStream, Failure> {
        let addresses = self.addresses().await?;
        let share = self.limit / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let mut last = io::ErrorKind::TimedOut;
        for address in addresses {
            // An address that drops packets, as a broken IPv6, leaves time for the others.
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error.kind(),
                Err(_) => {}
            }
        }
        Err(self.unreachable(connect_text(last)))
    }

    /// The addresses of the host that may be called.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, Failure> {
        let found: Vec<SocketAddr> = match &self.host {
            Host::Ipv4(address) => vec![(*address, self.port).into()],
            Host::Ipv6(address) => vec![(*address, self.port).into()],
            Host::Domain(name) => match lookup_host((name.as_str(), self.port)).await {
                Ok(found) => found.collect(),
                Err(_) => return Err(self.unreachable("its name cannot be resolved")),
            },
        };
        let refused = found
            .iter()
            .find_map(|address| Some((address.ip(), refusal(address.ip())?)));
        let callable = found.into_iter().filter(|address| refusal(address.ip()).is_none());
        let callable: Vec<_> = callable.collect();
        match refused {
            Some((address, kind)) if callable.is_empty() => {
                Err(self.unreachable(&format!("{address} is {kind} and is not called")))
            }
            None if callable.is_empty() => Err(self.unreachable("its name has no address")),
            _ => Ok(callable),
        }
    }

    fn unreachable(&self, why: &str) -> Failure {
        let message = format!("{}:{} cannot be reached: {why}", self.host, self.port);
        Failure::new(Reason::Unreachable, message)
    }

    fn tls_failure(&self, error: &io::Error) -> Failure {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let Some(tls) = tls else {
            return self.unreachable(connect_text(error.kind()));
        };
        let reason = match tls {
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
                Reason::UnknownIssuer
            }
            _ => Reason::Unreachable,
        };
        let message = format!("no TLS with {}:{}: {}", self.host, self.port, tls_text(tls));
        Failure::new(reason, message)
    }
}

fn connect_text(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionRefused => "it refuses the connection; is the server running on this port?",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "there is no route to it",
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => "it closes the connection at once",
        io::ErrorKind::TimedOut => "it has not answered in time; is it up, and does a firewall drop packets?",
        _ => "the connection fails",
    }
}

fn tls_text(error: &rustls::Error) -> &'static str {
    use CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::UnknownIssuer => {
                "its certificate is from an unknown issuer; set `s3.ca` to the certificate of the issuer"
            }
            Bad::BadSignature => {
                "its certificate is not signed by what `s3.ca` names; set `s3.ca` to the certificate of the issuer"
            }
            Bad::Expired | Bad::ExpiredContext { .. } => {
                "its certificate has expired; renew it there, and check the clocks"
            }
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => "its certificate is not valid yet; check the clocks",
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "its certificate is for another name; set `endpoint` to a name that is in the certificate"
            }
            Bad::Revoked => "its certificate is revoked",
            _ => {
                "its certificate is not accepted; it must be a certificate for a server, and `s3.ca` must be its issuer"
            }
        },
        rustls::Error::InvalidMessage(_) => "it does not speak TLS on this port; is `endpoint` http://?",
        rustls::Error::AlertReceived(_) => "it refuses the handshake; does it require a client certificate?",
        rustls::Error::PeerIncompatible(_) => "it offers no version or cipher of TLS 1.2 or 1.3 that is safe",
        rustls::Error::NoCertificatesPresented => "it presents no certificate",
        _ => "the handshake fails",
    }
}

#[cfg(test)]
#[path = "connect/tests.rs"]
mod tests;
