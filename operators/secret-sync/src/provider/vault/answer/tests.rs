use http::{HeaderMap, StatusCode};

use super::*;

const PLACE: Place<'_> = Place {
    host: "vault.lan:8200",
    mount: "secret",
    name: "app",
    version: None,
};
const OF_VERSION: Place<'_> = Place {
    version: Some(7),
    ..PLACE
};

const FOUND: &str = r#"{"request_id":"1","lease_id":"","renewable":false,"lease_duration":0,"data":{"data":{"password":"one","number":123456789012345678901234567890,"list":[1, 2]},"metadata":{"created_time":"2026-11-30T00:00:00Z","custom_metadata":null,"deletion_time":"","destroyed":false,"version":3}},"wrap_info":null,"warnings":null,"auth":null}"#;
const DELETED: &str = r#"{"data":{"data":null,"metadata":{"created_time":"2026-11-30T00:00:00Z","deletion_time":"2026-11-30T00:00:00Z","destroyed":false,"version":3}},"warnings":null}"#;
const DESTROYED: &str = r#"{"data":{"data":null,"metadata":{"created_time":"2026-11-30T00:00:00Z","deletion_time":"","destroyed":true,"version":3}}}"#;
const FOUND_1: &str = r#"{"lease_duration":2764800,"data":{"password":"one"},"warnings":null}"#;
const NOT_VERSIONED: &str =
    r#"{"data":null,"warnings":["Invalid path for a versioned K/V secrets engine. See the API docs"]}"#;

fn answer(status: u16, body: impl AsRef<[u8]>) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: body.as_ref().to_vec(),
    }
}

fn reason_2(status: u16, body: &str) -> Reason {
    kv2(&answer(status, body), &PLACE).err().expect(body).reason
}

fn reason_1(status: u16, body: &str) -> Reason {
    kv1(&answer(status, body), &PLACE).err().expect(body).reason
}

fn field(object: &Object, name: &str) -> String {
    match &object.content {
        Content::Fields(fields) => fields[name].get().to_owned(),
        Content::Text { .. } => panic!("a text"),
    }
}

#[test]
fn a_value_keeps_the_text_that_came() {
    let object = kv2(&answer(200, FOUND), &PLACE).unwrap();
    assert_eq!(object.version, "3");
    assert_eq!(field(&object, "password"), "\"one\"");
    assert_eq!(field(&object, "number"), "123456789012345678901234567890");
    assert_eq!(field(&object, "list"), "[1, 2]");
    let object = kv1(&answer(200, FOUND_1), &PLACE).unwrap();
    assert_eq!(
        (object.version.as_str(), field(&object, "password").as_str()),
        ("", "\"one\"")
    );
}

