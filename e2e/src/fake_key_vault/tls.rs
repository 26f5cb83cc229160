//! The certificate of the listener, made at the start by an authority of its own.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::openssl::server_certificate;

/// What clients must trust, and how the listener speaks TLS.
pub(super) struct Identity {
    pub(super) ca: Vec<u8>,
    pub(super) config: Arc<ServerConfig>,
}

/// Makes a certificate for these names and addresses.
pub(super) async fn identity(hosts: &[String]) -> Result<Identity> {
    let directory = tempfile::tempdir()?;
    let path = directory.path();
    server_certificate(path, "fake Key Vault", hosts).await?;
    let chain = vec![CertificateDer::from_pem_file(path.join("server.crt")).context("the listener's certificate")?];
    let key = PrivateKeyDer::from_pem_file(path.join("server.key")).context("the listener's key")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Identity {
        ca: tokio::fs::read(path.join("ca.crt")).await?,
        config: Arc::new(config),
    })
}
