//! Running commands: short ones for their output, long ones with their output in a file.
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a long command reports that it still runs.
const REPORT_EVERY: Duration = Duration::from_mins(1);

/// Runs a command to its end and returns its standard output; a failure carries the command and its standard error.
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

/// Runs a long command with its output in a file. The end of the file is in the error when the command fails.
pub(crate) fn run_logged(command: &mut Command, label: &str, log: &Path) -> Result<()> {
    let output = File::create(log)?;
    let begin = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("failed to run {}", command.get_program().display()))?;
    let mut next = REPORT_EVERY;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begin.elapsed() > next {
            eprintln!("  {label} is still running after {} min", next.as_secs() / 60);
            next += REPORT_EVERY;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    if !status.success() {
        let text = fs::read_to_string(log).unwrap_or_default();
        let tail: Vec<&str> = text.lines().rev().take(40).collect();
        bail!(
            "{label} failed ({status}):\n{}",
            tail.into_iter().rev().collect::<Vec<_>>().join("\n")
        );
    }
    eprintln!("  {label} is ready after {} s", begin.elapsed().as_secs());
    Ok(())
}
