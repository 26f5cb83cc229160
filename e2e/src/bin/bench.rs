//! Measures an operator against the budgets of its design: on a real API server, installed by its chart. Exits non-zero when a
//! budget is broken. `cargo xtask bench OPERATOR` starts it.
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use hearth_e2e::{bench, operators};

#[derive(Parser)]
struct Cli {
    /// The operator
    operator: String,
    /// The numbers of objects to measure at: Services of dns-sync (0,1000,10000 unless given), nodes of node-class (0,20,1000),
    /// SecretSyncs of secret-sync (0,1000)
    #[arg(long, value_delimiter = ',')]
    scales: Vec<u32>,
    /// One JSON line per scale on standard output; the rest goes to standard error
    #[arg(long)]
    json: bool,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let options = bench::Options {
        scales: cli.scales,
        json: cli.json,
    };
    let kept = (operators::find(&cli.operator)?.bench)(options).await?;
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
