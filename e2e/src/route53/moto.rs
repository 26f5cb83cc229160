//! A moto server as a child process.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use http::Uri;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// Names the `moto_server` program of a virtual environment with `hack/tools/moto/requirements.txt`.
pub const PROGRAM: &str = "HEARTH_MOTO";
/// moto imports boto3 first: seconds on a busy machine with cold caches.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running moto server on the loopback address. Dropping it kills it.
#[derive(Debug)]
pub struct Moto {
    uri: Uri,
    child: Child,
    output: tempfile::NamedTempFile,
}

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
        let mut last = None;
        // Somebody may take the port between our look and moto's.
        for _ in 0..3 {
            match Self::attempt(program).await {
                Ok(moto) => return Ok(moto),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("not tried")))
            .with_context(|| format!("{} does not start", program.display()))
    }

    async fn attempt(program: &Path) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port();
        let output = tempfile::NamedTempFile::new()?;
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(output.path())?)
            .kill_on_drop(true)
            .spawn()?;
        let mut moto = Self {
            uri: format!("http://127.0.0.1:{port}").parse()?,
            child,
            output,
        };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            if let Some(status) = moto.child.try_wait()? {
                bail!("it ended with {status}: {}", moto.told());
            }
            if Instant::now() > end {
                bail!("it does not answer after {PATIENCE:?}: {}", moto.told());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(moto)
    }

    /// Where it listens.
    pub fn uri(&self) -> Uri {
        self.uri.clone()
    }

    /// The end of what it wrote.
    fn told(&self) -> String {
        let text = std::fs::read_to_string(self.output.path()).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(10).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}
