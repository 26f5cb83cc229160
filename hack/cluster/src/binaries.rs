//! The built programs that a cluster is made of, and calls of kubectl.
use std::path::PathBuf;

use anyhow::Result;

use crate::command::run;
use crate::go_tools;
use crate::state::Home;

/// The built binaries.
pub(crate) struct Tools {
    pub(crate) kubernetes: PathBuf,
}

impl Tools {
    pub(crate) fn ensure() -> Result<Self> {
        Ok(Self {
            kubernetes: go_tools::ensure("kubernetes")?,
        })
    }

    pub(crate) fn kubectl(&self) -> String {
        self.kubernetes.with_file_name("kubectl").display().to_string()
    }
}

/// Runs kubectl on a cluster; its output on success.
pub(crate) fn kubectl(home: &Home, tools: &Tools, arguments: &[&str]) -> Result<String> {
    let kubeconfig = format!("--kubeconfig={}", home.kubeconfig().display());
    let mut all = vec![kubeconfig.as_str()];
    // A stalled server would never answer. `rollout` waits on purpose and has its own limit.
    if !arguments.contains(&"rollout") {
        all.push("--request-timeout=5s");
    }
    all.extend(arguments);
    run(&tools.kubectl(), &all)
}
