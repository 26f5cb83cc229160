//! `cargo xtask mutants`: changes the code in small ways and runs the unit tests, to find what no test notices.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use hearth_cluster::{packages, workspace};

/// The pinned version of the tool, see <https://mutants.rs>.
const VERSION: &str = "27.1.0";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The files to change, for example operators/dns-sync/src/zone/guard.rs [default: those that differ from --base]
    files: Vec<PathBuf>,
    /// The commit that the present files are compared with
    #[arg(long, default_value = "HEAD~1", value_name = "COMMIT")]
    base: String,
    /// Only list the changes that would be tried
    #[arg(long)]
    list: bool,
    /// How many changes are tried at the same time; each of them compiles in a copy of its own
    #[arg(long, default_value_t = 1)]
    jobs: u8,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(file) = args
        .files
        .iter()
        .find(|file| !is_operator_code(file) || !workspace::root().join(file).exists())
    {
        bail!(
            "{} is no code of an operator; name files such as operators/dns-sync/src/zone/guard.rs, from the root of the workspace",
            file.display()
        );
    }
    let files = if args.files.is_empty() {
        changed(&args.base)?
    } else {
        args.files.clone()
    };
    let files: Vec<&PathBuf> = files.iter().filter(|file| is_operator_code(file)).collect();
    let packages: BTreeSet<&str> = files.iter().filter_map(|file| package(file)).collect();
    if packages.is_empty() {
        eprintln!(
            "no code of an operator has changed since {}; name files to try them",
            args.base
        );
        return Ok(());
    }
    let tool = packages::cargo_tool("cargo-mutants", VERSION)?;
    let mut mutants = Command::new(tool);
    mutants.current_dir(workspace::root()).arg("mutants");
    for package in packages {
        mutants.args(["--package", package]);
    }
    for file in files {
        mutants.arg("--file").arg(file);
    }
    if args.list {
        mutants.arg("--list");
    }
    // Of a change that makes a loop endless, the tests would never end.
    mutants.args(["--jobs", &args.jobs.to_string(), "--minimum-test-timeout", "60"]);
    mutants
        .arg("--output")
        .arg(crate::build::target_directory().join("mutants"));
    // The unit tests only: that is where the planning is tested.
    mutants.args(["--", "--lib"]);
    let status = mutants.status().context("cannot run cargo-mutants")?;
    ensure!(
        status.success(),
        "some changes were not noticed by a test (they are listed above and in target/mutants), or the tests failed before any"
    );
    Ok(())
}

/// The files that differ between a commit and the working tree.
fn changed(base: &str) -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args(["diff", "--name-only", "--diff-filter=d", "--relative", base])
        .current_dir(workspace::root())
        .output()
        .context("this needs git")?;
    ensure!(
        output.status.success(),
        "git cannot compare with {base}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    Ok(names.lines().map(PathBuf::from).collect())
}

/// Whether it is code of an operator or of the shared crate, and no test.
fn is_operator_code(file: &Path) -> bool {
    let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let is_test = name.ends_with("tests") || file.iter().any(|part| part == "tests");
    package(file).is_some() && file.extension() == Some("rs".as_ref()) && !is_test
}

/// The package of a file under operators/NAME/src.
fn package(file: &Path) -> Option<&'static str> {
    let mut parts = file.iter().map(|part| part.to_str().unwrap_or_default());
    let (first, name, source) = (parts.next()?, parts.next()?, parts.next()?);
    if first != "operators" || source != "src" {
        return None;
    }
    let known = crate::operators::OPERATORS.iter();
    let operator = known
        .map(|operator| operator.package)
        .find(|package| package.strip_prefix("hearth-") == Some(name));
    operator.or((name == "reconciler").then_some("hearth-reconciler"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_operators_is_changed_and_no_test() {
        for (file, expected) in [
            ("operators/dns-sync/src/zone/guard.rs", true),
            ("operators/reconciler/src/run.rs", true),
            ("operators/dns-sync/src/zone/state/tests.rs", false),
            ("operators/dns-sync/src/zone/plan/tests/guard.rs", false),
            ("operators/reconciler/src/lease/candidate_tests.rs", false),
            ("operators/dns-sync/Cargo.toml", false),
            ("operators/unknown/src/lib.rs", false),
            ("e2e/src/lib.rs", false),
        ] {
            assert_eq!(is_operator_code(Path::new(file)), expected, "{file}");
        }
    }

    #[test]
    fn a_file_belongs_to_its_package() {
        let of = |file: &str| package(Path::new(file));
        assert_eq!(of("operators/dns-sync/src/zone/guard.rs"), Some("hearth-dns-sync"));
        assert_eq!(of("operators/reconciler/src/run.rs"), Some("hearth-reconciler"));
        assert_eq!(of("hack/xtask/src/main.rs"), None);
    }
}
