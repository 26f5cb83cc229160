//! Credentials that are late, wrong, changed or too weak.
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::case::Case;
use crate::objects::{apply, delete, object_condition};
use crate::secret_sync::env::{LATER, SOON, SecretEnv, Source};

pub(super) fn cases() -> Vec<Case<SecretEnv>> {
    vec![
        Case::new("a_credential_may_come_late_be_wrong_and_change", |env| {
            Box::pin(credential(env))
        }),
        Case::new("a_policy_that_is_attached_later_heals_by_itself", |env| {
            Box::pin(policy(env))
        })
        .slow("a token is replaced when it is two minutes old"),
        Case::new("a_service_account_logs_in_with_the_audience_vault", |env| {
            Box::pin(audience(env))
        }),
        Case::new("a_revoked_token_changes_nothing_until_there_is_another", |env| {
            Box::pin(revoked_token(env))
        }),
        Case::new("a_revoked_login_changes_nothing_and_is_replaced", |env| {
            Box::pin(revoked_login(env))
        })
        .slow("a token is replaced when it is two minutes old"),
    ]
}

async fn credential(env: &SecretEnv) -> Result<()> {
    let mut source = env.source("credential").await?;
    source.put("a", &[("v", "one")]).await?;
    let reference = &mut source.object["spec"]["vault"]["auth"]["token"]["secretRef"];
    *reference = json!({"name": "credential-late"});
    let late = |value: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"namespace": crate::install::NAMESPACE, "name": "credential-late"},
            "stringData": {"token": value}
        })
    };
    // An earlier run may have left it.
    delete(&env.client, &late("s.old")).await?;
    apply(&env.client, &source.object).await?;
    let message = source.condition("Ready", "False", "CredentialsNotFound", SOON).await?;
    ensure!(message.contains("credential-late"), "{message}");
    let sync = source.apply("app", json!({"keys": {"A": "a#v"}})).await?;
    object_condition(&env.client, &sync, "Ready", "False", "SourceNotReady", SOON).await?;
    apply(&env.client, &late("s.wrong")).await?;
    let message = source.condition("Ready", "False", "LoginRefused", SOON).await?;
    ensure!(!message.contains("s.wrong"), "{message}");
    let token = source.new_token().await?;
    // As `echo` writes it.
    apply(&env.client, &late(&format!("{token}\n"))).await?;
    source.condition("Ready", "True", "Connected", SOON).await?;
    source.holds("app", &[("A", "one")], SOON).await
}

/// Makes a role of the method approle, which is mounted for the source alone, and uses it in the source.
pub(super) async fn app_role(source: &mut Source, policies: &[&str]) -> Result<()> {
    let name = source.name.clone();
    let mount = format!("approle-{name}");
    source
        .api
        .post(&format!("sys/auth/{mount}"), json!({"type": "approle"}))
        .await?;
    source
        .api
        .post(
            &format!("auth/{mount}/role/app"),
            json!({"token_policies": policies, "token_ttl": "1h"}),
        )
        .await?;
    let role = source.api.get(&format!("auth/{mount}/role/app/role-id")).await?;
    let secret = source
        .api
        .post(&format!("auth/{mount}/role/app/secret-id"), json!({}))
        .await?;
    source
        .credential(
            "secret-id",
            secret["data"]["secret_id"].as_str().context("no secret id")?,
        )
        .await?;
    source.object["spec"]["vault"]["auth"] = json!({"appRole": {
        "roleID": role["data"]["role_id"], "mountPath": mount, "secretRef": {"name": format!("{name}-vault")},
    }});
    Ok(())
}

/// Vault Secrets Operator #207: a token keeps the policies of its login.
async fn policy(env: &SecretEnv) -> Result<()> {
    let mut source = env.source("policy").await?;
    source.put("a", &[("v", "one")]).await?;
    app_role(&mut source, &[]).await?;
    apply(&env.client, &source.object).await?;
    source.condition("Ready", "True", "Connected", LATER).await?;
    let mut syncs = Vec::new();
    for number in 0..5 {
        syncs.push(
            source
                .apply(&format!("app-{number}"), json!({"keys": {"A": "a#v"}}))
                .await?,
        );
    }
    object_condition(&env.client, &syncs[4], "Ready", "False", "Denied", LATER).await?;
    source
        .api
        .post(
            "auth/approle-policy/role/app",
            json!({"token_policies": ["policy"], "token_ttl": "1h"}),
        )
        .await?;
    let mark = source.gate.mark();
    for number in 0..5 {
        source
            .holds(&format!("app-{number}"), &[("A", "one")], Duration::from_mins(5))
            .await?;
    }
    let logins = source.gate.count(mark, "/login");
    ensure!((1..=2).contains(&logins), "{logins} logins for five syncs");
    Ok(())
}

