//! Where the tests run: any cluster that a kubeconfig names. `cargo xtask` sets the variables.
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::process::Command;

/// The cluster's kubeconfig.
pub(crate) const KUBECONFIG: &str = "HEARTH_KUBECONFIG";
/// The helm program.
pub(crate) const HELM: &str = "HEARTH_HELM";
/// The address under which pods reach servers on this machine.
pub(crate) const HOST_ADDRESS: &str = "HEARTH_HOST_ADDRESS";
/// The program whose `cluster` subcommand rules the local cluster; not set on a cluster that is not ours.
pub(crate) const XTASK: &str = "HEARTH_XTASK";
/// The operator's image, `registry/repository:tag`.
pub(crate) const IMAGE: &str = "HEARTH_IMAGE";
/// The operator's program, as it is in the image.
pub(crate) const PROGRAM: &str = "HEARTH_PROGRAM";
/// The folder with `charts/`.
pub(crate) const WORKSPACE: &str = "HEARTH_WORKSPACE";

/// The environment of one run.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    /// The cluster's kubeconfig.
    pub(crate) kubeconfig: PathBuf,
    /// The helm program.
    pub(crate) helm: PathBuf,
    /// The address under which pods reach servers on this machine.
    pub(crate) host: IpAddr,
    /// The operator's image.
    pub(crate) image: String,
    /// The operator's program, to run outside the cluster.
    pub(crate) program: PathBuf,
    /// The folder with `charts/`.
    pub(crate) workspace: PathBuf,
    /// What rules the local cluster.
    pub(crate) control: Option<ClusterControl>,
}

impl Environment {
    /// From the environment that `cargo xtask e2e` sets.
    pub(crate) fn from_env() -> Result<Self> {
        let get = |name: &str| {
            std::env::var(name).with_context(|| format!("{name} is not set; start this with `cargo xtask e2e`"))
        };
        let host = get(HOST_ADDRESS)?;
        Ok(Self {
            kubeconfig: get(KUBECONFIG)?.into(),
            helm: get(HELM)?.into(),
            host: host
                .parse()
                .with_context(|| format!("{HOST_ADDRESS} is {host}, not an address"))?,
            image: get(IMAGE)?,
            program: get(PROGRAM)?.into(),
            workspace: get(WORKSPACE)?.into(),
            control: std::env::var(XTASK).ok().map(|program| ClusterControl {
                program: program.into(),
            }),
        })
    }

    async fn config(&self) -> Result<Config> {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig)?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        // hyper's own read timeout would also end connections that wait in the pool, under the feet of the next request.
        config.read_timeout = None;
        config.default_retry = false;
        Ok(config)
    }

    /// A client with this token, for an operator: without a limit, since it watches.
    pub(crate) async fn client_with_token(&self, token: String) -> Result<Client> {
        let mut config = self.config().await?;
        config.auth_info = AuthInfo {
            token: Some(token.into()),
            ..AuthInfo::default()
        };
        Ok(Client::try_from(config)?)
    }

    /// A client that fails fast: what is retried is the test's business.
    pub(crate) async fn client(&self) -> Result<Client> {
        let config = self.config().await?;
        let limit = tower::timeout::TimeoutLayer::new(std::time::Duration::from_secs(30));
        Ok(kube::client::ClientBuilder::try_from(config)?
            .with_layer(&limit)
            .build())
    }

    /// The local cluster's switches; an error on a cluster that is not ours.
    pub(crate) fn control(&self) -> Result<&ClusterControl> {
        self.control
            .as_ref()
            .context("this needs the local cluster, whose parts can be stopped; run without --kubeconfig")
    }

    /// Runs helm with this cluster; its output on success.
    pub(crate) async fn helm(&self, arguments: &[&str]) -> Result<String> {
        run(Command::new(&self.helm)
            .args(arguments)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .current_dir(&self.workspace))
        .await
    }
}

/// Switches of the local cluster.
#[derive(Clone, Debug)]
pub(crate) struct ClusterControl {
    program: PathBuf,
}

impl ClusterControl {
    async fn call(&self, arguments: &[&str]) -> Result<String> {
        run(Command::new(&self.program).arg("cluster").args(arguments)).await
    }

    /// Ends a component's process.
    pub(crate) async fn stop(&self, component: &str) -> Result<()> {
        self.call(&["stop", component]).await.map(drop)
    }

    /// Stops it in its tracks: connections stay open and nothing answers.
    pub(crate) async fn stall(&self, component: &str) -> Result<()> {
        self.call(&["stall", component]).await.map(drop)
    }

    /// Starts it again, or lets it go on.
    pub(crate) async fn start(&self, component: &str) -> Result<()> {
        self.call(&["start", component]).await.map(drop)
    }

    /// A node's power button: `off`, `on`, `reboot` …
    pub(crate) async fn node(&self, action: &str, names: &[&str]) -> Result<()> {
        let arguments: Vec<&str> = ["node", action].into_iter().chain(names.iter().copied()).collect();
        self.call(&arguments).await.map(drop)
    }

    /// Empties etcd: the cluster is new, with the same certificates.
    pub(crate) async fn wipe_etcd(&self) -> Result<()> {
        self.call(&["wipe-etcd"]).await.map(drop)
    }
}

/// Runs a program to its end; its standard output, or its errors in the error.
pub(crate) async fn run(command: &mut Command) -> Result<String> {
    let shown = format!("{:?}", command.as_std());
    let output = command
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| format!("cannot run {shown}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{shown} failed: {}\n{text}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(text)
}

/// A path as text.
pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is no text", path.display()))
}
