//! Container images without Docker and without a registry: one static binary, written as an OCI archive by this program.
//!
//! The same inputs give the same archive to the byte: no time of day, no user's name.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{cluster, tools};

/// What "nonroot" is in the images that people know.
const USER: &str = "65532:65532";
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

/// Build an operator's image and load it into the local cluster.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The operator, as its binary is called: dns-sync, …
    operator: String,
    /// Cargo profile: `e2e` builds fast, `release` is what is shipped
    #[arg(long, default_value = "e2e")]
    profile: String,
    /// Only write target/images/<operator>.tar
    #[arg(long)]
    no_load: bool,
    /// Load it with this command instead, which gets the archive as its last argument
    #[arg(long, value_name = "COMMAND", conflicts_with = "no_load")]
    load_with: Option<String>,
}

pub(crate) fn run(args: Args) -> Result<()> {
    let Args {
        operator,
        profile,
        no_load,
        load_with,
    } = args;
    let archive = build(&operator, &profile)?;
    println!("{}", archive.display());
    if let Some(command) = load_with {
        let status = Command::new("sh")
            .args(["-c", &format!("{command} \"$1\""), "sh"])
            .arg(&archive)
            .status()?;
        ensure!(status.success(), "`{command}` failed ({status})");
    } else if !no_load {
        if cluster::is_up() {
            cluster::load_image(&archive)?;
        } else {
            eprintln!("no local cluster is up, so {operator} was not loaded anywhere");
        }
    }
    Ok(())
}

/// The name under which the cluster knows an image of this workspace.
pub(crate) fn name(program: &str) -> String {
    format!("localhost/hearth/{program}:dev")
}

/// Compiles an operator and packs it as `target/images/<operator>.tar`.
pub(crate) fn build(operator: &str, profile: &str) -> Result<PathBuf> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    ensure_target(&target)?;
    let package = format!("hearth-{operator}");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args([
            "build",
            "--target",
            &target,
            "--profile",
            profile,
            "--package",
            &package,
            "--bin",
            operator,
        ])
        // ring compiles a little C and would look for a cross compiler; the host's serves, it needs no C library.
        .env(format!("CC_{}", target.replace('-', "_")), "gcc")
        .current_dir(tools::workspace())
        .status()?;
    ensure!(status.success(), "building {package} failed");
    let archive = target_directory().join("images").join(format!("{operator}.tar"));
    pack(&binary(operator, profile), operator, &archive)?;
    Ok(archive)
}

/// Where [`build`] leaves the static binary.
pub(crate) fn binary(operator: &str, profile: &str) -> PathBuf {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let directory = if profile == "dev" { "debug" } else { profile };
    target_directory().join(target).join(directory).join(operator)
}

fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| tools::workspace().join("target"), PathBuf::from)
}

/// Adds the musl target to the toolchain in use. Without rustup, cargo itself says what is missing.
fn ensure_target(target: &str) -> Result<()> {
    let rustup = |arguments: &[&str]| {
        Command::new("rustup")
            .args(arguments)
            .current_dir(tools::workspace())
            .output()
    };
    let Ok(installed) = rustup(&["target", "list", "--installed"]) else {
        return Ok(());
    };
    if String::from_utf8_lossy(&installed.stdout)
        .lines()
        .any(|line| line.trim() == target)
    {
        return Ok(());
    }
    eprintln!("adding the target {target}");
    let added = rustup(&["target", "add", target])?;
    if !added.status.success() {
        let complaint = String::from_utf8_lossy(&added.stderr);
        bail!(
            "static binaries need the target {target}, and rustup could not add it: {}",
            complaint.trim()
        );
    }
    Ok(())
}

/// Packs a static binary as an image named [`name`]; it lies at `/<program>` and is the entry point.
pub(crate) fn pack(binary: &Path, program: &str, archive: &Path) -> Result<()> {
    let content = fs::read(binary).with_context(|| format!("failed to read {}", binary.display()))?;
    let authorities = fs::read(Path::new("/").join(AUTHORITIES)).context("install the package ca-certificates")?;
    let layer = layer(program, &content, &authorities)?;
    let bytes = layout(program, &layer)?;
    if let Some(parent) = archive.parent() {
        fs::create_dir_all(parent)?;
    }
    let partial = archive.with_extension("partial");
    fs::write(&partial, bytes)?;
    fs::rename(&partial, archive).with_context(|| format!("failed to write {}", archive.display()))
}

