//! The cluster of a run: the local one, or one that a kubeconfig names. Sets the environment of the programs of the `e2e` crate
//! (`e2e/src/environment.rs`).
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hearth_cluster::arch::Arch;
use hearth_cluster::{Grace, UpOptions, go_tools, oci, packages, workspace};

use crate::build::{self, Profile};
use crate::image;
use crate::operators::Operator;

/// Which cluster.
#[derive(clap::Args, Debug, Default, Clone)]
pub(crate) struct Target {
    /// Use this cluster instead of the local one
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// With --kubeconfig: the address under which its pods reach this machine
    #[arg(long, value_name = "ADDRESS", requires = "kubeconfig")]
    host_address: Option<String>,
    /// With --kubeconfig: the command that gives the cluster an image archive, whose path is added; for kind:
    /// "kind load image-archive"
    #[arg(long, value_name = "COMMAND", requires = "kubeconfig")]
    load: Option<String>,
}

/// The result of a program.
pub(crate) struct Outcome {
    pub(crate) passed: bool,
    /// It has left something in the cluster that somebody may want to look at.
    pub(crate) stays: bool,
}

/// A cluster with an operator's image, and the environment of the programs that use it.
pub(crate) struct Ready {
    environment: Vec<(&'static str, OsString)>,
}

impl Target {
    /// Whether it is a cluster whose machines and control plane cannot be switched.
    pub(crate) fn is_foreign(&self) -> bool {
        self.kubeconfig.is_some()
    }

    /// Brings the local cluster up with these options and loads the image of an operator, which [`image::pack`] has written.
    pub(crate) fn prepare(&self, operator: &Operator, profile: Profile, options: &UpOptions) -> Result<Ready> {
        if !self.is_foreign() {
            hearth_cluster::up(options)?;
        }
        let archive = image::archive(operator);
        self.load(&archive)?;
        let kubeconfig = match &self.kubeconfig {
            Some(file) => file
                .canonicalize()
                .with_context(|| format!("--kubeconfig {}", file.display()))?,
            None => hearth_cluster::kubeconfig_path()?,
        };
        let host = match &self.host_address {
            Some(address) => address.clone(),
            None if self.is_foreign() => default_source_address()?,
            None => hearth_cluster::host_address()?,
        };
        let mut environment: Vec<(&'static str, OsString)> = vec![
            ("HEARTH_KUBECONFIG", kubeconfig.into()),
            ("HEARTH_HOST_ADDRESS", host.into()),
            ("HEARTH_HELM", go_tools::ensure("helm")?.into()),
            ("HEARTH_MOTO", packages::moto_server()?.into()),
            ("HEARTH_OPENBAO", packages::openbao()?.into()),
            ("HEARTH_RESTIC", go_tools::ensure("restic")?.into()),
            ("HEARTH_VERSITYGW", go_tools::ensure("versitygw")?.into()),
            ("HEARTH_IMAGE", oci::name(operator.name).into()),
            ("HEARTH_IMAGE_ARCHIVE", archive.into()),
            (
                "HEARTH_PROGRAM",
                build::program(operator.name, Arch::host()?, profile).into(),
            ),
            ("HEARTH_WORKSPACE", workspace::root().into()),
        ];
        if !self.is_foreign() {
            environment.push(("HEARTH_XTASK", std::env::current_exe()?.into()));
        }
        Ok(Ready { environment })
    }

    /// Runs `work` with the test build of an operator on a cluster with these machines, if any are named: they are added to the
    /// local cluster, which then notices a lost machine quickly. Afterwards it gets the machines and times that it had before,
    /// unless the outcome says that it stays.
    pub(crate) fn run_on(
        &self,
        operator: &Operator,
        machines: &[&str],
        work: impl FnOnce(&mut Ready) -> Result<Outcome>,
    ) -> Result<bool> {
        ensure!(
            machines.is_empty() || !self.is_foreign(),
            "this switches machines off and on, which only the local cluster can: leave out --kubeconfig"
        );
        let (mut before, mut options) = (None, UpOptions::default());
        if !machines.is_empty() {
            before = hearth_cluster::shape()?;
            options.nodes = machines.iter().map(|name| (*name).to_owned()).collect();
            options.grace = Some(Grace::Short);
        }
        let ready = self.prepare(operator, Profile::Dev, &options);
        let worked = ready.and_then(|mut ready| {
            if !self.is_foreign() {
                ready.set("HEARTH_PROMETHEUS", packages::prometheus("prometheus")?);
            }
            work(&mut ready)
        });
        let stays = worked.as_ref().is_ok_and(|outcome| outcome.stays);
        if let Some(before) = before.filter(|_| !stays) {
            hearth_cluster::up(&before)?;
        }
        Ok(worked?.passed)
    }

    fn load(&self, archive: &Path) -> Result<()> {
        match (&self.kubeconfig, &self.load) {
            (None, _) => hearth_cluster::load_image(archive),
            (Some(_), None) => Ok(()),
            (Some(_), Some(command)) => {
                let mut words = command.split_whitespace();
                let program = words.next().context("--load is empty")?;
                let status = Command::new(program)
                    .args(words)
                    .arg(archive)
                    .status()
                    .with_context(|| format!("cannot run {program}"))?;
                ensure!(status.success(), "{command} {} failed", archive.display());
                Ok(())
            }
        }
    }
}

impl Ready {
    /// Sets one more variable for the programs.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.environment.push((name, value.into()));
    }

    /// Runs one of the built programs of the `e2e` crate to its end; whether it succeeded.
    pub(crate) fn run(&self, program: &str, arguments: &[String]) -> Result<bool> {
        let status = harness(program)?
            .args(arguments)
            .envs(self.environment.iter().map(|(name, value)| (*name, value)))
            .status()
            .with_context(|| format!("cannot run {program}"))?;
        Ok(status.success())
    }
}

/// A built program of the `e2e` crate.
pub(crate) fn harness(program: &str) -> Result<Command> {
    let mut command = Command::new(build::program(program, Arch::host()?, Profile::Dev));
    command.current_dir(workspace::root());
    Ok(command)
}

/// Builds all operators and the programs of the `e2e` crate, and packs these operators' images.
pub(crate) fn build_and_pack(operators: &[&Operator]) -> Result<()> {
    build::test_programs()?;
    for operator in operators {
        image::pack(operator, &[Arch::host()?], Profile::Dev)?;
    }
    Ok(())
}

/// The address that this machine would use towards the outside; nothing is sent to find it.
fn default_source_address() -> Result<String> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    socket
        .connect("198.18.0.1:9")
        .context("this machine has no route; give --host-address")?;
    Ok(socket.local_addr()?.ip().to_string())
}
