//! Rules of deny.toml for the dependency tree that need no network: one TLS provider, no OpenSSL, no second kube. Licences and
//! advisories are checked by cargo-deny itself (`cargo deny check`).
use anyhow::{Context, Result, ensure};
use hearth_cluster::workspace;

/// An error if a crate is in the dependency tree that must not be there, or one more than once.
pub(crate) fn check() -> Result<()> {
    let output = workspace::cargo()
        .args([
            "tree",
            "--workspace",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .output()
        .context("cannot run cargo tree")?;
    ensure!(
        output.status.success(),
        "cargo tree failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let tree = String::from_utf8_lossy(&output.stdout);
    for banned in ["aws-lc-sys ", "aws-lc-rs ", "openssl-sys ", "native-tls ", "chrono "] {
        ensure!(
            !tree.lines().any(|line| line.starts_with(banned)),
            "{banned}is in the dependency tree; deny.toml gives the reason why it must not be"
        );
    }
    for once in ["kube ", "k8s-openapi ", "rustls ", "hyper ", "ring "] {
        let mut versions: Vec<&str> = tree
            .lines()
            .filter(|line| line.starts_with(once))
            .filter_map(|line| line.split_whitespace().nth(1))
            .collect();
        versions.sort_unstable();
        versions.dedup();
        ensure!(
            versions.len() == 1,
            "{once}must be in the dependency tree once, and is there as {versions:?}"
        );
    }
    Ok(())
}
