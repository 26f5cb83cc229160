//! The operator is killed at every kind of write: once before the API server gets it, once when it is done and the response was
//! not delivered. The Secrets at the end are the same as without kills.
use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use tokio::process::Child;

use crate::api_proxy::ApiProxy;
use crate::case::{Case, Exclusive};
use crate::local_operator::Program;
use crate::objects::{apply, condition, delete, get, patch};
use crate::secret_sync::env::{LATER, SecretEnv, Source, base64};

pub(super) fn cases() -> Vec<Case<SecretEnv>> {
    vec![
        Case::new("killed_at_every_write_it_reaches_the_same_secrets", |env| {
            Box::pin(killed_without_pod(env))
        })
        .local()
        .exclusive(&[Exclusive::Operator])
        .slow("a restart for every kind of write"),
    ]
}

/// Nothing is left to do when so long nothing was written.
const QUIET: Duration = Duration::from_secs(3);
/// A life without a write and without the end.
const STUCK: Duration = Duration::from_mins(1);

async fn killed_without_pod(env: &SecretEnv) -> Result<()> {
    // The pod would do the work of the process that is killed.
    env.operator.while_off(killed(env), LATER).await
}

async fn killed(env: &SecretEnv) -> Result<()> {
    let source = env.source("killed").await?;
    let mut run = Run::new(env).await?;
    let result = story(env, &source, &mut run).await;
    result.with_context(|| format!("met {:?}; the operator's log:\n{}", run.met, run.program.log(20)))?;
    // What must have been met, before and after.
    let secret = "/api/v1/namespaces/killed/secrets";
    let status = "/apis/secrets.hearth.home.arpa/v1alpha1/namespaces/killed/secretsyncs/app/status";
    for write in [
        format!("POST {secret}"),
        format!("PATCH {secret}/app"),
        format!("DELETE {secret}/app"),
        format!("PATCH {status}"),
    ] {
        let kills = run.met.get(&write).copied().unwrap_or_default();
        ensure!(kills >= 2, "{write} was met by {kills} kills: {:?}", run.met);
    }
    Ok(())
}

/// All that a SecretSync goes through.
async fn story(env: &SecretEnv, source: &Source, run: &mut Run<'_>) -> Result<()> {
    let client = &env.client;
    source.put("a", &[("username", "u"), ("password", "one")]).await?;
    let keys = json!({"username": "a#username", "password": "a#password"});
    let sync = source.sync("app", json!({"keys": keys}));
    let first = [("username", "u"), ("password", "one")];
    let second = [("username", "u"), ("password", "two")];

    let create = async {
        apply(client, &source.object).await?;
        apply(client, &sync).await
    };
    run.part("a new Secret", create, || has(env, source, &sync, &first))
        .await?;

    let rotate = async {
        source.put("a", &second).await?;
        source.request(&sync, "rotated").await
    };
    run.part("a rotation", rotate, || has(env, source, &sync, &second))
        .await?;

    let (gone, edited) = (source.secret("app"), json!({"data": {"password": base64("edited")}}));
    let edit = patch(client, &gone, &edited);
    run.part("an edit", edit, || has(env, source, &sync, &second)).await?;

    run.part("a deletion", delete(client, &gone), || has(env, source, &sync, &second))
        .await?;

    let typed = source.sync(
        "app",
        json!({"keys": keys, "target": {"type": "kubernetes.io/basic-auth"}}),
    );
    run.part("another type", apply(client, &typed), || {
        has(env, source, &sync, &second)
    })
    .await?;
    let found = source.found("app").await?;
    ensure!(
        found["type"] == "kubernetes.io/basic-auth",
        "the type is {}",
        found["type"]
    );

    let mut foreign = source.secret("adopted");
    foreign["data"] = json!({"username": base64("theirs")});
    let adopting = source.sync("adopted", json!({"keys": keys, "target": {"adopt": true}}));
    let adopt = async {
        apply(client, &foreign).await?;
        apply(client, &adopting).await
    };
    run.part("an adoption", adopt, || has(env, source, &adopting, &second))
        .await
}

/// Whether the Secret of a SecretSync has exactly these values, and its status says so.
async fn has(env: &SecretEnv, source: &Source, sync: &serde_json::Value, values: &[(&str, &str)]) -> Result<bool> {
    let name = sync["metadata"]["name"].as_str().unwrap_or_default();
    let object = get(&env.client, sync).await?;
    let seen = object.pointer("/metadata/generation") == object.pointer("/status/observedGeneration");
    let asked = &object["metadata"]["annotations"]["secrets.hearth.home.arpa/reconcile-at"];
    let handled = asked.is_null() || *asked == object["status"]["lastHandledReconcileAt"];
    let fresh = condition(&object, "Fresh").is_some_and(|(status, ..)| status == "True");
    let data = source.holds(name, values, Duration::ZERO).await.is_ok();
    Ok(seen && handled && fresh && data)
}

/// One life after the other.
struct Run<'a> {
    env: &'a SecretEnv,
    proxy: ApiProxy,
    program: Program,
    life: Child,
    /// How many kills have met each kind of write.
    met: BTreeMap<String, usize>,
}

impl<'a> Run<'a> {
    async fn new(env: &'a SecretEnv) -> Result<Self> {
        let proxy = ApiProxy::open(env.operator.operator_client().await?).await?;
        let settings = [("HEARTH_CLUSTER_NAME", "e2e"), ("HEARTH_LOG_FORMAT", "json")];
        let program = Program::new(env.environment.program.clone(), &proxy.endpoint(), &settings)?;
        let life = program.start()?;
        Ok(Self {
            env,
            proxy,
            program,
            life,
            met: BTreeMap::new(),
        })
    }

    /// Does something, and lets the operator follow through all kills, until `done` and quiet.
    async fn part<F>(&mut self, name: &str, act: impl Future<Output = Result<()>>, done: impl Fn() -> F) -> Result<()>
    where
        F: Future<Output = Result<bool>>,
    {
        self.proxy.begin(true);
        act.await.with_context(|| name.to_owned())?;
        let mut begun = Instant::now();
        loop {
            tokio::select! {
                write = self.proxy.held() => {
                    self.life.kill().await?;
                    *self.met.entry(write).or_default() += 1;
                    self.proxy.go_on();
                    self.life = self.program.start()?;
                    begun = Instant::now();
                }
                () = tokio::time::sleep(Duration::from_millis(200)) => {
                    let quiet = self.proxy.last().is_none_or(|last| last.elapsed() > QUIET) && begun.elapsed() > QUIET;
                    if quiet && done().await? {
                        return Ok(());
                    }
                    if begun.elapsed() > STUCK {
                        bail!("{name}: not done {STUCK:?} after the last kill; writes: {:?}", self.proxy.writes());
                    }
                }
            }
            ensure!(
                self.env.operator.pods().await?.is_empty(),
                "a pod of the operator runs too"
            );
        }
    }
}
