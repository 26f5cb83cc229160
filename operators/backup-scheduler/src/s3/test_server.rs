//! A server for unit tests, whose answers may be wrong in every way, and a small S3 on it.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Client, Credentials, Options, Settings};

/// A request.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    pub(super) method: String,
    /// With the query.
    pub(super) path: String,
    /// In lowercase.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

/// What a connection gets after its request.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// These bytes, and the end.
    Bytes(Vec<u8>),
    /// These bytes, and then spaces without an end.
    Endless(&'static str),
    /// Nothing.
    Silence,
}

impl Reply {
    /// A whole answer with its length. `headers` ends with a line break if it is not empty.
    pub(super) fn with(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let length = body.len();
        let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n").into_bytes();
        bytes.extend_from_slice(body);
        Self::Bytes(bytes)
    }

    pub(super) fn status(status: &str) -> Self {
        Self::with(status, "", "")
    }

    /// An error of S3.
    pub(super) fn error(status: &str, code: &str) -> Self {
        let body = format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>hunter2</Message></Error>");
        Self::with(status, "", body)
    }
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// A running server. Dropping it ends it.
pub(super) struct TestServer {
    pub(super) address: SocketAddr,
    /// How many bytes an endless body has had.
    pub(super) sent: Arc<AtomicU64>,
    /// What has come.
    pub(super) requests: Arc<Mutex<Vec<Request>>>,
    task: tokio::task::JoinHandle<()>,
}

impl TestServer {
    pub(super) async fn start(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sent, requests) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (written, seen, reply) = (sent.clone(), requests.clone(), Arc::new(reply));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (written, seen, reply) = (written.clone(), seen.clone(), reply.clone());
                tokio::spawn(async move {
                    // The client may close at any time.
                    let _ = answer(stream, &seen, &written, reply.as_ref()).await;
                });
            }
        });
        Self {
            address,
            sent,
            requests,
            task,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client that waits two seconds.
    pub(super) fn client(&self) -> Client {
        let options = Options {
            connect: Duration::from_secs(2),
            total: Duration::from_secs(2),
            ..Options::default()
        };
        Client::with_options(&settings(&self.url()), options).unwrap()
    }

    /// Methods and paths of the requests, without the bucket and the query.
    pub(super) fn calls(&self) -> Vec<String> {
        let requests = self.requests.lock();
        let short = |request: &Request| {
            let path = request.path.split('?').next().unwrap();
            format!("{} {}", request.method, path.trim_start_matches("/home"))
        };
        requests.iter().map(short).collect()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Bucket `home` at this endpoint.
pub(super) fn settings(endpoint: &str) -> Settings {
    Settings {
        endpoint: endpoint.to_owned(),
        bucket: "home".to_owned(),
        region: None,
        path_style: None,
        ca: None,
        credentials: Credentials::new("AKIATEST", "hunter2", None),
    }
}

async fn answer(
    mut stream: TcpStream,
    seen: &Mutex<Vec<Request>>,
    sent: &AtomicU64,
    reply: &Handler,
) -> std::io::Result<()> {
    let Some(request) = read(&mut stream).await? else {
        return Ok(());
    };
    seen.lock().push(request.clone());
    match reply(&request) {
        Reply::Bytes(bytes) => stream.write_all(&bytes).await?,
        Reply::Endless(head) => {
            stream.write_all(head.as_bytes()).await?;
            loop {
                // 4096 in hexadecimal is 1000: a chunk, if the head says chunked.
                let chunk = [b"1000\r\n".as_slice(), &[b' '; 4096], b"\r\n"].concat();
                stream.write_all(&chunk).await?;
                sent.fetch_add(4096, Ordering::SeqCst);
            }
        }
        Reply::Silence => tokio::time::sleep(Duration::from_mins(10)).await,
    }
    stream.shutdown().await
}

/// A request with its body. A TLS handshake, which begins with 22, is an empty one.
async fn read(stream: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..length]);
        if bytes.first() == Some(&22) {
            return Ok(Some(Request::default()));
        }
        if let Some(request) = parse(&bytes) {
            return Ok(Some(request));
        }
    }
}

