//! `cargo xtask generate`: the generated files. The same tests that find them stale write them; the charts get copies.
use hearth_cluster::arch::Arch;

use crate::{build, charts};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> anyhow::Result<()> {
    // The whole workspace, so that dependencies are those of the other tests.
    let mut cargo = build::cargo("test", &[Arch::host()?])?;
    cargo.args(["--quiet", "--workspace", "--lib", "the_files_in_crds_are_current"]);
    build::run(cargo.env("HEARTH_UPDATE", "1"))?;
    charts::crds::write()
}
