//! A server with TLS that is sealed, restarted and wiped.
use hearth_e2e::vault_server::DiskServer;

use super::*;

#[tokio::test]
async fn sealed_restarted_and_wiped_are_different_and_end() {
    let mut server = DiskServer::start().await.unwrap();
    let api = server.api().unwrap();
    api.post("sys/mounts/secret", json!({ "type": "kv" })).await.unwrap();
    api.post("secret/app", json!({ "a": 1 })).await.unwrap();
    policy(&api, "app", r#"path "secret/*" { capabilities = ["read"] }"#).await;
    let login = app_role(&api, json!({ "token_policies": ["app"] })).await;
    let source = Settings {
        ca: Some(server.ca().to_vec()),
        version_2: false,
        login,
        ..settings(&api)
    };
    let connection = impatient(source.clone(), Duration::from_secs(1));
    read(&connection, "app").await.unwrap();

    let stranger = connect(Settings {
        ca: None,
        ..source.clone()
    });
    let failure = stranger.check().await.unwrap_err();
    assert_eq!(failure.reason, Reason::TlsFailed);
    assert!(failure.message.contains("`ca`"), "{failure}");
    let plain = connect(Settings {
        server: source.server.replace("https:", "http:"),
        ..source.clone()
    });
    let failure = plain.check().await.unwrap_err();
    assert_eq!(failure.reason, Reason::Unreachable);
    assert!(failure.message.contains("https://"), "{failure}");

    server.seal().await.unwrap();
    assert_eq!(reason(&connection, "app").await, Reason::Sealed);
    server.unseal().await.unwrap();
    read(&connection, "app").await.unwrap();

    server.stop().await.unwrap();
    assert_eq!(reason(&connection, "app").await, Reason::Unreachable);
    server.restart().await.unwrap();
    assert_eq!(reason(&connection, "app").await, Reason::Sealed);
    server.unseal().await.unwrap();
    read(&connection, "app").await.unwrap();

    tokio::time::sleep(Duration::from_secs(1)).await;
    server.wipe().await.unwrap();
    // The token and the role are of another life of the server: the login is refused, and nothing is said to be deleted.
    assert_eq!(reason(&connection, "app").await, Reason::LoginRefused);
}
