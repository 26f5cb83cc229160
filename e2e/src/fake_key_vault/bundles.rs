//! All forms of a certificate with its key and chain, by the command `openssl`.

use std::path::Path;

use anyhow::{Result, bail};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use super::store::Bundle;
use crate::openssl::{authority, certificate, openssl};

/// A key, its certificate and an intermediate one, as one PEM text in this order. The root is not in it.
pub async fn make_chain(common_name: &str) -> Result<String> {
    let directory = tempfile::tempdir()?;
    let path = directory.path();
    authority(path, "root", "/CN=Hearth test root").await?;
    let extensions = [
        "basicConstraints=critical,CA:TRUE",
        "keyUsage=critical,keyCertSign,cRLSign",
    ];
    certificate(
        path,
        "intermediate",
        "/CN=Hearth test intermediate",
        Some("root"),
        &extensions,
    )
    .await?;
    let names = format!("subjectAltName=DNS:{common_name}");
    let subject = format!("/CN={common_name}");
    let extensions = ["basicConstraints=critical,CA:FALSE", &names];
    certificate(path, "leaf", &subject, Some("intermediate"), &extensions).await?;
    let mut text = String::new();
    for file in ["leaf.key", "leaf.crt", "intermediate.crt"] {
        text += &tokio::fs::read_to_string(path.join(file)).await?;
    }
    Ok(text)
}

/// All forms of a certificate from its PEM. Unless `keeps_order`, the key and its own certificate come first.
pub(super) async fn bundle_of_pem(pem: &str, keeps_order: bool) -> Result<Bundle> {
    let directory = tempfile::tempdir()?;
    let path = directory.path();
    tokio::fs::write(path.join("all.pem"), pem).await?;
    openssl(
        path,
        &[
            "pkcs12", "-export", "-in", "all.pem", "-passout", "pass:", "-out", "all.pfx",
        ],
    )
    .await?;
    bundle(path, "", keeps_order.then(|| blocks(pem))).await
}

/// All forms of a certificate from its PKCS#12.
pub(super) async fn bundle_of_pfx(pfx: &[u8], password: &str) -> Result<Bundle> {
    let directory = tempfile::tempdir()?;
    let path = directory.path();
    tokio::fs::write(path.join("all.pfx"), pfx).await?;
    bundle(path, password, None).await
}

async fn bundle(path: &Path, password: &str, pem: Option<String>) -> Result<Bundle> {
    let password = format!("pass:{password}");
    let read = ["pkcs12", "-in", "all.pfx", "-passin", &password, "-nodes"];
    let own = openssl(path, &[&read[..], &["-clcerts"]].concat()).await?;
    let own = blocks(&String::from_utf8(own)?);
    if !own.contains("PRIVATE KEY") || !own.contains("BEGIN CERTIFICATE") {
        bail!("a private key and its certificate are needed");
    }
    let chain = openssl(path, &[&read[..], &["-cacerts", "-nokeys"]].concat()).await?;
    let pem = pem.unwrap_or_else(|| key_first(&own) + &blocks(&String::from_utf8_lossy(&chain)));
    tokio::fs::write(path.join("ordered.pem"), &pem).await?;
    tokio::fs::write(path.join("own.pem"), &own).await?;
    openssl(
        path,
        &[
            "pkcs12",
            "-export",
            "-in",
            "ordered.pem",
            "-passout",
            "pass:",
            "-out",
            "open.pfx",
        ],
    )
    .await?;
    let der = openssl(path, &["x509", "-in", "own.pem", "-outform", "der"]).await?;
    tokio::fs::write(path.join("own.der"), &der).await?;
    let thumbprint = openssl(path, &["dgst", "-sha1", "-binary", "own.der"]).await?;
    Ok(Bundle {
        pem,
        pfx: BASE64_STANDARD.encode(tokio::fs::read(path.join("open.pfx")).await?),
        cer: BASE64_STANDARD.encode(der),
        thumbprint: BASE64_URL_SAFE_NO_PAD.encode(thumbprint),
    })
}

/// The blocks of a PEM text without what stands between them.
fn blocks(text: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    for line in text.lines() {
        inside |= line.starts_with("-----BEGIN ");
        if inside {
            kept.push_str(line);
            kept.push('\n');
        }
        inside &= !line.starts_with("-----END ");
    }
    kept
}

/// The same blocks with the private key before the certificates.
fn key_first(text: &str) -> String {
    match text.find("-----BEGIN PRIVATE KEY-----") {
        Some(at) if at > 0 => {
            let end = "-----END PRIVATE KEY-----\n";
            let (before, rest) = text.split_at(at);
            match rest.find(end) {
                Some(length) => {
                    let (key, after) = rest.split_at(length + end.len());
                    format!("{key}{before}{after}")
                }
                None => text.to_owned(),
            }
        }
        _ => text.to_owned(),
    }
}
