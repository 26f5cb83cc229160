//! Azure Key Vault: a fake that speaks its protocol.
use anyhow::{Result, ensure};
use serde_json::json;

use crate::case::Case;
use crate::fake_key_vault::{Call, Fault, Kind, Mark, PKCS12, Plain, Rule, make_chain};
use crate::objects::{apply, get, object_condition, patch};
use crate::secret_sync::env::{LATER, SOON, SecretEnv, base64, planted, stamp};

pub(super) fn cases() -> Vec<Case<SecretEnv>> {
    vec![
        Case::new("secrets_of_a_key_vault_arrive_and_rotate", |env| Box::pin(arrives(env))),
        Case::new("a_firewall_that_refuses_the_line_is_an_outage", |env| {
            Box::pin(firewall(env))
        })
        .slow("the next probe is made after a minute"),
        Case::new("an_expired_client_secret_says_so_and_a_new_one_heals", |env| {
            Box::pin(expired(env))
        }),
        Case::new("a_certificate_is_written_whole_or_not_at_all", |env| {
            Box::pin(certificate(env))
        }),
    ]
}

async fn arrives(env: &SecretEnv) -> Result<()> {
    let (client, control, vault) = (&env.client, env.key_vault.control(), env.vault());
    let source = env
        .key_vault_source("kv-arrives", &format!("{}\n", planted("client-secret")))
        .await?;
    apply(client, &source).await?;
    object_condition(client, &source, "Ready", "True", "Connected", LATER).await?;
    control.put_text(&vault, "kv-arrives-a", &planted("one"))?;
    control.put_text(
        &vault,
        "kv-arrives-json",
        &format!("{{\"user\": \"{}\", \"port\": 5432}}", planted("u")),
    )?;
    let keys = json!({"A": "kv-arrives-a", "USER": "kv-arrives-json#user", "PORT": "kv-arrives-json#port"});
    let sync = sync("kv-arrives", "app", &json!({"keys": keys}));
    apply(client, &sync).await?;
    object_condition(client, &sync, "Ready", "True", "Synced", SOON).await?;
    let data = || async { anyhow::Ok(get(client, &secret("kv-arrives", "app")).await?["data"].clone()) };
    ensure!(
        data().await? == json!({"A": base64(&planted("one")), "USER": base64(&planted("u")), "PORT": base64("5432")})
    );
    let application = source["spec"]["azureKeyVault"]["servicePrincipal"]["clientID"].as_str();
    let is_login = |call: &&Call| call.kind == Kind::Token && call.name.as_deref() == application;
    let logins = control.calls_since(Mark::default()).iter().filter(is_login).count();
    ensure!(logins == 1, "{logins} logins for one check of the source and two reads");
    let version = control.put_text(&vault, "kv-arrives-a", &planted("two"))?;
    let annotations = json!({"metadata": {"annotations": {"secrets.hearth.home.arpa/reconcile-at": "1"}}});
    patch(client, &sync, &annotations).await?;
    crate::wait::until("the new version", SOON, || async {
        let status = get(client, &sync).await?["status"].clone();
        ensure!(status["keys"][0]["version"] == version.as_str(), "{status}");
        Ok(Some(()))
    })
    .await?;
    ensure!(data().await?["A"] == base64(&planted("two")));
    // Each its own reason.
    let table = [("disabled", "KeyDisabled"), ("deleted", "KeyMissing")];
    control.put_text(&vault, "kv-arrives-disabled", "x")?;
    control.enable(&vault, "kv-arrives-disabled", false)?;
    control.put_text(&vault, "kv-arrives-deleted", "x")?;
    control.delete(&vault, "kv-arrives-deleted")?;
    for (name, reason) in table {
        let sync = self::sync(
            "kv-arrives",
            name,
            &json!({"keys": {"A": format!("kv-arrives-{name}")}}),
        );
        apply(client, &sync).await?;
        object_condition(client, &sync, "Ready", "False", reason, SOON).await?;
    }
    Ok(())
}

