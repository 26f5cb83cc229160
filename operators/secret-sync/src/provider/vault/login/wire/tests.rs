use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::super::token::Due;
use super::*;

const GRANTED: &str = r#"{"request_id":"1","lease_id":"","renewable":false,"lease_duration":0,"data":null,"wrap_info":null,"warnings":null,"auth":{"client_token":"s.hunter2","accessor":"a","policies":["default"],"token_policies":["default"],"metadata":null,"lease_duration":3600,"renewable":true,"entity_id":"","token_type":"service","orphan":true}}"#;
const LOOKED_UP: &str = r#"{"data":{"accessor":"a","creation_ttl":3600,"expire_time":"2026-11-30T00:00:00Z","renewable":true,"ttl":3599,"type":"service"}}"#;

fn answer(status: u16, body: impl AsRef<[u8]>) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: body.as_ref().to_vec(),
    }
}

fn app_role() -> Login {
    Login::AppRole {
        mount: "approle".to_owned(),
        role_id: "role".to_owned(),
        secret_id: "hunter2".to_owned(),
    }
}

fn refusal(status: u16, body: &str) -> Failure {
    granted(&answer(status, body), "vault.lan:8200", &app_role())
        .err()
        .expect(body)
}

fn renewable(seconds: u64) -> Life {
    Life::For {
        time: Duration::from_secs(seconds),
        renewable: true,
    }
}

#[test]
fn a_login_gives_a_token_with_a_life() {
    let token = granted(&answer(200, GRANTED), "vault.lan:8200", &app_role())
        .ok()
        .unwrap();
    assert_eq!(token.secret, "s.hunter2");
    assert_eq!(token.life, renewable(3600));
    assert_eq!(renewed(&answer(200, GRANTED), "vault.lan:8200"), Ok(renewable(3600)));
    assert_eq!(
        looked_up(&answer(200, LOOKED_UP), "vault.lan:8200"),
        Ok(renewable(3599))
    );
    let root = r#"{"data":{"ttl":0}}"#;
    assert_eq!(looked_up(&answer(200, root), "vault.lan:8200"), Ok(Life::Endless));
}

#[test]
fn a_batch_token_is_not_renewable_whatever_the_answer_says() {
    let batch = GRANTED.replace("\"service\"", "\"batch\"");
    let life = renewed(&answer(200, batch), "vault.lan:8200").unwrap();
    let expected = Life::For {
        time: Duration::from_hours(1),
        renewable: false,
    };
    assert_eq!(life, expected);
}

#[test]
fn a_refused_login_names_what_to_check_and_no_secret() {
    let errors = r#"{"errors":["invalid role or secret ID: hunter2"]}"#;
    for (status, body, expected) in [
        (400, errors, Reason::LoginRefused),
        (401, errors, Reason::LoginRefused),
        (403, errors, Reason::LoginRefused),
        (404, errors, Reason::LoginRefused),
        (404, "<html>hunter2", Reason::Unreachable),
        (403, "<html>hunter2", Reason::Unreachable),
        (302, "", Reason::Unreachable),
        (307, "", Reason::Standby),
        (429, "", Reason::Throttled),
        (500, errors, Reason::ServerError),
        (503, r#"{"errors":["Vault is sealed"]}"#, Reason::Sealed),
        (200, "<html>hunter2", Reason::Unreachable),
        (200, "{}", Reason::Unreachable),
        (200, r#"{"auth":null}"#, Reason::Unreachable),
        (200, r#"{"auth":{"client_token":"hunter2"}}"#, Reason::Unreachable),
        (
            200,
            r#"{"auth":{"client_token":"","lease_duration":1}}"#,
            Reason::Unreachable,
        ),
        (
            200,
            r#"{"auth":{"client_token":"hunter2\n","lease_duration":1}}"#,
            Reason::Unreachable,
        ),
        (
            200,
            r#"{"auth":{"client_token":"hunter2\u0000","lease_duration":1}}"#,
            Reason::Unreachable,
        ),
        (
            200,
            r#"{"auth":{"client_token":"hunter2ü","lease_duration":1}}"#,
            Reason::Unreachable,
        ),
        (
            200,
            r#"{"auth":{"client_token":"hunter2","lease_duration":-1}}"#,
            Reason::Unreachable,
        ),
    ] {
        let failure = refusal(status, body);
        assert_eq!(failure.reason, expected, "{status} {body}");
        assert!(!failure.message.contains("hunter2"), "{failure}");
        assert!(failure.message.contains("vault.lan:8200"), "{failure}");
    }
    let message = refusal(400, errors).message;
    assert!(
        message.contains("`auth/approle`") && message.contains("`role`"),
        "{message}"
    );
}

#[test]
fn a_refused_call_about_the_token_itself_is_denied() {
    let errors = r#"{"errors":["permission denied"]}"#;
    for status in [400, 401, 403] {
        let failure = looked_up(&answer(status, errors), "vault.lan:8200").unwrap_err();
        assert_eq!(failure.reason, Reason::Denied);
    }
    let failure = looked_up(&answer(403, "<html>"), "vault.lan:8200").unwrap_err();
    assert_eq!(failure.reason, Reason::Unreachable);
    for body in ["", "{}", r#"{"data":{"ttl":-1}}"#, r#"{"data":{"ttl":"1h"}}"#] {
        let failure = looked_up(&answer(200, body), "vault.lan:8200").unwrap_err();
        assert_eq!(failure.reason, Reason::Unreachable, "{body}");
    }
}

#[test]
fn the_longest_life_that_a_server_can_send_is_one() {
    let body = GRANTED.replace("3600", &u64::MAX.to_string());
    let token = granted(&answer(200, body), "vault.lan:8200", &app_role()).ok().unwrap();
    assert!(matches!(token.due(true), Due::In(wait) if wait > Duration::from_hours(24 * 365)));
    assert!(!token.has_ended());
}

#[test]
fn no_bytes_end_the_process() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for case in 0..4000 {
        let mut body = random.choice([GRANTED, LOOKED_UP]).unwrap().as_bytes().to_vec();
        if case % 4 == 0 {
            body = (0..random.usize(1..300)).map(|_| random.u8(..)).collect();
        }
        for _ in 0..random.usize(0..6) {
            let at = random.usize(0..body.len());
            match random.u8(0..3) {
                0 => body[at] = random.u8(..),
                1 => body[at] = *random.choice(b"{}[]\",:\\u0-9").unwrap(),
                _ => body.truncate(at + 1),
            }
        }
        let answer = answer(random.choice([200, 400, 403, 503]).unwrap(), body);
        if let Ok(token) = granted(&answer, "vault.lan:8200", &app_role()) {
            assert!(is_header(&token.secret));
            let _ = token.due(true);
        }
        let _ = renewed(&answer, "vault.lan:8200");
        let _ = looked_up(&answer, "vault.lan:8200");
    }
}

#[tokio::test]
async fn the_token_file_is_read_anew_and_without_its_newline() {
    let file = std::env::temp_dir().join(format!("hearth-token-{}", fastrand::u64(..)));
    assert!(read_token(&file).await.unwrap_err().contains(file.to_str().unwrap()));
    std::fs::write(&file, "abc\n").unwrap();
    assert_eq!(read_token(&file).await.unwrap(), "abc");
    std::fs::write(&file, "\n").unwrap();
    read_token(&file).await.unwrap_err();
    std::fs::write(&file, b"\xff\xfe").unwrap();
    read_token(&file).await.unwrap_err();
    std::fs::remove_file(&file).unwrap();
}
