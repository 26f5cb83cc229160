//! Where a run takes place: the local cluster, or one that a kubeconfig names. Sets what the `e2e` programs ask of the
//! environment (`e2e/src/surroundings.rs`).
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{cluster, image, tools};

/// Which cluster.
#[derive(clap::Args, Debug, Default, Clone)]
pub(crate) struct Place {
    /// Use this cluster instead of the local one
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// With --kubeconfig: the address under which its pods reach this machine
    #[arg(long, value_name = "ADDRESS", requires = "kubeconfig")]
    pub(crate) host_address: Option<String>,
    /// With --kubeconfig: the command that gives the cluster an image archive, whose path is added; for kind:
    /// "kind load image-archive"
    #[arg(long, value_name = "COMMAND", requires = "kubeconfig")]
    pub(crate) load: Option<String>,
}

/// The machines of node-class' demo: `home-1` is there anyway, two stay on, two are a desktop's.
pub(crate) const HOME: [&str; 5] = ["home-1", "mini-1", "mini-2", "talos03", "talos08"];

/// What came of a program.
pub(crate) struct Outcome {
    pub(crate) passed: bool,
    /// It has left something in the cluster that somebody may want to look at.
    pub(crate) stays: bool,
}

/// A place that is ready: cluster up, image loaded, tools there.
pub(crate) struct Ready {
    environment: Vec<(&'static str, OsString)>,
}

impl Place {
    /// Brings up what is missing. `profile` is the build profile of the operator's image.
    pub(crate) fn prepare(&self, operator: &str, profile: &str) -> Result<Ready> {
        if self.kubeconfig.is_none() {
            cluster::up(&cluster::UpOptions::default())?;
        }
        let archive = image::build(operator, profile)?;
        self.load(&archive)?;
        let kubeconfig = match &self.kubeconfig {
            Some(file) => file
                .canonicalize()
                .with_context(|| format!("--kubeconfig {}", file.display()))?,
            None => cluster::kubeconfig_path()?,
        };
        let host = match &self.host_address {
            Some(address) => address.clone(),
            None if self.kubeconfig.is_some() => default_source_address()?,
            None => cluster::host_address()?,
        };
        let workspace = tools::workspace();
        let moto = tools::python_venv(&Path::new(workspace).join("hack/tools/moto/requirements.txt"))?;
        let mut environment: Vec<(&'static str, OsString)> = vec![
            ("HEARTH_KUBECONFIG", kubeconfig.into()),
            ("HEARTH_HOST_ADDRESS", host.into()),
            ("HEARTH_HELM", tools::ensure("helm")?.into()),
            ("HEARTH_MOTO", moto.into()),
            ("HEARTH_IMAGE", image::name(operator).into()),
            ("HEARTH_IMAGE_ARCHIVE", archive.into()),
            ("HEARTH_PROGRAM", image::binary(operator, profile).into()),
            ("HEARTH_WORKSPACE", workspace.into()),
        ];
        if self.kubeconfig.is_none() {
            environment.push(("HEARTH_XTASK", std::env::current_exe()?.into()));
        }
        Ok(Ready { environment })
    }

    /// Gives the local cluster the machines that node-class' programs ask for, and short times; runs `work` on it; then the
    /// cluster gets its own shape back, unless `work` says that it shall stay.
    pub(crate) fn on_machines(
        &self,
        machines: &[&str],
        work: impl FnOnce(&mut Ready) -> Result<Outcome>,
    ) -> Result<bool> {
        ensure!(
            self.kubeconfig.is_none(),
            "node-class is shown on machines that are switched off and on, which only the local cluster can: leave out --kubeconfig"
        );
        let before = cluster::shape()?;
        cluster::up(&cluster::UpOptions {
            nodes: machines.iter().map(|name| (*name).to_owned()).collect(),
            grace: Some(cluster::Grace::Short),
            ..cluster::UpOptions::default()
        })?;
        let worked = self.prepare("node-class", "e2e").and_then(|mut ready| work(&mut ready));
        let stays = worked.as_ref().is_ok_and(|outcome| outcome.stays);
        if let Some(before) = before.filter(|_| !stays) {
            cluster::up(&before)?;
        }
        Ok(worked?.passed)
    }

    fn load(&self, archive: &Path) -> Result<()> {
        match (&self.kubeconfig, &self.load) {
            (None, _) => cluster::load_image(archive),
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

    /// Runs one of the programs of the `e2e` crate to its end; whether it succeeded.
    pub(crate) fn run(&self, program: &str, arguments: &[String]) -> Result<bool> {
        let mut command = tools::cargo();
        command
            .args(["run", "--quiet", "--package", "hearth-e2e", "--bin", program, "--"])
            .args(arguments);
        command
            .current_dir(tools::workspace())
            .envs(self.environment.iter().map(|(name, value)| (*name, value)));
        Ok(command.status().context("cannot run cargo")?.success())
    }
}

/// The address that this machine would use towards the outside; nothing is sent to find it.
fn default_source_address() -> Result<String> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    socket
        .connect("198.18.0.1:9")
        .context("this machine has no route; give --host-address")?;
    Ok(socket.local_addr()?.ip().to_string())
}
