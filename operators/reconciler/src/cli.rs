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
    /// Wait until the operator at an address is ready; fail if it is not within a minute
    Ready(hearth_ready_check::Args),
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
            Self::Ready(args) => block_on(hearth_ready_check::run(args)),
        }
    }
}

fn print(crds: &[CustomResourceDefinition], mut out: impl Write) -> io::Result<()> {
    crds.iter()
        .try_for_each(|crd| writeln!(out, "{}", serde_json::to_string_pretty(crd)?))
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
    fn an_operator_can_be_run_prints_its_crds_and_can_be_asked_whether_it_is_ready() {
        let run = Cli::try_parse_from(["op", "run", "--namespace", "hearth"]).unwrap();
        assert!(matches!(run.command, Command::Run(args) if args.namespace == "hearth"));
        let crds = Cli::try_parse_from(["op", "crds"]).unwrap();
        assert!(matches!(crds.command, Command::Crds));
        let ready = Cli::try_parse_from(["op", "ready", "op.hearth.svc:8080"]).unwrap();
        assert!(matches!(ready.command, Command::Ready(_)));
        assert!(Cli::try_parse_from(["op", "ready"]).is_err());
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
