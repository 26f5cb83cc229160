//! A server for unit tests that answers every connection in one way, right or wrong.
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a connection gets after its request.
#[derive(Clone)]
pub(super) enum Reply {
    /// These bytes, and the end.
    Bytes(Vec<u8>),
    /// These bytes, and then zeros without an end.
    Endless(&'static str),
    /// These bytes, one each so often.
    Drip(Vec<u8>, Duration),
    /// These bytes, and then nothing; the connection stays open.
    Stalled(Vec<u8>),
    /// Nothing.
    Silence,
}

/// A running server. Dropping it ends it.
pub(super) struct TestServer {
    pub(super) address: SocketAddr,
    /// How many requests have come.
    pub(super) calls: Arc<AtomicU64>,
    /// How many bytes an endless body has had.
    sent: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl TestServer {
    pub(super) async fn start(reply: Reply) -> Self {
        Self::start_with(move |_| reply.clone()).await
    }

    /// Answers by the request's head.
    pub(super) async fn start_with(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (calls, sent) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (counted, written, reply) = (calls.clone(), sent.clone(), Arc::new(reply));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (counted, written, reply) = (counted.clone(), written.clone(), reply.clone());
                tokio::spawn(async move {
                    // The client may close at any time.
                    let _ = answer(stream, &counted, &written, reply.as_ref()).await;
                });
            }
        });
        Self {
            address,
            calls,
            sent,
            task,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// How many bytes an endless body has had when its connection was closed. Fails if it stays open.
    pub(super) async fn sent_in_all(&self) -> u64 {
        for _ in 0..50 {
            let sent = self.sent.load(Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(100)).await;
            if sent == self.sent.load(Ordering::SeqCst) {
                return sent;
            }
        }
        panic!("the connection stays open");
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A whole answer with its length.
pub(super) fn answer_with(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Bytes(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}").into_bytes())
}

async fn answer(
    mut stream: TcpStream,
    calls: &AtomicU64,
    sent: &AtomicU64,
    reply: &(dyn Fn(&str) -> Reply + Send + Sync),
) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    // 22 begins a TLS handshake, of which this server understands nothing.
    while !head.windows(4).any(|window| window == b"\r\n\r\n") && head.first() != Some(&22) {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        head.extend_from_slice(&buffer[..length]);
    }
    calls.fetch_add(1, Ordering::SeqCst);
    match reply(&String::from_utf8_lossy(&head)) {
        Reply::Bytes(bytes) => stream.write_all(&bytes).await?,
        Reply::Endless(head) => {
            stream.write_all(head.as_bytes()).await?;
            loop {
                // 4096 in hexadecimal is 1000: a chunk, if the head says chunked.
                let chunk = [b"1000\r\n".as_slice(), &[b' '; 4096], b"\r\n"].concat();
                stream.write_all(&chunk).await?;
                let before = sent.fetch_add(4096, Ordering::SeqCst);
                // The client keeps up, so what was sent is about what it has read. Else the system would buffer megabytes.
                if before.is_multiple_of(64 * 1024) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
        Reply::Drip(bytes, pause) => {
            for byte in bytes {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(pause).await;
            }
        }
        Reply::Stalled(bytes) => {
            stream.write_all(&bytes).await?;
            tokio::time::sleep(Duration::from_mins(10)).await;
        }
        Reply::Silence => tokio::time::sleep(Duration::from_mins(10)).await,
    }
    stream.shutdown().await
}
