use super::*;
use crate::s3::endpoint::Endpoint;
use crate::s3::test_server::{Reply, TestServer, settings};

const LIMIT: Duration = Duration::from_millis(500);

fn connector(url: &str, ca: Option<&[u8]>) -> Result<Connector, String> {
    Connector::new(&Endpoint::new(&settings(url)).unwrap(), ca, LIMIT)
}

async fn failure(url: &str) -> Failure {
    connector(url, None).unwrap().connect().await.err().unwrap()
}

#[tokio::test]
async fn what_cannot_be_reached_says_why() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = listener.local_addr().unwrap().port();
    drop(listener);
    for (url, word) in [
        (format!("http://127.0.0.1:{free}"), "refuses the connection"),
        (format!("https://127.0.0.1:{free}"), "refuses the connection"),
        ("http://a..b:9000".to_owned(), "cannot be resolved"),
        ("http://169.254.169.254".to_owned(), "is not called"),
    ] {
        let failure = failure(&url).await;
        assert_eq!(failure.reason, Reason::Unreachable, "{failure}");
        assert!(failure.message.contains(word), "{failure}");
    }
}

#[tokio::test]
async fn https_to_a_server_without_tls_says_so() {
    let server = TestServer::start(|_| Reply::status("200 OK")).await;
    let failure = failure(&server.url().replace("http:", "https:")).await;
    assert_eq!(failure.reason, Reason::Unreachable);
    assert!(failure.message.contains("does not speak TLS"), "{failure}");
}

#[tokio::test]
async fn a_handshake_that_is_not_answered_ends_with_the_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let failure = failure(&format!("https://{}", listener.local_addr().unwrap())).await;
    assert_eq!(failure.reason, Reason::Unreachable);
    assert!(failure.message.contains("in time"), "{failure}");
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
        let why = connector("https://s3.example.com", Some(bad.as_bytes())).err().unwrap();
        assert!(why.starts_with("ca: ") && !why.contains("hunter2"), "{why}");
    }
}
