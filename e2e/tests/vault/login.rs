//! Each way to log in, and what becomes of a login.
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use tokio::time::sleep;

use super::*;

const READ: &str = r#"path "secret/*" { capabilities = ["read"] }"#;
/// Long enough for a call on a busy machine, short enough to wait for.
const PAUSE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_token_reads_what_its_policy_allows() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    put(api, "app", json!({ "a": 1 })).await;
    put(api, "closed", json!({ "a": 1 })).await;
    policy(api, "app", r#"path "secret/data/app" { capabilities = ["read"] }"#).await;
    let given = token(api, json!({ "policies": ["app"], "ttl": "1h" })).await;
    let connection = connect(Settings {
        login: Login::Token(format!("{given}\n")),
        ..settings(api)
    });
    connection.check().await.unwrap();
    read(&connection, "app").await.unwrap();
    assert_eq!(reason(&connection, "closed").await, Reason::Denied);
    assert_eq!(reason(&connection, "nothing").await, Reason::Denied);
    let due = connection.renew().await.unwrap().unwrap();
    assert!(
        due > Duration::from_mins(35) && due <= Duration::from_mins(40),
        "{due:?}"
    );

    api.post("auth/token/revoke", json!({ "token": given })).await.unwrap();
    let revoked = impatient(
        Settings {
            login: Login::Token(given),
            ..settings(api)
        },
        PAUSE,
    );
    assert_eq!(revoked.check().await.unwrap_err().reason, Reason::LoginRefused);
    assert_eq!(reason(&revoked, "app").await, Reason::LoginRefused);
    assert_eq!(reason(&revoked, "app").await, Reason::LoginRefused);
}

#[tokio::test]
async fn a_token_that_is_none_is_a_refused_login() {
    let server = DevServer::start().await.unwrap();
    let connection = connect(Settings {
        login: Login::Token("hunter2".to_owned()),
        ..settings(server.api())
    });
    let failure = connection.check().await.unwrap_err();
    assert_eq!(failure.reason, Reason::LoginRefused);
    assert!(!failure.message.contains("hunter2"), "{failure}");
    assert_eq!(connection.renew().await.unwrap(), None);
}

#[tokio::test]
async fn an_app_role_logs_in_once_for_many_calls() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    put(api, "app", json!({ "a": 1 })).await;
    policy(api, "app", READ).await;
    let login = app_role(api, json!({ "token_policies": ["app"], "token_ttl": "1h" })).await;
    let connection = connect(Settings { login, ..settings(api) });
    let before = tokens(api).await;
    let reads = (0..50).map(|_| read(&connection, "app"));
    for object in futures::future::join_all(reads).await {
        object.unwrap();
    }
    connection.check().await.unwrap();
    assert_eq!(tokens(api).await, before + 1);
}

#[tokio::test]
async fn a_wrong_secret_id_is_a_refused_login_that_names_role_and_mount() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    let Login::AppRole { mount, role_id, .. } = app_role(api, json!({})).await else {
        panic!("no AppRole");
    };
    let login = Login::AppRole {
        mount: mount.clone(),
        role_id: role_id.clone(),
        secret_id: "hunter2".to_owned(),
    };
    let connection = connect(Settings { login, ..settings(api) });
    let failure = read(&connection, "app").await.err().unwrap();
    assert_eq!(failure.reason, Reason::LoginRefused);
    assert!(
        failure.message.contains(&mount) && failure.message.contains(&role_id),
        "{failure}"
    );
    assert!(!failure.message.contains("hunter2"), "{failure}");

    let login = Login::AppRole {
        mount: "nowhere".to_owned(),
        role_id,
        secret_id: "hunter2".to_owned(),
    };
    let connection = connect(Settings { login, ..settings(api) });
    assert_eq!(connection.check().await.unwrap_err().reason, Reason::LoginRefused);
}

#[tokio::test]
async fn a_login_without_the_default_policy_is_one() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    put(api, "app", json!({ "a": 1 })).await;
    policy(api, "app", READ).await;
    let options = json!({ "token_policies": ["app"], "token_no_default_policy": true });
    let login = app_role(api, options).await;
    let connection = connect(Settings { login, ..settings(api) });
    connection.check().await.unwrap();
    connection.check().await.unwrap();
    read(&connection, "app").await.unwrap();
}

#[tokio::test]
async fn a_revoked_token_is_replaced_by_one_login_once_it_is_old_enough() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    put(api, "app", json!({ "a": 1 })).await;
    policy(api, "app", READ).await;
    let login = app_role(api, json!({ "token_policies": ["app"] })).await;
    let patient = connect(Settings {
        login: login.clone(),
        ..settings(api)
    });
    let connection = impatient(Settings { login, ..settings(api) }, PAUSE);
    for connection in [&patient, &connection] {
        read(connection, "app").await.unwrap();
    }
    let accessors = api.succeed("LIST", "auth/token/accessors", Value::Null).await.unwrap();
    for accessor in accessors["data"]["keys"].as_array().unwrap() {
        let looked_up = api
            .post("auth/token/lookup-accessor", json!({ "accessor": accessor }))
            .await
            .unwrap();
        if looked_up["data"]["path"] == "auth/approle/login" {
            api.post("auth/token/revoke-accessor", json!({ "accessor": accessor }))
                .await
                .unwrap();
        }
    }
    let before = tokens(api).await;
    assert_eq!(reason(&patient, "app").await, Reason::Denied);
    assert_eq!(tokens(api).await, before);
    sleep(PAUSE).await;
    for object in futures::future::join_all((0..20).map(|_| read(&connection, "app"))).await {
        object.unwrap();
    }
    assert_eq!(tokens(api).await, before + 1);
}

