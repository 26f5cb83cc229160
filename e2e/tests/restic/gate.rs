//! A way to an S3 server that refuses requests on demand.
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What happens to a request.
pub(super) enum Answer {
    /// The server answers.
    Pass,
    /// An answer of S3 with this status, code and message; without a body, if there is no code.
    Refuse(u16, &'static str, &'static str),
    /// The connection ends.
    Close,
}

/// Answers a method and a path.
type Rule = Box<dyn FnMut(&str, &str) -> Answer + Send>;

struct Shared {
    server: SocketAddr,
    rule: Mutex<Rule>,
    log: Mutex<Vec<String>>,
    ended: AtomicBool,
}

/// The way to the server. Dropping it ends it.
pub(super) struct Gate {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Gate {
    /// A way to a server on the loopback address, which passes everything.
    pub(super) fn new(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server,
            rule: Mutex::new(Box::new(|_, _| Answer::Pass)),
            log: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if of_thread.ended.load(Ordering::SeqCst) {
                    return;
                }
                let of_client = Arc::clone(&of_thread);
                // A connection that breaks is what the client must bear.
                thread::spawn(move || of_client.serve(client).ok());
            }
        });
        Self { address, shared }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What happens from now on.
    pub(super) fn rule(&self, rule: impl FnMut(&str, &str) -> Answer + Send + 'static) {
        *lock(&self.shared.rule) = Box::new(rule);
    }

    pub(super) fn open(&self) {
        self.rule(|_, _| Answer::Pass);
    }

    /// The requests since the last call, as `GET /path`.
    pub(super) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.shared.log))
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// One request after the other: each answer has a length.
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        while let Some((head, body)) = request(&mut client)? {
            let mut words = head.split(' ');
            let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            lock(&self.log).push(format!("{method} {path}"));
            let answer = (lock(&self.rule))(method, path);
            match answer {
                Answer::Close => return Ok(()),
                Answer::Refuse(status, code, message) => {
                    // Some servers send no body.
                    let body = if code.is_empty() {
                        String::new()
                    } else {
                        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>")
                    };
                    let reason = if status == 507 {
                        "Insufficient Storage"
                    } else {
                        "Refused"
                    };
                    let length = body.len();
                    let body = if method == "HEAD" { "" } else { &body };
                    write!(
                        client,
                        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\n\r\n{body}"
                    )?;
                }
                Answer::Pass => {
                    let mut server = TcpStream::connect(self.server)?;
                    // Not signed, so it may be added.
                    let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
                    server.write_all(head.as_bytes())?;
                    server.write_all(&body)?;
                    let mut all = Vec::new();
                    server.read_to_end(&mut all)?;
                    client.write_all(&all)?;
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// The head and the body of the next request.
fn request(client: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        let length = client.read(&mut buffer)?;
        if length == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..length]);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = bytes.split_off(end);
    while body.len() < length.unwrap_or(0) {
        let length = client.read(&mut buffer)?;
        if length == 0 {
            return Ok(None);
        }
        body.extend_from_slice(&buffer[..length]);
    }
    Ok(Some((head, body)))
}
