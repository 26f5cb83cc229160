//! Building this workspace: tests, the operators of the end-to-end tests, clippy and releases all use the same target, so that
//! cargo compiles a dependency once for all of them.
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use hearth_cluster::arch::Arch;
use hearth_cluster::{packages, workspace};

use crate::operators::{OPERATORS, Operator};

/// Cargo's profile of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Profile {
    /// As the tests are built: quick to have.
    Dev,
    /// As it is shipped: small; building takes minutes.
    Release,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
        }
    }

    fn directory(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// The package with the programs `e2e` and `bench`.
const HARNESS: &str = "hearth-e2e";

/// A cargo command that compiles for these architectures. Missing targets and cross compilers are installed first.
pub(crate) fn cargo(subcommand: &str, archs: &[Arch]) -> Result<Command> {
    let mut cargo = workspace::cargo();
    cargo.arg(subcommand);
    for &arch in archs {
        let target = arch.target();
        ensure_target(&target)?;
        cargo.args(["--target", &target]);
        let variable = target.replace('-', "_");
        let compiler = if arch.is_host() {
            // ring compiles a little C and would look for a cross compiler. The host's works, since it needs no C library.
            "gcc".to_owned()
        } else {
            let (program, [compiler, headers]) = (arch.cross_compiler(), arch.cross_packages());
            packages::debian(&[&compiler, &headers])?;
            set_default(
                &mut cargo,
                format!("CARGO_TARGET_{}_LINKER", variable.to_uppercase()),
                &program,
            );
            program
        };
        set_default(&mut cargo, format!("CC_{variable}"), &compiler);
    }
    Ok(cargo)
}

/// Sets a variable that the user has not set.
fn set_default(command: &mut Command, name: String, value: &str) {
    if std::env::var_os(&name).is_none() {
        command.env(name, value);
    }
}

/// Runs a command to its end. An error if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let arguments: Vec<OsString> = command.get_args().map(Into::into).collect();
    ensure!(
        status.success(),
        "cargo {} failed",
        arguments.join(" ".as_ref()).display()
    );
    Ok(())
}

/// Builds operators for some architectures in one call of cargo.
pub(crate) fn operators(operators: &[&Operator], archs: &[Arch], profile: Profile) -> Result<()> {
    let mut cargo = cargo("build", archs)?;
    cargo.args(["--profile", profile.name(), "--bins"]);
    for operator in operators {
        cargo.args(["--package", operator.package]);
    }
    run(&mut cargo)
}

/// Builds all operators and the programs of the end-to-end tests in one call of cargo, with what the unit tests have compiled:
/// the package of these programs turns on the same features of dependencies as the unit tests do.
pub(crate) fn test_programs() -> Result<()> {
    let mut cargo = cargo("build", &[Arch::host()?])?;
    cargo.args(["--quiet", "--bins", "--package", HARNESS]);
    for operator in OPERATORS {
        cargo.args(["--package", operator.package]);
    }
    run(&mut cargo)
}

/// Where a built program is.
pub(crate) fn program(name: &str, arch: Arch, profile: Profile) -> PathBuf {
    target_directory()
        .join(arch.target())
        .join(profile.directory())
        .join(name)
}

/// Cargo's target directory.
pub(crate) fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace::root().join("target"), PathBuf::from)
}

/// Adds a target to the toolchain in use. Without rustup, cargo itself reports what is missing.
fn ensure_target(target: &str) -> Result<()> {
    let rustup = |arguments: &[&str]| {
        Command::new("rustup")
            .args(arguments)
            .current_dir(workspace::root())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_a_released_operator() {
        let manifest = std::fs::read_to_string(workspace::root().join("Cargo.toml")).unwrap();
        let (_, release) = manifest.split_once("[profile.release]\n").unwrap();
        let release = release.split("\n[").next().unwrap();
        assert!(release.contains("panic = \"abort\"\n"), "{release}");
    }

    #[test]
    fn programs_of_each_profile_are_where_cargo_writes_them() {
        let end = |profile| program("dns-sync", Arch::Arm64, profile);
        assert!(end(Profile::Dev).ends_with("aarch64-unknown-linux-musl/debug/dns-sync"));
        assert!(end(Profile::Release).ends_with("aarch64-unknown-linux-musl/release/dns-sync"));
    }
}
