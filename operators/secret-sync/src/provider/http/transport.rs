//! What a call without a complete answer means, in our words: the text of an error may contain what a server sent.
use std::error::Error;
use std::io;

use rustls::CertificateError;

use super::address::NameError;
use crate::provider::{Failure, Reason};

/// The failure of a call. `at` is the server's host and port.
pub fn transport_failure(error: &reqwest::Error, at: &str) -> Failure {
    if let Some(tls) = find::<rustls::Error>(error) {
        return Failure::new(Reason::TlsFailed, format!("no TLS with {at}: {}", tls_text(tls)));
    }
    let text = if let Some(name) = find::<NameError>(error) {
        format!("{at} cannot be reached: {name}")
    } else if error.is_timeout() {
        format!("{at} has not answered in time; is it up, and does a firewall drop packets?")
    } else if let Some(kind) = connect_error(error) {
        format!("{at} cannot be reached: {}", connect_text(kind))
    } else if find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
        format!("{at} does not answer with HTTP")
    } else {
        format!("{at} has closed the connection before its answer was complete")
    };
    Failure::new(Reason::Unreachable, text)
}

/// The first error of a type among the causes, also within I/O errors.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    // Causes are a list; the limit is for one that is not.
    let mut next = Some(error);
    for _ in 0..20 {
        let current = next?;
        if let Some(found) = current.downcast_ref() {
            return Some(found);
        }
        // `source` of an I/O error is the source of what is in it, not that itself.
        let inner = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => current.source(),
        };
    }
    None
}

fn connect_error(error: &reqwest::Error) -> Option<io::ErrorKind> {
    if !error.is_connect() {
        return None;
    }
    Some(find::<io::Error>(error).map_or(io::ErrorKind::Other, io::Error::kind))
}

fn connect_text(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionRefused => "it refuses the connection; is the server running on this port?",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "there is no route to it",
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => "it closes the connection at once",
        _ => "the connection fails",
    }
}

fn tls_text(error: &rustls::Error) -> &'static str {
    use CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::UnknownIssuer => {
                "its certificate is from an unknown issuer; set `ca` to the certificate of the issuer"
            }
            Bad::Expired | Bad::ExpiredContext { .. } => {
                "its certificate has expired; renew it there, and check the clocks"
            }
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => "its certificate is not valid yet; check the clocks",
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "its certificate is for another name; use a name that is in the certificate"
            }
            Bad::Revoked => "its certificate is revoked",
            Bad::BadSignature => {
                "its certificate is not signed by what `ca` names; set `ca` to the certificate of the issuer"
            }
            _ => "its certificate is not accepted; it must be a certificate for a server, and `ca` must be its issuer",
        },
        rustls::Error::InvalidMessage(_) => "it does not speak TLS on this port",
        rustls::Error::AlertReceived(_) => "it refuses the handshake; does it require a client certificate?",
        rustls::Error::PeerIncompatible(_) => "it offers no version or cipher of TLS 1.2 or 1.3 that is safe",
        rustls::Error::NoCertificatesPresented => "it presents no certificate",
        _ => "the handshake fails",
    }
}
