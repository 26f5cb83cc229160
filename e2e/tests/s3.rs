//! The S3 client of backup-scheduler on a real S3 server: what each answer means, what a preflight finds, and whose the
//! repositories are.
//!
//! `HEARTH_VERSITYGW` names the program `versitygw` (see `hack/tools/versitygw`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

use futures::future::join_all;
use hearth_backup_scheduler::s3::mark::{self, Claim, Create, Mark, Ownership};
use hearth_backup_scheduler::s3::preflight::{self, Capabilities};
use hearth_backup_scheduler::s3::{Client, Created, Credentials, Failure, Options, Reason, Settings};
use hearth_e2e::s3::AccessKey;
use hearth_e2e::versitygw::{self, VersityGw};
use serde_json::json;

const BUCKET: &str = "home";

async fn start() -> VersityGw {
    let server = VersityGw::start(versitygw::Options::default()).await.unwrap();
    server.create_bucket(BUCKET).await.unwrap();
    server
}

fn settings(server: &VersityGw, key: &AccessKey) -> Settings {
    Settings {
        endpoint: server.url(),
        bucket: BUCKET.to_owned(),
        region: None,
        path_style: None,
        ca: server.ca().map(<[u8]>::to_vec),
        credentials: Credentials::new(&key.id, &key.secret, None),
    }
}

fn root(server: &VersityGw) -> Client {
    Client::new(&settings(server, server.root())).unwrap()
}

async fn preflight(settings: &Settings) -> Result<Capabilities, Failure> {
    preflight::run(&Client::new(settings).unwrap(), "backups", "home").await
}

async fn failure(settings: &Settings) -> Failure {
    preflight(settings).await.expect_err("a failure")
}

fn claim(cluster: &str, create: Create) -> Claim<'_> {
    Claim {
        cluster,
        known_id: None,
        create,
        conditional_writes: true,
    }
}

async fn ensure(client: &Client, claim: Claim<'_>) -> Ownership {
    mark::ensure(client, "backups", &claim).await.unwrap()
}

async fn keys(client: &Client) -> Vec<String> {
    let objects = client.list("", 10_000).await.unwrap();
    objects.into_iter().map(|object| object.key).collect()
}

#[tokio::test]
async fn a_preflight_finds_that_everything_works_and_leaves_nothing() {
    let server = start().await;
    let client = root(&server);
    for _ in 0..2 {
        let found = preflight(&settings(&server, server.root())).await.unwrap();
        assert!(found.conditional_writes && found.delete && found.range, "{found:?}");
        assert!(found.skew_seconds.unwrap().abs() <= 2, "{found:?}");
    }
    assert_eq!(keys(&client).await, Vec::<String>::new());
    // What a crash leaves behind.
    client.put("backups/hearth-preflight/home/plain", "x").await.unwrap();
    client
        .put("backups/hearth-preflight/home/conditional", "x")
        .await
        .unwrap();
    let found = preflight(&settings(&server, server.root())).await.unwrap();
    assert!(found.conditional_writes && found.delete && found.range, "{found:?}");
    assert_eq!(keys(&client).await, Vec::<String>::new());
}

#[tokio::test]
async fn objects_come_back_as_they_were() {
    let server = start().await;
    let client = root(&server);
    let large: Vec<u8> = (0..1024 * 1024).map(|number: u32| number.to_le_bytes()[1]).collect();
    for (key, body) in [
        ("a", Vec::new()),
        ("folder/b c+d&e=f%20ä~", b"x".to_vec()),
        ("folder/large", large.clone()),
    ] {
        client.put(key, body.clone()).await.unwrap();
        assert_eq!(client.get(key).await.unwrap().unwrap(), body, "{key}");
        assert_eq!(client.head(key).await.unwrap(), Some(body.len() as u64), "{key}");
    }
    let part = client.get_range("folder/large", 1000, 500).await.unwrap().unwrap();
    assert_eq!(part, large[1000..1500]);
    assert_eq!(client.get("nothing").await.unwrap(), None);
    assert_eq!(client.get_range("nothing", 0, 1).await.unwrap(), None);
    assert_eq!(client.head("nothing").await.unwrap(), None);
    let found = client.list("folder/", 10).await.unwrap();
    let sizes: Vec<_> = found.iter().map(|object| (object.key.as_str(), object.size)).collect();
    assert_eq!(sizes, [("folder/b c+d&e=f%20ä~", 1), ("folder/large", 1024 * 1024)]);
    client.delete("a").await.unwrap();
    client.delete("a").await.unwrap();
    assert_eq!(client.get("a").await.unwrap(), None);
}

