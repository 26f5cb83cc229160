//! Secrets arrive, and follow their objects.
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::case::Case;
use crate::http_gate::Mode;
use crate::objects::{get, object_condition, patch, rejection};
use crate::secret_sync::env::{LATER, SOON, SecretEnv, Source, is_current};
use crate::wait::until;

/// So long the provider does not answer at first.
const SLOW: Duration = Duration::from_secs(20);
/// From the Secret to the status that tells of it.
const AT_ONCE: Duration = Duration::from_secs(1);

pub(super) fn cases() -> Vec<Case<SecretEnv>> {
    vec![
        Case::new("two_keys_arrive_and_a_rotation_follows_a_request", |env| {
            Box::pin(arrives(env))
        }),
        Case::new("kstatus_is_never_current_before_the_secret_is_there", |env| {
            Box::pin(kstatus(env))
        }),
        Case::new("a_missing_key_writes_no_secret_and_a_lost_one_empties_none", |env| {
            Box::pin(missing(env))
        }),
        Case::new(
            "a_wrong_spec_is_refused_where_the_user_looks_and_costs_no_call",
            |env| Box::pin(refused(env)),
        ),
    ]
}

async fn arrives(env: &SecretEnv) -> Result<()> {
    let source = env.ready_source("arrives").await?;
    source.put("db/main", &[("user", "u"), ("password", "one")]).await?;
    let spec = json!({"keys": {"USER": "db/main#user", "PASSWORD": "db/main#password"}});
    let sync = source.synced("app", spec).await?;
    source.holds("app", &[("USER", "u"), ("PASSWORD", "one")], SOON).await?;
    let status = get(&env.client, &sync).await?["status"].clone();
    ensure!(
        status["keyCount"] == 2 && status["keys"][0] == json!({"key": "PASSWORD", "object": "db/main", "version": "1"}),
        "{status}"
    );
    ensure!(
        source.gate.count(0, "GET /v1/arrives/data/db/main") == 1,
        "{:?}",
        source.gate.since(0)
    );
    source.put("db/main", &[("user", "u"), ("password", "two")]).await?;
    source.request(&sync, "now").await?;
    source
        .holds("app", &[("USER", "u"), ("PASSWORD", "two")], Duration::from_secs(5))
        .await?;
    let handled = until("the request is echoed", SOON, || async {
        let status = get(&env.client, &sync).await?["status"].clone();
        Ok((status["lastHandledReconcileAt"] == "now").then_some(status))
    });
    ensure!(handled.await?["keys"][0]["version"] == "2");
    // All properties of an object, and a row that wins.
    let spec =
        json!({"extract": ["db/main"], "keys": {"user": {"from": "db/main", "property": "user", "version": "1"}}});
    source.synced("all", spec).await?;
    source.holds("all", &[("user", "u"), ("password", "two")], SOON).await
}

/// rwlove/home-ops #13508: what waits for the object reads before the Secret exists.
async fn kstatus(env: &SecretEnv) -> Result<()> {
    let source = env.source("kstatus").await?;
    source.put("slow", &[("a", "x")]).await?;
    source.gate.set(Mode::Slow(SLOW));
    crate::objects::apply(&env.client, &source.object).await?;
    let sync = source.apply("app", json!({"keys": {"A": "slow#a"}})).await?;
    let begin = Instant::now();
    let answers = async {
        // The operator has given a call up by then, and asks again.
        tokio::time::sleep(SLOW).await;
        source.gate.set(Mode::Open);
        anyhow::Ok(())
    };
    tokio::try_join!(answers, current_with(env, &source, &sync, "A"))?;
    ensure!(begin.elapsed() >= SLOW, "the provider was not slow");
    // Of a changed spec it is not current until its own data was written.
    source.gate.set(Mode::Slow(Duration::from_secs(3)));
    source.put("other", &[("b", "y")]).await?;
    source.apply("app", json!({"keys": {"B": "other#b"}})).await?;
    current_with(env, &source, &sync, "B").await
}

