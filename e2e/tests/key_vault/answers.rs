//! Refusals, faults and nonsense of a vault.

use hearth_e2e::fake_key_vault::{Fault, Rule};

use super::*;

/// A connection that is logged in.
async fn connected(bench: &Bench) -> Connection {
    bench.put("a", "canary value");
    let connection = bench.connect();
    connection.check().await.unwrap();
    connection
}

#[tokio::test]
async fn each_inner_code_has_its_reason() {
    let bench = Bench::start().await;
    let connection = connected(&bench).await;
    for (inner, reason) in [
        ("SecretDisabled", Reason::KeyDisabled),
        ("SecretExpired", Reason::KeyExpired),
        ("SecretNotYetValid", Reason::KeyNotYetValid),
        ("ForbiddenByPolicy", Reason::Denied),
        ("ForbiddenByRbac", Reason::Denied),
        ("AccessDenied", Reason::Denied),
        ("canary", Reason::Denied),
        ("ForbiddenByConnection", Reason::ForbiddenByFirewall),
    ] {
        bench
            .control
            .fault(Rule::from(Fault::forbidden(inner, "canary")).times(1));
        let failure = refused(&connection, &key("a")).await;
        assert_eq!(failure.reason, reason, "{inner}: {failure}");
    }
    // The token is good whatever the right to list.
    bench
        .control
        .fault(Rule::on(Kind::ListSecrets, Fault::forbidden("ForbiddenByRbac", "canary")).times(1));
    connection.check().await.unwrap();
    assert_eq!(bench.control.counts()[&Kind::Token], 1);
}

/// Case 9.
#[tokio::test]
async fn the_firewall_is_an_outage_that_names_the_address_and_causes_no_login() {
    let bench = Bench::start().await;
    let connection = connected(&bench).await;
    let fault = bench.control.fault(Fault::firewall("203.0.113.9"));
    for _ in 0..3 {
        let failure = refused(&connection, &key("a")).await;
        assert_eq!(failure.reason, Reason::ForbiddenByFirewall);
        assert!(
            failure.message.contains("203.0.113.9") && !failure.message.contains("appid"),
            "{failure}"
        );
    }
    assert_eq!(
        connection.check().await.unwrap_err().reason,
        Reason::ForbiddenByFirewall
    );
    bench.control.clear(fault);
    bench.control.fault(Rule::from(Fault::firewall("canary")).times(1));
    let failure = refused(&connection, &key("a")).await;
    assert_eq!(failure.reason, Reason::ForbiddenByFirewall);
    connection.read(&key("a")).await.unwrap();
    assert_eq!(bench.control.counts()[&Kind::Token], 1);
}

#[tokio::test]
async fn throttling_says_how_long_to_wait() {
    let bench = Bench::start().await;
    let connection = connected(&bench).await;
    let after = async |header: &str, value: &str| {
        let mut fault = Fault::status(429);
        if let Fault::Error { headers, .. } = &mut fault {
            headers.insert(header.to_owned(), value.to_owned());
        }
        bench.control.fault(Rule::from(fault).times(1));
        let failure = refused(&connection, &key("a")).await;
        assert_eq!(failure.reason, Reason::Throttled);
        failure.retry_after
    };
    assert_eq!(after("Retry-After", "7").await, Some(Duration::from_secs(7)));
    assert_eq!(after("Retry-After", "0").await, Some(Duration::ZERO));
    assert_eq!(after("retry-after-ms", "1500").await, Some(Duration::from_millis(1500)));
    assert_eq!(
        after("x-ms-retry-after-ms", "2500").await,
        Some(Duration::from_millis(2500))
    );
    assert_eq!(
        after("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT").await,
        Some(Duration::ZERO)
    );
    assert!(after("Retry-After", "Wed, 21 Oct 2099 07:28:00 GMT").await.unwrap() > Duration::from_hours(24));
    assert_eq!(after("Retry-After", "canary").await, None);
    assert_eq!(after("X-Other", "1").await, None);
}