#[tokio::test]
async fn a_policy_that_came_later_is_had_by_one_new_login() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    put(api, "app", json!({ "a": 1 })).await;
    policy(api, "app", READ).await;
    let login = app_role(api, json!({})).await;
    let connection = impatient(Settings { login, ..settings(api) }, PAUSE);
    assert_eq!(reason(&connection, "app").await, Reason::Denied);
    let before = tokens(api).await;
    api.post("auth/approle/role/app", json!({ "token_policies": ["app"] }))
        .await
        .unwrap();
    sleep(PAUSE).await;
    read(&connection, "app").await.unwrap();
    assert_eq!(tokens(api).await, before + 1);

    // What stays refused costs one login in that time, not one for each call.
    sleep(PAUSE).await;
    policy(api, "app", r#"path "secret/data/other" { capabilities = ["read"] }"#).await;
    let before = tokens(api).await;
    for _ in 0..5 {
        assert_eq!(reason(&connection, "app").await, Reason::Denied);
    }
    assert_eq!(tokens(api).await, before + 1);
}

#[tokio::test]
async fn a_renewable_token_is_renewed_and_another_one_replaced() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    put(api, "app", json!({ "a": 1 })).await;
    policy(api, "app", READ).await;
    let options = json!({ "token_policies": ["app"], "token_ttl": "9s", "token_max_ttl": "1h" });
    let login = app_role(api, options).await;
    let connection = connect(Settings {
        login: login.clone(),
        ..settings(api)
    });
    assert_eq!(connection.renew().await.unwrap(), None);
    connection.check().await.unwrap();
    let before = tokens(api).await;
    let due = connection.renew().await.unwrap().unwrap();
    assert!(due <= Duration::from_secs(6), "{due:?}");
    sleep(due).await;
    let next = connection.renew().await.unwrap().unwrap();
    assert!(
        next > Duration::from_secs(4) && next <= Duration::from_secs(6),
        "{next:?}"
    );
    // Beyond the life that it first had.
    sleep(next).await;
    read(&connection, "app").await.unwrap();
    assert_eq!(tokens(api).await, before);

    let options = json!({ "token_policies": ["app"], "token_ttl": "5s", "token_type": "batch" });
    app_role(api, options).await;
    let connection = connect(Settings { login, ..settings(api) });
    read(&connection, "app").await.unwrap();
    let due = connection.renew().await.unwrap().unwrap();
    assert!(due > Duration::from_secs(2) && due <= Duration::from_secs(4), "{due:?}");
    sleep(due).await;
    assert!(connection.renew().await.unwrap().unwrap() > Duration::from_secs(2));
    // Without renewal, an ended token is replaced by the next read.
    sleep(Duration::from_secs(6)).await;
    read(&connection, "app").await.unwrap();
}

/// A token of a `ServiceAccount`, signed by the server's own transit engine.
async fn service_account_token(api: &Api, audience: &str) -> String {
    let now = jiff::Timestamp::now().as_second();
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "alg": "ES256", "typ": "JWT" }));
    let claims = part(json!({
        "iss": "https://kubernetes.default.svc",
        "sub": "system:serviceaccount:hearth:secret-sync",
        "aud": [audience],
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    }));
    let text = format!("{header}.{claims}");
    let body = json!({ "input": BASE64_STANDARD.encode(&text), "marshaling_algorithm": "jws" });
    let signed = api.post("transit/sign/accounts", body).await.unwrap();
    let signature = signed["data"]["signature"]
        .as_str()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap();
    format!("{text}.{signature}")
}

#[tokio::test]
async fn a_service_account_logs_in_with_the_token_that_its_file_has_then() {
    let server = DevServer::start().await.unwrap();
    let api = server.api();
    put(api, "app", json!({ "a": 1 })).await;
    policy(api, "app", READ).await;
    api.post("sys/mounts/transit", json!({ "type": "transit" }))
        .await
        .unwrap();
    api.post("transit/keys/accounts", json!({ "type": "ecdsa-p256" }))
        .await
        .unwrap();
    let made = api.get("transit/keys/accounts").await.unwrap();
    api.post("sys/auth/cluster", json!({ "type": "jwt" })).await.unwrap();
    let config = json!({ "jwt_validation_pubkeys": [made["data"]["keys"]["1"]["public_key"]] });
    api.post("auth/cluster/config", config).await.unwrap();
    let role = json!({
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": ["vault"],
        "bound_subject": "system:serviceaccount:hearth:secret-sync",
        "token_policies": ["app"],
    });
    api.post("auth/cluster/role/sync", role).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let connection = |role: &str| {
        let login = Login::ServiceAccount {
            mount: "cluster".to_owned(),
            role: role.to_owned(),
            audience: "vault".to_owned(),
            token_file: file.clone(),
        };
        connect(Settings { login, ..settings(api) })
    };
    let source = connection("sync");
    let missing = source.check().await.unwrap_err();
    assert_eq!(missing.reason, Reason::LoginRefused);
    assert!(missing.message.contains(file.to_str().unwrap()), "{missing}");

    std::fs::write(&file, service_account_token(api, "other").await).unwrap();
    let refused = source.check().await.unwrap_err();
    assert_eq!(refused.reason, Reason::LoginRefused);
    for word in ["`auth/cluster`", "`sync`", "`vault`"] {
        assert!(refused.message.contains(word), "{refused}");
    }

    let good = service_account_token(api, "vault").await;
    std::fs::write(&file, format!("{good}\n")).unwrap();
    source.check().await.unwrap();
    read(&source, "app").await.unwrap();
    assert_eq!(
        connection("nobody").check().await.unwrap_err().reason,
        Reason::LoginRefused
    );
}
