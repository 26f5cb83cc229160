//! `cargo xtask generate`: the generated files. The same tests that find them stale write them.
use hearth_cluster::arch::Arch;

use crate::build;
use crate::operators::OPERATORS;

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> anyhow::Result<()> {
    let mut cargo = build::cargo("test", &[Arch::host()?])?;
    for operator in OPERATORS {
        cargo.args(["--package", operator.package]);
    }
    cargo.args(["--quiet", "--lib", "the_files_in_crds_are_current"]);
    build::run(cargo.env("HEARTH_UPDATE", "1"))
}
