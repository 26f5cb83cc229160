use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::s3::test_server::{Reply, TestServer};

async fn start(reply: Reply) -> (TestServer, Client) {
    let server = TestServer::start(move |_| reply.clone()).await;
    let client = server.client();
    (server, client)
}

/// The failures of all calls.
async fn failures(reply: Reply) -> Vec<Failure> {
    let (_server, client) = start(reply).await;
    let failures = [
        client.get("a").await.map(drop),
        client.get_range("a", 0, 1).await.map(drop),
        client.put("a", "x").await,
        client.put_if_absent("a", "x").await.map(drop),
        client.delete("a").await,
        client.list("", 10).await.map(drop),
    ];
    failures.into_iter().filter_map(Result::err).collect()
}

fn page(contents: &[&str], next: Option<&str>) -> Reply {
    let objects = contents
        .iter()
        .map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>"));
    let more = next.map_or("<IsTruncated>false</IsTruncated>".to_owned(), |token| {
        format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>")
    });
    let objects: String = objects.collect();
    Reply::with(
        "200 OK",
        "",
        format!("<ListBucketResult>{more}{objects}</ListBucketResult>"),
    )
}

#[tokio::test]
async fn an_object_is_read_in_whole_and_in_part() {
    let (_server, client) = start(Reply::with("200 OK", "", "0123")).await;
    assert_eq!(client.get("a").await.unwrap().unwrap(), "0123");
    assert_eq!(client.head("a").await.unwrap(), Some(4));
    let (server, client) = start(Reply::with("206 Partial", "Content-Range: bytes 1-2/4\r\n", "12")).await;
    assert_eq!(client.get_range("a", 1, 2).await.unwrap().unwrap(), "12");
    assert_eq!(server.requests.lock()[0].headers["range"], "bytes=1-2");
}