/// Waits until a SecretSync is current: not before its Secret has this key, and at most a second later.
async fn current_with(env: &SecretEnv, source: &Source, sync: &Value, key: &str) -> Result<()> {
    let mut written = None;
    let end = Instant::now() + LATER;
    loop {
        // The status is asked for first: the Secret was there before.
        let current = is_current(&get(&env.client, sync).await?);
        let there = !source.found("app").await?["data"][key].is_null();
        ensure!(there || !current, "current without {key}");
        if current {
            return Ok(());
        }
        if there {
            let since = *written.get_or_insert_with(Instant::now);
            ensure!(
                since.elapsed() < AT_ONCE,
                "not current {AT_ONCE:?} after the Secret was written"
            );
        }
        ensure!(Instant::now() < end, "not current after {LATER:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// External Secrets #1049.
async fn missing(env: &SecretEnv) -> Result<()> {
    let source = env.ready_source("missing").await?;
    source.put("a", &[("v", "a")]).await?;
    let spec = json!({"keys": {"A": "a#v", "B": "b#v"}});
    let sync = source.apply("app", spec.clone()).await?;
    let message = object_condition(&env.client, &sync, "Ready", "False", "KeyMissing", SOON).await?;
    ensure!(message.contains('b'), "{message}");
    ensure!(source.found("app").await?.is_null(), "a Secret with half of its keys");
    source.put("b", &[("v", "b")]).await?;
    source.request(&sync, "1").await?;
    source.holds("app", &[("A", "a"), ("B", "b")], SOON).await?;
    object_condition(&env.client, &sync, "Fresh", "True", "Synced", SOON).await?;
    // The provider loses it.
    source.api.succeed("DELETE", "missing/metadata/b", json!(null)).await?;
    source.request(&sync, "2").await?;
    object_condition(&env.client, &sync, "Fresh", "False", "KeyMissing", SOON).await?;
    let object = get(&env.client, &sync).await?;
    ensure!(is_current(&object), "{object}");
    source.holds("app", &[("A", "a"), ("B", "b")], SOON).await?;
    // Only the user's word removes it.
    let without = json!({"keys": {"A": "a#v"}});
    crate::objects::apply(&env.client, &source.sync("app", without)).await?;
    source.holds("app", &[("A", "a")], SOON).await
}

async fn refused(env: &SecretEnv) -> Result<()> {
    let source = env.ready_source("refused").await?;
    let mark = source.gate.mark();
    let cel = [
        (json!({"keys": {}}), "spec.keys"),
        (
            json!({"keys": {"A": "a"}, "target": {"type": "kubernetes.io/service-account-token"}}),
            "credentials of the cluster itself",
        ),
        (json!({"keys": {"A": "a"}, "refresh": "soon"}), "spec.refresh"),
    ];
    for (spec, expected) in cel {
        let message = rejection(&env.client, &source.sync("cel", spec)).await?;
        ensure!(message.contains(expected), "{message}");
    }
    let stalled = [
        (
            "nothing",
            json!({}),
            "InvalidSpec",
            "spec: set keys, extract or certificate",
        ),
        (
            "key",
            json!({"keys": {"a b": "a"}}),
            "InvalidSpec",
            "spec.keys[\"a b\"]",
        ),
        (
            "dots",
            json!({"keys": {"A": "../sys/mounts"}}),
            "InvalidSpec",
            "spec.keys[A]",
        ),
        ("slashes", json!({"keys": {"A": "a//b"}}), "InvalidSpec", "spec.keys[A]"),
        (
            "version",
            json!({"keys": {"A": {"from": "a", "version": "latest"}}}),
            "InvalidSpec",
            "spec.keys[A].version",
        ),
        ("number", json!({"keys": {"A": 3}}), "InvalidSpec", "spec.keys[A]"),
        (
            "refresh",
            json!({"keys": {"A": "a"}, "refresh": "1s"}),
            "InvalidSpec",
            "spec.refresh",
        ),
    ];
    for (name, spec, reason, expected) in stalled {
        let sync = source.apply(name, spec).await?;
        let message = object_condition(&env.client, &sync, "Stalled", "True", reason, SOON).await?;
        ensure!(message.starts_with(expected), "{message}");
    }
    let mut unknown = source.sync("unknown", json!({"keys": {"A": "a"}}));
    unknown["spec"]["source"] = json!("nobody");
    crate::objects::apply(&env.client, &unknown).await?;
    object_condition(&env.client, &unknown, "Stalled", "True", "SourceNotFound", SOON).await?;
    patch(
        &env.client,
        &source.object,
        &json!({"spec": {"allow": [{"namespaces": ["other"]}]}}),
    )
    .await?;
    let sync = source.apply("denied", json!({"keys": {"A": "a"}})).await?;
    object_condition(&env.client, &sync, "Stalled", "True", "NotAllowed", SOON).await?;
    let reads = source.gate.count(mark, "/data/");
    ensure!(reads == 0, "{reads} reads for specs that are refused");
    Ok(())
}
