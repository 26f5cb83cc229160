//! Where the tests run: any cluster that a kubeconfig names, told by the environment. `cargo xtask` sets it all.
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tokio::process::Command;

use crate::install::{NAMESPACE, Operator};

/// The cluster's kubeconfig.
pub const KUBECONFIG: &str = "HEARTH_KUBECONFIG";
/// The helm program.
pub const HELM: &str = "HEARTH_HELM";
/// The address under which pods reach servers on this machine.
pub const HOST_ADDRESS: &str = "HEARTH_HOST_ADDRESS";
/// The program whose `cluster` subcommand rules the local cluster; not set on a cluster that is not ours.
pub const XTASK: &str = "HEARTH_XTASK";
/// The operator's image, `registry/repository:tag`.
pub const IMAGE: &str = "HEARTH_IMAGE";
/// The operator's program, as it is in the image.
pub const PROGRAM: &str = "HEARTH_PROGRAM";
/// The folder with `charts/`.
pub const WORKSPACE: &str = "HEARTH_WORKSPACE";

/// The surroundings of one run.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The cluster's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The helm program.
    pub helm: PathBuf,
    /// The address under which pods reach servers on this machine.
    pub host: IpAddr,
    /// The operator's image.
    pub image: String,
    /// The operator's program, to run outside the cluster.
    pub program: PathBuf,
    /// The folder with `charts/`.
    pub workspace: PathBuf,
    /// What rules the local cluster.
    pub control: Option<ClusterControl>,
}

impl Surroundings {
    /// From the environment that `cargo xtask e2e` sets.
    pub fn from_env() -> Result<Self> {
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

    /// A client with the rights of an installed operator, for whatever it asks: without a limit, since it watches.
    pub async fn client_of(&self, operator: &Operator) -> Result<Client> {
        let api: Api<ServiceAccount> = Api::namespaced(operator.client.clone(), NAMESPACE);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                expiration_seconds: Some(3600),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let answer = api
            .create_token_request(operator.name, &PostParams::default(), &request)
            .await?;
        let token = answer.status.and_then(|status| status.token);
        let mut config = self.config().await?;
        config.auth_info = AuthInfo {
            token: Some(token.context("the token request has no answer")?.into()),
            ..AuthInfo::default()
        };
        Ok(Client::try_from(config)?)
    }

    /// A client that fails fast: what is retried is the test's business.
    pub async fn client(&self) -> Result<Client> {
        let config = self.config().await?;
        let limit = tower::timeout::TimeoutLayer::new(std::time::Duration::from_secs(30));
        Ok(kube::client::ClientBuilder::try_from(config)?
            .with_layer(&limit)
            .build())
    }

    /// The local cluster's switches; an error on a cluster that is not ours.
    pub fn control(&self) -> Result<&ClusterControl> {
        self.control
            .as_ref()
            .context("this needs the local cluster, whose parts can be stopped; run without --kubeconfig")
    }

    /// Runs helm with this cluster; its output on success.
    pub async fn helm(&self, arguments: &[&str]) -> Result<String> {
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
pub struct ClusterControl {
    program: PathBuf,
}

impl ClusterControl {
    async fn call(&self, arguments: &[&str]) -> Result<String> {
        run(Command::new(&self.program).arg("cluster").args(arguments)).await
    }

    /// Ends a component's process.
    pub async fn stop(&self, component: &str) -> Result<()> {
        self.call(&["stop", component]).await.map(drop)
    }

    /// Stops it in its tracks: connections stay open and nothing answers.
    pub async fn stall(&self, component: &str) -> Result<()> {
        self.call(&["stall", component]).await.map(drop)
    }

    /// Starts it again, or lets it go on.
    pub async fn start(&self, component: &str) -> Result<()> {
        self.call(&["start", component]).await.map(drop)
    }

    /// A node's power button: `off`, `on`, `reboot` …
    pub async fn node(&self, action: &str, names: &[&str]) -> Result<()> {
        let arguments: Vec<&str> = ["node", action].into_iter().chain(names.iter().copied()).collect();
        self.call(&arguments).await.map(drop)
    }

    /// Empties etcd: the cluster is new, with the same certificates.
    pub async fn wipe_etcd(&self) -> Result<()> {
        self.call(&["wipe-etcd"]).await.map(drop)
    }
}

/// Runs a program to its end; its standard output, or its errors in the error.
pub async fn run(command: &mut Command) -> Result<String> {
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

/// `registry/repository:tag` in its parts.
pub fn image_parts(image: &str) -> Result<(&str, &str, &str)> {
    let (name, tag) = image.rsplit_once(':').context("the image has no tag")?;
    let Some((registry, repository)) = name.split_once('/') else {
        bail!("the image {image} has no registry")
    };
    Ok((registry, repository, tag))
}

/// A path as text.
pub fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is no text", path.display()))
}
