//! `cargo xtask generate`: the generated files. The same tests that find them stale write them.
use std::process::Command;

use anyhow::{Context, ensure};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> anyhow::Result<()> {
    let status = Command::new(env!("CARGO"))
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
