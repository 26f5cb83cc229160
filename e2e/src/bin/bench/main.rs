//! Measures an operator against the budgets of its design: on a real API server, installed by its chart. Ends non-zero when a budget
//! is broken. `cargo xtask bench OPERATOR` starts it; what is measured and how stands in `dns` and `nodes`, each figure's meaning in
//! their `figures`.
mod budget;
mod dns;
mod figures;
mod image;
mod mass;
mod nodes;
mod replicas;
mod restart;
mod steps;
mod writes;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use hearth_e2e::install::Operator;
use hearth_e2e::surroundings::Surroundings;
use hearth_e2e::table::columns;

use crate::budget::Line;

#[derive(Parser)]
struct Cli {
    /// The operator
    operator: Which,
    /// The numbers of objects to measure at: Services of dns-sync (0,1000,10000 unless given), nodes of node-class (0,20,1000)
    #[arg(long, value_delimiter = ',')]
    scales: Vec<u32>,
    /// One JSON line per scale on standard output; what is beside it goes to standard error
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    DnsSync,
    NodeClass,
}

/// What the runner needs of an operator's measurement.
pub(crate) trait Measurement {
    /// Scales unless others are asked for, and the largest that works.
    const SCALES: &[u32];
    const LARGEST: u32;

    /// Measures with so many objects.
    async fn scale(&self, objects: u32) -> Result<Measured>;
    /// Stops the operator and removes what was made, so that nothing of one measurement is in the next. Also what an earlier run
    /// has left.
    async fn clear(&self) -> Result<()>;
    /// The operator whose log is shown after a failure.
    fn operator(&self) -> &Operator;
}

/// What came of a scale.
pub(crate) struct Measured {
    /// The figures as one line.
    pub(crate) json: String,
    pub(crate) lines: Vec<Line>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let image_bytes = image::bytes()?;
    let surroundings = Surroundings::from_env()?;
    match cli.operator {
        Which::DnsSync => run(&dns::Bench::new(surroundings, image_bytes).await?, &cli).await,
        Which::NodeClass => run(&nodes::Bench::new(surroundings, image_bytes).await?, &cli).await,
    }
}

async fn run<M: Measurement>(bench: &M, cli: &Cli) -> Result<ExitCode> {
    let asked = if cli.scales.is_empty() { M::SCALES } else { &cli.scales };
    ensure!(
        asked.iter().all(|&scale| scale <= M::LARGEST),
        "a scale is at most {}",
        M::LARGEST
    );
    bench.clear().await?;
    let measured = scales(bench, asked, cli.json).await;
    if let Err(error) = &measured {
        eprintln!("the measurement failed: {error:#}");
        let log = bench.operator().log().await.unwrap_or_default();
        eprintln!("{}", log.lines().rev().take(20).collect::<Vec<_>>().join("\n"));
    }
    bench.clear().await?;
    bench.operator().uninstall().await?;
    Ok(if measured? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// All scales; whether every budget was kept.
async fn scales<M: Measurement>(bench: &M, scales: &[u32], json: bool) -> Result<bool> {
    let mut broken = Vec::new();
    for &objects in scales {
        let measured = bench
            .scale(objects)
            .await
            .with_context(|| format!("at {objects} objects"))?;
        let missed = measured.lines.iter().filter(|line| !line.is_kept());
        broken.extend(missed.map(|line| format!("{objects} objects: {}", line.what)));
        let head = [format!("{objects} OBJECTS"), "MEASURED".to_owned(), "BUDGET".to_owned()].to_vec();
        let rows: Vec<Vec<String>> = [head]
            .into_iter()
            .chain(measured.lines.iter().map(Line::cells))
            .collect();
        let table = columns(&rows, 0);
        if json {
            writeln!(std::io::stdout(), "{}", measured.json)?;
            eprintln!("{table}");
        } else {
            writeln!(std::io::stdout(), "{table}")?;
        }
        bench.clear().await?;
    }
    for line in &broken {
        eprintln!("broken: {line}");
    }
    Ok(broken.is_empty())
}
