//! What answers mean, as tables, and that no answer makes a panic.
use std::time::Duration;

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use super::classify::{self, Asked};
use super::settings::{self, Checked};
use super::transport::check_challenge;
use super::{Settings, is_pkcs12, object};
use crate::provider::http::Answer;
use crate::provider::{Failure, Form, ObjectKey, Reason};

const HOST: &str = "home.vault.azure.net:443";
const TENANT: &str = "7b790000-0000-4000-8000-000000000001";
const NOW: jiff::Timestamp = jiff::Timestamp::UNIX_EPOCH;

fn settings() -> Settings {
    Settings {
        vault_url: "https://home.vault.azure.net".to_owned(),
        tenant_id: TENANT.to_owned(),
        client_id: "1f2e0000-0000-4000-8000-000000000002".to_owned(),
        client_secret: "secret~canary".to_owned(),
        authority_host: "https://login.microsoftonline.com".to_owned(),
        vault_suffix: "vault.azure.net".to_owned(),
        allowed_hosts: Vec::new(),
        ca: None,
    }
}

fn checked() -> Checked {
    settings::check(settings())
        .map_err(|message| panic!("{message}"))
        .unwrap()
}

fn key() -> ObjectKey {
    ObjectKey {
        name: "db-password".to_owned(),
        version: None,
        form: Form::Value,
    }
}

fn answer(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: body.into(),
    }
}

fn error(status: u16, code: &str, inner: Option<&str>) -> Answer {
    let mut body = json!({"error": {"code": code, "message": "canary"}});
    if let Some(inner) = inner {
        body["error"]["innererror"] = json!({"code": inner});
    }
    answer(status, body.to_string())
}

fn vault(answer: &Answer) -> Failure {
    classify::vault(HOST, Asked::Object(&key()), answer, NOW)
}

fn login(number: u64) -> Failure {
    let body = json!({"error": "invalid_client", "error_description": "canary", "error_codes": [number]});
    classify::login(&checked(), &answer(401, body.to_string()), NOW)
}

#[test]
fn refusals_of_a_vault_have_their_reasons() {
    for (status, code, inner, reason) in [
        (404, "SecretNotFound", None, Reason::KeyMissing),
        (404, "ResourceNotFound", None, Reason::BadAnswer),
        (403, "Forbidden", Some("SecretDisabled"), Reason::KeyDisabled),
        (403, "Forbidden", Some("SecretExpired"), Reason::KeyExpired),
        (403, "Forbidden", Some("SecretNotYetValid"), Reason::KeyNotYetValid),
        (
            403,
            "Forbidden",
            Some("ForbiddenByFirewall"),
            Reason::ForbiddenByFirewall,
        ),
        (
            403,
            "Forbidden",
            Some("ForbiddenByConnection"),
            Reason::ForbiddenByFirewall,
        ),
        (403, "Forbidden", Some("ForbiddenByPolicy"), Reason::Denied),
        (403, "Forbidden", Some("ForbiddenByRbac"), Reason::Denied),
        (403, "Forbidden", Some("AccessDenied"), Reason::Denied),
        (403, "AccessDenied", None, Reason::Denied),
        (403, "Forbidden", None, Reason::Denied),
        (400, "BadParameter", None, Reason::BadAnswer),
        (409, "Conflict", None, Reason::BadAnswer),
        (302, "", None, Reason::BadAnswer),
        (408, "", None, Reason::ServerError),
        (429, "Throttled", None, Reason::Throttled),
        (500, "InternalServerError", None, Reason::ServerError),
        (503, "ServiceUnavailable", None, Reason::ServerError),
        (599, "", None, Reason::ServerError),
    ] {
        let failure = vault(&error(status, code, inner));
        assert_eq!(failure.reason, reason, "{status} {code} {inner:?}: {failure}");
        assert!(
            failure.message.contains(HOST) && !failure.message.contains("canary"),
            "{failure}"
        );
    }
    assert_eq!(vault(&answer(403, "<html>canary</html>")).reason, Reason::BadAnswer);
    let version = ObjectKey {
        version: Some("0".repeat(32)),
        ..key()
    };
    let failure = classify::vault(HOST, Asked::Object(&version), &error(404, "SecretNotFound", None), NOW);
    assert_eq!(failure.reason, Reason::VersionMissing);
}