#[tokio::test]
async fn a_list_has_all_pages() {
    let server = start().await;
    let client = root(&server);
    let names: Vec<String> = (0..1001).map(|number| format!("many/{number:04}")).collect();
    for some in names.chunks(50) {
        let written = join_all(some.iter().map(|name| client.put(name, "x"))).await;
        written.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    }
    let found = client.list("many/", 1001).await.unwrap();
    assert!(found.iter().map(|object| &object.key).eq(&names));
    assert_eq!(client.list("many/000", 10).await.unwrap().len(), 10);
    assert_eq!(client.list("nothing/", 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_told_from_a_wrong_clock() {
    let server = start().await;
    let wrong_secret = AccessKey {
        secret: "hunter2".to_owned(),
        ..server.root().clone()
    };
    let found = failure(&settings(&server, &wrong_secret)).await;
    assert_eq!(found.reason, Reason::AccessDenied);
    assert!(found.message.contains("secret key of `secretRef`"), "{found}");
    assert!(!found.message.contains("hunter2"), "{found}");

    let wrong_id = AccessKey {
        id: "nobody".to_owned(),
        ..server.root().clone()
    };
    let found = failure(&settings(&server, &wrong_id)).await;
    assert_eq!(found.reason, Reason::AccessDenied);
    assert!(found.message.contains("does not know the access key id"), "{found}");

    for shift in [7200, -7200, 400, -400] {
        let options = Options {
            clock_shift_seconds: shift,
            ..Options::default()
        };
        let client = Client::with_options(&settings(&server, server.root()), options).unwrap();
        let found = preflight::run(&client, "backups", "home").await.unwrap_err();
        assert_eq!(found.reason, Reason::ClockSkew, "{found}");
        let word = if shift > 0 { "s ahead of" } else { "s behind" };
        assert!(found.message.contains(word), "{found}");
    }
    assert_eq!(keys(&root(&server)).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_key_that_may_not_delete_is_a_capability() {
    let server = start().await;
    let key = server.create_user_without_delete(BUCKET, "mover").await.unwrap();
    for _ in 0..2 {
        let found = preflight(&settings(&server, &key)).await.unwrap();
        assert!(found.conditional_writes && found.range && !found.delete, "{found:?}");
    }
    assert_eq!(keys(&root(&server)).await.len(), 2);
    // A key with the right to delete removes what the other one has left.
    let found = preflight(&settings(&server, server.root())).await.unwrap();
    assert!(found.delete);
    assert_eq!(keys(&root(&server)).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_key_that_may_not_write_or_list_says_what_to_grant() {
    let server = start().await;
    let key = server.create_user("reader").await.unwrap();
    let found = failure(&settings(&server, &key)).await;
    assert_eq!(found.reason, Reason::AccessDenied);
    assert!(found.message.contains("s3:ListBucket"), "{found}");

    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": { "AWS": ["reader"] },
        "Action": ["s3:ListBucket"],
        "Resource": [format!("arn:aws:s3:::{BUCKET}")],
    }] });
    server.set_policy(BUCKET, &policy).await.unwrap();
    let found = failure(&settings(&server, &key)).await;
    assert_eq!(found.reason, Reason::AccessDenied);
    assert!(found.message.contains("s3:PutObject"), "{found}");
}

#[tokio::test]
async fn a_missing_bucket_and_a_wrong_region_have_their_own_reasons() {
    let server = start().await;
    let missing = Settings {
        bucket: "nothing".to_owned(),
        ..settings(&server, server.root())
    };
    let found = failure(&missing).await;
    assert_eq!(found.reason, Reason::BucketMissing);
    assert!(found.message.contains("`nothing`"), "{found}");
    let elsewhere = Settings {
        region: Some("eu-west-1".to_owned()),
        ..settings(&server, server.root())
    };
    let found = failure(&elsewhere).await;
    assert_eq!(found.reason, Reason::WrongRegion, "{found}");
    assert!(found.message.contains("is in region `us-east-1`"), "{found}");
}

#[tokio::test]
async fn a_private_authority_must_be_named() {
    let options = versitygw::Options {
        tls: true,
        ..versitygw::Options::default()
    };
    let server = VersityGw::start(options).await.unwrap();
    server.create_bucket(BUCKET).await.unwrap();
    let with_ca = settings(&server, server.root());
    assert!(preflight(&with_ca).await.unwrap().conditional_writes);
    let without = Settings {
        ca: None,
        ..with_ca.clone()
    };
    let found = failure(&without).await;
    assert_eq!(found.reason, Reason::UnknownIssuer);
    assert!(found.message.contains("set `s3.ca`"), "{found}");
    let other = VersityGw::start(options).await.unwrap();
    let with_another = Settings {
        ca: other.ca().map(<[u8]>::to_vec),
        ..with_ca
    };
    assert_eq!(failure(&with_another).await.reason, Reason::UnknownIssuer);
}

#[tokio::test]
async fn a_server_that_is_away_is_unreachable() {
    let mut server = start().await;
    let settings = settings(&server, server.root());
    server.kill().await.unwrap();
    let found = failure(&settings).await;
    assert_eq!(found.reason, Reason::Unreachable);
    assert!(found.reason.retry());
    server.restart().await.unwrap();
    preflight(&settings).await.unwrap();
}

#[tokio::test]
async fn of_conditional_creates_that_race_one_wins() {
    let server = start().await;
    let client = root(&server);
    for round in 0..5 {
        let key = format!("race-{round}");
        let writes = (0..8).map(|number| {
            let (client, key) = (&client, key.as_str());
            async move { client.put_if_absent(key, number.to_string()).await }
        });
        let results = join_all(writes).await;
        let winners: Vec<_> = (0..8).filter(|number| results[*number] == Ok(Created::Yes)).collect();
        assert_eq!(winners.len(), 1, "{results:?}");
        for result in results {
            assert!(
                result.as_ref().is_ok() || result.as_ref().is_err_and(|failure| failure.reason == Reason::Conflict),
                "{result:?}"
            );
        }
        let content = client.get(&key).await.unwrap().unwrap();
        assert_eq!(content, winners[0].to_string());
    }
}

#[tokio::test]
async fn clusters_that_begin_at_once_agree_on_one_owner() {
    let server = start().await;
    let client = root(&server);
    let names = ["home-1", "home-2", "home-3", "home-4", "home-5", "home-6"];
    let ensure_all = || async {
        let claims = names.map(|name| claim(name, Create::WhenEmpty));
        join_all(claims.iter().map(|claim| mark::ensure(&client, "backups", claim))).await
    };
    let first = ensure_all().await;
    let created = first
        .iter()
        .filter(|result| matches!(result, Ok(Ownership::Created { exclusive: true, .. })));
    // The winner may have been told of a conflict instead, although its write was the one that counted.
    assert!(created.count() <= 1, "{first:?}");
    for result in &first {
        if let Err(failure) = result {
            assert_eq!(failure.reason, Reason::Conflict, "{failure}");
        }
    }
    let second = ensure_all().await;
    let ours = second.iter().filter(|result| matches!(result, Ok(Ownership::Ours(_))));
    assert_eq!(ours.count(), 1, "{second:?}");
    let foreign = second
        .iter()
        .filter(|result| matches!(result, Ok(Ownership::Foreign { .. })));
    assert_eq!(foreign.count(), 5, "{second:?}");
}

#[tokio::test]
async fn a_mark_is_made_once_and_what_is_somebodys_is_not_touched() {
    let server = start().await;
    let client = root(&server);
    assert_eq!(
        ensure(&client, claim("home", Create::Never)).await,
        Ownership::Absent { other: None }
    );
    let Ownership::Created { mark, exclusive: true } = ensure(&client, claim("home", Create::WhenEmpty)).await else {
        panic!("not created");
    };
    assert_eq!(keys(&client).await, ["backups/hearth-owner.json"]);
    assert_eq!(
        ensure(&client, claim("home", Create::WhenEmpty)).await,
        Ownership::Ours(mark.clone())
    );
    let foreign = Ownership::Foreign {
        cluster: "home".to_owned(),
    };
    for create in [Create::Never, Create::WhenEmpty, Create::TakeOver] {
        assert_eq!(ensure(&client, claim("office", create)).await, foreign);
    }
    let known = Claim {
        known_id: Some("another"),
        ..claim("home", Create::TakeOver)
    };
    assert_eq!(ensure(&client, known).await, Ownership::Replaced(mark.clone()));

    // A repository without a mark.
    client.delete("backups/hearth-owner.json").await.unwrap();
    client.put("backups/media/config", "x").await.unwrap();
    let other = Some("backups/media/config".to_owned());
    assert_eq!(
        ensure(&client, claim("home", Create::WhenEmpty)).await,
        Ownership::Absent { other: other.clone() }
    );
    let known = Claim {
        known_id: Some(&mark.id),
        ..claim("home", Create::TakeOver)
    };
    assert_eq!(ensure(&client, known).await, Ownership::Absent { other });
    assert_eq!(keys(&client).await, ["backups/media/config"]);
    let taken = ensure(&client, claim("home", Create::TakeOver)).await;
    assert!(matches!(taken, Ownership::Created { exclusive: true, .. }), "{taken:?}");

    client.put("backups/hearth-owner.json", "hello").await.unwrap();
    assert_eq!(
        ensure(&client, claim("home", Create::TakeOver)).await,
        Ownership::Unreadable
    );
}

#[tokio::test]
async fn a_key_without_delete_can_make_the_mark() {
    let server = start().await;
    let key = server.create_user_without_delete(BUCKET, "mover").await.unwrap();
    let client = Client::new(&settings(&server, &key)).unwrap();
    let made = ensure(&client, claim("home", Create::WhenEmpty)).await;
    let Ownership::Created { mark, .. } = made else {
        panic!("{made:?}");
    };
    let content = root(&server).get("backups/hearth-owner.json").await.unwrap().unwrap();
    assert_eq!(serde_json::from_slice::<Mark>(&content).unwrap(), mark);
}