#[tokio::test]
async fn a_request_is_signed_and_has_the_hash_of_its_body_and_no_other_checksum() {
    let (server, client) = start(Reply::with("200 OK", "ETag: \"0\"\r\n", "")).await;
    client.put("a b/c", "x").await.unwrap();
    client.put_if_absent("d", "").await.unwrap();
    let requests = server.requests.lock();
    assert_eq!(
        (requests[0].path.as_str(), requests[0].body.as_slice()),
        ("/home/a%20b/c", b"x".as_slice())
    );
    let headers = &requests[0].headers;
    let hash = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    assert_eq!(headers["x-amz-content-sha256"], hash);
    assert!(headers["authorization"].contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date,"));
    assert!(
        headers
            .keys()
            .all(|name| !name.contains("checksum") && !name.contains("md5"))
    );
    assert_eq!(requests[1].headers["if-none-match"], "*");
}

#[tokio::test]
async fn only_the_words_of_s3_say_that_an_object_is_absent() {
    let (_server, client) = start(Reply::error("404 Not Found", "NoSuchKey")).await;
    assert_eq!(client.get("a").await.unwrap(), None);
    assert_eq!(client.get_range("a", 0, 1).await.unwrap(), None);
    client.delete("a").await.unwrap();
    for (reply, reason) in [
        (Reply::error("404 Not Found", "NoSuchBucket"), Reason::BucketMissing),
        (Reply::with("404 Not Found", "", "<html></html>"), Reason::BadAnswer),
        (Reply::status("404 Not Found"), Reason::BadAnswer),
    ] {
        let failures = failures(reply).await;
        assert_eq!(failures.len(), 6);
        assert!(failures.iter().all(|failure| failure.reason == reason), "{failures:?}");
    }
    let (_server, client) = start(Reply::status("404 Not Found")).await;
    assert_eq!(client.head("a").await.unwrap(), None);
}

#[tokio::test]
async fn a_refusal_has_its_reason_in_every_call() {
    for (status, code, reason) in [
        ("403 Forbidden", "AccessDenied", Reason::AccessDenied),
        ("403 Forbidden", "QuotaExceeded", Reason::QuotaExceeded),
        ("507 Full", "", Reason::QuotaExceeded),
        ("403 Forbidden", "RequestTimeTooSkewed", Reason::ClockSkew),
        ("503 Slow Down", "SlowDown", Reason::Unreachable),
        ("429 Too Many", "", Reason::Unreachable),
        ("500 Error", "InternalError", Reason::Unreachable),
        ("409 Conflict", "ConditionalRequestConflict", Reason::Conflict),
        ("501 Not Implemented", "NotImplemented", Reason::NotImplemented),
    ] {
        let failures = failures(Reply::error(status, code)).await;
        assert_eq!(failures.len(), 6);
        for failure in failures {
            assert_eq!(failure.reason, reason, "{failure}");
            assert!(!failure.message.contains("hunter2") && !failure.message.contains("AKIATEST"));
        }
    }
}

#[tokio::test]
async fn a_date_of_another_hour_turns_a_refusal_into_clock_skew() {
    let date = "Date: Mon, 30 Nov 2015 00:00:00 GMT\r\n";
    let (_server, client) = start(Reply::with("403 Forbidden", date, "")).await;
    let failure = client.put("a", "x").await.unwrap_err();
    assert_eq!(failure.reason, Reason::ClockSkew);
    assert!(client.skew_seconds().unwrap() > 300_000_000);
    let (_server, client) = start(Reply::with("403 Forbidden", "Date: soon\r\n", "")).await;
    assert_eq!(client.put("a", "x").await.unwrap_err().reason, Reason::AccessDenied);
    assert_eq!(client.skew_seconds(), None);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = TestServer::start(|_| Reply::with("200 OK", "", "secret")).await;
    let location = format!("Location: {}/\r\n", other.url());
    for status in ["301 A", "302 A", "303 A", "307 A", "308 A"] {
        let failures = failures(Reply::with(status, &location, "")).await;
        assert_eq!(failures.len(), 6);
        assert!(failures.iter().all(|failure| failure.reason == Reason::BadAnswer));
        assert!(failures[0].message.contains("redirects are not followed"));
    }
    assert!(other.requests.lock().is_empty());
    let hint = format!("{location}x-amz-bucket-region: eu-west-1\r\n");
    for failure in failures(Reply::with("301 A", &hint, "")).await {
        assert_eq!(failure.reason, Reason::WrongRegion);
        assert!(failure.message.contains("`eu-west-1`"), "{failure}");
    }
}

#[tokio::test]
async fn a_web_page_is_no_answer() {
    let html = Reply::with("200 OK", "Content-Type: text/html\r\n", "<html>Log in</html>");
    let (_server, client) = start(html).await;
    assert_eq!(client.list("", 10).await.unwrap_err().reason, Reason::BadAnswer);
    assert_eq!(client.put("a", "x").await.unwrap_err().reason, Reason::BadAnswer);
    assert_eq!(
        client.put_if_absent("a", "x").await.unwrap_err().reason,
        Reason::BadAnswer
    );
    assert_eq!(
        client.get_range("a", 0, 1).await.unwrap_err().reason,
        Reason::NotImplemented
    );
}

#[tokio::test]
async fn an_answer_that_ends_early_is_a_failure_that_is_retried() {
    for bytes in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nETag: \"0\"\r\nContent-Length: 100\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nETag: \"0\"\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nshort",
        "HTTP/1.1 206 OK\r\nContent-Range: bytes 0-0/9\r\nContent-Length: 100\r\n\r\ns",
    ] {
        let failures = failures(Reply::Bytes(bytes.into())).await;
        assert_eq!(failures.len(), 6, "{bytes}");
        assert!(
            failures.iter().all(|failure| failure.reason == Reason::Unreachable),
            "{failures:?}"
        );
    }
}

#[tokio::test]
async fn a_body_without_a_length_may_be_shorter_than_it_was() {
    let (_server, client) = start(Reply::Bytes(b"HTTP/1.1 200 OK\r\n\r\n0123".into())).await;
    assert_eq!(client.get("a").await.unwrap_err().reason, Reason::BadAnswer);
    assert_eq!(client.list("", 10).await.unwrap_err().reason, Reason::BadAnswer);
}