#[test]
fn of_the_firewalls_words_only_an_address_is_kept() {
    for (words, shown) in [
        (
            "Client address: 203.0.113.9\r\nCaller: appid=canary",
            Some("203.0.113.9"),
        ),
        ("Client address: 203.0.113.9 from unknown subnet", Some("203.0.113.9")),
        ("Client address: 203.0.113.9.", Some("203.0.113.9")),
        ("x\nClient address: 2001:db8::9\nVault: canary", Some("2001:db8::9")),
        ("Client address: 999.0.113.9", None),
        ("Client address: canary", None),
        ("Client address: ", None),
        ("canary", None),
    ] {
        let body =
            json!({"error": {"code": "Forbidden", "message": words, "innererror": {"code": "ForbiddenByFirewall"}}});
        let failure = vault(&answer(403, body.to_string()));
        assert_eq!(failure.reason, Reason::ForbiddenByFirewall);
        assert!(!failure.message.contains("canary"), "{failure}");
        let expected = shown.map_or_else(
            || "the address of this line".to_owned(),
            |shown| format!("the address {shown} of this line"),
        );
        assert!(failure.message.contains(&expected), "{failure}");
    }
}

#[test]
fn refusals_of_a_login_have_their_reasons() {
    for (number, reason) in [
        (7_000_222, Reason::ClientSecretExpired),
        (7_000_215, Reason::ClientSecretInvalid),
        (90_002, Reason::TenantMissing),
        (900_023, Reason::TenantMissing),
        (700_016, Reason::LoginRefused),
        (700_024, Reason::LoginRefused),
        (90_033, Reason::ServerError),
        (1, Reason::LoginRefused),
        (u64::MAX, Reason::LoginRefused),
    ] {
        let failure = login(number);
        assert_eq!(failure.reason, reason, "{failure}");
        assert!(!failure.message.contains("canary"), "{failure}");
        let numbered = failure.message.contains(&format!("AADSTS{number}"));
        assert_eq!(numbered, reason != Reason::ServerError, "{failure}");
    }
    // The number also stands in the text.
    let body = json!({"error": "invalid_client", "error_description": "AADSTS7000222: canary"});
    let failure = classify::login(&checked(), &answer(401, body.to_string()), NOW);
    assert_eq!(failure.reason, Reason::ClientSecretExpired);
    let body = json!({"error": "invalid_client", "error_description": "AADSTScanary"});
    let failure = classify::login(&checked(), &answer(401, body.to_string()), NOW);
    assert_eq!(failure.reason, Reason::LoginRefused);
    assert_eq!(
        classify::login(&checked(), &answer(401, "canary"), NOW).reason,
        Reason::Unreachable
    );
}

#[test]
fn the_most_exact_pause_counts() {
    let with = |headers: &[(&'static str, &'static str)]| {
        let mut throttled = error(429, "Throttled", None);
        for (name, value) in headers {
            let name = HeaderName::from_static(name);
            throttled.headers.insert(name, HeaderValue::from_static(value));
        }
        vault(&throttled).retry_after
    };
    assert_eq!(with(&[("retry-after", "3")]), Some(Duration::from_secs(3)));
    assert_eq!(
        with(&[("retry-after", "3"), ("x-ms-retry-after-ms", "2500")]),
        Some(Duration::from_millis(2500))
    );
    assert_eq!(
        with(&[("retry-after-ms", "-1"), ("retry-after", "3")]),
        Some(Duration::from_secs(3))
    );
    assert_eq!(
        with(&[("retry-after", "Thu, 01 Jan 1970 00:01:00 GMT")]),
        Some(Duration::from_mins(1))
    );
    assert_eq!(with(&[("retry-after", "99999999999999999999999")]), None);
    assert_eq!(with(&[("retry-after", "")]), None);
    let mut denied = error(403, "Forbidden", None);
    denied.headers.insert("retry-after", HeaderValue::from_static("3"));
    assert_eq!(vault(&denied).retry_after, None);
}

