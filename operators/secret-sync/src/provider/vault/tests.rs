use super::*;
use crate::provider::Form;
use crate::provider::test_server::{Reply, TestServer, answer_with};

fn vault(server: &TestServer) -> Vault {
    vault_with(server, Login::Token("hunter2".to_owned()))
}

fn vault_with(server: &TestServer, login: Login) -> Vault {
    let settings = Settings {
        server: server.url(),
        ca: None,
        namespace: None,
        path: "secret".to_owned(),
        version_2: true,
        login,
    };
    let times = Times {
        total: Duration::from_secs(2),
        ..Times::default()
    };
    Vault::with_times(settings, times).unwrap()
}

fn key() -> ObjectKey {
    ObjectKey {
        name: "app".to_owned(),
        version: None,
        form: Form::Value,
    }
}

async fn failure_from(reply: Reply) -> Failure {
    let server = TestServer::start(reply).await;
    vault(&server).read(&key()).await.err().unwrap()
}

#[tokio::test]
async fn bad_answers_have_their_reason_and_repeat_nothing() {
    let html = "<!DOCTYPE html><html>hunter2</html>";
    let valid = r#"{"data":{"data":{"a":"hunter2"},"metadata":{"version":1}}}"#;
    let cut = &valid[..40];
    for (reply, expected) in [
        (
            answer_with("200 OK", "Content-Type: text/html\r\n", html),
            Reason::BadAnswer,
        ),
        (answer_with("200 OK", "", cut), Reason::BadAnswer),
        (answer_with("200 OK", "", r#"{"hunter2":true}"#), Reason::BadAnswer),
        (answer_with("200 OK", "", ""), Reason::BadAnswer),
        (answer_with("404 Not Found", "", html), Reason::BadAnswer),
        (
            answer_with("302 Found", "Location: http://127.0.0.1:9/hunter2\r\n", ""),
            Reason::BadAnswer,
        ),
        (
            answer_with("307 T", "Location: http://127.0.0.1:9/hunter2\r\n", ""),
            Reason::Standby,
        ),
        (answer_with("502 Bad Gateway", "", html), Reason::ServerError),
        // More is announced than comes.
        (
            Reply::Bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{valid}").into_bytes()),
            Reason::Unreachable,
        ),
        // Less is announced.
        (
            Reply::Bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{valid}").into_bytes()),
            Reason::BadAnswer,
        ),
        (
            Reply::Endless("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"),
            Reason::TooLarge,
        ),
        (Reply::Silence, Reason::Unreachable),
    ] {
        let failure = failure_from(reply).await;
        assert_eq!(failure.reason, expected, "{failure}");
        assert!(!failure.message.contains("hunter2"), "{failure}");
    }
}

#[tokio::test]
async fn of_an_endless_answer_to_any_call_one_mebibyte_is_read() {
    const LIMIT: u64 = crate::provider::http::MAX_BODY as u64;
    let app_role = Login::AppRole {
        mount: "approle".to_owned(),
        role_id: "role".to_owned(),
        secret_id: "hunter2".to_owned(),
    };
    let given = Login::Token("hunter2".to_owned());
    // A read with a given token, its look-ups by two ways, and a login. Without a login, nothing can be asked for.
    for (login, call, expected) in [
        (&given, "read", Reason::TooLarge),
        (&given, "check", Reason::Unreachable),
        (&given, "renew", Reason::Unreachable),
        (&app_role, "read", Reason::Unreachable),
        (&app_role, "check", Reason::Unreachable),
    ] {
        let server = TestServer::start(Reply::Endless("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")).await;
        let vault = vault_with(&server, login.clone());
        let failure = match call {
            "read" => vault.read(&key()).await.err(),
            "check" => vault.check().await.err(),
            _ => vault.renew().await.err(),
        };
        assert_eq!(failure.map(|failure| failure.reason), Some(expected), "{call}");
        let sent = server.sent_in_all().await;
        assert!((LIMIT..2 * LIMIT).contains(&sent), "{call}: {sent}");
        assert_eq!(server.calls(), 1, "{call}");
    }
}

#[tokio::test]
async fn a_missing_key_on_a_v1_mount_is_a_wrong_version_and_asked_for_once_if_it_is_v2() {
    let missing = || answer_with("404 Not Found", "", r#"{"errors":[]}"#);
    let mounted = |version: &str| {
        let body = format!(r#"{{"data":{{"type":"kv","options":{{"version":"{version}"}}}}}}"#);
        move |head: &str| {
            if head.contains("/sys/internal/ui/mounts/secret ") {
                answer_with("200 OK", "", &body)
            } else {
                missing()
            }
        }
    };
    let server = TestServer::start_with(mounted("1")).await;
    assert_eq!(
        vault(&server).read(&key()).await.err().unwrap().reason,
        Reason::WrongKvVersion
    );

    let server = TestServer::start_with(mounted("2")).await;
    let vault = vault(&server);
    for _ in 0..3 {
        assert_eq!(vault.read(&key()).await.err().unwrap().reason, Reason::KeyMissing);
    }
    assert_eq!(server.calls(), 4);
}

#[tokio::test]
async fn a_missing_key_stays_one_if_the_mount_cannot_be_asked_for() {
    let server = TestServer::start_with(|head| {
        if head.contains("/sys/") {
            answer_with("403 Forbidden", "", r#"{"errors":["permission denied"]}"#)
        } else {
            answer_with("404 Not Found", "", r#"{"errors":[]}"#)
        }
    })
    .await;
    assert_eq!(
        vault(&server).read(&key()).await.err().unwrap().reason,
        Reason::KeyMissing
    );
}

#[test]
fn settings_that_cannot_be_used_name_their_field() {
    let good = Settings {
        server: "https://vault.lan:8200".to_owned(),
        ca: None,
        namespace: None,
        path: "secret".to_owned(),
        version_2: true,
        login: Login::Token("hunter2".to_owned()),
    };
    for (settings, field) in [
        (
            Settings {
                server: "vault.lan".to_owned(),
                ..good.clone()
            },
            "server: ",
        ),
        (
            Settings {
                path: "a/../b".to_owned(),
                ..good.clone()
            },
            "path: ",
        ),
        (
            Settings {
                namespace: Some("a\nb".to_owned()),
                ..good.clone()
            },
            "namespace: ",
        ),
        (
            Settings {
                ca: Some(b"hunter2".to_vec()),
                ..good.clone()
            },
            "ca: ",
        ),
        (
            Settings {
                login: Login::Token("hunter2\u{1}".to_owned()),
                ..good.clone()
            },
            "token: ",
        ),
    ] {
        let why = Vault::new(settings).err().unwrap();
        assert!(why.starts_with(field) && !why.contains("hunter2"), "{why}");
    }
    Vault::new(good).ok().unwrap();
}