#[tokio::test]
async fn another_range_than_was_asked_for_is_a_bad_answer() {
    for (range, body) in [
        ("bytes 0-1/4", "12"),
        ("bytes 1-2/4", "1"),
        ("bytes 1-2/4", "123"),
        ("", "12"),
    ] {
        let header = format!("Content-Range: {range}\r\n");
        let (_server, client) = start(Reply::with("206 Partial", &header, body)).await;
        let failure = client.get_range("a", 1, 2).await.unwrap_err();
        assert_eq!(failure.reason, Reason::BadAnswer, "{range} {body}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_a_bad_answer() {
    for bytes in [
        "SSH-2.0-hunter2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhunter2",
    ] {
        for failure in failures(Reply::Bytes(bytes.into())).await {
            assert_eq!(failure.reason, Reason::BadAnswer, "{failure}");
            assert!(!failure.message.contains("hunter2"));
        }
    }
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_the_limit_and_the_connection_closed() {
    for head in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: ",
    ] {
        let (server, client) = start(Reply::Endless(head)).await;
        let failure = client.get("a").await.unwrap_err();
        assert_eq!(failure.reason, Reason::BadAnswer, "{failure}");
        // The server sees the end of the connection; the rest was on its way in the buffers of the system.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let sent = server.sent.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(sent, server.sent.load(Ordering::SeqCst));
        assert!(sent < 32 * 1024 * 1024, "{sent}");
    }
}

#[tokio::test]
async fn silence_ends_with_the_time() {
    let server = TestServer::start(|_| Reply::Silence).await;
    let failure = server.client().get("a").await.unwrap_err();
    assert_eq!(failure.reason, Reason::Unreachable);
    assert!(failure.message.contains("in time"), "{failure}");
}

#[tokio::test]
async fn a_list_goes_on_until_its_last_page_which_may_be_empty() {
    let server = TestServer::start(|request| {
        if request.path.contains("continuation-token=t%2F1") {
            page(&[], None)
        } else {
            page(&["p/a", "p/b"], Some("t/1"))
        }
    })
    .await;
    let objects = server.client().list("p/", 10).await.unwrap();
    let keys: Vec<_> = objects.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(keys, ["p/a", "p/b"]);
    let paths: Vec<_> = server
        .requests
        .lock()
        .iter()
        .map(|request| request.path.clone())
        .collect();
    assert_eq!(
        paths,
        [
            "/home?list-type=2&max-keys=500&prefix=p%2F",
            "/home?continuation-token=t%2F1&list-type=2&max-keys=500&prefix=p%2F"
        ]
    );
}

#[tokio::test]
async fn a_list_that_fails_in_the_middle_or_does_not_end_is_no_list() {
    let server = TestServer::start(|request| {
        if request.path.contains("continuation-token") {
            Reply::error("500 Error", "InternalError")
        } else {
            page(&["a"], Some("t"))
        }
    })
    .await;
    assert_eq!(
        server.client().list("", 10).await.unwrap_err().reason,
        Reason::Unreachable
    );
    let (_server, client) = start(page(&[], Some("t"))).await;
    assert_eq!(client.list("", 10).await.unwrap_err().reason, Reason::BadAnswer);
    let number = AtomicUsize::new(0);
    let server = TestServer::start(move |_| page(&[], Some(&number.fetch_add(1, Ordering::SeqCst).to_string()))).await;
    assert_eq!(
        server.client().list("", 10).await.unwrap_err().reason,
        Reason::BadAnswer
    );
    assert!(server.requests.lock().len() < 20);
}

#[tokio::test]
async fn a_list_of_more_than_is_expected_is_a_failure() {
    let (_server, client) = start(page(&["a", "b", "c"], None)).await;
    assert_eq!(client.list("", 3).await.unwrap().len(), 3);
    assert!(client.list("", 2).await.is_err());
}

#[tokio::test]
async fn keys_that_would_name_another_object_are_not_sent() {
    let (server, client) = start(Reply::with("200 OK", "", "")).await;
    for key in ["", "..", "a/../b", "./a"] {
        assert!(client.get(key).await.is_err());
        assert!(client.delete(key).await.is_err());
    }
    assert!(server.requests.lock().is_empty());
}
