use super::super::{Settings, Times};
use super::*;
use crate::provider::test_server::{Reply, TestServer, answer_with};

const AFTER: Duration = Duration::from_millis(300);

fn app_role() -> Login {
    Login::AppRole {
        mount: "approle".to_owned(),
        role_id: "role".to_owned(),
        secret_id: "hunter2".to_owned(),
    }
}

fn caller(server: &TestServer) -> Caller {
    let settings = Settings {
        server: server.url(),
        ca: None,
        namespace: None,
        path: "secret".to_owned(),
        version_2: true,
        login: app_role(),
    };
    let times = Times {
        total: Duration::from_secs(2),
        ..Times::default()
    };
    Caller::new(&settings, &times).unwrap()
}

fn grant(seconds: u64) -> Reply {
    let token = fastrand::u64(..);
    let body = format!(
        r#"{{"auth":{{"client_token":"s.{token}","lease_duration":{seconds},"renewable":true,"token_type":"service"}}}}"#
    );
    answer_with("200 OK", "Connection: close\r\n", &body)
}

fn denied() -> Reply {
    answer_with(
        "403 Forbidden",
        "Connection: close\r\n",
        r#"{"errors":["permission denied"]}"#,
    )
}

fn session(login: Login) -> Session {
    Session::new(login, AFTER).unwrap()
}

#[tokio::test]
async fn calls_at_once_share_a_login() {
    let server = TestServer::start_with(|_| grant(3600)).await;
    let (caller, session) = (caller(&server), session(app_role()));
    let tokens = futures::future::join_all((0..50).map(|_| session.token(&caller))).await;
    assert!(tokens.iter().all(Result::is_ok));
    assert_eq!(server.calls(), 1);
}

#[tokio::test]
async fn calls_at_once_share_a_failed_login_and_a_later_one_tries_again() {
    let server = TestServer::start(Reply::Bytes(Vec::new())).await;
    let (caller, session) = (caller(&server), session(app_role()));
    let tokens = futures::future::join_all((0..50).map(|_| session.token(&caller))).await;
    assert!(
        tokens
            .iter()
            .all(|token| token.as_ref().err().unwrap().reason == Reason::Unreachable)
    );
    assert_eq!(server.calls(), 1);
    session.token(&caller).await.err().unwrap();
    assert_eq!(server.calls(), 2);
}

#[tokio::test]
async fn a_cancelled_login_does_not_hold_up_the_next() {
    let server = TestServer::start(Reply::Silence).await;
    let (caller, session) = (caller(&server), session(app_role()));
    let short = Duration::from_millis(200);
    tokio::time::timeout(short, session.token(&caller)).await.err().unwrap();
    assert_eq!(session.token(&caller).await.err().unwrap().reason, Reason::Unreachable);
}

#[tokio::test]
async fn a_refusal_of_a_young_token_stands_and_of_an_old_one_causes_one_login() {
    let server = TestServer::start_with(|_| grant(3600)).await;
    let (caller, session) = (caller(&server), session(app_role()));
    let old = session.token(&caller).await.ok().unwrap();
    assert!(session.after_refusal(&caller, &old).await.unwrap().is_none());
    tokio::time::sleep(AFTER).await;
    let replaced = futures::future::join_all((0..20).map(|_| session.after_refusal(&caller, &old))).await;
    assert!(replaced.iter().all(|new| new.as_ref().is_ok_and(Option::is_some)));
    assert_eq!(server.calls(), 2);
}

#[tokio::test]
async fn a_login_after_a_refusal_that_is_refused_is_not_repeated_at_once() {
    let count = AtomicU64::new(0);
    let server = TestServer::start_with(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => grant(3600),
        _ => denied(),
    })
    .await;
    let (caller, session) = (caller(&server), session(app_role()));
    let old = session.token(&caller).await.ok().unwrap();
    tokio::time::sleep(AFTER).await;
    for _ in 0..5 {
        let failure = session.after_refusal(&caller, &old).await.err().unwrap();
        assert_eq!(failure.reason, Reason::LoginRefused);
    }
    assert_eq!(server.calls(), 2);
    tokio::time::sleep(AFTER).await;
    session.after_refusal(&caller, &old).await.err().unwrap();
    assert_eq!(server.calls(), 3);
}

