//! The command `ready` of every operator: it asks a running operator whether it is ready. `helm test` runs it with the operator's
//! image, since there is no other image, and that one has no shell.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

/// How long an operator may take to become ready: after a start it fills its caches first.
const WITHIN: Duration = Duration::from_mins(1);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

/// Arguments of the `ready` command of every operator.
#[derive(clap::Args, Debug)]
#[group(skip)] // its name would be that of other `Args`
pub struct Args {
    /// The address of its metrics, such as dns-sync.dns.svc:8080
    #[arg(value_name = "HOST:PORT")]
    address: String,
}

/// Waits until the operator is ready. Fails with its last answer if it is not within a minute.
pub async fn run(args: Args) -> Result<()> {
    until_ready(&args.address, WITHIN).await?;
    println!("{} is ready", args.address);
    Ok(())
}

async fn until_ready(address: &str, within: Duration) -> Result<()> {
    let end = Instant::now() + within;
    loop {
        let answer = timeout(ANSWER, ask(address)).await;
        let answer = answer.unwrap_or_else(|_| bail!("no answer within {} s", ANSWER.as_secs()));
        match answer {
            Err(_) if Instant::now() < end => sleep(PAUSE).await,
            answer => return answer.with_context(|| format!("{address} is not ready")),
        }
    }
}

async fn ask(address: &str) -> Result<()> {
    let stream = TcpStream::connect(address).await.context("cannot connect")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get("/readyz")
        .header(HOST, address)
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    ensure!(
        status == StatusCode::OK,
        "/readyz answers {}, {}",
        status.as_u16(),
        String::from_utf8_lossy(&body).trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
    };

    use super::*;

    /// An admin server that gives these answers, one for each connection, and then stops listening; its address.
    fn server(answers: &'static [&'static str]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = [0; 1024];
                let read = stream.read(&mut head).unwrap();
                assert!(head[..read].starts_with(b"GET /readyz HTTP/1.1\r\n"));
                write!(
                    stream,
                    "HTTP/1.1 {answer}\r\nConnection: close\r\n\r\nwaiting for: records\n"
                )
                .unwrap();
            }
        });
        address
    }

    async fn asked(answers: &'static [&'static str], within: Duration) -> Result<(), String> {
        let result = until_ready(&server(answers), within).await;
        result.map_err(|error| format!("{error:#}"))
    }

    #[tokio::test]
    async fn an_operator_that_is_ready_passes() {
        asked(&["200 OK"], Duration::ZERO).await.unwrap();
    }

    #[tokio::test]
    async fn an_operator_that_becomes_ready_in_time_passes() {
        asked(&["503 Service Unavailable", "200 OK"], Duration::from_secs(30))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn an_operator_that_is_not_ready_fails_with_what_it_waits_for() {
        let error = asked(&["503 Service Unavailable"], Duration::ZERO).await.unwrap_err();
        assert!(
            error.ends_with("is not ready: /readyz answers 503, waiting for: records"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn an_address_that_nobody_listens_on_fails() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let error = until_ready(&address, Duration::ZERO).await.unwrap_err();
        assert!(
            format!("{error:#}").contains("is not ready: cannot connect: "),
            "{error:#}"
        );
    }
}
