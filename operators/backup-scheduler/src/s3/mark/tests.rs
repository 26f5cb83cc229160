use super::*;
use crate::s3::test_server::{Conditional, FakeS3, Reply, TestServer};

fn mark(cluster: &str, id: &str) -> Mark {
    Mark {
        cluster_name: cluster.to_owned(),
        id: id.to_owned(),
    }
}

fn claim(create: Create) -> Claim<'static> {
    Claim {
        cluster: "home",
        known_id: None,
        create,
        conditional_writes: true,
    }
}

#[test]
fn a_mark_is_judged_by_name_and_known_id() {
    let known = Claim {
        known_id: Some("1"),
        ..claim(Create::WhenEmpty)
    };
    let other = || Some("config".to_owned());
    for (claim, found, expected) in [
        (
            known,
            Found::Mark(mark("home", "1")),
            Ownership::Ours(mark("home", "1")),
        ),
        (
            known,
            Found::Mark(mark("home", "2")),
            Ownership::Replaced(mark("home", "2")),
        ),
        (
            claim(Create::Never),
            Found::Mark(mark("home", "2")),
            Ownership::Ours(mark("home", "2")),
        ),
        (
            known,
            Found::Mark(mark("office", "1")),
            Ownership::Foreign {
                cluster: "office".to_owned(),
            },
        ),
        (known, Found::Unreadable, Ownership::Unreadable),
        (known, Found::Nothing { other: None }, Ownership::Absent { other: None }),
        (
            known,
            Found::Nothing { other: other() },
            Ownership::Absent { other: other() },
        ),
    ] {
        assert_eq!(claim.judge(found), expected);
    }
}

#[test]
fn a_mark_is_created_only_where_nothing_of_anybody_can_be() {
    let empty = Ownership::Absent { other: None };
    let occupied = Ownership::Absent {
        other: Some("config".to_owned()),
    };
    for (create, when_empty, when_occupied) in [
        (Create::Never, false, false),
        (Create::WhenEmpty, true, false),
        (Create::TakeOver, true, true),
    ] {
        assert_eq!(claim(create).may_create(&empty), when_empty);
        assert_eq!(claim(create).may_create(&occupied), when_occupied);
        let known = Claim {
            known_id: Some("1"),
            ..claim(create)
        };
        assert!(!known.may_create(&empty) && !known.may_create(&occupied));
        for other in [
            Ownership::Unreadable,
            Ownership::Ours(mark("home", "1")),
            Ownership::Replaced(mark("home", "1")),
            Ownership::Foreign {
                cluster: "office".to_owned(),
            },
        ] {
            assert!(!claim(create).may_create(&other));
        }
    }
}