fn layer(program: &str, binary: &[u8], authorities: &[u8]) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for directory in ["etc/", "etc/ssl/", "etc/ssl/certs/"] {
        append(&mut tar, directory, 0o755, &[])?;
    }
    append(
        &mut tar,
        "etc/passwd",
        0o644,
        b"root:x:0:0::/:\nnonroot:x:65532:65532::/:\n",
    )?;
    append(&mut tar, AUTHORITIES, 0o644, authorities)?;
    append(&mut tar, program, 0o755, binary)?;
    Ok(tar.into_inner()?)
}

/// The files of an OCI image layout around one layer.
fn layout(program: &str, layer: &[u8]) -> Result<Vec<u8>> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    // Hashed once: an unoptimised build of this program needs a second for every 10 MB.
    let layer_digest = digest(layer);
    let config = serde_json::to_vec(&json!({
        "architecture": architecture,
        "os": "linux",
        "config": {
            "User": USER,
            "Entrypoint": [format!("/{program}")],
            "Env": ["PATH=/", format!("SSL_CERT_FILE=/{AUTHORITIES}")],
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        "history": [{"created_by": "cargo xtask image"}],
    }))?;
    let config_digest = digest(&config);
    let manifest = serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config_digest, &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer_digest, layer)],
    }))?;
    let manifest_digest = digest(&manifest);
    let mut entry = descriptor(
        "application/vnd.oci.image.manifest.v1+json",
        &manifest_digest,
        &manifest,
    );
    entry["annotations"] =
        json!({"io.containerd.image.name": name(program), "org.opencontainers.image.ref.name": "dev"});
    let index = serde_json::to_vec(&json!({"schemaVersion": 2, "manifests": [entry]}))?;

    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, "oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    append(&mut tar, "index.json", 0o644, &index)?;
    for (digest, blob) in [
        (manifest_digest, &manifest[..]),
        (config_digest, &config),
        (layer_digest, layer),
    ] {
        append(&mut tar, &format!("blobs/{}", digest.replace(':', "/")), 0o644, blob)?;
    }
    Ok(tar.into_inner()?)
}

fn descriptor(media_type: &str, digest: &str, blob: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest, "size": blob.len()})
}

fn digest(blob: &[u8]) -> String {
    Sha256::digest(blob)
        .iter()
        .fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// A name that ends in `/` is a directory.
fn append(tar: &mut tar::Builder<Vec<u8>>, name: &str, mode: u32, content: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(if name.ends_with('/') {
        tar::EntryType::Directory
    } else {
        tar::EntryType::Regular
    });
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    tar.append_data(&mut header, name, content).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use super::*;

    fn unpack(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(archive);
        let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.path().unwrap().display().to_string(), content)
        };
        archive.entries().unwrap().map(read).collect()
    }

    #[test]
    fn every_digest_in_the_archive_leads_to_its_blob() {
        let layer = layer("dns-sync", b"binary", b"authorities").unwrap();
        let files = unpack(&layout("dns-sync", &layer).unwrap());
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"]
                .as_str()
                .unwrap()
                .replace("sha256:", "blobs/sha256/");
            assert_eq!(descriptor["size"], files[&digest].len());
            files[&digest].clone()
        };
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let manifest: Value = serde_json::from_slice(&blob(&index["manifests"][0])).unwrap();
        let config: Value = serde_json::from_slice(&blob(&manifest["config"])).unwrap();
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["config"]["Entrypoint"], json!(["/dns-sync"]));
        let inside = unpack(&blob(&manifest["layers"][0]));
        assert_eq!(inside["dns-sync"], b"binary");
        assert_eq!(inside["etc/ssl/certs/ca-certificates.crt"], b"authorities");
    }

    #[test]
    fn the_same_inputs_give_the_same_bytes() {
        let once = || layout("a", &layer("a", b"x", b"y").unwrap()).unwrap();
        assert_eq!(once(), once());
    }
}
