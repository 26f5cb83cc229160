//! Logins: which are refused, and why; revoked tokens; where token and client secret may go.

use hearth_e2e::fake_key_vault::{Fault, Rule};

use super::*;

/// A connection that takes a refused first token for a reason to log in at once.
fn impatient(settings: Settings) -> Connection {
    let times = Times {
        relogin_after: Duration::ZERO,
        ..Times::default()
    };
    Connection::KeyVault(Arc::new(KeyVault::with_times(settings, times).unwrap()))
}

#[tokio::test]
async fn each_refused_login_has_its_reason() {
    let bench = Bench::start().await;
    let attempt = async |change: &dyn Fn(&mut Settings)| {
        let mut settings = bench.settings();
        change(&mut settings);
        let connection = connect(settings);
        let failure = refused(&connection, &key("a")).await;
        assert_eq!(connection.check().await.unwrap_err(), failure);
        failure
    };
    let wrong = attempt(&|settings| settings.client_secret = "canary-wrong".to_owned()).await;
    assert_eq!(wrong.reason, Reason::ClientSecretInvalid);
    assert!(wrong.message.contains("AADSTS7000215"), "{wrong}");
    let expired = attempt(&|settings| settings.client_secret = "canary-expired-secret".to_owned()).await;
    assert_eq!(expired.reason, Reason::ClientSecretExpired);
    let other = "00000000-0000-4000-8000-00000000beef";
    let unknown = attempt(&|settings| settings.client_id = other.to_owned()).await;
    assert_eq!(unknown.reason, Reason::LoginRefused);
    assert!(
        unknown.message.contains(other) && unknown.message.contains("700016"),
        "{unknown}"
    );
    let domain = attempt(&|settings| settings.tenant_id = "example.onmicrosoft.com".to_owned()).await;
    assert_eq!(domain.reason, Reason::TenantMissing);
    // The vault says to which tenant it belongs: nothing is sent to another.
    let tokens = bench.control.counts()[&Kind::Token];
    let tenant = attempt(&|settings| settings.tenant_id = other.to_owned()).await;
    assert_eq!(tenant.reason, Reason::LoginRefused);
    assert!(
        tenant.message.contains(TENANT) && tenant.message.contains(other),
        "{tenant}"
    );
    assert_eq!(bench.control.counts()[&Kind::Token], tokens);
}

#[tokio::test]
async fn other_numbers_of_entra_have_a_sentence() {
    let bench = Bench::start().await;
    let connection = bench.connect();
    for (number, reason, word) in [
        (700_024, Reason::LoginRefused, "clock"),
        (7_000_112, Reason::LoginRefused, "disabled"),
        (90_033, Reason::ServerError, "401"),
        (123_456_789, Reason::LoginRefused, "AADSTS123456789"),
    ] {
        let fault = Fault::Login {
            status: 401,
            error: "canary".to_owned(),
            number,
            words: "canary".to_owned(),
        };
        bench.control.fault(Rule::on(Kind::Token, fault).times(1));
        let failure = refused(&connection, &key("a")).await;
        assert_eq!(failure.reason, reason, "{failure}");
        assert!(failure.message.contains(word), "{failure}");
    }
}

