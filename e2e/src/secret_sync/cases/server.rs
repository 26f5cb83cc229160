//! The server itself is sealed, ends, starts again, or has lost everything. It has TLS with a certificate of an authority of its
//! own, which sources name.
use anyhow::{Result, ensure};
use serde_json::json;

use crate::case::Case;
use crate::objects::{apply, object_condition};
use crate::secret_sync::env::{LATER, SOON, SecretEnv, Source};
use crate::vault_server::DiskServer;

pub(super) fn cases() -> Vec<Case<SecretEnv>> {
    vec![
        Case::new(
            "a_sealed_or_restarted_server_changes_nothing_until_it_is_unsealed",
            |env| Box::pin(sealed(env)),
        ),
        Case::new("a_wiped_server_changes_nothing_until_the_value_is_there_again", |env| {
            Box::pin(wiped(env))
        }),
    ]
}

async fn source(env: &SecretEnv, bao: &DiskServer, name: &str) -> Result<Source> {
    let (host, ca) = (env.environment.host, Some(bao.ca()));
    let source = Source::new(&env.client, host, bao.api()?, ca, name).await?;
    apply(&env.client, &source.object).await?;
    source.condition("Ready", "True", "Connected", LATER).await?;
    Ok(source)
}

async fn sealed(env: &SecretEnv) -> Result<()> {
    let mut bao = DiskServer::start_on(env.environment.host).await?;
    let source = source(env, &bao, "sealed").await?;
    source.put("a", &[("v", "one")]).await?;
    let sync = source.synced("app", json!({"keys": {"A": "a#v"}})).await?;

    let before = source.state(&sync).await?;
    bao.seal().await?;
    source.request(&sync, "sealed").await?;
    source.condition("Reachable", "False", "Sealed", SOON).await?;
    object_condition(&env.client, &sync, "Fresh", "False", "Sealed", SOON).await?;
    let now = source.state(&sync).await?;
    ensure!(now == before, "{now:?} after {before:?}");
    bao.unseal().await?;
    heals(env, &source, &sync, "two", &before.ready).await?;

    let before = source.state(&sync).await?;
    bao.stop().await?;
    source.request(&sync, "stopped").await?;
    source.condition("Reachable", "False", "Unreachable", SOON).await?;
    object_condition(&env.client, &sync, "Fresh", "False", "Unreachable", SOON).await?;
    bao.restart().await?;
    // A server that starts is sealed.
    source.condition("Reachable", "False", "Sealed", LATER).await?;
    let now = source.state(&sync).await?;
    ensure!(now == before, "{now:?} after {before:?}");
    bao.unseal().await?;
    heals(env, &source, &sync, "three", &before.ready).await
}

/// A value that was put after the outage arrives, and `Ready` has not moved.
async fn heals(
    env: &SecretEnv,
    source: &Source,
    sync: &serde_json::Value,
    value: &str,
    ready: &[(String, String); 2],
) -> Result<()> {
    source.put("a", &[("v", value)]).await?;
    source.condition("Reachable", "True", "Connected", LATER).await?;
    // What waited for the end of the outage may have been read before the value was put.
    source.request(sync, value).await?;
    source.holds("app", &[("A", value)], SOON).await?;
    object_condition(&env.client, sync, "Fresh", "True", "Synced", SOON).await?;
    let now = source.state(sync).await?;
    ensure!(now.ready == *ready, "{now:?} after {ready:?}");
    Ok(())
}

/// It was initialised anew, without a backup: no engine, no policy, no token.
async fn wiped(env: &SecretEnv) -> Result<()> {
    let mut bao = DiskServer::start_on(env.environment.host).await?;
    let mut source = source(env, &bao, "wiped").await?;
    source.put("a", &[("v", "one")]).await?;
    let sync = source.synced("app", json!({"keys": {"A": "a#v"}})).await?;
    let before = source.state(&sync).await?;
    bao.wipe().await?;
    source.api = bao.api()?;
    source.request(&sync, "wiped").await?;
    source.condition("Reachable", "False", "LoginRefused", LATER).await?;
    object_condition(&env.client, &sync, "Fresh", "False", "LoginRefused", SOON).await?;
    let now = source.state(&sync).await?;
    ensure!(now == before, "{now:?} after {before:?}");
    // A token alone brings nothing back, and takes nothing away.
    source.engine().await?;
    let token = source.new_token().await?;
    source.credential("token", &token).await?;
    source.condition("Reachable", "True", "Connected", SOON).await?;
    object_condition(&env.client, &sync, "Fresh", "False", "KeyMissing", SOON).await?;
    let now = source.state(&sync).await?;
    ensure!(now == before, "{now:?} after {before:?}");
    heals(env, &source, &sync, "two", &before.ready).await
}
