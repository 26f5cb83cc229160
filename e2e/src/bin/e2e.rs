//! Runs the end-to-end cases on a cluster. `cargo xtask e2e` starts it.
//!
//! `e2e [--list] [--part PART] [words …]` runs the cases whose names contain one of the words, or all of the part. It exits
//! non-zero if one fails or none ran. Cases that only the local cluster can show fail elsewhere unless `--foreign` leaves them
//! out by name.
use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use hearth_e2e::operator::Part;
use hearth_e2e::operators::{self, OPERATORS};
use hearth_e2e::runner::{Options, Report};

#[derive(Parser)]
struct Cli {
    /// Only print the names of the cases
    #[arg(long)]
    list: bool,
    /// Only print the operators, their parts and the machines that each needs, as JSON
    #[arg(long)]
    parts: bool,
    /// Leave out, by name, what needs switches of the local cluster
    #[arg(long)]
    foreign: bool,
    /// Only the cases of this part; without it those of all parts that any cluster can run
    #[arg(long)]
    part: Option<String>,
    /// The most cases that run at the same time
    #[arg(long, default_value_t = 4)]
    jobs: usize,
    /// Run the cases whose names contain one of these
    words: Vec<String>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    // Errors are written for people: what was tried and what came, without the way through the code.
    match run(Cli::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether it succeeded.
async fn run(cli: Cli) -> Result<bool> {
    let mut out = std::io::stdout();
    if cli.parts {
        writeln!(out, "{}", operators::table())?;
        return Ok(true);
    }
    let parts: Vec<&Part> = match &cli.part {
        Some(name) => vec![operators::part(name)?],
        None => OPERATORS
            .iter()
            .flat_map(|operator| operator.parts)
            .filter(|part| part.machines.is_empty() && !part.by_request)
            .collect(),
    };
    let options = Options {
        foreign: cli.foreign,
        jobs: cli.jobs,
        words: cli.words,
    };
    let mut report = Report::default();
    for part in parts {
        if cli.list {
            for name in (part.names)().into_iter().filter(|name| options.select(name)) {
                writeln!(out, "{name}")?;
            }
        } else {
            report.add((part.run)(options.clone()).await?);
        }
    }
    if cli.list {
        Ok(true)
    } else {
        report.finish(cli.part.as_deref())
    }
}
