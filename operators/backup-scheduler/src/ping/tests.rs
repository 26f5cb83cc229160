use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A server that answers each connection with this text, and its requests. An empty text: nothing is answered.
async fn server(answer: &str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (requests, answer) = (Arc::new(Mutex::new(Vec::new())), answer.to_owned());
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = vec![0; 4096];
            let length = stream.read(&mut buffer).await.unwrap_or(0);
            seen.lock()
                .push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            if answer.is_empty() {
                tokio::time::sleep(Duration::from_mins(10)).await;
            }
            // The client may close at any time.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, requests)
}

async fn ping(url: &str) -> Result<(), String> {
    send(&Target::parse(url.as_bytes()).unwrap(), Duration::from_secs(2)).await
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_ping_is_one_get_of_the_path_and_query() {
    let (address, requests) = server(&answer("200 OK", "OK")).await;
    ping(&format!("http://{address}/ping/hunter2?status=up&msg=a%20b#no\n"))
        .await
        .unwrap();
    let requests = requests.lock();
    assert_eq!(requests.len(), 1);
    assert!(
        requests[0].starts_with("GET /ping/hunter2?status=up&msg=a%20b HTTP/1.1\r\n"),
        "{}",
        requests[0]
    );
    assert!(requests[0].contains(&format!("host: {address}\r\n")), "{}", requests[0]);
}

#[tokio::test]
async fn no_failure_shows_a_part_of_the_url() {
    let (other, redirected) = server(&answer("200 OK", "OK")).await;
    let redirect = format!("HTTP/1.1 301 Moved\r\nLocation: http://{other}/hunter2\r\nContent-Length: 0\r\n\r\n");
    for (said, expected) in [
        (answer("404 Not Found", "hunter2"), "the server answers 404"),
        (answer("500 Oh", "hunter2"), "the server answers 500"),
        (answer("200 OK", "OK (not found)"), "the server knows no such check"),
        (
            answer("200 OK", "OK (rate limited)"),
            "the server has had too many pings",
        ),
        (redirect, "the server answers 301: redirects are not followed"),
        (
            "hunter2 is no HTTP\r\n\r\n".to_owned(),
            "the connection has ended before the answer",
        ),
        (String::new(), "the server has not answered in time"),
    ] {
        let (address, _) = server(&said).await;
        let why = ping(&format!("http://{address}/hunter2")).await.unwrap_err();
        assert!(why.starts_with(expected), "{why}");
        assert!(!why.contains("hunter2") && !why.contains("127.0.0.1"), "{why}");
    }
    assert!(redirected.lock().is_empty());
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(
        ping(&format!("http://{closed}/hunter2")).await.unwrap_err(),
        "the server cannot be reached"
    );
    let (plain, _) = server(&answer("200 OK", "OK")).await;
    assert_eq!(
        ping(&format!("https://{plain}/hunter2")).await.unwrap_err(),
        "there is no TLS with the server"
    );
}

#[tokio::test]
async fn a_body_without_an_end_holds_nothing_up() {
    let (address, _) = server(&format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{}",
        " ".repeat(5000)
    ))
    .await;
    ping(&format!("http://{address}/")).await.unwrap();
}

#[test]
fn a_url_that_cannot_be_pinged_is_refused_without_being_shown() {
    let long = format!("https://h.example/{}", "hunter2".repeat(400));
    for bad in [
        "",
        "hunter2",
        "ftp://hunter2/",
        "https://u:hunter2@h.example/",
        "data:hunter2",
        &long,
    ] {
        let why = Target::parse(bad.as_bytes()).unwrap_err();
        assert!(!why.contains("hunter2"), "{why}");
    }
    assert!(Target::parse(b"\xff").is_err());
    assert_eq!(
        format!("{:?}", Target::parse(b"https://h.example/hunter2").unwrap()),
        "Target"
    );
}

#[test]
fn plain_http_goes_to_private_addresses_only_and_nothing_to_link_local_ones() {
    let address = |text: &str| -> SocketAddr { format!("{text}:80").parse().unwrap() };
    let plain = Target::parse(b"http://h.example/").unwrap();
    let tls = Target::parse(b"https://h.example/").unwrap();
    let (public, private, local) = (address("1.1.1.1"), address("192.168.1.2"), address("169.254.169.254"));
    assert_eq!(callable(&plain, &[public, private]), Ok(vec![private]));
    assert!(callable(&plain, &[public]).unwrap_err().contains("https://"));
    assert_eq!(callable(&tls, &[public, private, local]), Ok(vec![public, private]));
    assert!(callable(&tls, &[local]).is_err());
}
