use super::*;
use crate::s3::test_server::{Conditional, FakeS3, Reply, TestServer};

const PLAIN: &str = "backups/hearth-preflight/home/plain";
const CONDITIONAL: &str = "backups/hearth-preflight/home/conditional";

async fn capabilities(fake: FakeS3) -> (Capabilities, TestServer, std::sync::Arc<FakeS3>) {
    let (server, fake) = fake.start().await;
    let found = run(&server.client(), "backups", "home").await.unwrap();
    (found, server, fake)
}

fn all() -> Capabilities {
    Capabilities {
        conditional_writes: true,
        delete: true,
        range: true,
        skew_seconds: None,
    }
}

#[tokio::test]
async fn a_bucket_that_can_do_everything_takes_eight_requests_and_is_left_empty() {
    let (found, server, fake) = capabilities(FakeS3::new()).await;
    assert_eq!(found, all());
    let calls = [
        "GET ".to_owned(),
        format!("PUT /{PLAIN}"),
        format!("GET /{PLAIN}"),
        format!("GET /{PLAIN}"),
        format!("PUT /{CONDITIONAL}"),
        format!("PUT /{CONDITIONAL}"),
        format!("DELETE /{PLAIN}"),
        format!("DELETE /{CONDITIONAL}"),
    ];
    assert_eq!(server.calls(), calls);
    assert_eq!(calls.len(), MAX_REQUESTS);
    assert!(fake.keys().is_empty());
}

#[tokio::test]
async fn what_a_crash_left_behind_does_no_harm() {
    let fake = FakeS3::new();
    fake.put(PLAIN, "old");
    fake.put(CONDITIONAL, "");
    let (found, _server, fake) = capabilities(fake).await;
    assert_eq!(found, all());
    assert!(fake.keys().is_empty());
}

#[tokio::test]
async fn no_right_to_delete_is_a_capability_and_leftovers_do_not_grow() {
    let mut fake = FakeS3::new();
    fake.may_delete = false;
    let (found, server, fake) = capabilities(fake).await;
    assert!(!found.delete);
    assert!(found.conditional_writes && found.range);
    assert_eq!(run(&server.client(), "backups", "home").await.unwrap(), found);
    assert_eq!(fake.keys(), [CONDITIONAL, PLAIN]);
}

#[tokio::test]
async fn a_condition_that_is_ignored_or_refused_is_no_capability() {
    for conditional in [Conditional::Ignored, Conditional::NotImplemented] {
        for left_over in [false, true] {
            let mut fake = FakeS3::new();
            fake.conditional = conditional;
            if left_over {
                fake.put(CONDITIONAL, "");
            }
            let (found, server, _fake) = capabilities(fake).await;
            let expected = Capabilities {
                conditional_writes: false,
                ..all()
            };
            assert_eq!(found, expected);
            assert!(server.calls().len() <= MAX_REQUESTS);
        }
    }
}

#[tokio::test]
async fn a_range_that_is_ignored_is_no_capability() {
    let mut fake = FakeS3::new();
    fake.ranges = false;
    let (found, ..) = capabilities(fake).await;
    assert_eq!(found, Capabilities { range: false, ..all() });
}

#[tokio::test]
async fn a_clock_of_another_hour_ends_it_before_anything_is_written() {
    let body = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    let list = Reply::with("200 OK", "Date: Mon, 30 Nov 2015 00:00:00 GMT\r\n", body);
    let server = TestServer::start(move |_| list.clone()).await;
    let failure = run(&server.client(), "", "home").await.unwrap_err();
    assert_eq!(failure.reason, Reason::ClockSkew);
    assert_eq!(server.calls(), ["GET "]);
}

#[tokio::test]
async fn other_content_than_was_written_is_a_failure() {
    let list = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    let server = TestServer::start(move |request| match request.method.as_str() {
        "GET" if request.path.contains("list-type") => Reply::with("200 OK", "", list),
        "GET" => Reply::with("200 OK", "", "cached"),
        _ => Reply::with("200 OK", "ETag: \"0\"\r\n", ""),
    })
    .await;
    let failure = run(&server.client(), "", "home").await.unwrap_err();
    assert_eq!(failure.reason, Reason::BadAnswer);
    assert!(failure.message.contains("cache"), "{failure}");
}

#[tokio::test]
async fn an_outage_in_the_middle_is_a_failure_and_no_capability() {
    for broken in ["GET", "PUT", "DELETE"] {
        let mut fake = FakeS3::new();
        fake.broken = Some(broken);
        let (server, _fake) = fake.start().await;
        let failure = run(&server.client(), "", "home").await.unwrap_err();
        assert_eq!(failure.reason, Reason::Unreachable, "{broken}");
    }
}