/// Azure-Samples/azuresandbox #429: at home this comes when the line gets a new address.
async fn firewall(env: &SecretEnv) -> Result<()> {
    let (client, control, vault) = (&env.client, env.key_vault.control(), env.vault());
    let source = env.key_vault_source("kv-firewall", &planted("client-secret")).await?;
    apply(client, &source).await?;
    control.put_text(&vault, "kv-firewall-a", &planted("one"))?;
    let sync = sync("kv-firewall", "app", &json!({"keys": {"A": "kv-firewall-a"}}));
    apply(client, &sync).await?;
    object_condition(client, &sync, "Ready", "True", "Synced", LATER).await?;
    let ready = (
        stamp(client, &sync, "Ready").await?,
        stamp(client, &source, "Ready").await?,
    );
    // Only this case's object; its source's probe is a list, which other cases do not use while it lasts.
    let fault = control.fault(Rule::from(Fault::firewall("203.0.113.9")).name("kv-firewall-a"));
    let annotations = json!({"metadata": {"annotations": {"secrets.hearth.home.arpa/reconcile-at": "1"}}});
    patch(client, &sync, &annotations).await?;
    let message = object_condition(client, &source, "Reachable", "False", "ForbiddenByFirewall", SOON).await?;
    ensure!(message.contains("203.0.113.9"), "{message}");
    object_condition(client, &sync, "Fresh", "False", "ForbiddenByFirewall", SOON).await?;
    control.clear(fault);
    object_condition(client, &source, "Reachable", "True", "", LATER).await?;
    object_condition(client, &sync, "Fresh", "True", "Synced", SOON).await?;
    ensure!(
        (
            stamp(client, &sync, "Ready").await?,
            stamp(client, &source, "Ready").await?
        ) == ready,
        "Ready moved"
    );
    Ok(())
}

async fn expired(env: &SecretEnv) -> Result<()> {
    let client = &env.client;
    let source = env.key_vault_source("kv-expired", &planted("expired")).await?;
    apply(client, &source).await?;
    let message = object_condition(client, &source, "Ready", "False", "ClientSecretExpired", SOON).await?;
    ensure!(!message.contains("expired-"), "{message}");
    env.key_vault_source("kv-expired", &planted("client-secret")).await?;
    object_condition(client, &source, "Ready", "True", "Connected", SOON)
        .await
        .map(drop)
}

/// CSI-Azure #1952, #860, #291.
async fn certificate(env: &SecretEnv) -> Result<()> {
    let (client, control, vault) = (&env.client, env.key_vault.control(), env.vault());
    let source = env
        .key_vault_source("kv-certificate", &planted("client-secret"))
        .await?;
    apply(client, &source).await?;
    object_condition(client, &source, "Ready", "True", "Connected", LATER).await?;
    let chain = make_chain("home.example.org").await?;
    control.put_certificate(&vault, "kv-web", &chain, PKCS12).await?;
    let sync = sync("kv-certificate", "web", &json!({"certificate": "kv-web"}));
    apply(client, &sync).await?;
    object_condition(client, &sync, "Ready", "True", "Synced", SOON).await?;
    let written = get(client, &secret("kv-certificate", "web")).await?;
    ensure!(written["type"] == "kubernetes.io/tls", "{}", written["type"]);
    let text = |key: &str| -> Result<String> {
        use ::base64::Engine;
        let value = written["data"][key].as_str().unwrap_or_default();
        Ok(String::from_utf8(
            ::base64::engine::general_purpose::STANDARD.decode(value)?,
        )?)
    };
    ensure!(
        text("tls.key")?.starts_with("-----BEGIN PRIVATE KEY-----"),
        "the key is not PKCS#8"
    );
    ensure!(text("tls.crt")?.matches("BEGIN CERTIFICATE").count() == chain.matches("BEGIN CERTIFICATE").count());
    // App Service stores such a file as a plain secret.
    let plain = Plain {
        value: "MIIKcAIBAzCCCiwGCSqGSIb3DQEHAaCCCh0Egg".to_owned(),
        content_type: Some(PKCS12.to_owned()),
        ..Plain::default()
    };
    control.put(&vault, "kv-plain", plain)?;
    let refused = self::sync("kv-certificate", "plain", &json!({"certificate": "kv-plain"}));
    apply(client, &refused).await?;
    let message = object_condition(client, &refused, "Ready", "False", "Pkcs12NotSupported", SOON).await?;
    ensure!(message.to_lowercase().contains("import"), "{message}");
    ensure!(
        get(client, &secret("kv-certificate", "plain")).await.is_err(),
        "a Secret for what cannot be read"
    );
    Ok(())
}

/// A SecretSync of a source of the same name as its namespace.
fn sync(source: &str, name: &str, spec: &serde_json::Value) -> serde_json::Value {
    let mut spec = spec.clone();
    spec["source"] = json!(source);
    json!({
        "apiVersion": "secrets.hearth.home.arpa/v1alpha1", "kind": "SecretSync",
        "metadata": {"namespace": source, "name": name}, "spec": spec,
    })
}

fn secret(namespace: &str, name: &str) -> serde_json::Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": namespace, "name": name}})
}
