//! Short commands whose output or failure is wanted.
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a command to its end and returns what it printed; a failure carries the command and its complaint.
pub(crate) fn run<S: AsRef<str>>(program: &str, arguments: &[S]) -> Result<String> {
    let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
    let output = Command::new(program)
        .args(&arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("failed to run {program}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{program} {}` failed ({}): {}",
            arguments.join(" "),
            output.status,
            complaint.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Like [`run`] with the arguments in one string, separated by blanks.
pub(crate) fn line(command: &str) -> Result<String> {
    let mut words = command.split_whitespace();
    run(words.next().unwrap_or_default(), &words.collect::<Vec<_>>())
}