#[tokio::test]
async fn what_is_not_entra_is_an_outage() {
    let bench = Bench::start().await;
    let connection = bench.connect();
    let answer = |status, body: &str| Fault::Answer {
        status,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
        headers: std::collections::BTreeMap::new(),
    };
    for fault in [
        Fault::html(200),
        Fault::html(403),
        Fault::Garbage(300),
        Fault::Nested(100_000),
        Fault::Disconnect,
        Fault::CutAnswer,
        Fault::Endless,
        answer(200, "{}"),
        answer(200, r#"{"access_token":"canary","expires_in":9223372036854775807}"#),
        answer(200, r#"{"access_token":"canary","expires_in":-9223372036854775808}"#),
        answer(200, r#"{"access_token":"canary\r\nX: y","expires_in":3600}"#),
        answer(200, r#"{"access_token":"","expires_in":3600}"#),
    ] {
        bench.control.fault(Rule::on(Kind::Token, fault.clone()).times(1));
        let failure = refused(&connection, &key("a")).await;
        assert_eq!(failure.reason, Reason::Unreachable, "{fault:?}: {failure}");
    }
    bench
        .control
        .fault(Rule::on(Kind::Token, Fault::throttled("17")).times(1));
    let failure = refused(&connection, &key("a")).await;
    assert_eq!(
        (failure.reason, failure.retry_after),
        (Reason::Throttled, Some(Duration::from_secs(17)))
    );
    bench.control.fault(Rule::on(Kind::Token, Fault::status(503)).times(1));
    assert_eq!(refused(&connection, &key("a")).await.reason, Reason::ServerError);
    assert_eq!(refused(&connection, &key("a")).await.reason, Reason::KeyMissing);
}

#[tokio::test]
async fn a_revoked_token_costs_one_new_login() {
    let bench = Bench::start().await;
    bench.put("a", "value");
    let connection = bench.connect();
    connection.read(&key("a")).await.unwrap();
    bench.control.revoke_tokens();
    let mark = bench.control.mark();
    let reads = (0..8).map(|_| {
        let connection = connection.clone();
        tokio::spawn(async move { connection.read(&key("a")).await.map(drop) })
    });
    for read in futures::future::join_all(reads).await {
        read.unwrap().unwrap();
    }
    assert_eq!(bench.control.count_since(mark, Kind::Token), 1);
}

#[tokio::test]
async fn a_token_that_was_never_taken_causes_no_login_for_a_while() {
    let bench = Bench::start().await;
    bench.put("a", "value");
    let refuse = Fault::Error {
        status: 401,
        code: "Unauthorized".to_owned(),
        message: "canary".to_owned(),
        inner: None,
        headers: std::collections::BTreeMap::new(),
    };
    bench.control.fault(Rule::on(Kind::GetSecret, refuse));
    let connection = bench.connect();
    for _ in 0..5 {
        let failure = refused(&connection, &key("a")).await;
        assert_eq!(failure.reason, Reason::LoginRefused);
        assert!(failure.message.contains("clock"), "{failure}");
    }
    assert_eq!(bench.control.counts()[&Kind::Token], 1);

    let connection = impatient(bench.settings());
    let mark = bench.control.mark();
    assert_eq!(refused(&connection, &key("a")).await.reason, Reason::LoginRefused);
    assert_eq!(bench.control.count_since(mark, Kind::Token), 2);
    bench.control.clear_faults();
    connection.read(&key("a")).await.unwrap();
}

/// A token may be older than the group membership or the role that was added.
#[tokio::test]
async fn a_denied_object_costs_a_new_login_only_if_the_token_is_old() {
    let bench = Bench::start().await;
    bench.put("a", "value");
    let deny = || Rule::on(Kind::GetSecret, Fault::forbidden("ForbiddenByRbac", "canary"));
    let young = bench.connect();
    bench.control.fault(deny().times(1));
    assert_eq!(refused(&young, &key("a")).await.reason, Reason::Denied);
    assert_eq!(bench.control.counts()[&Kind::Token], 1);

    let old = impatient(bench.settings());
    bench.control.fault(deny().times(1));
    old.read(&key("a")).await.unwrap();
    assert_eq!(bench.control.counts()[&Kind::Token], 3);
    // Neither a missing object nor the firewall is about the login.
    assert_eq!(refused(&old, &key("none")).await.reason, Reason::KeyMissing);
    bench.control.fault(Rule::from(Fault::firewall("203.0.113.9")).times(1));
    assert_eq!(refused(&old, &key("a")).await.reason, Reason::ForbiddenByFirewall);
    assert_eq!(bench.control.counts()[&Kind::Token], 3);
    bench.control.fault(deny());
    assert_eq!(refused(&old, &key("a")).await.reason, Reason::Denied);
    assert_eq!(bench.control.counts()[&Kind::Token], 4);
}

#[tokio::test]
async fn a_vault_that_asks_for_another_service_gets_no_token_however_often_it_is_called() {
    let bench = Bench::start().await;
    bench.put("a", "value");
    let authority = format!("https://{}/{TENANT}", bench.fake.addr());
    for challenge in [
        format!("Bearer authorization=\"{authority}\", resource=\"https://management.azure.com\""),
        format!("Bearer authorization=\"{authority}\", scope=\"https://graph.microsoft.com/.default\""),
        format!("Bearer authorization=\"{authority}\", resource=\"https://vault.azure.net.example.org\""),
        "Bearer resource=\"https://vault.azure.net\", scope=\"https://graph.microsoft.com/.default\"".to_owned(),
        "Bearer authorization=\"canary\"".to_owned(),
        "Basic realm=\"canary\"".to_owned(),
        "resource=\"".to_owned(),
    ] {
        bench.control.challenge(Some(&challenge));
        let connection = bench.connect();
        for _ in 0..3 {
            let failure = refused(&connection, &key("a")).await;
            assert!(
                matches!(failure.reason, Reason::LoginRefused | Reason::BadAnswer),
                "{challenge}: {failure}"
            );
        }
    }
    assert!(!bench.control.counts().contains_key(&Kind::Token));
    let calls = bench.control.calls_since(hearth_e2e::fake_key_vault::Mark::default());
    assert!(calls.iter().all(|call| !call.with_token));

    // The usual one in its other form is taken.
    let usual = format!("Bearer authorization=\"{authority}\", scope=\"https://vault.azure.net/.default\"");
    bench.control.challenge(Some(&usual));
    bench.connect().read(&key("a")).await.unwrap();
}

#[tokio::test]
async fn settings_that_do_not_fit_are_refused_before_any_call() {
    let bench = Bench::start().await;
    let refuses = |change: &dyn Fn(&mut Settings), field: &str| {
        let mut settings = bench.settings();
        change(&mut settings);
        let message = KeyVault::new(settings)
            .err()
            .unwrap_or_else(|| panic!("{field} was accepted"));
        assert!(message.contains(field) && !message.contains("canary"), "{message}");
    };
    let host = bench.fake.addr().to_string();
    for url in [
        format!("http://{host}"),
        format!("https://canary:canary@{host}"),
        format!("https://{host}/secrets"),
        format!("https://{host}?a=b"),
        "https://example.org".to_owned(),
        "https://vault.azure.net".to_owned(),
        "https://home.vault.azure.net.example.org".to_owned(),
        "https://homevault.azure.net".to_owned(),
        "https://home.vault.azure.net:8443".to_owned(),
        "https://127.0.0.1".to_owned(),
        "home.vault.azure.net".to_owned(),
        String::new(),
    ] {
        refuses(&|settings| settings.vault_url.clone_from(&url), "vaultURL");
    }
    for authority in ["http://login.example.org", "https://login.example.org/tenant", ""] {
        refuses(
            &|settings| settings.authority_host = authority.to_owned(),
            "authorityHost",
        );
    }
    for tenant in ["", "a b", "../x", "name", "a..b"] {
        refuses(&|settings| settings.tenant_id = tenant.to_owned(), "tenantID");
    }
    for client in ["", "my-app", "1f2e0000-0000-4000-8000-00000000000g"] {
        refuses(&|settings| settings.client_id = client.to_owned(), "clientID");
    }
    for secret in ["", " \n", "canary\u{7}", "canary\nline", "canär"] {
        refuses(&|settings| settings.client_secret = secret.to_owned(), "client secret");
    }
    refuses(&|settings| settings.ca = Some(b"canary".to_vec()), "ca");
    let mut settings = bench.settings();
    settings.vault_url = "https://home.vault.azure.net/".to_owned();
    KeyVault::new(settings).map(drop).unwrap();
    assert!(bench.control.counts().is_empty());
}
