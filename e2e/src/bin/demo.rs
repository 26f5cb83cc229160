//! The demo: what an operator does, in a few screens on a real cluster. Everything is checked before it is shown; the program
//! exits non-zero if anything is not as shown. `cargo xtask demo` starts it.
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use hearth_e2e::{demo, operators};

#[derive(Parser)]
struct Cli {
    /// The operator that is shown
    operator: String,
    /// Without pauses, and remove everything at the end
    #[arg(long)]
    check: bool,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let options = demo::Options { check: cli.check };
    let shown = match operators::find(&cli.operator) {
        Ok(operator) => (operator.demo.run)(options).await,
        Err(error) => Err(error),
    };
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
