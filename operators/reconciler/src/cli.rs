//! The commands that every operator has. An operator with more of its own flattens [`Command`] into its enum with
//! `#[command(flatten)]`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::start::block_on;

/// What to do; `R` are the operator's arguments.
#[derive(clap::Subcommand, Debug)]
pub enum Command<R: clap::Args> {
    /// Run the operator
    Run(Box<R>),
    /// Print the CustomResourceDefinitions as JSON, one after another
    Crds,
}

impl<R: clap::Args> Command<R> {
    /// Does it; the result is that of `main`.
    pub fn execute<F>(self, crds: &[CustomResourceDefinition], run: impl FnOnce(R) -> F) -> ExitCode
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        match self {
            Self::Run(args) => block_on(run(*args)),
            Self::Crds => print(crds, io::stdout().lock()).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        }
    }
}

fn print(crds: &[CustomResourceDefinition], mut out: impl Write) -> io::Result<()> {
    for crd in crds {
        serde_json::to_writer_pretty(&mut out, crd)?;
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Args;

    #[derive(Parser)]
    struct Cli {
        #[command(subcommand)]
        command: Command<Args>,
    }

    #[test]
    fn an_operator_can_be_run_and_prints_its_crds() {
        let run = Cli::try_parse_from(["op", "run", "--namespace", "hearth"]).unwrap();
        assert!(matches!(run.command, Command::Run(args) if args.namespace == "hearth"));
        let crds = Cli::try_parse_from(["op", "crds"]).unwrap();
        assert!(matches!(crds.command, Command::Crds));
    }

    #[test]
    fn crds_are_printed_as_json_one_after_another() {
        let mut out = Vec::new();
        print(
            &[CustomResourceDefinition::default(), CustomResourceDefinition::default()],
            &mut out,
        )
        .unwrap();
        let documents = serde_json::Deserializer::from_slice(&out).into_iter::<CustomResourceDefinition>();
        assert_eq!(documents.map(Result::unwrap).count(), 2);
    }
}
