//! `cargo xtask generate`: the generated files. The same tests that find them stale write them.
use anyhow::{Context, ensure};

use crate::tools;

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> anyhow::Result<()> {
    let status = tools::cargo()
        .args([
            "test",
            "--quiet",
            "--workspace",
            "--lib",
            "the_files_in_crds_are_current",
        ])
        .env("HEARTH_UPDATE", "1")
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the tests that write the generated files failed");
    Ok(())
}
