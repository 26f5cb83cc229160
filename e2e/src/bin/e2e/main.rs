//! The end-to-end tests: one after another on one cluster, each with objects of its own.
//!
//! `e2e [--list] [--part PART] [words …]` runs the cases whose names contain one of the words, or all. It exits non-zero if one fails or
//! none ran. Cases that only the local cluster can show fail elsewhere unless `--foreign` leaves them out by name.
mod dns;
mod nodes;

use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
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
    /// Only those of dns-sync that leave the cluster alone (calm) or take its parts away (blackout), or those of node-class
    /// that switch nodes (nodes) or take long (endurance)
    #[arg(long)]
    part: Option<Part>,
    /// Run the cases whose names contain one of these
    words: Vec<String>,
}

/// The parts that can run at the same time, each on a cluster of its own.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// dns-sync; the cluster stays as it is, but for the operator.
    Calm,
    /// dns-sync; the API server stops, stalls, or forgets everything.
    Blackout,
    /// node-class; nodes are switched off and on. Another operator's image, so not without being asked for.
    Nodes,
    /// node-class; what takes long and needs few nodes.
    Endurance,
}

/// What the runner needs of what cases get.
pub(crate) trait Scene {
    /// After each case, whatever came of it: nothing of it must reach the next.
    async fn tidy(&self) -> Result<()>;
    /// The operator whose log is shown after a failure.
    fn operator(&self) -> &Operator;
}

/// What a case of dns-sync gets.
pub(crate) struct Stage {
    pub(crate) bed: Bed,
    pub(crate) dns: Operator,
}

impl Scene for Stage {
    async fn tidy(&self) -> Result<()> {
        self.bed.control.clear_faults();
        Ok(())
    }

    fn operator(&self) -> &Operator {
        &self.dns
    }
}

type Run<S> = for<'a> fn(&'a S) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// A namespace of a case; the next run removes it.
pub(crate) async fn namespace(client: &kube::Client, name: &str) -> Result<()> {
    hearth_e2e::install::namespace(client, name, &[(hearth_e2e::bed::LABEL, "e2e")]).await
}

/// One case.
pub(crate) struct Case<S = Stage> {
    pub(crate) name: &'static str,
    /// Needs the local cluster's switches.
    pub(crate) local: bool,
    pub(crate) run: Run<S>,
}

/// The longest that a case may take.
const LIMIT: Duration = Duration::from_mins(25);

/// Names a file to which the failures are appended too, for whoever runs several parts and tells the end.
const FAILURES: &str = "HEARTH_E2E_FAILURES";

fn tell(failed: &[String]) -> Result<()> {
    if failed.is_empty() {
        return Ok(());
    }
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
    if let Some(part @ (Part::Nodes | Part::Endurance)) = cli.part {
        let cases = wanted(&cli, nodes::cases(part));
        if cli.list {
            return list(&cases);
        }
        let stage = nodes::stage().await?;
        return play(&cli, &cases, &stage).await;
    }
    let cases = wanted(&cli, dns::cases(cli.part));
    if cli.list {
        return list(&cases);
    }
    let bed = Bed::new(Surroundings::from_env()?).await?;
    let dns = Operator::install(&bed.surroundings, &bed.client, "dns-sync", &dns::VALUES).await?;
    play(&cli, &cases, &Stage { bed, dns }).await
}

fn wanted<S>(cli: &Cli, cases: Vec<Case<S>>) -> Vec<Case<S>> {
    let wanted =
        |case: &Case<S>| cli.words.is_empty() || cli.words.iter().any(|word| case.name.contains(word.as_str()));
    cases.into_iter().filter(wanted).collect()
}

fn list<S>(cases: &[Case<S>]) -> Result<ExitCode> {
    let mut out = std::io::stdout();
    for case in cases {
        writeln!(out, "{}", case.name)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One after another.
async fn play<S: Scene>(cli: &Cli, cases: &[Case<S>], stage: &S) -> Result<ExitCode> {
    let mut out = std::io::stdout();
    let (mut passed, mut failed, mut left_out) = (0, Vec::new(), 0);
    for case in cases {
        if cli.foreign && case.local {
            writeln!(out, "{} ... left out: needs the local cluster", case.name)?;
            left_out += 1;
            continue;
        }
        write!(out, "{} ... ", case.name)?;
        out.flush()?;
        let start = Instant::now();
        let result = tokio::time::timeout(LIMIT, (case.run)(stage))
            .await
            .unwrap_or_else(|_| Err(anyhow::anyhow!("took longer than {LIMIT:?}")));
        let log = match &result {
            Ok(()) => String::new(),
            Err(_) => stage.operator().log().await.unwrap_or_default(),
        };
        // A case that passed and left something behind has failed: the next one would have to explain it.
        let tidied = stage.tidy().await;
        let took = start.elapsed().as_secs_f64();
        match result.and(tidied.context("tidying up after it")) {
            Ok(()) => {
                passed += 1;
                writeln!(out, "ok ({took:.1} s)")?;
            }
            Err(error) => {
                writeln!(out, "FAILED ({took:.1} s)\n    {error:#}")?;
                let tail: Vec<&str> = log.lines().rev().take(40).collect();
                for line in tail.iter().rev() {
                    writeln!(out, "    operator: {}", line.chars().take(240).collect::<String>())?;
                }
                failed.push(format!("{}: {error:#}", case.name));
            }
        }
    }
    for failure in &failed {
        writeln!(out, "failed: {failure}")?;
    }
    tell(&failed)?;
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
