//! The chapters. Each acts, checks the result, and only then shows it.
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::http_gate::Mode;
use crate::objects::{apply, condition, get, object_condition};
use crate::screen::{Screen, commands_to_follow, good_bye};
use crate::secret_sync::env::{NAME, SecretEnv, Source, base64, planted, stamp};

/// The source, engine and namespace of the Vault; its Secret is of this name too.
pub(super) const VAULT: &str = "demo-vault";
/// The source and namespace of the Key Vault.
pub(super) const KEY_VAULT: &str = "demo-key-vault";
/// Far longer than anything here takes; machines may be busy.
const LIMIT: Duration = Duration::from_mins(1);

/// The chapters on one environment.
pub(super) struct Chapters<'a> {
    env: &'a SecretEnv,
    screen: &'a mut Screen,
}

impl<'a> Chapters<'a> {
    pub(super) fn new(env: &'a SecretEnv, screen: &'a mut Screen) -> Self {
        Self { env, screen }
    }

    /// From the first screen to the last.
    pub(super) async fn run(&mut self) -> Result<()> {
        self.cluster().await.context("the cluster")?;
        let (source, sync) = self.vault().await.context("the Vault")?;
        self.key_vault().await.context("the Key Vault")?;
        self.rotation(&source, &sync).await.context("a rotation")?;
        self.outage(&source, &sync).await.context("the provider away")?;
        self.end()
    }

    async fn cluster(&mut self) -> Result<()> {
        let version = self.env.client.apiserver_version().await?;
        self.env.operator.ready(1, LIMIT).await?;
        let pod = self.env.operator.pod().await?;
        let screen = &mut *self.screen;
        screen.chapter("A cluster, an operator, two providers")?;
        screen.say("secret-sync copies secrets from Vault and Azure Key Vault into Secrets, and keeps them while those are away.")?;
        screen.checked(&format!("Kubernetes {} answers", version.git_version))?;
        screen.checked(&format!(
            "secret-sync is installed by its chart and ready: pod {}",
            pod.name_any()
        ))?;
        screen.checked("a real OpenBao runs on this machine, and a strict fake of Azure Key Vault")?;
        commands_to_follow(screen, &self.env.environment, NAME)
    }

    async fn vault(&mut self) -> Result<(Source, Value)> {
        self.screen.chapter("A secret of a Vault arrives")?;
        let source = self.env.ready_source(VAULT).await?;
        source.put("db", &[("user", "n8n"), ("password", "one")]).await?;
        let begin = Instant::now();
        let sync = source
            .synced(VAULT, json!({"keys": {"USER": "db#user", "PASSWORD": "db#password"}}))
            .await?;
        source
            .holds(VAULT, &[("USER", "n8n"), ("PASSWORD", "one")], LIMIT)
            .await?;
        let took = begin.elapsed().as_secs_f64();
        let screen = &*self.screen;
        screen.say(
            "A ClusterSecretSource says where the Vault is and who may read what. A SecretSync names two values:",
        )?;
        screen.command(&format!("kubectl get secretsync {VAULT} --namespace {VAULT}"))?;
        self.table(&sync).await?;
        self.screen.checked(&format!(
            "the Secret {VAULT} has both values, {took:.1} s after the SecretSync was applied"
        ))?;
        Ok((source, sync))
    }

    async fn key_vault(&mut self) -> Result<()> {
        self.screen.chapter("A secret of a Key Vault arrives")?;
        let client = &self.env.client;
        self.env
            .key_vault
            .control()
            .put_text(&self.env.vault(), "n8n-key", &planted("k"))?;
        let source = self.env.key_vault_source(KEY_VAULT, &planted("client-secret")).await?;
        apply(client, &source).await?;
        let sync = json!({
            "apiVersion": "secrets.hearth.home.arpa/v1alpha1", "kind": "SecretSync",
            "metadata": {"namespace": KEY_VAULT, "name": KEY_VAULT},
            "spec": {"source": KEY_VAULT, "keys": {"N8N_ENCRYPTION_KEY": "n8n-key"}},
        });
        apply(client, &sync).await?;
        object_condition(client, &sync, "Ready", "True", "Synced", LIMIT).await?;
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": KEY_VAULT, "name": KEY_VAULT}});
        let value = get(client, &secret).await?["data"]["N8N_ENCRYPTION_KEY"].clone();
        ensure!(value == base64(&planted("k")), "another value");
        self.table(&sync).await?;
        self.screen
            .checked("the operator has logged in as a service principal; the Secret has the value")
    }

    async fn rotation(&mut self, source: &Source, sync: &Value) -> Result<()> {
        self.screen.chapter("A rotation")?;
        source.put("db", &[("user", "n8n"), ("password", "two")]).await?;
        let begin = Instant::now();
        source.request(sync, "rotated").await?;
        source
            .holds(VAULT, &[("USER", "n8n"), ("PASSWORD", "two")], LIMIT)
            .await?;
        let took = begin.elapsed().as_secs_f64();
        let screen = &*self.screen;
        screen.say("Values are read again every hour, or at once on request:")?;
        screen.command(&format!(
            "kubectl annotate secretsync {VAULT} --namespace {VAULT} secrets.hearth.home.arpa/reconcile-at=\"$(date)\" --overwrite"
        ))?;
        screen.checked(&format!(
            "the new password is in the Secret {took:.1} s after the request"
        ))
    }

    async fn outage(&mut self, source: &Source, sync: &Value) -> Result<()> {
        self.screen.chapter("The Vault goes away, and a pod starts")?;
        let client = &self.env.client;
        let ready = stamp(client, sync, "Ready").await?;
        source.gate.set(Mode::Closed);
        source.request(sync, "away").await?;
        source.condition("Reachable", "False", "Unreachable", LIMIT).await?;
        object_condition(client, sync, "Fresh", "False", "Unreachable", LIMIT).await?;
        self.env.run_pod(VAULT, VAULT, "PASSWORD").await?;
        ensure!(stamp(client, sync, "Ready").await? == ready, "Ready moved");
        self.screen
            .say("The source tells of the outage. Ready stays True, so Flux and other tools go on:")?;
        self.table(sync).await?;
        self.screen
            .checked("a new pod with the password in its environment has run, although the provider is away")?;
        source.put("db", &[("user", "n8n"), ("password", "three")]).await?;
        source.gate.set(Mode::Open);
        source.condition("Reachable", "True", "", LIMIT).await?;
        source
            .holds(VAULT, &[("USER", "n8n"), ("PASSWORD", "three")], LIMIT)
            .await?;
        self.screen
            .checked("the Vault is back, and the Secret has what was changed there meanwhile")
    }

    fn end(&mut self) -> Result<()> {
        let screen = &mut *self.screen;
        screen.chapter("Go on")?;
        screen.say("docs/secret-sync.md is the guide; it has a complete layout for Flux.")?;
        good_bye(
            screen,
            self.env.environment.control.is_some(),
            "The providers of the demo end with it",
        )
    }

    /// What `kubectl get` shows of a SecretSync.
    async fn table(&self, sync: &Value) -> Result<()> {
        let now = get(&self.env.client, sync).await?;
        let (ready, ..) = condition(&now, "Ready").context("no condition Ready")?;
        let (fresh, reason, _) = condition(&now, "Fresh").context("no condition Fresh")?;
        let name = now["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let head = ["NAME", "READY", "FRESH", "REASON", "KEYS"].map(str::to_owned).to_vec();
        self.screen.table(&[
            head,
            vec![name, ready, fresh, reason, now["status"]["keyCount"].to_string()],
        ])
    }
}