async fn revoked_token(env: &SecretEnv) -> Result<()> {
    let mut source = env.ready_source("revoked").await?;
    source.put("a", &[("v", "one")]).await?;
    let sync = source.synced("app", json!({"keys": {"A": "a#v"}})).await?;
    let before = source.state(&sync).await?;
    let revoked = json!({"token": source.token});
    source.api.post("auth/token/revoke", revoked).await?;
    source.request(&sync, "1").await?;
    let message = source.condition("Reachable", "False", "LoginRefused", SOON).await?;
    ensure!(
        message.contains("was revoked") && !message.contains(&source.token),
        "{message}"
    );
    object_condition(&env.client, &sync, "Fresh", "False", "LoginRefused", SOON).await?;
    let now = source.state(&sync).await?;
    ensure!(now == before, "{now:?} after {before:?}");
    source.put("a", &[("v", "two")]).await?;
    let token = source.new_token().await?;
    source.credential("token", &token).await?;
    source.condition("Reachable", "True", "Connected", SOON).await?;
    source.holds("app", &[("A", "two")], SOON).await?;
    object_condition(&env.client, &sync, "Fresh", "True", "Synced", SOON).await?;
    let now = source.state(&sync).await?;
    ensure!(now.ready == before.ready, "{now:?} after {before:?}");
    Ok(())
}

/// The login can be repeated, so nobody has to do anything.
async fn revoked_login(env: &SecretEnv) -> Result<()> {
    let mut source = env.source("relogin").await?;
    source.put("a", &[("v", "one")]).await?;
    app_role(&mut source, &["relogin"]).await?;
    apply(&env.client, &source.object).await?;
    source.condition("Ready", "True", "Connected", LATER).await?;
    let sync = source.synced("app", json!({"keys": {"A": "a#v"}})).await?;
    let before = source.state(&sync).await?;
    source
        .api
        .post(
            "sys/leases/revoke-prefix/auth/approle-relogin/login",
            json!({"sync": true}),
        )
        .await?;
    let mark = source.gate.mark();
    source.request(&sync, "1").await?;
    object_condition(&env.client, &sync, "Fresh", "False", "Denied", SOON).await?;
    let now = source.state(&sync).await?;
    ensure!(now == before, "{now:?} after {before:?}");
    source.put("a", &[("v", "two")]).await?;
    source.holds("app", &[("A", "two")], Duration::from_mins(4)).await?;
    object_condition(&env.client, &sync, "Fresh", "True", "Synced", SOON).await?;
    let logins = source.gate.count(mark, "/login");
    ensure!(logins == 1, "{logins} logins");
    let now = source.state(&sync).await?;
    ensure!(now.ready == before.ready, "{now:?} after {before:?}");
    Ok(())
}

/// Vault Secrets Operator #462, External Secrets #5396. The server gets the key of the cluster's own tokens.
async fn audience(env: &SecretEnv) -> Result<()> {
    let mut source = env.source("audience").await?;
    source.put("a", &[("v", "one")]).await?;
    let request = http::Request::get("/openid/v1/jwks").body(Vec::new())?;
    let keys: serde_json::Value = serde_json::from_str(&env.client.request_text(request).await?)?;
    let pem = public_key(&keys["keys"][0])?;
    let api = &source.api;
    api.post("sys/auth/jwt-audience", json!({"type": "jwt"})).await?;
    api.post("auth/jwt-audience/config", json!({"jwt_validation_pubkeys": [pem]}))
        .await?;
    for (role, audience) in [("right", "vault"), ("wrong", "other")] {
        let body = json!({
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": [audience], "token_policies": ["audience"], "token_ttl": "1h",
        });
        api.post(&format!("auth/jwt-audience/role/{role}"), body).await?;
    }
    source.object["spec"]["vault"]["auth"] = json!({"jwt": {"role": "wrong", "mountPath": "jwt-audience"}});
    apply(&env.client, &source.object).await?;
    let message = source.condition("Ready", "False", "LoginRefused", LATER).await?;
    for part in ["wrong", "jwt-audience", "vault"] {
        ensure!(message.contains(part), "{message} does not name {part}");
    }
    let unknown = json!({"jwt": {"role": "right", "mountPath": "jwt-audience", "audience": "nobody"}});
    source.object["spec"]["vault"]["auth"] = unknown;
    apply(&env.client, &source.object).await?;
    let message = source.condition("Stalled", "True", "InvalidSpec", LATER).await?;
    ensure!(message.contains("tokenAudiences"), "{message}");
    source.object["spec"]["vault"]["auth"] = json!({"jwt": {"role": "right", "mountPath": "jwt-audience"}});
    apply(&env.client, &source.object).await?;
    source.condition("Ready", "True", "Connected", LATER).await?;
    source.synced("app", json!({"keys": {"A": "a#v"}})).await?;
    source.holds("app", &[("A", "one")], SOON).await
}

/// An RSA key of a JWKS as PEM (RFC 8017, A.1.1, in the envelope of RFC 5280, 4.1.2.7).
fn public_key(key: &serde_json::Value) -> Result<String> {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let number = |field: &str| -> Result<Vec<u8>> {
        let mut bytes = URL_SAFE_NO_PAD.decode(key[field].as_str().context("no such number")?)?;
        // A leading bit would make it negative.
        if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
            bytes.insert(0, 0);
        }
        Ok(tagged(0x02, &bytes))
    };
    let rsa = tagged(0x30, &[number("n")?, number("e")?].concat());
    let algorithm = [
        0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ];
    let bits = tagged(0x03, &[&[0][..], &rsa].concat());
    let info = tagged(0x30, &[&algorithm[..], &bits].concat());
    Ok(format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(info)
    ))
}

/// An element of DER data, shorter than 64 KiB.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head = match content.len() {
        0..=0x7f => vec![tag, length[1]],
        0x80..=0xff => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    [&head[..], content].concat()
}
