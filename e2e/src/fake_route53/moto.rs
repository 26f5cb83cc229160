//! A moto server as a child process.
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use http::Uri;

use crate::server::Server;

/// Names the `moto_server` program of a virtual environment with `hack/tools/moto/requirements.txt`.
pub const PROGRAM: &str = "HEARTH_MOTO";

/// A running moto server on the loopback address. Dropping it kills it.
#[derive(Debug)]
pub struct Moto(Server);

impl Moto {
    /// Starts the program that [`PROGRAM`] names.
    pub async fn start() -> Result<Self> {
        let program = std::env::var_os(PROGRAM).map(PathBuf::from).with_context(|| {
            format!("{PROGRAM} is not set: it names the moto_server of a virtual environment with hack/tools/moto/requirements.txt")
        })?;
        Self::start_program(&program).await
    }

    /// Starts this `moto_server` on a free port and waits until it answers.
    pub async fn start_program(program: &Path) -> Result<Self> {
        let arguments = |port: u16| ["-H", "127.0.0.1", "-p", &port.to_string()].map(Into::into).to_vec();
        Server::start(program, arguments).await.map(Self)
    }

    /// Where it listens.
    pub fn uri(&self) -> Uri {
        self.0.uri()
    }
}