#[tokio::test]
async fn a_server_in_trouble_is_an_outage() {
    let bench = Bench::start().await;
    let connection = connected(&bench).await;
    for status in [408, 500, 502, 503, 504] {
        bench.control.fault(Rule::from(Fault::status(status)).times(1));
        assert_eq!(
            refused(&connection, &key("a")).await.reason,
            Reason::ServerError,
            "{status}"
        );
    }
    for fault in [
        Fault::Disconnect,
        Fault::CutAnswer,
        Fault::DelayMs(5000),
        Fault::DripMs(300),
    ] {
        bench.control.fault(Rule::from(fault.clone()).times(1));
        let failure = refused(&connection, &key("a")).await;
        assert_eq!(failure.reason, Reason::Unreachable, "{fault:?}: {failure}");
    }
    bench.control.down().await;
    assert_eq!(refused(&connection, &key("a")).await.reason, Reason::Unreachable);
    bench.control.up().await;
    assert_eq!(text(&connection.read(&key("a")).await.unwrap()), "canary value");
    assert_eq!(bench.control.counts()[&Kind::Token], 1);
}

#[tokio::test]
async fn nonsense_is_a_bad_answer_of_which_nothing_is_echoed() {
    let bench = Bench::start().await;
    let connection = connected(&bench).await;
    let other = bench.put("canary-other", "canary");
    let answer = |status, body: &str| Fault::Answer {
        status,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
        headers: std::collections::BTreeMap::new(),
    };
    let secret = |id: &str| answer(200, &format!(r#"{{"value":"canary","id":"{id}"}}"#));
    for fault in [
        Fault::html(200),
        Fault::html(404),
        Fault::html(403),
        Fault::Garbage(3000),
        Fault::Nested(200_000),
        Fault::redirect("https://canary.example.org/"),
        answer(200, ""),
        answer(200, "null"),
        answer(200, "{}"),
        answer(200, r#"{"value":"canary"}"#),
        answer(200, r#"{"value":1}"#),
        answer(
            200,
            r#"{"value":"canary","id":"a","attributes":{"exp":9223372036854775807}}"#,
        ),
        answer(204, ""),
        answer(400, "canary"),
        answer(
            418,
            r#"{"error":{"code":"canary","message":"canary","innererror":{"code":1}}}"#,
        ),
        answer(404, r#"{"error":{"code":"canary"}}"#),
        secret(&format!("https://x/secrets/canary-other/{other}")),
        secret("https://x/secrets/a/canary"),
        secret("https://x/secrets/a"),
    ] {
        bench.control.fault(Rule::from(fault.clone()).times(1));
        let failure = refused(&connection, &key("a")).await;
        assert_eq!(failure.reason, Reason::BadAnswer, "{fault:?}: {failure}");
    }
    bench.control.fault(Rule::from(Fault::Endless).times(1));
    assert_eq!(refused(&connection, &key("a")).await.reason, Reason::TooLarge);
    bench
        .control
        .fault(Rule::from(answer(200, &"x".repeat(2 * 1024 * 1024))).times(1));
    assert_eq!(refused(&connection, &key("a")).await.reason, Reason::TooLarge);
    connection.read(&key("a")).await.unwrap();
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_no_tls() {
    let bench = Bench::start().await;
    let stranger = Bench::start().await;
    let mut settings = bench.settings();
    settings.ca = Some(stranger.fake.ca().to_vec());
    assert_eq!(refused(&connect(settings), &key("a")).await.reason, Reason::TlsFailed);
    assert!(bench.control.counts().is_empty());
}

#[tokio::test]
async fn a_name_without_address_is_an_outage_with_a_hint() {
    let bench = Bench::start().await;
    let mut settings = bench.settings();
    settings.vault_url = "https://vault.invalid".to_owned();
    settings.allowed_hosts = vec!["vault.invalid".to_owned()];
    let failure = refused(&connect(settings), &key("a")).await;
    assert_eq!(failure.reason, Reason::Unreachable);
    // Without a network, a resolver may not even say that there is no such name.
    let is_late = failure.message.contains("has not answered in time");
    assert!(is_late || failure.message.contains("does it still exist"), "{failure}");
}
