use std::time::Instant;

use reqwest::{Method, Request};

use super::*;
use crate::provider::test_server::{Reply, TestServer, answer_with};

fn quick() -> Client {
    let options = Options {
        connect: Duration::from_secs(2),
        total: Duration::from_secs(2),
        ..Options::new(None, true)
    };
    client(&options).unwrap()
}

async fn get(url: &str) -> Result<Answer, Failure> {
    get_with(&quick(), url).await
}

async fn get_with(client: &Client, url: &str) -> Result<Answer, Failure> {
    send(client, Request::new(Method::GET, Url::parse(url).unwrap())).await
}

async fn get_from(reply: Reply) -> Result<Answer, Failure> {
    let server = TestServer::start(reply).await;
    get(&server.url()).await
}

async fn failure_from(reply: Reply) -> Failure {
    get_from(reply).await.err().expect("a failure")
}

#[tokio::test]
async fn any_status_is_an_answer_with_its_body() {
    let answer = get_from(answer_with("418 Teapot", "X-A: b\r\n", "short"))
        .await
        .unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_slice()),
        (418, b"short".as_slice())
    );
    assert_eq!(answer.headers["x-a"], "b");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let other = TestServer::start(answer_with("200 OK", "", "secret")).await;
    let location = format!("Location: {}\r\n", other.url());
    for status in ["301 A", "302 A", "303 A", "307 A", "308 A"] {
        let answer = get_from(answer_with(status, &location, "")).await.unwrap();
        assert!(answer.status.is_redirection());
    }
    assert_eq!(other.calls(), 0);
}

#[tokio::test]
async fn a_body_that_is_announced_as_too_large_is_not_read() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n";
    let failure = failure_from(Reply::Bytes(head.into())).await;
    assert_eq!(failure.reason, Reason::TooLarge);
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_the_limit_and_the_connection_closed() {
    for head in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    ] {
        let server = TestServer::start(Reply::Endless(head)).await;
        let failure = get(&server.url()).await.err().unwrap();
        assert_eq!(failure.reason, Reason::TooLarge);
        // The rest was on its way in the buffers of the system.
        let sent = server.sent_in_all().await;
        let limit = MAX_BODY as u64;
        assert!((limit..2 * limit).contains(&sent), "{sent}");
    }
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read() {
    let answer = get_from(answer_with("200 OK", "", &"x".repeat(MAX_BODY)))
        .await
        .unwrap();
    assert_eq!(answer.body.len(), MAX_BODY);
}

#[tokio::test]
async fn large_answers_are_read_one_at_a_time_and_small_ones_do_not_wait() {
    let answer = |announced: usize, sent: usize| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {announced}\r\n\r\n");
        [head.into_bytes(), vec![b'x'; sent]].concat()
    };
    let server = TestServer::start_with(move |head| match head {
        head if head.contains("/stalled") => Reply::Stalled(answer(MAX_BODY, 2 * SMALL_BODY)),
        head if head.contains("/large") => Reply::Bytes(answer(2 * SMALL_BODY, 2 * SMALL_BODY)),
        _ => Reply::Bytes(answer(SMALL_BODY, SMALL_BODY)),
    });
    let (client, server) = (quick(), server.await);
    let get = |path: &str, after: u64| {
        let (client, url, begin) = (client.clone(), format!("{}/{path}", server.url()), Instant::now());
        async move {
            tokio::time::sleep(Duration::from_millis(after)).await;
            (get_with(&client, &url).await, begin.elapsed())
        }
    };
    // The first one ends after 2 s.
    let (stalled, large, small) = tokio::join!(get("stalled", 0), get("large", 800), get("small", 800));
    assert_eq!(stalled.0.err().unwrap().reason, Reason::Unreachable);
    assert_eq!(large.0.unwrap().body.len(), 2 * SMALL_BODY);
    assert!(large.1 > Duration::from_millis(1900), "{:?}", large.1);
    assert_eq!(small.0.unwrap().body.len(), SMALL_BODY);
    assert!(small.1 < Duration::from_millis(1700), "{:?}", small.1);
}

