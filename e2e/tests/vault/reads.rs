//! What each answer to a read means.
use super::*;

#[tokio::test]
async fn five_kinds_of_404_are_five_reasons() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    let connection = connect(settings(api));
    put(api, "app", json!({ "password": "one" })).await;
    put(api, "app", json!({ "password": "two" })).await;
    put(api, "gone", json!({ "password": "one" })).await;
    put(api, "burnt", json!({ "password": "one" })).await;
    api.succeed("DELETE", "secret/data/gone", Value::Null).await.unwrap();
    api.post("secret/destroy/burnt", json!({ "versions": [1] }))
        .await
        .unwrap();

    let newest = read(&connection, "app").await.unwrap();
    assert_eq!(
        (newest.version.as_str(), field(&newest, "password").as_str()),
        ("2", "\"two\"")
    );
    let first = connection.read(&key("app", Some(1))).await.unwrap();
    assert_eq!(
        (first.version.as_str(), field(&first, "password").as_str()),
        ("1", "\"one\"")
    );

    let failed = |name: &'static str, version: Option<u64>| {
        let connection = connection.clone();
        async move { connection.read(&key(name, version)).await.err().unwrap().reason }
    };
    assert_eq!(failed("nothing", None).await, Reason::KeyMissing);
    assert_eq!(failed("app", Some(3)).await, Reason::VersionMissing);
    assert_eq!(
        failed("app", Some(999_999_999_999_999_999)).await,
        Reason::VersionMissing
    );
    assert_eq!(failed("nothing", Some(1)).await, Reason::VersionMissing);
    assert_eq!(failed("gone", None).await, Reason::KeyDeleted);
    assert_eq!(failed("gone", Some(1)).await, Reason::KeyDeleted);
    assert_eq!(failed("burnt", None).await, Reason::KeyDeleted);
    assert_eq!(failed("burnt", Some(1)).await, Reason::KeyDeleted);

    // A path is not a folder, and a folder is not a path.
    put(api, "folder/app", json!({ "a": 1 })).await;
    assert_eq!(failed("folder", None).await, Reason::KeyMissing);
    read(&connection, "folder/app").await.unwrap();

    let elsewhere = connect(Settings {
        path: "nowhere".to_owned(),
        ..settings(api)
    });
    assert_eq!(reason(&elsewhere, "app").await, Reason::MountMissing);
    let foreign = connect(Settings {
        namespace: Some("nobody".to_owned()),
        ..settings(api)
    });
    match server.product() {
        Product::OpenBao => assert_eq!(reason(&foreign, "app").await, Reason::NamespaceMissing),
        // Without the paid edition it ignores the header.
        Product::Vault => assert_eq!(field(&read(&foreign, "app").await.unwrap(), "password"), "\"two\""),
    }
    api.succeed("DELETE", "sys/mounts/secret", Value::Null).await.unwrap();
    assert_eq!(failed("app", None).await, Reason::MountMissing);
}

#[tokio::test]
async fn the_two_versions_of_kv_are_told_apart_both_ways() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    api.post("sys/mounts/old", json!({ "type": "kv" })).await.unwrap();
    api.post("sys/mounts/transit", json!({ "type": "transit" }))
        .await
        .unwrap();
    api.post("old/app", json!({ "password": "one" })).await.unwrap();
    api.post("old/data/odd", json!({ "password": "one" })).await.unwrap();
    put(api, "app", json!({ "password": "one" })).await;
    let source = |path: &str, version_2: bool| {
        connect(Settings {
            path: path.to_owned(),
            version_2,
            ..settings(api)
        })
    };

    let old = source("old", false);
    let object = read(&old, "app").await.unwrap();
    assert_eq!(
        (object.version.as_str(), field(&object, "password").as_str()),
        ("", "\"one\"")
    );
    assert_eq!(reason(&old, "nothing").await, Reason::KeyMissing);

    assert_eq!(reason(&source("secret", false), "app").await, Reason::WrongKvVersion);
    assert_eq!(
        reason(&source("secret", false), "data/app").await,
        Reason::WrongKvVersion
    );
    assert_eq!(reason(&source("old", true), "app").await, Reason::WrongKvVersion);
    assert_eq!(reason(&source("old", true), "odd").await, Reason::WrongKvVersion);
    assert_eq!(reason(&source("transit", true), "app").await, Reason::WrongKvVersion);
    assert_eq!(reason(&source("transit", false), "app").await, Reason::WrongKvVersion);
}

#[tokio::test]
async fn a_mount_may_have_several_segments_and_a_name_any_character() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    api.post("sys/mounts/team/kv", json!({ "type": "kv-v2" }))
        .await
        .unwrap();
    // KV v2 is upgraded after it was mounted.
    while api.call("GET", "team/kv/config", &Value::Null).await.unwrap().0 != 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let connection = connect(Settings {
        path: "team/kv/".to_owned(),
        ..settings(api)
    });
    for (name, encoded) in [
        ("a b", "a%20b"),
        ("ü", "%C3%BC"),
        ("50%", "50%25"),
        ("a?b=c#d", "a%3Fb%3Dc%23d"),
        ("%2e%2e", "%252e%252e"),
        ("data/data", "data/data"),
        ("a+b&c", "a+b&c"),
    ] {
        let body = json!({ "data": { "name": name } });
        api.post(&format!("team/kv/data/{encoded}"), body).await.unwrap();
        let object = read(&connection, name)
            .await
            .unwrap_or_else(|failure| panic!("{name}: {failure}"));
        // The server escapes `&` in its JSON, so the text differs and the value does not.
        assert_eq!(serde_json::from_str::<String>(&field(&object, "name")).unwrap(), name);
    }
}

