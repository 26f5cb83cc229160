//! The demo: what dns-sync does, told in a few screens on a real cluster with a stand-in for Route 53. Nothing is shown
//! that was not looked at first; it ends non-zero if anything is not as told. `cargo xtask demo` starts it.
mod home;
mod install;
mod screen;
mod states;
mod story;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use hearth_e2e::bed::Bed;
use hearth_e2e::install::Operator;
use hearth_e2e::surroundings::Surroundings;

use crate::install::Before;
use crate::screen::Screen;
use crate::story::Story;

#[derive(Parser)]
struct Cli {
    /// Without pauses, and take everything away at the end
    #[arg(long)]
    check: bool,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    match run(&Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<ExitCode> {
    let screen = Screen::new(cli.check);
    let surroundings = Surroundings::from_env()?;
    let client = surroundings.client().await?;
    let before = Before::look(&surroundings, &client).await?;
    install::clear(&client).await?;
    screen.say("The chart is being installed; a moment, please.")?;
    let bed = Bed::new(surroundings).await?;
    let operator = Operator::install(&bed.surroundings, &bed.client, "dns-sync", &before.values()).await?;

    let mut story = Story {
        screen,
        bed,
        operator: operator.clone(),
    };
    let told = story.tell().await;
    let cleaned = if cli.check || told.is_ok() && story.screen.is_attended() {
        before.restore(&operator).await
    } else {
        story.screen.say(
            "What the demo has made is still in the cluster; the next demo, or `cargo xtask cluster down`, removes it.",
        )
    };
    if let Err(error) = &told {
        story.screen.say(&format!("This is not as it should be: {error:#}"))?;
    }
    if let Err(error) = &cleaned {
        story
            .screen
            .say(&format!("What the demo has made could not be removed: {error:#}"))?;
    }
    let good = told.is_ok() && cleaned.is_ok();
    if good {
        story.screen.say("demo: everything was as shown")?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
