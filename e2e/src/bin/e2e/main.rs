//! The end-to-end tests: one after another on one cluster, each with zones and namespaces of its own.
//!
//! `e2e [--list] [--part PART] [words …]` runs the cases whose names contain one of the words, or all. It exits non-zero if one fails or
//! none ran. Cases that only the local cluster can show fail elsewhere unless `--foreign` leaves them out by name.
mod dns;

use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use hearth_e2e::bed::Bed;
use hearth_e2e::install::Operator;
use hearth_e2e::surroundings::Surroundings;

#[derive(Parser)]
struct Cli {
    /// Only print the names of the cases
    #[arg(long)]
    list: bool,
    /// Leave out, by name, what needs switches of the local cluster
    #[arg(long)]
    foreign: bool,
    /// Only those that leave the cluster alone, or only those that take its parts away
    #[arg(long)]
    part: Option<Part>,
    /// Run the cases whose names contain one of these
    words: Vec<String>,
}

/// The parts that can run at the same time, each on a cluster of its own.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// The cluster stays as it is, but for the operator.
    Calm,
    /// The API server stops, stalls, or forgets everything.
    Blackout,
}

/// What a case gets.
pub(crate) struct Stage {
    pub(crate) bed: Bed,
    pub(crate) dns: Operator,
}

type Run = for<'a> fn(&'a Stage) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// A namespace of a case; the next run removes it.
pub(crate) async fn namespace(client: &kube::Client, name: &str) -> Result<()> {
    hearth_e2e::install::namespace(client, name, &[(hearth_e2e::bed::LABEL, "e2e")]).await
}

/// One case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Needs the local cluster's switches.
    pub(crate) local: bool,
    pub(crate) run: Run,
}

/// The longest that a case may take.
const LIMIT: Duration = Duration::from_mins(15);

/// Names a file to which the failures are appended too, for whoever runs several parts and tells the end.
const FAILURES: &str = "HEARTH_E2E_FAILURES";

fn tell(failed: &[String]) -> Result<()> {
    let Some(path) = std::env::var_os(FAILURES) else {
        return Ok(());
    };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    Ok(writeln!(file, "{}", failed.join("\n"))?)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    // Errors are written for people: what was tried and what came, without the way through the code.
    match run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let wanted = |case: &Case| cli.words.is_empty() || cli.words.iter().any(|word| case.name.contains(word.as_str()));
    let cases: Vec<Case> = dns::cases(cli.part).into_iter().filter(wanted).collect();
    let mut out = std::io::stdout();
    if cli.list {
        for case in &cases {
            writeln!(out, "{}", case.name)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let surroundings = Surroundings::from_env()?;
    let bed = Bed::new(surroundings).await?;
    let dns = Operator::install(&bed.surroundings, &bed.client, "dns-sync", &dns::VALUES).await?;
    let stage = Stage { bed, dns };
    let (mut passed, mut failed, mut left_out) = (0, Vec::new(), 0);
    for case in &cases {
        if cli.foreign && case.local {
            writeln!(out, "{} ... left out: needs the local cluster", case.name)?;
            left_out += 1;
            continue;
        }
        write!(out, "{} ... ", case.name)?;
        out.flush()?;
        let start = Instant::now();
        let result = tokio::time::timeout(LIMIT, (case.run)(&stage))
            .await
            .unwrap_or_else(|_| Err(anyhow::anyhow!("took longer than {LIMIT:?}")));
        stage.bed.control.clear_faults();
        let took = start.elapsed().as_secs_f64();
        match result {
            Ok(()) => {
                passed += 1;
                writeln!(out, "ok ({took:.1} s)")?;
            }
            Err(error) => {
                writeln!(out, "FAILED ({took:.1} s)\n    {error:#}")?;
                failed.push(format!("{}: {error:#}", case.name));
            }
        }
    }
    if !failed.is_empty() {
        let log = stage.dns.log().await.unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(40).collect();
        for line in tail.iter().rev() {
            writeln!(out, "    operator: {}", line.chars().take(240).collect::<String>())?;
        }
        for failure in &failed {
            writeln!(out, "failed: {failure}")?;
        }
        tell(&failed)?;
    }
    if left_out > 0 {
        writeln!(out, "{left_out} cases were left out")?;
    }
    writeln!(out, "e2e: {passed} passed, {} failed", failed.len())?;
    Ok(if failed.is_empty() && passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