#[test]
fn only_a_challenge_for_key_vault_and_this_tenant_is_taken() {
    let checked = checked();
    let authority = format!("authorization=\"https://login.microsoftonline.com/{TENANT}\"");
    for good in [
        format!("Bearer {authority}, resource=\"https://vault.azure.net\""),
        format!("Bearer {authority}, resource=\"https://vault.azure.net/\""),
        format!("Bearer {authority}, scope=\"https://vault.azure.net/.default\""),
        "Bearer resource=\"https://vault.azure.net\"".to_owned(),
    ] {
        check_challenge(&good, &checked).unwrap_or_else(|failure| panic!("{good}: {failure}"));
    }
    let other = "00000000-0000-4000-8000-00000000beef";
    for bad in [
        String::new(),
        "Bearer".to_owned(),
        format!("Bearer {authority}"),
        format!("Bearer {authority}, resource=\"https://graph.microsoft.com\""),
        format!("Bearer {authority}, resource=\"https://vault.azure.net\", resource=\"https://graph.microsoft.com\""),
        format!("Bearer {authority}, xscope=\"https://graph.microsoft.com\""),
        format!("Bearer {authority}, resource=\"https://vault.azure.net.example.org\""),
        format!(
            "Bearer authorization=\"https://login.microsoftonline.com/{other}\", resource=\"https://vault.azure.net\""
        ),
    ] {
        check_challenge(&bad, &checked).expect_err(&bad);
    }
}

#[test]
fn vaults_lie_under_the_suffix_or_are_allowed() {
    let checks = |url: &str, allowed: &[&str]| {
        let settings = Settings {
            vault_url: url.to_owned(),
            allowed_hosts: allowed.iter().map(|host| (*host).to_owned()).collect(),
            ..settings()
        };
        settings::check(settings).map(|checked| checked.is_under_suffix)
    };
    assert_eq!(checks("https://HOME.vault.azure.net/", &[]), Ok(true));
    assert_eq!(checks("https://home.vault.azure.net:443", &[]), Ok(true));
    assert_eq!(checks("https://kv.lan", &["KV.lan"]), Ok(false));
    assert_eq!(checks("https://kv.lan:8443", &["kv.lan:8443"]), Ok(false));
    for (url, allowed) in [
        ("https://kv.lan:8443", "kv.lan"),
        ("https://kv.lan", "kv.lan:8443"),
        ("https://a.kv.lan", "kv.lan"),
        ("https://kv.lan", ""),
        ("https://a.home.vault.azure.net", "x"),
        ("https://vault.azure.net", "x"),
        ("https://xvault.azure.net", "x"),
        ("https://home.vault.azure.net:8443", "x"),
        ("https://home.vault.azure.net.", "x"),
    ] {
        assert!(checks(url, &[allowed]).unwrap_err().contains("vaultURL"), "{url}");
    }
}

#[test]
fn an_answer_for_another_secret_is_none() {
    let version = "0123456789abcdef0123456789abcdef";
    let secret = |id: &str, kind: Option<&str>| {
        let body = json!({"value": "canary", "id": id, "contentType": kind});
        serde_json::from_value(body).unwrap()
    };
    let id = format!("https://{HOST}/secrets/DB-password/{version}");
    assert_eq!(
        object(HOST, &key(), secret(&id, None))
            .map(|object| object.version)
            .unwrap(),
        version
    );
    for id in [
        format!("https://{HOST}/secrets/other/{version}"),
        format!("https://{HOST}/secrets/db-password"),
        version.to_owned(),
        String::new(),
    ] {
        let failure = object(HOST, &key(), secret(&id, None)).err().unwrap();
        assert_eq!(failure.reason, Reason::BadAnswer);
    }
    let other = ObjectKey {
        version: Some("f".repeat(32)),
        ..key()
    };
    assert!(object(HOST, &other, secret(&id, None)).is_err());
    let certificate = ObjectKey {
        form: Form::Certificate,
        ..key()
    };
    let failure = object(HOST, &certificate, secret(&id, Some("application/x-pkcs12")))
        .err()
        .unwrap();
    assert_eq!(failure.reason, Reason::Pkcs12NotSupported);
    assert!(object(HOST, &certificate, secret(&id, Some("application/x-pem-file"))).is_ok());
    assert!(is_pkcs12(" Application/X-PKCS12 ; a=b") && !is_pkcs12("text/plain"));
}

