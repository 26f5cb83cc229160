//! Secrets and certificates.

use hearth_e2e::fake_key_vault::{PKCS12, Plain, make_chain};

use super::*;

#[tokio::test]
async fn a_secret_is_read_with_one_login() {
    let bench = Bench::start().await;
    let first = bench.put("db-password", "one");
    let second = bench.put("db-password", "two");
    let connection = bench.connect();
    connection.check().await.unwrap();

    let newest = connection.read(&key("DB-Password")).await.unwrap();
    assert_eq!((text(&newest), &newest.version), ("two", &second));
    let old = ObjectKey {
        version: Some(first.to_ascii_uppercase()),
        ..key("db-password")
    };
    let old = connection.read(&old).await.unwrap();
    assert_eq!((text(&old), &old.version), ("one", &first));
    let mark = bench.control.mark();
    let again = connection.read(&key("db-password")).await.unwrap();
    assert_eq!(text(&again), "two");

    let counts = bench.control.counts();
    assert_eq!(counts[&Kind::Token], 1);
    // The challenge of the check and the check itself.
    assert_eq!(counts[&Kind::ListSecrets], 2);
    assert_eq!(bench.control.calls_since(mark).len(), 1);
}

#[tokio::test]
async fn many_reads_at_once_share_one_login() {
    let bench = Bench::start().await;
    bench.put("a", "value");
    let connection = bench.connect();
    let reads = (0..16).map(|_| {
        let connection = connection.clone();
        tokio::spawn(async move { connection.read(&key("a")).await.map(|object| text(&object).to_owned()) })
    });
    for read in futures::future::join_all(reads).await {
        assert_eq!(read.unwrap().unwrap(), "value");
    }
    assert_eq!(bench.control.counts()[&Kind::Token], 1);
}

#[tokio::test]
async fn what_is_not_to_be_had_has_its_own_reason() {
    let bench = Bench::start().await;
    let connection = bench.connect();
    assert_eq!(refused(&connection, &key("none")).await.reason, Reason::KeyMissing);
    bench.put("here", "value");
    let version = ObjectKey {
        version: Some("0".repeat(32)),
        ..key("here")
    };
    assert_eq!(refused(&connection, &version).await.reason, Reason::VersionMissing);

    bench.control.delete(VAULT, "here").unwrap();
    let deleted = refused(&connection, &key("here")).await;
    assert_eq!(deleted.reason, Reason::KeyMissing);
    assert!(deleted.message.contains("recover"), "{deleted}");
    bench.control.recover(VAULT, "here").unwrap();
    bench.control.enable(VAULT, "here", false).unwrap();
    assert_eq!(refused(&connection, &key("here")).await.reason, Reason::KeyDisabled);
    bench.control.enable(VAULT, "here", true).unwrap();
    assert_eq!(text(&connection.read(&key("here")).await.unwrap()), "value");
}

#[tokio::test]
async fn names_and_versions_that_cannot_be_are_not_asked_for() {
    let bench = Bench::start().await;
    let connection = bench.connect();
    for name in [
        "",
        "a_b",
        "a.b",
        "../keys/a",
        "a/b",
        "a?b",
        "a%2fb",
        "ä",
        &"x".repeat(128),
    ] {
        assert_eq!(
            refused(&connection, &key(name)).await.reason,
            Reason::KeyMissing,
            "{name}"
        );
    }
    for version in ["", "1", "../", &"g".repeat(32), &"0".repeat(33)] {
        let key = ObjectKey {
            version: Some(version.to_owned()),
            ..key("a")
        };
        assert_eq!(
            refused(&connection, &key).await.reason,
            Reason::VersionMissing,
            "{version}"
        );
    }
    assert!(bench.control.counts().is_empty());
}

#[tokio::test]
async fn a_secret_outside_its_dates_is_read() {
    let bench = Bench::start().await;
    let plain = |nbf, exp| Plain {
        value: "value".to_owned(),
        nbf,
        exp,
        ..Plain::default()
    };
    bench.control.put(VAULT, "late", plain(None, Some(1))).unwrap();
    bench
        .control
        .put(VAULT, "early", plain(Some(4_000_000_000), None))
        .unwrap();
    let connection = bench.connect();
    for name in ["late", "early"] {
        assert_eq!(text(&connection.read(&key(name)).await.unwrap()), "value");
    }
}

#[tokio::test]
async fn every_text_arrives_as_it_is() {
    let bench = Bench::start().await;
    let connection = bench.connect();
    for (name, value) in [
        ("empty", ""),
        ("lines", "a\r\nb\n"),
        ("unicode", "пароль \u{0} \u{1f511}"),
        ("json", r#"{"a": 123456789012345678901234567890}"#),
        ("long", &"x".repeat(25 * 1024)),
    ] {
        bench.put(name, value);
        assert_eq!(text(&connection.read(&key(name)).await.unwrap()), value, "{name}");
    }
}

#[tokio::test]
async fn a_certificate_arrives_as_pem_whatever_its_form() {
    let bench = Bench::start().await;
    let pem = make_chain("www.example.org").await.unwrap();
    let connection = bench.connect();
    for (name, kind) in [("pfx", PKCS12), ("pem", "application/x-pem-file")] {
        bench.control.put_certificate(VAULT, name, &pem, kind).await.unwrap();
        let object = connection.read(&certificate(name)).await.unwrap();
        assert_eq!(text(&object), pem, "{name}");
    }
    // Asked for as a value it is what is stored.
    let object = connection.read(&key("pfx")).await.unwrap();
    assert!(text(&object).starts_with("MII"));
    let Content::Text { content_type, .. } = object.content else {
        panic!()
    };
    assert_eq!(content_type.as_deref(), Some(PKCS12));
}

#[tokio::test]
async fn a_pfx_in_a_plain_secret_is_refused_with_the_way_out() {
    let bench = Bench::start().await;
    for (name, kind) in [("app-service", PKCS12), ("odd", "Application/X-PKCS12; charset=utf-8")] {
        let plain = Plain {
            value: "MIIcanary".to_owned(),
            content_type: Some(kind.to_owned()),
            ..Plain::default()
        };
        bench.control.put(VAULT, name, plain).unwrap();
        let failure = refused(&bench.connect(), &certificate(name)).await;
        assert_eq!(failure.reason, Reason::Pkcs12NotSupported);
        assert!(failure.message.contains("import it as a certificate"), "{failure}");
    }
}
