//! The end of the operator: its logins end, other tokens stay.
use hearth_secret_sync::source::{Hooks, Identity, Source, close_all};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::*;

fn source(connection: Connection) -> Arc<Source> {
    let identity = Identity {
        uid: "one".to_owned(),
        generation: Some(1),
        credential: None,
        ca: None,
    };
    let hooks = Hooks {
        changed: Box::new(|| {}),
        called: Box::new(|_| {}),
    };
    Source::new(identity, connection, hooks)
}

async fn status_of(api: &Api, token: &str) -> u16 {
    let api = api.with_token(token);
    api.call("GET", "auth/token/lookup-self", &Value::Null).await.unwrap().0
}

#[tokio::test]
async fn a_login_ends_with_the_operator_and_a_given_token_stays() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    put(api, "app", json!({ "a": 1 })).await;
    policy(api, "app", r#"path "secret/*" { capabilities = ["read"] }"#).await;
    let given = token(api, json!({ "policies": ["app"], "ttl": "1h" })).await;
    let role = app_role(api, json!({ "token_policies": ["app"], "token_ttl": "1h" })).await;
    let before = tokens(api).await;

    let [own, other, unused] = [role.clone(), Login::Token(given.clone()), role.clone()]
        .map(|login| source(connect(Settings { login, ..settings(api) })));
    for source in [&own, &other] {
        source.read(&key("app", None), None).await.unwrap();
    }
    assert_eq!(tokens(api).await, before + 1);
    close_all([Arc::clone(&own), other, unused]).await;
    assert_eq!(tokens(api).await, before);
    assert_eq!(status_of(api, &given).await, 200);

    // Nothing is left to end, and a later read logs in.
    close_all([Arc::clone(&own)]).await;
    own.read(&key("app", None), Some(Instant::now())).await.unwrap();
    assert_eq!(tokens(api).await, before + 1);
    close_all([own]).await;

    // What may not be revoked expires by itself.
    let batch = json!({ "token_policies": ["app"], "token_ttl": "1h", "token_type": "batch" });
    app_role(api, batch).await;
    let connection = connect(Settings {
        login: role,
        ..settings(api)
    });
    connection.check().await.unwrap();
    assert_eq!(connection.close().await.unwrap_err().reason, Reason::Denied);
    assert_eq!(connection.close().await, Ok(()));
}

#[tokio::test]
async fn the_end_waits_two_seconds_for_a_server_and_not_at_all_for_one_that_was_away() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    policy(api, "app", r#"path "secret/*" { capabilities = ["read"] }"#).await;
    put(api, "app", json!({ "a": 1 })).await;
    let login = app_role(api, json!({ "token_policies": ["app"] })).await;
    let source = source(connect(Settings { login, ..settings(api) }));
    source.read(&key("app", None), None).await.unwrap();

    let address = api.url().trim_start_matches("http://").to_owned();
    drop(server);
    // The port is free when the process has gone. This listener takes connections, and says nothing.
    let silent = loop {
        match TcpListener::bind(&address).await {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let begin = Instant::now();
    close_all([Arc::clone(&source)]).await;
    assert!(begin.elapsed() >= Duration::from_secs(2) && begin.elapsed() < Duration::from_secs(4));

    drop(silent);
    source.probe().await.unwrap_err();
    assert!(source.outage().is_some());
    let begin = Instant::now();
    close_all([source]).await;
    assert!(begin.elapsed() < Duration::from_secs(1));
}