/// Random bytes, and good answers with some bytes changed.
fn arbitrary(random: &mut fastrand::Rng) -> Vec<u8> {
    const GOOD: [&str; 3] = [
        r#"{"error":{"code":"Forbidden","message":"Client address: 203.0.113.9","innererror":{"code":"ForbiddenByFirewall"}}}"#,
        r#"{"error":"invalid_client","error_description":"AADSTS7000222: x","error_codes":[7000222]}"#,
        r#"{"access_token":"x","expires_in":3599}"#,
    ];
    if random.bool() {
        let length = random.usize(..200);
        return std::iter::repeat_with(|| random.u8(..)).take(length).collect();
    }
    let mut bytes = GOOD[random.usize(..GOOD.len())].as_bytes().to_vec();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..bytes.len());
        bytes[at] = random.u8(..);
    }
    bytes.truncate(random.usize(..=bytes.len()));
    bytes
}

#[test]
fn no_answer_makes_a_panic_or_gets_into_a_message() {
    let mut random = fastrand::Rng::with_seed(12);
    let checked = checked();
    for _ in 0..20_000 {
        let body = arbitrary(&mut random);
        let mut answer = answer(random.u16(200..1000), body.clone());
        for name in ["retry-after", "retry-after-ms", "x-ms-retry-after-ms"] {
            if let Ok(value) = HeaderValue::from_bytes(&arbitrary(&mut random)) {
                answer.headers.insert(HeaderName::from_static(name), value);
            }
        }
        for failure in [
            classify::vault(HOST, Asked::Object(&key()), &answer, NOW),
            classify::vault(HOST, Asked::Nothing, &answer, NOW),
            classify::login(&checked, &answer, NOW),
        ] {
            assert!(
                failure.message.is_ascii() && !failure.message.contains("canary"),
                "{failure}"
            );
            assert!(!failure.message.contains("invalid_client"), "{failure}");
        }
        let text = String::from_utf8_lossy(&body);
        let challenge = format!("Bearer resource=\"{text}\", {text}=\"{text}");
        let _ = check_challenge(&challenge, &checked);
        let _ = check_challenge(&text, &checked);
        let _ = super::transport::check_token(&body);
        let other = Settings {
            vault_url: format!("https://{text}"),
            client_secret: text.clone().into_owned(),
            tenant_id: text.clone().into_owned(),
            ..settings()
        };
        let _ = settings::check(other);
        let _ = settings::check_key(&ObjectKey {
            name: text.into_owned(),
            ..key()
        });
    }
}

#[test]
fn tokens_that_the_sdk_or_a_header_cannot_hold_are_refused() {
    let check = |token: &str, seconds: i64| {
        let body = json!({"access_token": token, "expires_in": seconds, "token_type": "Bearer"});
        super::transport::check_token(body.to_string().as_bytes())
    };
    assert!(check("eyJ0.e30.x", 3599).is_ok());
    // The SDK adds the seconds to the time of day, and panics when no date can hold the sum.
    for (token, seconds) in [
        ("x", i64::MAX),
        ("x", i64::MIN),
        ("x", 0),
        ("x", 253_402_300_800),
        ("", 3599),
        ("a b", 3599),
        ("a\r\nb", 3599),
        ("ä", 3599),
    ] {
        assert!(check(token, seconds).is_err(), "{token:?} {seconds}");
    }
    assert!(super::transport::check_token(br#"{"access_token":"x","expires_in":"3599"}"#).is_err());
}