#[test]
fn a_mark_is_json_with_two_names() {
    let text = mark("home", "0a1b").encode().unwrap();
    assert_eq!(text, r#"{"clusterName":"home","id":"0a1b"}"#);
    assert_eq!(Mark::parse(text.as_bytes()), Some(mark("home", "0a1b")));
    for bad in [
        "",
        "{}",
        "[]",
        "home",
        r#"{"clusterName":"home"}"#,
        r#"{"clusterName":"","id":"1"}"#,
        r#"{"clusterName":"a b","id":"1"}"#,
        r#"{"clusterName":"a\nb","id":"1"}"#,
        r#"{"clusterName":"home","id":"<script>"}"#,
    ] {
        assert_eq!(Mark::parse(bad.as_bytes()), None, "{bad}");
    }
    assert_eq!(mark("", "1").encode(), None);
    assert_ne!(Mark::new("home").id, Mark::new("home").id);
}

#[tokio::test]
async fn an_empty_prefix_becomes_ours_once() {
    let fake = FakeS3::new();
    // Neither another folder nor what a preflight left behind is somebody's repository.
    fake.put("backups-2/config", "x");
    fake.put("backups/", "");
    fake.put("backups/hearth-preflight/home/plain", "x");
    let (server, fake) = fake.start().await;
    let client = server.client();
    let created = ensure(&client, "backups", &claim(Create::WhenEmpty)).await.unwrap();
    let Ownership::Created { mark, exclusive: true } = created else {
        panic!("{created:?}");
    };
    assert!(fake.keys().contains(&"backups/hearth-owner.json".to_owned()));
    server.requests.lock().clear();
    for known_id in [None, Some(mark.id.as_str())] {
        let again = Claim {
            known_id,
            ..claim(Create::WhenEmpty)
        };
        assert_eq!(
            ensure(&client, "backups", &again).await.unwrap(),
            Ownership::Ours(mark.clone())
        );
    }
    assert_eq!(server.calls(), ["GET /backups/hearth-owner.json"; 2]);
}

#[tokio::test]
async fn what_is_somebodys_is_reported_and_not_touched() {
    for (key, content, expected) in [
        (
            "backups/hearth-owner.json",
            r#"{"clusterName":"office","id":"1"}"#,
            Ownership::Foreign {
                cluster: "office".to_owned(),
            },
        ),
        ("backups/hearth-owner.json", "hello", Ownership::Unreadable),
        (
            "backups/media/config",
            "x",
            Ownership::Absent {
                other: Some("backups/media/config".to_owned()),
            },
        ),
        (
            "backups/hearth-preflighted",
            "x",
            Ownership::Absent {
                other: Some("backups/hearth-preflighted".to_owned()),
            },
        ),
    ] {
        let fake = FakeS3::new();
        fake.put(key, content);
        let (server, fake) = fake.start().await;
        let found = ensure(&server.client(), "backups", &claim(Create::WhenEmpty))
            .await
            .unwrap();
        assert_eq!(found, expected);
        assert!(server.calls().iter().all(|call| call.starts_with("GET ")));
        assert_eq!(fake.keys(), [key]);
    }
}

#[tokio::test]
async fn repositories_without_a_mark_are_taken_over_on_request() {
    let fake = FakeS3::new();
    fake.put("config", "x");
    let (server, _fake) = fake.start().await;
    let found = ensure(&server.client(), "", &claim(Create::TakeOver)).await.unwrap();
    assert!(matches!(found, Ownership::Created { exclusive: true, .. }));
}

#[tokio::test]
async fn without_conditional_writes_the_mark_is_read_back_and_said_to_be_not_exclusive() {
    for (conditional, conditional_writes) in [
        (Conditional::Ignored, false),
        (Conditional::NotImplemented, false),
        (Conditional::NotImplemented, true),
    ] {
        let mut fake = FakeS3::new();
        fake.conditional = conditional;
        let (server, _fake) = fake.start().await;
        let claim = Claim {
            conditional_writes,
            ..claim(Create::WhenEmpty)
        };
        let found = ensure(&server.client(), "", &claim).await.unwrap();
        assert!(
            matches!(found, Ownership::Created { exclusive: false, .. }),
            "{found:?}"
        );
        assert_eq!(server.calls().last().unwrap(), "GET /hearth-owner.json");
    }
}

/// A bucket that is empty until it is written to, and then has the mark of another cluster.
async fn race(status: &'static str, code: &'static str) -> Result<Ownership, Failure> {
    let written = std::sync::atomic::AtomicBool::new(false);
    let server = TestServer::start(move |request| match request.method.as_str() {
        "PUT" => {
            written.store(true, std::sync::atomic::Ordering::SeqCst);
            Reply::error(status, code)
        }
        _ if request.path.contains("list-type") => Reply::with(
            "200 OK",
            "",
            "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
        ),
        _ if written.load(std::sync::atomic::Ordering::SeqCst) => {
            Reply::with("200 OK", "", r#"{"clusterName":"office","id":"1"}"#)
        }
        _ => Reply::error("404 Not Found", "NoSuchKey"),
    })
    .await;
    ensure(&server.client(), "", &claim(Create::WhenEmpty)).await
}

#[tokio::test]
async fn the_loser_of_a_race_sees_the_winner() {
    let expected = Ownership::Foreign {
        cluster: "office".to_owned(),
    };
    assert_eq!(
        race("412 Precondition Failed", "PreconditionFailed").await.unwrap(),
        expected
    );
    assert_eq!(
        race("409 Conflict", "ConditionalRequestConflict")
            .await
            .unwrap_err()
            .reason,
        Reason::Conflict
    );
}

#[tokio::test]
async fn a_lost_answer_leaves_a_mark_that_is_ours() {
    let (server, fake) = FakeS3::new().start().await;
    // What a write leaves whose answer was lost: the next call does not know its id.
    fake.put(NAME, r#"{"clusterName":"home","id":"0a1b"}"#);
    let found = ensure(&server.client(), "", &claim(Create::WhenEmpty)).await.unwrap();
    assert_eq!(found, Ownership::Ours(mark("home", "0a1b")));
}

#[tokio::test]
async fn a_cluster_name_that_could_not_be_read_again_is_not_written() {
    let (server, fake) = FakeS3::new().start().await;
    let bad = Claim {
        cluster: "a b",
        ..claim(Create::WhenEmpty)
    };
    assert!(ensure(&server.client(), "", &bad).await.is_err());
    assert!(fake.keys().is_empty());
}
