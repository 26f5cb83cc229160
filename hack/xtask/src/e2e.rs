//! `cargo xtask e2e`: the end-to-end tests on a cluster.
use std::ffi::OsString;

use anyhow::{Context, Result, ensure};
use hearth_cluster::arch::Arch;
use hearth_cluster::go_tools;
use serde::Deserialize;

use crate::build;
use crate::operators::{self, OPERATORS, Operator, Part};
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
    /// Instead, the tests of the Vault client on HashiCorp Vault, without a cluster. Vault is built first, once, in about 12 min
    #[arg(long, conflicts_with_all = ["part", "no_build", "down", "words", "kubeconfig"])]
    vault: bool,
    /// Only cases whose names contain one of these words
    words: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.vault {
        return vault_client();
    }
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

/// The tests of the Vault client, which `cargo xtask test` runs on `OpenBao`, on `HashiCorp` Vault.
fn vault_client() -> Result<()> {
    let vault = go_tools::ensure("vault")?;
    build::run(
        build::cargo("test", &[Arch::host()?])?
            .args(["--package", "hearth-e2e", "--test", "vault"])
            .env("HEARTH_VAULT", vault)
            // Both would leave open which one is tested.
            .env_remove("HEARTH_OPENBAO"),
    )
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

/// An error unless the `e2e` program has the same parts, with the same machines, as the table of this program.
pub(crate) fn check_table() -> Result<()> {
    let output = harness("e2e")?.arg("--parts").output().context("cannot run e2e")?;
    let theirs: Vec<Row> = serde_json::from_slice(&output.stdout).context("cannot read `e2e --parts`")?;
    let ours: Vec<Row> = OPERATORS.iter().map(Row::new).collect();
    for operator in &theirs {
        ensure!(
            ours.contains(operator),
            "the programs e2e and xtask differ about {operator:?}: compare hack/xtask/src/operators.rs"
        );
    }
    ensure!(
        ours.len() == theirs.len(),
        "the program e2e has {} operators, xtask has {}",
        theirs.len(),
        ours.len()
    );
    Ok(())
}

/// An operator in the output of `e2e --parts`.
#[derive(Debug, PartialEq, Deserialize)]
struct Row {
    operator: String,
    demo: Demo,
    parts: Vec<RowPart>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Demo {
    machines: Vec<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct RowPart {
    name: String,
    machines: Vec<String>,
    by_request: bool,
}

impl Row {
    fn new(operator: &Operator) -> Self {
        let machines = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let part = |part: &Part| RowPart {
            name: part.name.to_owned(),
            machines: machines(part.machines),
            by_request: !part.in_test,
        };
        Self {
            operator: operator.name.to_owned(),
            demo: Demo {
                machines: machines(operator.demo_machines),
            },
            parts: operator.parts.iter().map(part).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn vault_is_chosen_alone() {
        let parse = |arguments: &str| Command::try_parse_from(["e2e"].into_iter().chain(arguments.split_whitespace()));
        assert!(parse("--vault").is_ok_and(|command| command.args.vault));
        for other in ["--part secrets", "--no-build", "--down", "word", "--kubeconfig file"] {
            let refused = parse(&format!("--vault {other}")).err();
            let kind = refused.map(|error| error.kind());
            assert_eq!(kind, Some(clap::error::ErrorKind::ArgumentConflict), "{other}");
            assert!(parse(other).is_ok(), "{other}");
        }
    }
}
