//! The operator's program as a process of this machine, to be killed at will: a kubelet would wait longer each time.
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result};
use kube::{Client, Config};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::install::NAMESPACE;

/// How it is started each time.
pub(crate) struct Program {
    path: PathBuf,
    environment: Vec<(String, String)>,
    port: u16,
    /// With the kubeconfig and the log.
    folder: TempDir,
}

impl Program {
    /// It asks the API server at this endpoint, without credentials, and leads at once: no other process may run.
    pub(crate) fn new(path: PathBuf, endpoint: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": endpoint}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody", "namespace": NAMESPACE}}],
        });
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string())?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let own = [
            ("KUBECONFIG", folder.path().join("kubeconfig").display().to_string()),
            ("POD_NAMESPACE", NAMESPACE.to_owned()),
            ("HEARTH_LEADER_ELECT", "false".to_owned()),
            ("HEARTH_LISTEN", format!("127.0.0.1:{port}")),
        ];
        let given = environment.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let environment = own
            .into_iter()
            .chain(given)
            .map(|(name, value)| (name.to_owned(), value));
        Ok(Self {
            path,
            environment: environment.collect(),
            port,
            folder,
        })
    }

    /// Starts it; it is killed when the child is dropped.
    pub(crate) fn start(&self) -> Result<Child> {
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.folder.path().join("log"))?;
        Command::new(&self.path)
            .arg("run")
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.path.display()))
    }

    /// Its metrics.
    pub(crate) async fn metrics(&self) -> Result<String> {
        let mut config = Config::new(format!("http://127.0.0.1:{}", self.port).parse()?);
        config.default_retry = false;
        let request = http::Request::get("/metrics").body(Vec::new())?;
        Ok(Client::try_from(config)?.request_text(request).await?)
    }

    /// The end of what all its lives logged.
    pub(crate) fn log(&self, lines: usize) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}
