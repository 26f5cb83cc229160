//! The demo: what an operator does, told in a few screens on a real cluster. Nothing is shown that was not looked at first;
//! it ends non-zero if anything is not as told. `cargo xtask demo` starts it, once for each story.
mod dns;
mod install;
mod nodes;
mod screen;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use hearth_e2e::surroundings::Surroundings;

use crate::screen::Screen;

#[derive(Parser)]
struct Cli {
    /// The operator that the story is about
    story: Which,
    /// Without pauses, and take everything away at the end
    #[arg(long)]
    check: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Which {
    DnsSync,
    NodeClass,
}

/// A story on a cluster.
trait Tale: Sized {
    /// Makes what it needs; what an earlier telling has left goes first.
    async fn begin(screen: Screen, surroundings: Surroundings) -> Result<Self>;
    fn screen(&self) -> &Screen;
    /// From the first screen to the last.
    async fn tell(&mut self) -> Result<()>;
    /// Takes away all that it has put into the cluster.
    async fn clean(&self) -> Result<()>;
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match cli.story {
        Which::DnsSync => play::<dns::Story>(cli.check).await,
        Which::NodeClass => play::<nodes::Story>(cli.check).await,
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn play<T: Tale>(check: bool) -> Result<ExitCode> {
    let mut tale = T::begin(Screen::new(check), Surroundings::from_env()?).await?;
    let told = tale.tell().await;
    let screen = tale.screen();
    if let Err(error) = &told {
        screen.say(&format!("This is not as it should be: {error:#}"))?;
    }
    let cleaned = if check || told.is_ok() && screen.is_attended() {
        tale.clean().await
    } else {
        screen.say(
            "What the demo has made is still in the cluster; the next demo, or `cargo xtask cluster down`, removes it.",
        )
    };
    if let Err(error) = &cleaned {
        screen.say(&format!("What the demo has made could not be removed: {error:#}"))?;
    }
    let good = told.is_ok() && cleaned.is_ok();
    if good {
        screen.say("demo: everything was as shown")?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
