//! A server's front door: passes connections on to a plain HTTP server on the loopback address, writes down the requests, and on
//! request is slow, closed, or answers itself.
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the gate writes down of a connection that it ends at once: there is no request.
pub(crate) const REFUSED: &str = "refused connection";

/// What the gate does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Passes everything on.
    Open,
    /// Ends connections, and new ones at once.
    Closed,
    /// Passes each request on after this time.
    Slow(Duration),
    /// Answers requests whose path begins so, with this status and body; passes the others on.
    Answer(&'static str, u16, String),
    /// Answers requests whose path begins so with a body that does not end; passes the others on.
    Endless(&'static str),
}

/// The gate. Dropping it closes it.
pub(crate) struct HttpGate {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for HttpGate {
    fn drop(&mut self) {
        self.task.abort();
        self.mode.send_replace(Mode::Closed);
    }
}

impl HttpGate {
    /// Listens on a free port of `host`.
    pub(crate) async fn start(host: IpAddr, server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((host, 0)).await?;
        let address = listener.local_addr()?;
        let (mode, modes) = watch::channel(Mode::Open);
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = connection(stream, server, modes.clone(), Arc::clone(&seen));
                // A connection that breaks is what gates are for.
                tokio::spawn(async move { connection.await.ok() });
            }
        });
        Ok(Self {
            address,
            mode,
            requests,
            task,
        })
    }

    /// `http://address`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it does from now on.
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// How many requests and refused connections there have been.
    pub(crate) fn mark(&self) -> usize {
        self.requests.lock().len()
    }

    /// What came since a mark: requests as `GET /path`, refused connections as [`REFUSED`].
    pub(crate) fn since(&self, mark: usize) -> Vec<String> {
        self.requests.lock()[mark..].to_vec()
    }

    /// How many requests since a mark have this text.
    pub(crate) fn count(&self, mark: usize, text: &str) -> usize {
        self.since(mark).iter().filter(|request| request.contains(text)).count()
    }
}

async fn connection(
    mut client: TcpStream,
    server: SocketAddr,
    mut modes: watch::Receiver<Mode>,
    requests: Arc<Mutex<Vec<String>>>,
) -> io::Result<()> {
    if *modes.borrow_and_update() == Mode::Closed {
        requests.lock().push(REFUSED.to_owned());
        return Ok(());
    }
    let (mut client_read, mut client_write) = client.split();
    let mut server = TcpStream::connect(server).await?;
    let (mut server_read, mut server_write) = server.split();
    let mut closing = modes.clone();
    let closed = async { closing.wait_for(|mode| *mode == Mode::Closed).await.is_ok() };
    let (answers, answered) = tokio::sync::oneshot::channel();
    let upstream = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let length = client_read.read(&mut buffer).await?;
            if length == 0 {
                return server_write.shutdown().await;
            }
            let text = String::from_utf8_lossy(&buffer[..length]);
            // A client of ours sends the head of a request in one piece.
            let line = text.lines().next().and_then(|line| line.strip_suffix(" HTTP/1.1"));
            if let Some(line) = line {
                requests.lock().push(line.to_owned());
            }
            let mode = modes.borrow_and_update().clone();
            match mode {
                Mode::Slow(time) => tokio::time::sleep(time).await,
                Mode::Answer(prefix, status, body) if is_below(line, prefix) => {
                    let answer = format!(
                        "HTTP/1.1 {status} Fault\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = answers.send((answer, false));
                    return Ok(());
                }
                Mode::Endless(prefix) if is_below(line, prefix) => {
                    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
                    let _ = answers.send((head.to_owned(), true));
                    return Ok(());
                }
                _ => {}
            }
            server_write.write_all(&buffer[..length]).await?;
        }
    };
    let downstream = async {
        tokio::select! {
            copied = copy(&mut server_read, &mut client_write) => copied.map(drop),
            _ = closed => Ok(()),
            answer = answered => {
                let Ok((answer, endless)) = answer else { return std::future::pending().await };
                client_write.write_all(answer.as_bytes()).await?;
                if endless {
                    // Until the client closes the connection.
                    loop {
                        client_write.write_all(&[b' '; 16 * 1024]).await?;
                    }
                }
                client_write.shutdown().await
            }
        }
    };
    tokio::select! {
        result = downstream => result,
        Err(error) = upstream => Err(error),
    }
}

/// Whether the path of a request line without its version begins so.
fn is_below(line: Option<&str>, prefix: &str) -> bool {
    line.and_then(|line| line.split_once(' '))
        .is_some_and(|(_, path)| path.starts_with(prefix))
}