#[tokio::test]
async fn a_name_that_the_server_would_clean_makes_no_call() {
    // Nothing listens there.
    let connection = connect(Settings {
        server: "http://127.0.0.1:9".to_owned(),
        ca: None,
        namespace: None,
        path: "secret".to_owned(),
        version_2: true,
        login: Login::Token("root".to_owned()),
    });
    for name in ["../../sys/mounts", "a/../../sys/mounts", "a//b", "", "/", "a\nb"] {
        assert_eq!(reason(&connection, name).await, Reason::KeyMissing, "{name:?}");
    }
    let strange = ObjectKey {
        version: Some("1&x=y".to_owned()),
        ..key("app", None)
    };
    assert_eq!(
        connection.read(&strange).await.err().unwrap().reason,
        Reason::VersionMissing
    );
    assert_eq!(reason(&connection, "app").await, Reason::Unreachable);
}

#[tokio::test]
async fn values_arrive_as_the_server_sent_them() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    let connection = connect(settings(api));
    let text = "ü € 😀 \u{0} \u{1f} \" \\ \r\n";
    let data = json!({
        "text": text,
        "empty": "",
        "null": null,
        "large": 12_345_678_901_234_567_u64,
        "list": [1, "two", {"three": 3}],
        "": "no name",
    });
    put(api, "app", data).await;
    let object = read(&connection, "app").await.unwrap();
    assert_eq!(serde_json::from_str::<String>(&field(&object, "text")).unwrap(), text);
    assert_eq!(field(&object, "empty"), "\"\"");
    assert_eq!(field(&object, "null"), "null");
    assert_eq!(field(&object, "list"), r#"[1,"two",{"three":3}]"#);
    assert_eq!(field(&object, ""), "\"no name\"");
    // The server keeps numbers as float64; nothing more is lost here.
    assert_eq!(field(&object, "large"), "12345678901234568");
    put(api, "nothing", json!({})).await;
    let Content::Fields(fields) = read(&connection, "nothing").await.unwrap().content else {
        panic!("a text");
    };
    assert!(fields.is_empty());
}

#[tokio::test]
async fn an_answer_over_one_mebibyte_is_too_large() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    let connection = connect(settings(api));
    put(api, "large", json!({ "a": "x".repeat(1024 * 1024) })).await;
    put(api, "fits", json!({ "a": "x".repeat(1_000_000) })).await;
    let failure = read(&connection, "large").await.err().unwrap();
    assert_eq!(failure.reason, Reason::TooLarge);
    read(&connection, "fits").await.unwrap();
}

#[tokio::test]
async fn a_quota_is_throttled_with_the_pause_that_the_server_names() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    put(api, "app", json!({ "a": 1 })).await;
    let connection = connect(settings(api));
    api.post(
        "sys/quotas/rate-limit/slow",
        json!({ "rate": 1, "interval": "60s", "path": "secret" }),
    )
    .await
    .unwrap();
    let mut failure = None;
    for _ in 0..5 {
        failure = read(&connection, "app").await.err().or(failure);
    }
    let failure = failure.unwrap();
    assert_eq!((failure.reason, failure.retry_after), (Reason::Throttled, None));

    // The server names a pause only if it is told to.
    let headers = json!({ "enable_rate_limit_response_headers": true });
    api.post("sys/quotas/config", headers).await.unwrap();
    let failure = read(&connection, "app").await.err().unwrap();
    assert_eq!(failure.reason, Reason::Throttled);
    assert!(failure.retry_after.unwrap() <= Duration::from_mins(1), "{failure:?}");
}

#[tokio::test]
async fn a_sealed_server_is_sealed_for_every_call() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    put(api, "app", json!({ "a": 1 })).await;
    let login = app_role(api, json!({})).await;
    let connection = connect(settings(api));
    read(&connection, "app").await.unwrap();
    api.succeed("PUT", "sys/seal", Value::Null).await.unwrap();
    assert_eq!(reason(&connection, "app").await, Reason::Sealed);
    assert_eq!(reason(&connection, "nothing").await, Reason::Sealed);
    assert_eq!(connection.check().await.unwrap_err().reason, Reason::Sealed);
    let other = connect(Settings { login, ..settings(api) });
    assert_eq!(reason(&other, "app").await, Reason::Sealed);
}

#[tokio::test]
async fn a_namespace_has_its_own_mounts_and_tokens() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    put(api, "app", json!({ "a": "outside" })).await;
    let inside = Settings {
        namespace: Some("home\n".to_owned()),
        ..settings(api)
    };
    let (status, made) = api.call("POST", "sys/namespaces/home", &json!({})).await.unwrap();
    match server.product() {
        Product::OpenBao => assert_eq!(status, 200, "{made}"),
        Product::Vault => {
            assert_eq!((status, made), (404, json!({ "errors": ["enterprise-only feature"] })));
            // There is only one place, whatever the settings say.
            assert_eq!(field(&read(&connect(inside), "app").await.unwrap(), "a"), "\"outside\"");
            return;
        }
    }
    api.post("home/sys/mounts/secret", json!({ "type": "kv" }))
        .await
        .unwrap();
    api.post("home/secret/app", json!({ "a": "inside" })).await.unwrap();
    let inside = connect(Settings {
        version_2: false,
        ..inside
    });
    assert_eq!(field(&read(&inside, "app").await.unwrap(), "a"), "\"inside\"");
    let outside = connect(settings(api));
    assert_eq!(field(&read(&outside, "app").await.unwrap(), "a"), "\"outside\"");
}
