//! `cargo xtask …`: the tasks of this workspace beside `cargo build`.
mod bench;
mod build;
mod charts;
mod demo;
mod e2e;
mod generate;
mod image;
mod mutants;
mod operators;
mod target;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hearth_cluster::cli;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Project tasks of Hearth",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// A real Kubernetes cluster on this machine: up, down, status, kubeconfig, node …
    Cluster(cli::Args),
    /// Build operators' images as OCI archives and load them into the local cluster
    Image(image::Args),
    /// Rewrite the generated files: crds/, and the charts' copies of them
    Generate(generate::Args),
    /// Lint, render and test the charts and their alerts
    Charts(charts::Args),
    /// Format, clippy, unit tests, charts, then the end-to-end tests on clusters of their own, without the part endurance
    Test(test::Args),
    /// Only the end-to-end tests
    E2e(e2e::Args),
    /// See the operators work, each in a demo on a real cluster
    Demo(demo::Args),
    /// Measure an operator against its budgets
    Bench(bench::Args),
    /// Change the code of operators in small ways, and show what no unit test notices
    Mutants(mutants::Args),
}

fn main() -> ExitCode {
    // Errors are written for people: what was tried and what happened, without a backtrace.
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    match task {
        Task::Cluster(args) => cli::run(args),
        Task::Image(args) => image::run(&args),
        Task::Generate(args) => generate::run(args),
        Task::Charts(args) => charts::run(args),
        Task::Test(args) => test::run(&args),
        Task::E2e(args) => e2e::run(&args),
        Task::Demo(args) => demo::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Mutants(args) => mutants::run(&args),
    }
}
