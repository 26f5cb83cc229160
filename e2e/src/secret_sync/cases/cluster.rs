//! The cluster itself: it goes dark, is rebuilt, has two replicas, or gives the operator few rights.
use std::time::Duration;

use anyhow::{Result, ensure};
use kube::ResourceExt;
use serde_json::json;

use crate::case::{Case, Exclusive};
use crate::http_gate::Mode;
use crate::namespaces::namespace;
use crate::objects::{apply, object_condition};
use crate::secret_sync::env::{LATER, SOON, SecretEnv, base64, stamp};
use crate::wait::until;

pub(super) fn cases() -> Vec<Case<SecretEnv>> {
    vec![
        Case::new("a_marked_secret_of_a_rebuilt_cluster_is_ours_again", |env| {
            Box::pin(rebuilt(env))
        }),
        Case::new("after_a_blackout_every_pod_runs_while_the_provider_is_away", |env| {
            Box::pin(blackout(env))
        })
        .local()
        .exclusive(&[Exclusive::ApiServer, Exclusive::Operator]),
        Case::new("another_replica_goes_on_when_the_leader_dies", |env| {
            Box::pin(replicas(env))
        })
        .local()
        .exclusive(&[Exclusive::Operator]),
        Case::new("a_scope_limits_where_secrets_are_written", |env| Box::pin(scope(env)))
            .exclusive(&[Exclusive::Operator]),
    ]
}

/// Objects come back from Git and from a backup: every UID is another one, and only the marks say whose a Secret is.
async fn rebuilt(env: &SecretEnv) -> Result<()> {
    let source = env.ready_source("rebuilt").await?;
    source.put("a", &[("v", "new")]).await?;
    let mut secret = source.secret("app");
    secret["metadata"]["labels"] = json!({"secrets.hearth.home.arpa/managed": "true"});
    secret["metadata"]["annotations"] = json!({"secrets.hearth.home.arpa/owner": "app"});
    secret["data"] = json!({"A": base64("of the backup")});
    apply(&env.client, &secret).await?;
    let uid = source.found("app").await?["metadata"]["uid"].clone();
    source.synced("app", json!({"keys": {"A": "a#v"}})).await?;
    source.holds("app", &[("A", "new")], SOON).await?;
    ensure!(
        source.found("app").await?["metadata"]["uid"] == uid,
        "it was deleted and created"
    );
    Ok(())
}

/// Power goes in the whole house, and only the cluster comes back.
async fn blackout(env: &SecretEnv) -> Result<()> {
    let (client, cluster) = (&env.client, env.environment.control()?);
    let source = env.ready_source("dark").await?;
    source.put("a", &[("v", "one")]).await?;
    let sync = source.synced("app", json!({"keys": {"A": "a#v"}})).await?;
    let ready = (
        stamp(client, &sync, "Ready").await?,
        stamp(client, &source.object, "Ready").await?,
    );
    source.gate.set(Mode::Closed);
    cluster.stop("apiserver").await?;
    env.operator.kill().await.ok();
    tokio::time::sleep(Duration::from_secs(3)).await;
    cluster.start("apiserver").await?;
    until("the API server is back", LATER, || async {
        Ok(env.operator.pods().await.map(Some).unwrap_or_default())
    })
    .await?;
    env.run_pod("dark", "app", "A").await?;
    env.operator.ready(1, 2 * LATER).await?;
    source.request(&sync, "1").await?;
    source.condition("Reachable", "False", "Unreachable", LATER).await?;
    object_condition(client, &sync, "Fresh", "False", "Unreachable", LATER).await?;
    let now = (
        stamp(client, &sync, "Ready").await?,
        stamp(client, &source.object, "Ready").await?,
    );
    ensure!(now == ready, "Ready moved: {now:?} after {ready:?}");
    source.put("a", &[("v", "two")]).await?;
    source.gate.set(Mode::Open);
    source.holds("app", &[("A", "two")], LATER).await
}

async fn replicas(env: &SecretEnv) -> Result<()> {
    let source = env.ready_source("replicas").await?;
    source.put("a", &[("v", "one")]).await?;
    let sync = source.synced("app", json!({"keys": {"A": "a#v"}})).await?;
    env.operator.scale(2, LATER).await?;
    let leader = until("a leader", LATER, || async {
        for pod in env.operator.pods().await? {
            let page = env.operator.page(&pod.name_any(), "metrics").await?;
            let leads = |line: &str| line.starts_with("leader_election_master_status") && line.ends_with(" 1");
            if page.lines().any(leads) {
                return Ok(Some(pod));
            }
        }
        Ok(None)
    })
    .await?;
    crate::pod_process::of_pod(&leader, env.operator.name)?.kill()?;
    source.put("a", &[("v", "two")]).await?;
    source.request(&sync, "1").await?;
    source.holds("app", &[("A", "two")], LATER).await?;
    env.operator.ready(2, 2 * LATER).await?;
    env.operator.scale(1, LATER).await
}

async fn scope(env: &SecretEnv) -> Result<()> {
    let source = env.source("scope-a").await?;
    namespace(&env.client, "scope-b").await?;
    let mut object = source.object.clone();
    object["spec"]["allow"] = json!([{"namespaces": ["scope-?"]}]);
    source.put("a", &[("v", "one")]).await?;
    env.install(&["scope.namespaces={scope-a}"]).await?;
    apply(&env.client, &object).await?;
    let inside = source.synced("app", json!({"keys": {"A": "a#v"}})).await;
    let mut outside = source.sync("app", json!({"keys": {"A": "a#v"}}));
    outside["metadata"]["namespace"] = json!("scope-b");
    apply(&env.client, &outside).await?;
    let refused = object_condition(&env.client, &outside, "Stalled", "True", "NotPermitted", SOON).await;
    env.install(&[]).await?;
    inside?;
    let message = refused?;
    ensure!(message.contains("scope.namespaces"), "{message}");
    object_condition(&env.client, &outside, "Ready", "True", "Synced", LATER)
        .await
        .map(drop)
}
