//! `cargo xtask image`: operators as OCI archives.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hearth_cluster::arch::Arch;
use hearth_cluster::{oci, packages};

use crate::build::{self, Profile};
use crate::operators::{self, Operator};

/// Build operators' images as OCI archives and load them into the local cluster.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The operators
    #[arg(required = true, value_name = "OPERATOR", value_parser = operators::names())]
    operators: Vec<String>,
    /// Cargo profile
    #[arg(long, value_enum, default_value = "dev")]
    profile: Profile,
    /// The architectures; several become one archive with an image index [default: this machine's]
    #[arg(long, value_enum, value_delimiter = ',')]
    arch: Vec<Arch>,
    /// Start each program once, under QEMU where the architecture is not this machine's
    #[arg(long)]
    check: bool,
    /// Only write target/images/<operator>.tar
    #[arg(long)]
    no_load: bool,
    /// Load them with this command instead, which gets an archive as its last argument
    #[arg(long, value_name = "COMMAND", conflicts_with = "no_load")]
    load_with: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let operators = args
        .operators
        .iter()
        .map(|name| operators::find(name))
        .collect::<Result<Vec<_>>>()?;
    let mut archs = args.arch.clone();
    archs.sort_unstable();
    archs.dedup();
    if archs.is_empty() {
        archs.push(Arch::host()?);
    }
    if args.profile == Profile::Dev && archs == [Arch::host()?] {
        build::test_programs()?;
    } else {
        build::operators(&operators, &archs, args.profile)?;
    }
    if args.check {
        for operator in &operators {
            archs.iter().try_for_each(|&arch| check(operator, arch, args.profile))?;
        }
    }
    for operator in operators {
        let archive = pack(operator, &archs, args.profile)?;
        println!("{}", archive.display());
        if let [arch] = archs[..] {
            let (name, arch) = (operator.name, arch.oci_name());
            eprintln!(
                "{name} is for {arch} only: if the cluster has other nodes, install it with image.architectures={{{arch}}}"
            );
        }
        load(args, operator, &archive)?;
    }
    Ok(())
}

fn load(args: &Args, operator: &Operator, archive: &Path) -> Result<()> {
    if let Some(command) = &args.load_with {
        let status = Command::new("sh")
            .args(["-c", &format!("{command} \"$1\""), "sh"])
            .arg(archive)
            .status()?;
        ensure!(status.success(), "`{command}` failed ({status})");
    } else if !args.no_load {
        if hearth_cluster::is_up() {
            hearth_cluster::load_image(archive)?;
        } else {
            eprintln!("no local cluster is up, so {} was not loaded anywhere", operator.name);
        }
    }
    Ok(())
}

/// Where [`pack`] writes an operator's image.
pub(crate) fn archive(operator: &Operator) -> PathBuf {
    build::target_directory()
        .join("images")
        .join(format!("{}.tar", operator.name))
}

/// Packs a built operator, with one image for each architecture.
pub(crate) fn pack(operator: &Operator, archs: &[Arch], profile: Profile) -> Result<PathBuf> {
    let image = |&arch: &Arch| {
        let binary = stripped(&build::program(operator.name, arch, profile), arch, profile)?;
        let mut image = oci::Image::new(operator.name, arch, binary)?;
        for tool in operator.tools {
            image.add(tool.read(&tool.source(arch)?)?);
        }
        Ok(image)
    };
    let images = archs.iter().map(image).collect::<Result<Vec<_>>>()?;
    let archive = archive(operator);
    oci::write(&images, &archive)?;
    Ok(archive)
}

/// A program without debug information, which only the release profile leaves out itself.
fn stripped(binary: &Path, arch: Arch, profile: Profile) -> Result<Vec<u8>> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("failed to read {}", path.display()));
    if profile == Profile::Release {
        return read(binary);
    }
    let strip = if arch.is_host() {
        "strip".to_owned()
    } else {
        arch.cross_compiler().replace("gcc", "strip")
    };
    let output = tempfile::NamedTempFile::new()?;
    let status = Command::new(&strip)
        .arg("-o")
        .args([output.path(), binary])
        .status()
        .with_context(|| format!("cannot run {strip}; it comes with the C compiler"))?;
    ensure!(status.success(), "{strip} {} failed", binary.display());
    read(output.path())
}

/// Starts a built operator, which must print its CRDs, and each program that its image has beside it.
fn check(operator: &Operator, arch: Arch, profile: Profile) -> Result<()> {
    let (name, arch_name) = (operator.name, arch.oci_name());
    let text = start(&build::program(name, arch, profile), arch, &["crds"])?;
    ensure!(
        text.contains("CustomResourceDefinition"),
        "{name} for {arch_name} does not print its CRDs"
    );
    eprintln!("{name} for {arch_name} starts and prints its CRDs");
    for tool in operator.tools.iter().filter(|tool| !tool.check.is_empty()) {
        let text = start(&tool.source(arch)?, arch, tool.check)?;
        let line = text.lines().next().unwrap_or_default();
        eprintln!("{} for {arch_name} starts: {line}", tool.tool);
    }
    Ok(())
}

/// Runs a program of an architecture, which must succeed, and returns its output.
fn start(program: &Path, arch: Arch, arguments: &[&str]) -> Result<String> {
    let mut command = if arch.is_host() {
        Command::new(program)
    } else {
        packages::debian(&["qemu-user"])?;
        let mut emulator = Command::new(arch.emulator());
        emulator.arg(program);
        emulator
    };
    let output = command
        .args(arguments)
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(
        output.status.success(),
        "{} {} for {} fails ({}): {}",
        program.display(),
        arguments.join(" "),
        arch.oci_name(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
