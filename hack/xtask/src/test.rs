//! `cargo xtask test`: everything, from format to the end-to-end tests, with a time per step. CI runs this.
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::e2e::{self, FAILURES};
use crate::place::Place;
use crate::{charts, cluster, demo, tools};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the end-to-end tests; for a quick look while working, not for a verdict
    #[arg(long)]
    no_e2e: bool,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut steps = Steps::default();
    let verdict = all(&mut steps, args);
    steps.print();
    verdict
}

fn all(steps: &mut Steps, args: &Args) -> Result<()> {
    steps.step("format", || cargo(&["fmt", "--all", "--check"], &[]))?;
    steps.step("clippy", || {
        cargo(
            &[
                "clippy",
                "--quiet",
                "--workspace",
                "--all-targets",
                "--",
                "--deny",
                "warnings",
            ],
            &[],
        )
    })?;
    steps.step("unit tests", || {
        let moto = tools::python_venv(&Path::new(tools::workspace()).join("hack/tools/moto/requirements.txt"))?;
        cargo(
            &["test", "--quiet", "--workspace"],
            &[("HEARTH_MOTO", moto.as_os_str())],
        )
    })?;
    steps.step("dependencies", deny)?;
    steps.step("charts", charts::check)?;
    if args.no_e2e {
        Ok(())
    } else {
        on_a_cluster(steps, &args.place)
    }
}

/// The end-to-end tests and the demo. The demo is run even if tests failed: what it shows helps to see why.
fn on_a_cluster(steps: &mut Steps, place: &Place) -> Result<()> {
    let was_up = place.kubeconfig.is_some() || cluster::is_up();
    let mut ready = steps.step("cluster and image", || place.prepare("dns-sync", "e2e"))?;
    let failures = tempfile::NamedTempFile::new()?;
    ready.set(FAILURES, failures.path());
    let passed = steps.step("end-to-end tests", || {
        if place.kubeconfig.is_some() {
            return ready.run("e2e", &["--foreign".to_owned()]);
        }
        // Much is waited out: that has a cluster of its own meanwhile.
        let beside = Beside::start(failures.path())?;
        let calm = ready.run("e2e", &["--part=calm".to_owned()]);
        let nodes = e2e::nodes(&e2e::NODES, place, &[], Some(failures.path()));
        Ok(beside.finish()? && calm? && nodes?)
    });
    let told = steps.step("demo --check", || {
        let dns_sync = demo::dns_sync(&ready, true)?;
        // Its machines can be switched off, as those of a cluster that is not ours cannot.
        Ok(dns_sync && (place.kubeconfig.is_some() || demo::node_class(place, true)?))
    });
    if !was_up {
        steps.step("cluster down", cluster::down)?;
    }
    ensure!(
        passed?,
        "end-to-end tests failed:\n{}",
        std::fs::read_to_string(failures.path())?
    );
    ensure!(told?, "the demo did not go as it should");
    Ok(())
}

/// The cases that take a cluster's parts away, on a second one.
struct Beside {
    child: Child,
    output: tempfile::NamedTempFile,
}

impl Beside {
    fn start(failures: &Path) -> Result<Self> {
        let output = tempfile::NamedTempFile::new()?;
        let file = output.reopen()?;
        let child = Command::new(std::env::current_exe()?)
            .args(["e2e", "--part=blackout", "--down"])
            .env("HEARTH_CLUSTER_HOME", cluster::second_home()?)
            .env(FAILURES, failures)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("cannot run the second part of the end-to-end tests")?;
        Ok(Self { child, output })
    }

    /// Waits for its end and shows what it said; whether it succeeded.
    fn finish(mut self) -> Result<bool> {
        let status = self.child.wait()?;
        eprintln!("-- blackouts, on a cluster of their own:");
        eprint!("{}", std::fs::read_to_string(self.output.path())?);
        Ok(status.success())
    }
}

fn cargo(arguments: &[&str], environment: &[(&str, &std::ffi::OsStr)]) -> Result<()> {
    let mut command = tools::cargo();
    command
        .args(arguments)
        .current_dir(tools::workspace())
        .envs(environment.iter().copied());
    ensure!(
        command.status().context("cannot run cargo")?.success(),
        "cargo {} failed",
        arguments.join(" ")
    );
    Ok(())
}

/// What deny.toml demands of the dependency tree that needs no network: one TLS provider, no OpenSSL, no second kube.
/// Licences and advisories are cargo-deny's own business (`cargo deny check`).
fn deny() -> Result<()> {
    let output = tools::cargo()
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
        .current_dir(tools::workspace())
        .output()
        .context("cannot run cargo tree")?;
    let tree = String::from_utf8_lossy(&output.stdout);
    for banned in ["aws-lc-sys ", "aws-lc-rs ", "openssl-sys ", "native-tls ", "chrono "] {
        ensure!(
            !tree.lines().any(|line| line.starts_with(banned)),
            "{banned}is in the dependency tree; deny.toml says why it must not be"
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
            "{once}stands in the dependency tree as {versions:?}; one is wanted"
        );
    }
    Ok(())
}

#[derive(Default)]
struct Steps(Vec<(&'static str, Duration)>);

impl Steps {
    fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("== {name}");
        let start = Instant::now();
        let result = work();
        let took = start.elapsed();
        self.0.push((name, took));
        let outcome = if result.is_ok() { "done" } else { "FAILED" };
        eprintln!("== {name}: {outcome} in {:.0} s", took.as_secs_f64());
        result
    }

    fn print(&self) {
        for (name, took) in &self.0 {
            eprintln!("{:>7.0} s  {name}", took.as_secs_f64());
        }
        let all: Duration = self.0.iter().map(|(_, took)| *took).sum();
        eprintln!("{:>7.0} s  altogether", all.as_secs_f64());
    }
}
