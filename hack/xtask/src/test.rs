//! `cargo xtask test`: every check, from format to the end-to-end tests, with the time of each step. CI runs this.
mod beside;
mod dependencies;
mod steps;

use std::ffi::OsString;
use std::fs;
use std::time::Instant;

use anyhow::{Result, ensure};
use hearth_cluster::arch::Arch;
use hearth_cluster::{go_tools, packages, workspace};
use tempfile::NamedTempFile;

use self::beside::Job;
use self::steps::Steps;
use crate::operators::{self, OPERATORS, Operator, Part};
use crate::target::{Target, build_and_pack};
use crate::{build, charts, e2e};

/// Names a file to which the `e2e` program appends a line for each case that failed.
const FAILURES: &str = "HEARTH_E2E_FAILURES";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the end-to-end tests; for a quick check while working
    #[arg(long)]
    no_e2e: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut steps = Steps::new();
    let verdict = all(&mut steps, args);
    steps.print();
    verdict
}

fn all(steps: &mut Steps, args: &Args) -> Result<()> {
    let host = Arch::host()?;
    steps.step("format", || {
        build::run(workspace::cargo().args(["fmt", "--all", "--check"]))
    })?;
    steps.step("clippy", || {
        build::run(build::cargo("clippy", &[host])?.args([
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ]))
    })?;
    // Test programs, operators and the programs of the end-to-end tests in one call: cargo compiles them beside each other.
    steps.step("build", || {
        build::run(build::cargo("build", &[host])?.args(["--quiet", "--workspace", "--lib", "--bins", "--tests"]))
    })?;
    steps.step("unit tests", || {
        let (moto, openbao) = (packages::moto_server()?, packages::openbao()?);
        let azure_python = packages::azure_python()?;
        let (restic, versitygw) = (go_tools::ensure("restic")?, go_tools::ensure("versitygw")?);
        build::run(
            build::cargo("test", &[host])?
                .args(["--quiet", "--workspace"])
                .env("HEARTH_MOTO", moto)
                .env("HEARTH_OPENBAO", openbao)
                .env_remove("HEARTH_VAULT")
                .env("HEARTH_AZURE_PYTHON", azure_python)
                .env("HEARTH_RESTIC", restic)
                .env("HEARTH_VERSITYGW", versitygw),
        )
    })?;
    steps.step("dependencies", dependencies::check)?;
    steps.step("charts", charts::check)?;
    if args.no_e2e {
        Ok(())
    } else {
        end_to_end(steps, &args.target)
    }
}

/// The parts of the end-to-end tests: beside each other on clusters of their own, or one after another on a cluster that is not
/// the local one.
fn end_to_end(steps: &mut Steps, target: &Target) -> Result<()> {
    let operators: Vec<&Operator> = OPERATORS.iter().collect();
    steps.step("tools and images", || {
        if !target.is_foreign() {
            hearth_cluster::ensure_tools()?;
        }
        build_and_pack(&operators)?;
        e2e::check_table()
    })?;
    let failures = NamedTempFile::new()?;
    let environment = [(FAILURES, failures.path().as_os_str().to_owned())];
    let mut failed = Vec::new();
    let mut add = |name: &str, took, passed| {
        steps.add(name, took, passed);
        if !passed {
            failed.push(name.to_owned());
        }
    };
    let mut cases = Vec::new();
    let ran = if target.is_foreign() {
        parts()
            .filter(|(_, part)| part.machines.is_empty())
            .try_for_each(|(operator, part)| {
                let begin = Instant::now();
                let passed = e2e::run_part(operator, part, target, &[], &environment)?;
                add(part.name, begin.elapsed(), passed);
                Ok(())
            })
    } else {
        beside::run_all(jobs(&environment), |ended| {
            cases.extend(steps::cases(&ended.name, &ended.output));
            add(&ended.name, ended.took, ended.passed);
        })
    };
    if !cases.is_empty() {
        steps::print_cases(cases);
    }
    ran?;
    ensure!(
        failed.is_empty(),
        "end-to-end tests failed: {}\n{}",
        failed.join(", "),
        fs::read_to_string(failures.path())?
    );
    Ok(())
}

/// The parts that are in the test command.
fn parts() -> impl Iterator<Item = (&'static Operator, &'static Part)> {
    operators::parts().filter(|(_, part)| part.in_test)
}

fn jobs(environment: &[(&'static str, OsString)]) -> Vec<Job> {
    let job = |(_, part): (&Operator, &Part)| Job {
        name: part.name.to_owned(),
        arguments: ["e2e", "--no-build", "--part", part.name].map(str::to_owned).to_vec(),
        environment: environment.to_vec(),
        minutes: part.minutes,
    };
    parts().map(job).collect()
}
