//! A server program as a child process on the loopback address.
use std::ffi::OsString;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use http::Uri;
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// Seconds on a busy machine with cold caches.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    uri: Uri,
    child: Child,
    output: tempfile::NamedTempFile,
}

impl Server {
    /// Starts the program on a free port, which its arguments name, and waits until it takes connections.
    pub(crate) async fn start(program: &Path, arguments: impl Fn(u16) -> Vec<OsString>) -> Result<Self> {
        let command = |address: SocketAddr| {
            let mut command = Command::new(program);
            command.args(arguments(address.port()));
            command
        };
        Self::start_on(program, (Ipv4Addr::LOCALHOST, 0).into(), command).await
    }

    /// As [`Server::start`], with a command for an address of this machine; port 0: a free one. `program` is for messages.
    pub(crate) async fn start_on(
        program: &Path,
        address: SocketAddr,
        command: impl Fn(SocketAddr) -> Command,
    ) -> Result<Self> {
        let mut last = None;
        // Another process may take the port before the program does.
        for _ in 0..3 {
            match Self::attempt(address, &command).await {
                Ok(server) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("not tried")))
            .with_context(|| format!("{} does not start", program.display()))
    }

    async fn attempt(mut address: SocketAddr, command: impl Fn(SocketAddr) -> Command) -> Result<Self> {
        if address.port() == 0 {
            address = TcpListener::bind(address).await?.local_addr()?;
        }
        let output = tempfile::NamedTempFile::new()?;
        let child = command(address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(output.path())?)
            .kill_on_drop(true)
            .spawn()?;
        let mut server = Self {
            uri: format!("http://{address}").parse()?,
            child,
            output,
        };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(address).await.is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("it ended with {status}: {}", server.last_output());
            }
            if Instant::now() > end {
                bail!("it does not answer after {PATIENCE:?}: {}", server.last_output());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn uri(&self) -> Uri {
        self.uri.clone()
    }

    /// Kills it and waits for its end.
    pub(crate) async fn stop(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Asks it to end (SIGTERM) and waits until it has; an error if it takes too long, and then it is killed.
    pub(crate) async fn terminate(mut self) -> Result<()> {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            kill_process(pid, Signal::TERM)?;
        }
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ended.with_context(|| format!("it does not end within {PATIENCE:?} of SIGTERM"))??;
        Ok(())
    }

    /// The end of what it wrote.
    fn last_output(&self) -> String {
        let text = std::fs::read_to_string(self.output.path()).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(10).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}