/// None: it is not complete.
fn parse(bytes: &[u8]) -> Option<Request> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let body = bytes.get(end + 4..end + 4 + length)?.to_vec();
    Some(Request {
        method: first.next()?.to_owned(),
        path: first.next()?.to_owned(),
        headers,
        body,
    })
}

/// How a fake server takes `If-None-Match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conditional {
    Supported,
    Ignored,
    NotImplemented,
}

/// A small S3 with one bucket, `home`.
pub(super) struct FakeS3 {
    pub(super) objects: Mutex<BTreeMap<String, Vec<u8>>>,
    pub(super) conditional: Conditional,
    pub(super) may_delete: bool,
    pub(super) ranges: bool,
    /// Requests of this method for objects are answered with 503.
    pub(super) broken: Option<&'static str>,
}

impl FakeS3 {
    pub(super) fn new() -> Self {
        Self {
            objects: Mutex::new(BTreeMap::new()),
            conditional: Conditional::Supported,
            may_delete: true,
            ranges: true,
            broken: None,
        }
    }

    pub(super) fn put(&self, key: &str, content: &str) {
        self.objects.lock().insert(key.to_owned(), content.into());
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.objects.lock().keys().cloned().collect()
    }

    pub(super) async fn start(self) -> (TestServer, Arc<Self>) {
        let fake = Arc::new(self);
        let answering = fake.clone();
        let server = TestServer::start(move |request| answering.answer(request)).await;
        (server, fake)
    }

    fn answer(&self, request: &Request) -> Reply {
        let mut objects = self.objects.lock();
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let key = path.trim_start_matches("/home").trim_start_matches('/').to_owned();
        match request.method.as_str() {
            method if self.broken == Some(method) && !key.is_empty() => Reply::error("503 Slow Down", "SlowDown"),
            "GET" if key.is_empty() => {
                let prefix = query.rsplit_once("prefix=").unwrap().1.replace("%2F", "/");
                let found = objects.iter().filter(|(key, _)| key.starts_with(&prefix));
                let mut body = "<IsTruncated>false</IsTruncated>".to_owned();
                for (key, content) in found {
                    let size = content.len();
                    body.extend([
                        "<Contents><Key>",
                        key,
                        "</Key><Size>",
                        &size.to_string(),
                        "</Size></Contents>",
                    ]);
                }
                Reply::with("200 OK", "", format!("<ListBucketResult>{body}</ListBucketResult>"))
            }
            "GET" => match (objects.get(&key), request.headers.get("range")) {
                (None, _) => Reply::error("404 Not Found", "NoSuchKey"),
                (Some(body), Some(range)) if self.ranges => {
                    let (first, last) = range.trim_start_matches("bytes=").split_once('-').unwrap();
                    let part = first.parse().unwrap()..=last.parse().unwrap();
                    let header = format!("Content-Range: bytes {first}-{last}/{}\r\n", body.len());
                    Reply::with("206 Partial Content", &header, &body[part])
                }
                (Some(body), _) => Reply::with("200 OK", "", body),
            },
            "PUT" => {
                if request.headers.contains_key("if-none-match") {
                    match self.conditional {
                        Conditional::NotImplemented => return Reply::error("501 Not Implemented", "NotImplemented"),
                        Conditional::Supported if objects.contains_key(&key) => {
                            return Reply::error("412 Precondition Failed", "PreconditionFailed");
                        }
                        _ => {}
                    }
                }
                objects.insert(key, request.body.clone());
                Reply::with("200 OK", "ETag: \"0\"\r\n", "")
            }
            "DELETE" if self.may_delete => {
                objects.remove(&key);
                Reply::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".into())
            }
            _ => Reply::error("403 Forbidden", "AccessDenied"),
        }
    }
}