#[tokio::test]
async fn a_given_token_is_verified_once_after_a_refusal() {
    let server = TestServer::start_with(|_| denied()).await;
    let (caller, session) = (caller(&server), session(Login::Token("hunter2".to_owned())));
    let token = session.token(&caller).await.ok().unwrap();
    for _ in 0..5 {
        let failure = session.after_refusal(&caller, &token).await.err().unwrap();
        assert_eq!(failure.reason, Reason::LoginRefused);
        assert!(!failure.message.contains("hunter2"));
    }
    assert_eq!(server.calls(), 1);
    let good = TestServer::start(answer_with("200 OK", "", r#"{"data":{"ttl":0}}"#)).await;
    let (caller, session) = (self::caller(&good), self::session(Login::Token("hunter2".to_owned())));
    let token = session.token(&caller).await.ok().unwrap();
    assert!(session.after_refusal(&caller, &token).await.unwrap().is_none());
}

#[tokio::test]
async fn a_renewal_is_due_at_two_thirds_and_an_outage_keeps_the_token() {
    let server = TestServer::start_with(|head| {
        if head.contains("renew-self") {
            Reply::Bytes(Vec::new())
        } else {
            grant(3)
        }
    })
    .await;
    let (caller, session) = (caller(&server), session(app_role()));
    assert_eq!(session.renew(&caller).await, Ok(None));
    let token = session.token(&caller).await.ok().unwrap();
    let due = session.renew(&caller).await.unwrap().unwrap();
    assert!(due > Duration::from_secs(1) && due <= Duration::from_secs(2), "{due:?}");
    tokio::time::sleep(due).await;
    assert_eq!(session.renew(&caller).await.unwrap_err().reason, Reason::Unreachable);
    assert!(session.token(&caller).await.ok().unwrap().is_same_login(&token));
    // Ended: the next call logs in.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!session.token(&caller).await.ok().unwrap().is_same_login(&token));
}

#[tokio::test]
async fn a_refused_or_shortened_renewal_is_a_new_login() {
    for renewal in [denied(), grant(1)] {
        let server = TestServer::start_with(move |head| {
            if head.contains("renew-self") {
                renewal.clone()
            } else {
                grant(3)
            }
        })
        .await;
        let (caller, session) = (caller(&server), session(app_role()));
        let token = session.token(&caller).await.ok().unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let due = session.renew(&caller).await.unwrap().unwrap();
        assert!(due > Duration::from_secs(1), "{due:?}");
        assert!(!session.token(&caller).await.ok().unwrap().is_same_login(&token));
        assert_eq!(server.calls(), 3);
    }
}

#[tokio::test]
async fn a_renewal_is_never_due_at_once() {
    let server = TestServer::start_with(|_| grant(1)).await;
    let (caller, session) = (caller(&server), session(app_role()));
    session.token(&caller).await.ok().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let due = session.renew(&caller).await.unwrap().unwrap();
    assert!(due > Duration::from_millis(800), "{due:?}");
}

#[tokio::test]
async fn only_a_token_of_our_own_login_that_has_not_ended_is_revoked() {
    let revoked = Arc::new(AtomicU64::new(0));
    let count = revoked.clone();
    let server = TestServer::start_with(move |head| {
        if head.starts_with("POST /v1/auth/token/revoke-self ") {
            count.fetch_add(1, Ordering::SeqCst);
            Reply::Bytes(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_vec())
        } else {
            grant(1)
        }
    })
    .await;
    let (caller, session) = (caller(&server), session(app_role()));
    session.close(&caller).await.unwrap();
    assert_eq!(server.calls(), 0);
    session.token(&caller).await.ok().unwrap();
    session.close(&caller).await.unwrap();
    session.close(&caller).await.unwrap();
    assert_eq!(revoked.load(Ordering::SeqCst), 1);
    session.token(&caller).await.ok().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    session.close(&caller).await.unwrap();
    assert_eq!(revoked.load(Ordering::SeqCst), 1);

    let given = self::session(Login::Token("hunter2".to_owned()));
    given.close(&caller).await.unwrap();
    given.token(&caller).await.ok().unwrap();
    assert_eq!(server.calls(), 3);
}

#[test]
fn a_login_that_cannot_be_sent_names_its_field_and_no_credential() {
    let role = |mount: &str, role_id: &str, secret_id: &str| Login::AppRole {
        mount: mount.to_owned(),
        role_id: role_id.to_owned(),
        secret_id: secret_id.to_owned(),
    };
    for (login, field) in [
        (Login::Token(String::new()), "token: "),
        (Login::Token("hunter2\nhunter2".to_owned()), "token: "),
        (Login::Token("hunter2\u{0}".to_owned()), "token: "),
        (role("", "a", "hunter2"), "appRole.mountPath: "),
        (role("../sys", "a", "hunter2"), "appRole.mountPath: "),
        (role("approle", "", "hunter2"), "appRole.roleID: "),
        (role("approle", "a", "\n"), "appRole secret id: "),
    ] {
        let why = Session::new(login, AFTER).err().unwrap();
        assert!(why.starts_with(field) && !why.contains("hunter2"), "{why}");
    }
}
