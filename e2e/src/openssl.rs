//! Certificates by the command `openssl`, version 3.

use std::net::IpAddr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

/// `openssl req` with the system's configuration would mark every certificate as an authority.
const CONFIG: &str = "[req]\ndistinguished_name = name\n[name]\n";

/// Runs `openssl` in a directory and returns what it wrote.
pub(crate) async fn openssl(directory: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("this needs the program openssl, version 3")?;
    if !output.status.success() {
        bail!(
            "openssl {} failed: {}",
            arguments.first().unwrap_or(&""),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(output.stdout)
}

/// A self-signed authority: `<name>.crt` and `<name>.key` in the directory.
pub(crate) async fn authority(directory: &Path, name: &str, subject: &str) -> Result<()> {
    let extensions = [
        "basicConstraints=critical,CA:TRUE",
        "keyUsage=critical,keyCertSign,cRLSign",
    ];
    certificate(directory, name, subject, None, &extensions).await
}

/// A certificate by an authority in the directory, or a self-signed one.
pub(crate) async fn certificate(
    directory: &Path,
    name: &str,
    subject: &str,
    issuer: Option<&str>,
    extensions: &[&str],
) -> Result<()> {
    tokio::fs::write(directory.join("openssl.cnf"), CONFIG).await?;
    let (key, out) = (format!("{name}.key"), format!("{name}.crt"));
    let mut arguments = vec!["req", "-x509", "-config", "openssl.cnf", "-newkey", "ec", "-pkeyopt"];
    arguments.extend([
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "3650",
        "-subj",
        subject,
    ]);
    arguments.extend(["-keyout", &key, "-out", &out]);
    let issuer = issuer.map(|issuer| (format!("{issuer}.crt"), format!("{issuer}.key")));
    if let Some((certificate, key)) = &issuer {
        arguments.extend(["-CA", certificate, "-CAkey", key]);
    }
    for extension in extensions {
        arguments.extend(["-addext", extension]);
    }
    openssl(directory, &arguments).await.map(drop)
}

/// The certificate of a server for these names and addresses: `server.crt` and `server.key` in the directory, by an authority
/// of its own, `ca.crt`.
pub(crate) async fn server_certificate(directory: &Path, name: &str, hosts: &[String]) -> Result<()> {
    authority(directory, "ca", &format!("/CN=Hearth {name}")).await?;
    let names: Vec<String> = hosts
        .iter()
        .map(|host| match host.parse::<IpAddr>() {
            Ok(address) => format!("IP:{address}"),
            Err(_) => format!("DNS:{host}"),
        })
        .collect();
    let names = format!("subjectAltName={}", names.join(","));
    let extensions = [
        "basicConstraints=critical,CA:FALSE",
        "extendedKeyUsage=serverAuth",
        &names,
    ];
    certificate(directory, "server", "/CN=server", Some("ca"), &extensions).await
}
