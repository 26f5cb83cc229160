//! A source of a Vault in the cases: its engine, its token, its gate, and the SecretSyncs that name it.
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kube::Client;
use serde_json::{Value, json};

use crate::http_gate::HttpGate;
use crate::install::NAMESPACE;
use crate::namespaces::{LABEL, namespace};
use crate::objects::{apply, condition, get, merge, object_condition, patch};
use crate::vault_server::Api;
use crate::wait::until;

/// Is in every value that is planted at a provider: it may be nowhere but in Secrets.
pub(crate) const CANARY: &str = "canary-6c1f0e";

/// A change in the cluster or at the provider is in the Secret within this.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// What needs a restart, a probe or a retry.
pub(crate) const LATER: Duration = Duration::from_secs(90);

/// A source with its engine and its gate.
pub(crate) struct Source {
    /// Its name, that of its engine, and of its namespace.
    pub(crate) name: String,
    /// The manifest.
    pub(crate) object: Value,
    /// What is between the operator and the server.
    pub(crate) gate: HttpGate,
    /// The server, with all rights.
    pub(crate) api: Api,
    /// The token that was made last.
    pub(crate) token: String,
    client: Client,
}

impl Source {
    /// A KV engine of version 2, a policy and a token for it, a namespace and a source, all of this name. `ca`: the server speaks
    /// TLS with a certificate of this authority for `host`, the address under which pods reach this machine.
    pub(crate) async fn new(client: &Client, host: IpAddr, api: Api, ca: Option<&[u8]>, name: &str) -> Result<Self> {
        let uri: http::Uri = api.url().parse()?;
        let server: SocketAddr = uri.authority().context("no address")?.as_str().parse()?;
        let gate = HttpGate::start(host, server).await?;
        namespace(client, name).await?;
        let mut source = Self {
            name: name.to_owned(),
            client: client.clone(),
            object: json!({
                "apiVersion": "secrets.hearth.home.arpa/v1alpha1", "kind": "ClusterSecretSource",
                "metadata": {"name": name, "labels": {(LABEL): "e2e"}},
                "spec": {
                    "vault": {
                        "server": gate.url(), "insecureHTTP": true, "path": name,
                        "auth": {"token": {"secretRef": {"name": format!("{name}-vault")}}},
                    },
                    "allow": [{"namespaces": [name]}],
                }
            }),
            gate,
            api,
            token: String::new(),
        };
        if let Some(ca) = ca {
            let vault = json!({
                "server": source.gate.url().replace("http:", "https:"), "insecureHTTP": null,
                "ca": {"secretRef": {"name": format!("{name}-ca")}},
            });
            merge(&mut source.object["spec"]["vault"], vault);
            source.own_secret("ca", "ca.crt", std::str::from_utf8(ca)?).await?;
        }
        source.engine().await?;
        let token = source.new_token().await?;
        source.credential("token", &token).await?;
        Ok(source)
    }

    /// Makes the engine and the policy.
    pub(crate) async fn engine(&self) -> Result<()> {
        let (api, name) = (&self.api, &self.name);
        let mount = json!({"type": "kv", "options": {"version": "2"}});
        api.post(&format!("sys/mounts/{name}"), mount).await?;
        let rules = format!("path \"{name}/data/*\" {{ capabilities = [\"read\"] }}");
        api.post(&format!("sys/policies/acl/{name}"), json!({"policy": rules}))
            .await?;
        // The server makes it version 2 after the answer.
        until("the engine is ready", SOON, || async {
            api.get(&format!("{name}/config")).await.map(Some)
        })
        .await
        .map(drop)
    }

    /// Makes a token for the engine. The credential's Secret does not have it yet.
    pub(crate) async fn new_token(&mut self) -> Result<String> {
        let body = json!({"policies": [&self.name], "ttl": "1h", "renewable": true});
        let created = self.api.post("auth/token/create", body).await?;
        created["auth"]["client_token"]
            .as_str()
            .context("no token")?
            .clone_into(&mut self.token);
        Ok(self.token.clone())
    }

    /// Writes the credential's Secret.
    pub(crate) async fn credential(&self, key: &str, value: &str) -> Result<()> {
        self.own_secret("vault", key, value).await
    }

