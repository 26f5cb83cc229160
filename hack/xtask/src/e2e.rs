//! `cargo xtask e2e`: the end-to-end tests on a cluster.
use std::ffi::OsString;

use anyhow::{Context, Result, ensure};

use crate::operators::{self, Operator, Part};
use crate::target::{Outcome, Target, build_and_pack, harness};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// Only these parts; several with commas
    #[arg(long, value_delimiter = ',', value_parser = operators::part_names())]
    part: Vec<String>,
    /// Use the programs and images that are built already
    #[arg(long)]
    no_build: bool,
    /// Remove the cluster at the end
    #[arg(long)]
    down: bool,
    /// Only cases whose names contain one of these words
    words: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let foreign = args.target.is_foreign();
    let parts = operators::parts().filter(|(_, part)| {
        if args.part.is_empty() {
            !foreign || part.machines.is_empty()
        } else {
            args.part.iter().any(|name| name == part.name)
        }
    });
    let mut parts: Vec<(&Operator, &Part)> = parts.collect();
    if !args.no_build {
        let mut operators: Vec<&Operator> = parts.iter().map(|(operator, _)| *operator).collect();
        operators.dedup_by_key(|operator| operator.name);
        build_and_pack(&operators)?;
    }
    if !args.words.is_empty() {
        let mut wanted = Vec::new();
        for entry in parts {
            if has_cases(entry.1, &args.words)? {
                wanted.push(entry);
            }
        }
        parts = wanted;
        ensure!(
            !parts.is_empty(),
            "no case has a name that contains {}",
            args.words.join(" or ")
        );
    }
    let mut failed = Vec::new();
    for (operator, part) in parts {
        if !run_part(operator, part, &args.target, &args.words, &[])? {
            failed.push(part.name);
        }
    }
    if args.down && !foreign {
        hearth_cluster::down()?;
    }
    ensure!(failed.is_empty(), "end-to-end tests failed: {}", failed.join(", "));
    Ok(())
}

/// Runs the cases of a part, whose image is built; whether they passed.
pub(crate) fn run_part(
    operator: &Operator,
    part: &Part,
    target: &Target,
    words: &[String],
    environment: &[(&'static str, OsString)],
) -> Result<bool> {
    let mut arguments = vec![format!("--part={}", part.name)];
    arguments.extend(target.is_foreign().then(|| "--foreign".to_owned()));
    arguments.extend(words.iter().cloned());
    target.run_on(operator, part.machines, |ready| {
        for (name, value) in environment {
            ready.set(name, value);
        }
        let passed = ready.run("e2e", &arguments)?;
        Ok(Outcome { passed, stays: false })
    })
}

/// Whether a part has cases whose names contain one of the words.
fn has_cases(part: &Part, words: &[String]) -> Result<bool> {
    let output = harness("e2e")?
        .args(["--list", "--part", part.name])
        .args(words)
        .output()
        .context("cannot run e2e")?;
    ensure!(
        output.status.success(),
        "e2e cannot list the cases of {}: {}",
        part.name,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(!output.stdout.is_empty())
}
