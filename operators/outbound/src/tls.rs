//! TLS with the system's certificates, or with those that a user gives instead.
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// The settings of a client. `ca`: PEM certificates to trust instead of the system's. Fails with a sentence about them.
pub fn tls(ca: Option<&[u8]>) -> Result<ClientConfig, String> {
    let roots = ca.map_or_else(|| Ok(system_roots()), |pem| roots_from(pem).map(Arc::new))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|_| "TLS cannot be set up".to_owned())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The certificates of a PEM text, which must have at least one.
fn roots_from(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "ca: this is not PEM".to_owned())?;
        roots
            .add(certificate)
            .map_err(|_| "ca: a certificate in it cannot be read".to_owned())?;
    }
    if roots.is_empty() {
        return Err("ca: there is no certificate in it; it must be PEM, with BEGIN CERTIFICATE".to_owned());
    }
    Ok(roots)
}

/// The system's certificates, read once: they are a few hundred kilobytes, and a new image is a new process.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let read = || {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        let (added, ignored) = roots.add_parsable_certificates(found.certs);
        if added == 0 || ignored > 0 || !found.errors.is_empty() {
            let errors = found.errors.len();
            tracing::warn!(
                added,
                ignored,
                errors,
                "some of the system's certificates cannot be read"
            );
        }
        Arc::new(roots)
    };
    ROOTS.get_or_init(read).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_that_cannot_be_used_are_refused_without_their_content() {
        for pem in [
            &b""[..],
            b"hunter2",
            b"-----BEGIN CERTIFICATE-----\nhunter2\n",
            b"-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n",
            b"-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n",
        ] {
            let why = tls(Some(pem)).unwrap_err();
            assert!(why.starts_with("ca: ") && !why.contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn the_systems_certificates_are_read_once() {
        assert!(Arc::ptr_eq(&system_roots(), &system_roots()));
        assert!(tls(None).is_ok());
    }
}