    /// Writes a Secret of the source in the operator's namespace.
    async fn own_secret(&self, kind: &str, key: &str, value: &str) -> Result<()> {
        apply(
            &self.client,
            &json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {
                    "namespace": NAMESPACE, "name": format!("{}-{kind}", self.name), "labels": {(LABEL): "e2e"},
                },
                "stringData": {key: value}
            }),
        )
        .await
    }

    /// Writes an object at the server. Each value gets the canary.
    pub(crate) async fn put(&self, path: &str, values: &[(&str, &str)]) -> Result<()> {
        let data: serde_json::Map<String, Value> = values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(planted(value))))
            .collect();
        self.api
            .post(&format!("{}/data/{path}", self.name), json!({"data": data}))
            .await
            .map(drop)
    }

    /// The manifest of a SecretSync in the namespace of the source.
    pub(crate) fn sync(&self, name: &str, spec: Value) -> Value {
        let mut spec = spec;
        spec["source"] = json!(self.name);
        json!({
            "apiVersion": "secrets.hearth.home.arpa/v1alpha1", "kind": "SecretSync",
            "metadata": {"namespace": self.name, "name": name}, "spec": spec,
        })
    }

    /// Applies it.
    pub(crate) async fn apply(&self, name: &str, spec: Value) -> Result<Value> {
        let sync = self.sync(name, spec);
        apply(&self.client, &sync).await?;
        Ok(sync)
    }

    /// Applies it, and waits until it is ready.
    pub(crate) async fn synced(&self, name: &str, spec: Value) -> Result<Value> {
        let sync = self.apply(name, spec).await?;
        object_condition(&self.client, &sync, "Ready", "True", "Synced", LATER).await?;
        Ok(sync)
    }

    /// Waits until a condition of the source has this status and reason; its message.
    pub(crate) async fn condition(&self, kind: &str, status: &str, reason: &str, limit: Duration) -> Result<String> {
        object_condition(&self.client, &self.object, kind, status, reason, limit).await
    }

    /// The Secret, without a manifest.
    pub(crate) fn secret(&self, name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": self.name, "name": name}})
    }

    /// The Secret as it is now; null if there is none.
    pub(crate) async fn found(&self, name: &str) -> Result<Value> {
        match get(&self.client, &self.secret(name)).await {
            Ok(secret) => Ok(secret),
            Err(error) if format!("{error:#}").contains("not found") => Ok(Value::Null),
            Err(error) => Err(error),
        }
    }

    /// Waits until the Secret has exactly these values, which were planted.
    pub(crate) async fn holds(&self, name: &str, values: &[(&str, &str)], limit: Duration) -> Result<()> {
        until(
            &format!("Secret {}/{name} has its values", self.name),
            limit,
            || async {
                let secret = self.found(name).await?;
                let data = secret["data"].as_object().cloned().unwrap_or_default();
                let keys: Vec<&String> = data.keys().collect();
                ensure!(data.len() == values.len(), "it has {keys:?}");
                for (key, value) in values {
                    let wanted = base64(&planted(value));
                    if data.get(*key).and_then(Value::as_str) != Some(&wanted) {
                        bail!("{key} is another value");
                    }
                }
                Ok(Some(()))
            },
        )
        .await
    }

    /// Requests a reconcile by annotation.
    pub(crate) async fn request(&self, object: &Value, value: &str) -> Result<()> {
        let annotations = json!({"metadata": {"annotations": {"secrets.hearth.home.arpa/reconcile-at": value}}});
        patch(&self.client, object, &annotations).await
    }

    /// What an outage may not move. Fails unless both the SecretSync and the source are current.
    pub(crate) async fn state(&self, sync: &Value) -> Result<State> {
        for object in [sync, &self.object] {
            let now = get(&self.client, object).await?;
            ensure!(is_current(&now), "not current: {now}");
        }
        let name = sync["metadata"]["name"].as_str().context("no name")?;
        let secret = self.found(name).await?;
        let version = secret["metadata"]["resourceVersion"].as_str().context("no Secret")?;
        Ok(State {
            secret: version.to_owned(),
            ready: [
                stamp(&self.client, sync, "Ready").await?,
                stamp(&self.client, &self.object, "Ready").await?,
            ],
        })
    }
}

/// What an outage may not move.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// The version of the Secret.
    pub(crate) secret: String,
    /// `Ready` of the SecretSync and of the source, with their times.
    pub(crate) ready: [(String, String); 2],
}

/// A value with the canary.
pub(crate) fn planted(value: &str) -> String {
    format!("{value}-{CANARY}")
}

/// As Secrets have it.
pub(crate) fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// A condition with its time, to see whether anything moved.
pub(crate) async fn stamp(client: &Client, object: &Value, kind: &str) -> Result<(String, String)> {
    let now = get(client, object).await?;
    let all = now
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .context("no conditions")?;
    let found = all
        .iter()
        .find(|condition| condition["type"] == kind)
        .context("no such condition")?;
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    Ok((text("status"), text("lastTransitionTime")))
}

/// What kstatus (of sigs.k8s.io/cli-utils, which Flux uses) says of an object: its rules for custom resources.
pub(crate) fn is_current(object: &Value) -> bool {
    let is = |kind: &str, status: &str| condition(object, kind).is_some_and(|(value, ..)| value == status);
    let observed = object.pointer("/status/observedGeneration");
    let seen = observed.is_none_or(|observed| Some(observed) == object.pointer("/metadata/generation"));
    seen && !is("Reconciling", "True") && !is("Stalled", "True") && !is("Ready", "False") && !is("Ready", "Unknown")
}