#[tokio::test]
async fn silence_and_drips_end_with_the_time() {
    let drip = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_vec();
    let drip_body = [drip.clone(), vec![b'x'; 1000]].concat();
    for reply in [Reply::Silence, Reply::Drip(drip_body, Duration::from_millis(20))] {
        let begin = Instant::now();
        let failure = failure_from(reply).await;
        assert_eq!(failure.reason, Reason::Unreachable);
        assert!(failure.message.contains("in time"), "{failure}");
        assert!(begin.elapsed() < Duration::from_secs(4));
    }
}

#[tokio::test]
async fn an_answer_that_ends_early_or_is_no_http_is_unreachable() {
    for bytes in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nhunter2",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhunter2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhunter2",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999999\r\n\r\nhunter2",
        "SSH-2.0-hunter2\r\n",
        "\x15\x03\x01\x00\x02\x02\x0a",
    ] {
        let failure = failure_from(Reply::Bytes(bytes.into())).await;
        assert_eq!(failure.reason, Reason::Unreachable, "{bytes:?}: {failure}");
        assert!(!failure.message.contains("hunter2"), "{failure}");
    }
}

#[tokio::test]
async fn a_head_without_an_end_is_bounded() {
    let head = "HTTP/1.1 200 OK\r\nX: ";
    let server = TestServer::start(Reply::Endless(head)).await;
    let failure = get(&server.url()).await.err().unwrap();
    assert_eq!(failure.reason, Reason::Unreachable);
    let sent = server.sent_in_all().await;
    assert!(sent < MAX_BODY as u64, "{sent}");
}

#[tokio::test]
async fn what_cannot_be_reached_says_why() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = listener.local_addr().unwrap().port();
    drop(listener);
    for (url, reason, word) in [
        (
            format!("http://127.0.0.1:{free}"),
            Reason::Unreachable,
            "refuses the connection",
        ),
        ("http://a..b:8200".to_owned(), Reason::Unreachable, "cannot be resolved"),
        (
            "http://169.254.169.254/latest".to_owned(),
            Reason::Unreachable,
            "link-local",
        ),
    ] {
        let failure = get(&url).await.err().unwrap();
        assert_eq!(failure.reason, reason, "{failure}");
        assert!(failure.message.contains(word), "{failure}");
    }
}

#[tokio::test]
async fn https_to_a_server_without_tls_says_so() {
    let server = TestServer::start(answer_with("200 OK", "", "hunter2")).await;
    let failure = get(&server.url().replace("http:", "https:")).await.err().unwrap();
    assert_eq!(failure.reason, Reason::TlsFailed);
    assert!(failure.message.contains(&server.address.to_string()), "{failure}");
}

#[tokio::test]
async fn http_is_refused_unless_it_is_allowed() {
    let server = TestServer::start(answer_with("200 OK", "", "")).await;
    let strict = client(&Options::new(None, false)).unwrap();
    let request = Request::new(Method::GET, Url::parse(&server.url()).unwrap());
    assert!(send(&strict, request).await.is_err());
    assert_eq!(server.calls(), 0);
}

#[test]
fn certificates_must_be_pem_with_at_least_one() {
    for bad in [
        "",
        "hunter2",
        "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        let why = client(&Options::new(Some(bad.into()), false)).unwrap_err();
        assert!(why.starts_with("ca: ") && !why.contains("hunter2"), "{why}");
    }
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..2000 {
        let bytes = (0..random.usize(0..200)).map(|_| random.u8(..)).collect();
        assert!(client(&Options::new(Some(bytes), false)).is_err());
    }
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = "2026-11-30T00:00:00Z".parse().unwrap();
    let parse = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::RETRY_AFTER, text.parse().unwrap());
        retry_after(&headers, now)
    };
    assert_eq!(parse("0"), Some(Duration::ZERO));
    assert_eq!(parse(" 17 "), Some(Duration::from_secs(17)));
    assert_eq!(parse("Mon, 30 Nov 2026 00:01:00 GMT"), Some(Duration::from_mins(1)));
    assert_eq!(parse("Sun, 29 Nov 2026 00:01:00 GMT"), Some(Duration::ZERO));
    for bad in [
        "",
        "soon",
        "-1",
        "1.5",
        "99999999999999999999999",
        "Mon, 99 Nov 2026 00:01:00 GMT",
    ] {
        assert_eq!(parse(bad), None, "{bad}");
    }
    assert_eq!(retry_after(&HeaderMap::new(), now), None);
}
