//! The provider is away.
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::login::app_role;
use crate::case::{Case, Exclusive};
use crate::http_gate::Mode;
use crate::objects::{get, object_condition};
use crate::secret_sync::env::{LATER, SOON, SecretEnv, is_current, stamp};
use crate::wait::{never, until};

pub(super) fn cases() -> Vec<Case<SecretEnv>> {
    vec![
        Case::new("an_outage_is_told_and_changes_nothing", |env| Box::pin(outage(env))),
        Case::new("a_slow_source_delays_no_other", |env| Box::pin(slow(env))),
        Case::new(
            "a_restart_with_three_hundred_fresh_syncs_reads_and_writes_nothing",
            |env| Box::pin(restart(env)),
        )
        .exclusive(&[Exclusive::Operator])
        .slow("it makes three hundred SecretSyncs"),
        Case::new("a_restart_while_logins_are_refused_moves_no_ready", |env| {
            Box::pin(refused_logins(env))
        })
        .exclusive(&[Exclusive::Operator])
        .slow("logins are refused for 30 s, and the next probe comes up to 32 s later"),
    ]
}

async fn outage(env: &SecretEnv) -> Result<()> {
    let source = env.ready_source("outage").await?;
    source.put("a", &[("v", "one")]).await?;
    let sync = source.synced("app", json!({"keys": {"A": "a#v"}})).await?;
    let (ready, source_ready) = (
        stamp(&env.client, &sync, "Ready").await?,
        stamp(&env.client, &source.object, "Ready").await?,
    );
    let before = source.found("app").await?["metadata"]["resourceVersion"].clone();
    source.gate.set(Mode::Closed);
    source.request(&sync, "1").await?;
    source.condition("Reachable", "False", "Unreachable", SOON).await?;
    object_condition(&env.client, &sync, "Fresh", "False", "Unreachable", SOON).await?;
    // A new one waits, and is not current.
    let waiting = source.apply("new", json!({"keys": {"A": "a#v"}})).await?;
    object_condition(&env.client, &waiting, "Ready", "False", "Unreachable", SOON).await?;
    let object = get(&env.client, &sync).await?;
    ensure!(
        is_current(&object) && !is_current(&get(&env.client, &waiting).await?),
        "{object}"
    );
    ensure!(stamp(&env.client, &sync, "Ready").await? == ready);
    ensure!(stamp(&env.client, &source.object, "Ready").await? == source_ready);
    ensure!(
        source.found("app").await?["metadata"]["resourceVersion"] == before,
        "the Secret was written"
    );
    source.put("a", &[("v", "two")]).await?;
    source.gate.set(Mode::Open);
    source.condition("Reachable", "True", "", LATER).await?;
    source.holds("new", &[("A", "two")], SOON).await?;
    source.holds("app", &[("A", "two")], SOON).await?;
    object_condition(&env.client, &sync, "Fresh", "True", "Synced", SOON).await?;
    ensure!(stamp(&env.client, &sync, "Ready").await? == ready, "Ready moved");
    // Sealed, and answers that are none.
    for (status, body, reason) in [
        (503, r#"{"errors":["Vault is sealed"]}"#, "Sealed"),
        (500, "<html>oops</html>", "ServerError"),
    ] {
        source.gate.set(Mode::Answer("/v1/outage/", status, body.to_owned()));
        source.request(&sync, reason).await?;
        object_condition(&env.client, &sync, "Fresh", "False", reason, SOON).await?;
        source.gate.set(Mode::Open);
        source.condition("Reachable", "True", "", LATER).await?;
        object_condition(&env.client, &sync, "Fresh", "True", "Synced", SOON).await?;
    }
    Ok(())
}

async fn slow(env: &SecretEnv) -> Result<()> {
    let (slow, quick) = (env.ready_source("slow").await?, env.ready_source("quick").await?);
    for number in 0..30 {
        slow.put(&format!("s-{number}"), &[("v", "x")]).await?;
    }
    quick.put("a", &[("v", "one")]).await?;
    slow.gate.set(Mode::Slow(Duration::from_secs(5)));
    for number in 0..30 {
        slow.apply(&format!("s-{number}"), json!({"keys": {"A": format!("s-{number}#v")}}))
            .await?;
    }
    quick.apply("app", json!({"keys": {"A": "a#v"}})).await?;
    quick.holds("app", &[("A", "one")], Duration::from_secs(3)).await?;
    slow.gate.set(Mode::Open);
    slow.holds("s-29", &[("A", "x")], LATER).await
}

async fn restart(env: &SecretEnv) -> Result<()> {
    const COUNT: usize = 300;
    let source = env.ready_source("restart").await?;
    source.put("a", &[("v", "one"), ("w", "two")]).await?;
    for number in 0..COUNT {
        // So that none is due meanwhile.
        let spec = json!({"keys": {"A": "a#v", "B": "a#w"}, "refresh": "1000d"});
        source.apply(&format!("app-{number}"), spec).await?;
    }
    until("all are fresh", LATER, || async {
        let mut fresh = 0;
        for number in 0..COUNT {
            let sync = source.sync(&format!("app-{number}"), json!({}));
            let object = get(&env.client, &sync).await?;
            fresh +=
                usize::from(crate::objects::condition(&object, "Fresh").is_some_and(|(status, ..)| status == "True"));
        }
        ensure!(fresh == COUNT, "{fresh} of {COUNT}");
        Ok(Some(()))
    })
    .await?;
    let version = |name: String| {
        let source = &source;
        async move {
            let secret = source.found(&name).await?;
            let sync = get(&env.client, &source.sync(&name, json!({}))).await?;
            let version = |object: &serde_json::Value| {
                object["metadata"]["resourceVersion"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            };
            anyhow::Ok((version(&secret), version(&sync)))
        }
    };
    let (mark, before) = (source.gate.mark(), version("app-7".to_owned()).await?);
    env.operator.kill_and_restart(LATER).await?;
    never(
        "a read or a write after the restart",
        Duration::from_secs(15),
        || async {
            let reads = source.gate.count(mark, "/data/");
            let now = version("app-7".to_owned()).await?;
            Ok((reads > 0 || now != before).then(|| format!("{reads} reads, {now:?} after {before:?}")))
        },
    )
    .await?;
    // Of the few that are left of other cases some may be due.
    let writes = env
        .operator
        .metric("rest_client_requests_total", &["method=\"PATCH\""])
        .await?;
    ensure!(writes < 30.0, "{writes} writes after the restart");
    Ok(())
}

/// External Secrets #4461: Ready goes off and on when a restart meets a login that is refused for a while.
async fn refused_logins(env: &SecretEnv) -> Result<()> {
    const COUNT: usize = 20;
    let mut source = env.source("refusing").await?;
    source.put("a", &[("v", "one")]).await?;
    app_role(&mut source, &["refusing"]).await?;
    crate::objects::apply(&env.client, &source.object).await?;
    source.condition("Ready", "True", "Connected", LATER).await?;
    let mut syncs = Vec::new();
    for number in 0..COUNT {
        syncs.push(
            source
                .synced(&format!("app-{number}"), json!({"keys": {"A": "a#v"}}))
                .await?,
        );
    }
    let mut before = Vec::new();
    for object in syncs.iter().chain([&source.object]) {
        before.push(stamp(&env.client, object, "Ready").await?);
    }
    let refusal = r#"{"errors":["permission denied"]}"#.to_owned();
    source.gate.set(Mode::Answer("/v1/auth/", 403, refusal));
    env.operator.kill_and_restart(LATER).await?;
    source.request(&source.object, "1").await?;
    source.condition("Reachable", "False", "LoginRefused", LATER).await?;
    tokio::time::sleep(Duration::from_secs(30)).await;
    source.gate.set(Mode::Open);
    source
        .condition("Reachable", "True", "", Duration::from_mins(1))
        .await?;
    let mut after = Vec::new();
    for object in syncs.iter().chain([&source.object]) {
        after.push(stamp(&env.client, object, "Ready").await?);
    }
    ensure!(before == after, "Ready moved");
    Ok(())
}
