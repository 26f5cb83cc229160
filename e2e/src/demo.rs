//! The demos: an operator's story, narrated on a terminal. The same story runs as a silent case of its end-to-end part.
use anyhow::Result;

use crate::environment::Environment;
use crate::screen::Screen;

/// How a demo runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Without pauses, and remove everything at the end.
    pub check: bool,
}

/// An operator's story on a cluster.
pub(crate) trait Story: Sized {
    /// Installs what it needs; what an earlier run has left is removed first.
    async fn begin(screen: &Screen, environment: Environment) -> Result<Self>;
    /// From the first screen to the last.
    async fn run(&mut self, screen: &mut Screen) -> Result<()>;
    /// Removes all that it has put into the cluster.
    async fn remove(&self) -> Result<()>;
}

/// Runs a story with narration; whether everything was as shown.
pub(crate) async fn play<S: Story>(options: Options) -> Result<bool> {
    let check = options.check;
    let mut screen = Screen::new(check);
    let mut story = S::begin(&screen, Environment::from_env()?).await?;
    let shown = story.run(&mut screen).await;
    if let Err(error) = &shown {
        screen.say(&format!("This is not as it should be: {error:#}"))?;
    }
    let removed = if check || shown.is_ok() && screen.is_attended() {
        story.remove().await
    } else {
        screen.say(
            "What the demo has made is still in the cluster; the next demo, or `cargo xtask cluster down`, removes it.",
        )
    };
    if let Err(error) = &removed {
        screen.say(&format!("What the demo has made could not be removed: {error:#}"))?;
    }
    let passed = shown.is_ok() && removed.is_ok();
    if passed {
        screen.say("demo: everything was as shown")?;
    }
    Ok(passed)
}