#[test]
fn the_table_of_404() {
    let nobody = r#"{"errors":[]}"#;
    let no_mount = r#"{"errors":["no handler for route \"nomount/data/a\". route entry not found."]}"#;
    let unsupported = r#"{"errors":["1 error occurred:\n\t* unsupported path\n\n"]}"#;
    for (body, expected) in [
        (nobody, Reason::KeyMissing),
        (DELETED, Reason::KeyDeleted),
        (DESTROYED, Reason::KeyDeleted),
        (NOT_VERSIONED, Reason::WrongKvVersion),
        (no_mount, Reason::MountMissing),
        (unsupported, Reason::WrongKvVersion),
        (r#"{"errors":["namespace not found"]}"#, Reason::NamespaceMissing),
        (r#"{"errors":["something else"]}"#, Reason::BadAnswer),
        ("404 page not found\n", Reason::BadAnswer),
        ("<html>nginx</html>", Reason::BadAnswer),
        ("", Reason::BadAnswer),
        ("{}", Reason::BadAnswer),
        ("[]", Reason::BadAnswer),
        ("null", Reason::BadAnswer),
        (r#"{"errors":{}}"#, Reason::BadAnswer),
        (r#"{"errors":null}"#, Reason::BadAnswer),
        (r#"{"message":"no Route matched with those values"}"#, Reason::BadAnswer),
        (FOUND, Reason::BadAnswer),
    ] {
        assert_eq!(reason_2(404, body), expected, "{body}");
    }
    assert_eq!(reason_1(404, nobody), Reason::KeyMissing);
    assert_eq!(reason_1(404, NOT_VERSIONED), Reason::WrongKvVersion);
    let versioned = kv2(&answer(404, nobody), &OF_VERSION).err().unwrap();
    assert_eq!(versioned.reason, Reason::VersionMissing);
    assert_eq!(
        kv2(&answer(404, DELETED), &OF_VERSION).err().unwrap().reason,
        Reason::KeyDeleted
    );
}

#[test]
fn the_table_of_other_statuses() {
    let errors = r#"{"errors":["hunter2"]}"#;
    for (status, body, expected) in [
        (400, errors, Reason::BadAnswer),
        (401, errors, Reason::Denied),
        (403, errors, Reason::Denied),
        (403, "<html>hunter2", Reason::Denied),
        (204, "", Reason::BadAnswer),
        (206, FOUND, Reason::BadAnswer),
        (301, "", Reason::BadAnswer),
        (302, "", Reason::BadAnswer),
        (307, "", Reason::Standby),
        (308, "", Reason::BadAnswer),
        (405, errors, Reason::BadAnswer),
        (412, errors, Reason::Standby),
        (429, errors, Reason::Throttled),
        (472, "", Reason::Standby),
        (473, "", Reason::Standby),
        (500, errors, Reason::ServerError),
        (502, "<html>hunter2", Reason::ServerError),
        (503, r#"{"errors":["Vault is sealed"]}"#, Reason::Sealed),
        (503, errors, Reason::ServerError),
        (503, "<html>hunter2 sealed", Reason::ServerError),
        (599, "", Reason::ServerError),
        (999, "", Reason::ServerError),
    ] {
        for result in [kv2(&answer(status, body), &PLACE), kv1(&answer(status, body), &PLACE)] {
            let failure = result.err().unwrap();
            assert_eq!(failure.reason, expected, "{status} {body}");
            assert!(!failure.message.contains("hunter2"), "{failure}");
            assert!(failure.message.contains("vault.lan:8200"), "{failure}");
        }
    }
}

#[test]
fn what_is_no_answer_of_vault_is_a_bad_answer() {
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "\"hunter2\"",
        "<html>hunter2</html>",
        r#"{"data":null}"#,
        r#"{"data":[]}"#,
        r#"{"data":"hunter2"}"#,
        r#"{"data":{"data":"hunter2","metadata":{"version":1}}}"#,
        r#"{"data":{"data":{"a":1},"metadata":{}}}"#,
        r#"{"data":{"data":{"a":1},"metadata":{"version":-1}}}"#,
        r#"{"data":{"data":{"a":1},"metadata":{"version":1.5}}}"#,
        r#"{"data":{"data":{"a":1},"metadata":null}}"#,
        r#"{"data":{"data":null,"metadata":{"version":1}}}"#,
        r#"{"data":{"data":{"a":1},"metadata":{"version":1}},"data":{}}"#,
        r#"{"data":{"data":{"a":},"metadata":{"version":1}}}"#,
        r#"{"data":{"data":{"a":1},"metadata":{"version":1}}} trailing"#,
    ] {
        let failure = kv2(&answer(200, body), &PLACE).err().expect(body);
        assert_eq!(failure.reason, Reason::BadAnswer, "{body}");
        assert!(!failure.message.contains("hunter2"), "{failure}");
    }
    for body in [
        "",
        "null",
        "{}",
        "<html>",
        r#"{"data":null}"#,
        r#"{"data":[1]}"#,
        r#"{"data":"hunter2"}"#,
    ] {
        assert_eq!(reason_1(200, body), Reason::BadAnswer, "{body}");
    }
    let mut not_text = FOUND.as_bytes().to_vec();
    not_text[FOUND.find("one").unwrap()] = 0xff;
    assert_eq!(
        kv2(&answer(200, not_text), &PLACE).err().unwrap().reason,
        Reason::BadAnswer
    );
}

#[test]
fn the_versions_of_kv_are_told_apart_by_the_form_of_the_data() {
    assert_eq!(reason_2(200, FOUND_1), Reason::WrongKvVersion);
    assert_eq!(reason_1(200, FOUND), Reason::WrongKvVersion);
    // Fields with these names alone are fields.
    let fields = r#"{"data":{"data":"x","metadata":"y"}}"#;
    kv1(&answer(200, fields), &PLACE).unwrap();
}

#[test]
fn a_mount_is_known_by_its_type_and_version() {
    let is = |status: u16, data: &str| mounted(&answer(status, format!(r#"{{"data":{data}}}"#)));
    assert_eq!(
        is(200, r#"{"type":"kv","options":{"version":"2"}}"#),
        Some(Mounted::Kv2)
    );
    assert_eq!(
        is(200, r#"{"type":"kv","options":{"version":"1"}}"#),
        Some(Mounted::Kv1)
    );
    assert_eq!(is(200, r#"{"type":"kv","options":{}}"#), Some(Mounted::Kv1));
    assert_eq!(is(200, r#"{"type":"kv","options":null}"#), Some(Mounted::Kv1));
    assert_eq!(is(200, r#"{"type":"transit"}"#), Some(Mounted::Other));
    assert_eq!(is(403, r#"{"type":"kv"}"#), None);
    assert_eq!(is(200, "[]"), None);
}

#[test]
fn a_standby_names_the_active_host_only_if_it_is_one() {
    let text = |location: &str| {
        let mut answer = answer(307, "");
        if let Ok(value) = http::HeaderValue::from_bytes(location.as_bytes()) {
            answer.headers.insert(http::header::LOCATION, value);
        }
        outage(&answer, "vault.lan:8200").unwrap().message
    };
    assert!(text("https://vault-1.lan:8200/v1/secret/data/app").contains("vault-1.lan:8200"));
    assert!(text("https://u:hunter2@vault-1.lan/hunter2?hunter2").contains("vault-1.lan:443"));
    for bad in [
        "",
        "/v1/hunter2",
        "hunter2",
        "https://hunter2!",
        "https://hunter2 x/",
        "data:hunter2",
        "https://hunter2`/",
    ] {
        let text = text(bad);
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_pause_that_the_server_names_is_kept() {
    let mut throttled = answer(429, "");
    throttled
        .headers
        .insert("retry-after", http::HeaderValue::from_static("0"));
    let failure = outage(&throttled, "vault.lan:8200").unwrap();
    assert_eq!(failure.retry_after, Some(std::time::Duration::ZERO));
    assert_eq!(outage(&answer(429, ""), "vault.lan:8200").unwrap().retry_after, None);
}

/// Calls all that reads a body.
fn read_all(status: u16, body: &[u8]) {
    let answer = answer(status, body);
    for place in [&PLACE, &OF_VERSION] {
        let _ = kv2(&answer, place);
        let _ = kv1(&answer, place);
    }
    let _ = mounted(&answer);
    let _ = outage(&answer, "vault.lan:8200");
}

#[test]
fn no_bytes_end_the_process() {
    let valid = [FOUND, DELETED, DESTROYED, FOUND_1, NOT_VERSIONED, r#"{"errors":["a"]}"#];
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for case in 0..6000 {
        let mut body = if case % 3 == 0 {
            (0..random.usize(0..300)).map(|_| random.u8(..)).collect()
        } else {
            random.choice(valid).unwrap().as_bytes().to_vec()
        };
        for _ in 0..random.usize(0..8) {
            if body.is_empty() {
                break;
            }
            let at = random.usize(0..body.len());
            match random.u8(0..5) {
                0 => body[at] = random.u8(..),
                1 => body[at] = *random.choice(b"{}[]\",:\\ue0-.").unwrap(),
                2 => drop(body.remove(at)),
                3 => body.truncate(at),
                _ => {
                    let part = body[at..(at + random.usize(0..40)).min(body.len())].to_vec();
                    let to = random.usize(0..body.len());
                    body.splice(to..to, part);
                }
            }
        }
        let status = random.choice([200, 200, 404, 404, 403, 503, 307]).unwrap();
        read_all(status, &body);
    }
}

#[test]
fn each_beginning_of_an_answer_is_refused() {
    for valid in [FOUND, DELETED, FOUND_1, NOT_VERSIONED] {
        for end in 0..valid.len() {
            assert_eq!(reason_2(200, &valid[..end]), Reason::BadAnswer);
            read_all(404, &valid.as_bytes()[..end]);
        }
    }
}

#[test]
fn deep_nesting_needs_no_stack() {
    let depth = 100_000;
    for (open, close) in [("[", "]"), (r#"{"data":"#, "}"), (r#"{"a":["#, "]}")] {
        let (open, close) = (open.repeat(depth), close.repeat(depth));
        for body in [
            format!("{open}1{close}"),
            open.clone(),
            format!(r#"{{"data":{open}1{close}}}"#),
            format!(r#"{{"data":{{"data":{open}1{close},"metadata":{{"version":1}}}}}}"#),
            format!(r#"{{"errors":{open}1{close}}}"#),
            format!(r#"{{"other":{open}1{close},"errors":[]}}"#),
        ] {
            read_all(200, body.as_bytes());
            read_all(404, body.as_bytes());
        }
        // As a field it is a value like any other: whoever parses it must limit its depth.
        let body = format!(r#"{{"data":{{"data":{{"a":{open}1{close}}},"metadata":{{"version":1}}}}}}"#);
        let object = kv2(&answer(200, body), &PLACE).unwrap();
        assert_eq!(field(&object, "a").len(), open.len() + close.len() + 1);
    }
}
