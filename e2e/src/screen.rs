//! The output of a demo: sentences, tables, commands; pauses and colour only on a terminal.
use std::io::{BufRead, IsTerminal, Stdout, Write};

use crate::columns::columns;
use crate::environment::Environment;
use anyhow::Result;

/// The terminal, or what stands for it.
pub(crate) struct Screen {
    /// `None` in a case: nothing is shown.
    out: Option<Stdout>,
    colour: bool,
    pauses: bool,
    chapter: u32,
}

impl Screen {
    /// With `check` it does not wait for a reader.
    pub(crate) fn new(check: bool) -> Self {
        let out = std::io::stdout();
        let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let pauses = out.is_terminal() && std::io::stdin().is_terminal() && !check;
        Self {
            out: Some(out),
            colour,
            pauses,
            chapter: 0,
        }
    }

    /// Shows nothing and waits for nobody.
    pub(crate) fn silent() -> Self {
        Self {
            out: None,
            colour: false,
            pauses: false,
            chapter: 0,
        }
    }

    /// Whether somebody reads along and answers.
    pub(crate) fn is_attended(&self) -> bool {
        self.pauses
    }

    /// Begins a screen, once the reader has finished the one before.
    pub(crate) fn chapter(&mut self, title: &str) -> Result<()> {
        if self.chapter > 0 {
            self.pause("Enter goes on")?;
        }
        self.chapter += 1;
        let text = format!("{}. {title}", self.chapter);
        self.put(&format!("\n{}\n", self.painted("1", &text)))
    }

    /// Waits for Enter; the end of the input is as good.
    pub(crate) fn pause(&self, what: &str) -> Result<()> {
        if !self.pauses {
            return Ok(());
        }
        self.put(&self.painted("2", &format!("\n[{what}] ")))?;
        std::io::stdin().lock().read_line(&mut String::new())?;
        Ok(())
    }

    /// Plain sentences, broken where the width of a terminal ends.
    pub(crate) fn say(&self, text: &str) -> Result<()> {
        self.put(&format!("{}\n", wrapped(text, 100)))
    }

    /// Something that was checked.
    pub(crate) fn checked(&self, text: &str) -> Result<()> {
        self.put(&format!("  {} {text}\n", self.painted("32", "ok")))
    }

    /// A command that the reader may run.
    pub(crate) fn command(&self, text: &str) -> Result<()> {
        self.put(&format!("  {} {text}\n", self.painted("36", "$")))
    }

    /// Lines as they came.
    pub(crate) fn lines(&self, lines: &[String]) -> Result<()> {
        lines.iter().try_for_each(|line| self.put(&format!("    {line}\n")))
    }

    /// A table, the first row its head.
    pub(crate) fn table(&self, rows: &[Vec<String>]) -> Result<()> {
        let text = columns(rows, 2);
        let (head, body) = text.split_once('\n').unwrap_or((&text, ""));
        self.put(&format!("\n{}\n{body}\n", self.painted("1", head)))
    }

    fn put(&self, text: &str) -> Result<()> {
        let Some(out) = &self.out else { return Ok(()) };
        let mut out = out.lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// The commands to follow in another terminal.
pub(crate) fn commands_to_follow(screen: &Screen, environment: &Environment, operator: &str) -> Result<()> {
    screen.say("Follow in another terminal:")?;
    screen.command(&format!("export KUBECONFIG={}", environment.kubeconfig.display()))?;
    if environment.control.is_some() {
        screen.command("alias kubectl=$(cargo xtask cluster tool kubectl)")?;
    }
    screen.command(&format!(
        "kubectl --namespace hearth-system logs deployment/{operator} --follow"
    ))
}

/// The end of the last screen. `local`: the cluster is ours.
pub(crate) fn good_bye(screen: &Screen, local: bool, stays: &str) -> Result<()> {
    if local {
        screen.say("The local cluster stays up until you take it down:")?;
        screen.command("cargo xtask cluster down")?;
    }
    screen.say("")?;
    screen.pause(&format!(
        "{stays}; Enter removes what the demo has made, Ctrl-C leaves it"
    ))
}

fn wrapped(text: &str, width: usize) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out += word;
        column += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_broken_between_words() {
        assert_eq!(wrapped("one two  three\nfour", 9), "one two\nthree\nfour");
        assert_eq!(wrapped("averylongword x", 5), "averylongword\nx");
        assert_eq!(wrapped("", 5), "");
    }
}
