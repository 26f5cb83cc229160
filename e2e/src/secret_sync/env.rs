//! The environment of secret-sync's cases: the cluster, a real `OpenBao`, and for each case a KV engine, a policy, a token and a
//! gate of its own; and a fake Key Vault.
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hearth_secret_sync::crd::ClusterSecretSource;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::case::TestEnv;
use crate::environment::Environment;
use crate::fake_key_vault::{Application, FakeKeyVault, FakeKeyVaultHandle, Options};
use crate::http_gate::HttpGate;
use crate::install::{Installation, NAMESPACE};
use crate::namespaces::{LABEL, labelled, namespace, remove_namespaces};
use crate::objects::{apply, condition, get, object_condition, patch};
use crate::vault_server::DevServer;
use crate::wait::until;

/// The release.
pub(crate) const NAME: &str = "secret-sync";
const TENANT: &str = "7b790000-0000-4000-8000-000000000001";
const CLIENT_ID: &str = "1f2e0000-0000-4000-8000-000000000002";
/// Is in every value that is planted at a provider: it may be nowhere but in Secrets.
pub(crate) const CANARY: &str = "canary-6c1f0e";

/// A change in the cluster or at the provider is in the Secret within this.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// What needs a restart, a probe or a retry.
pub(crate) const LATER: Duration = Duration::from_secs(90);

/// The environment.
pub(crate) struct SecretEnv {
    /// Where it is.
    pub(crate) environment: Environment,
    /// The cluster.
    pub(crate) client: Client,
    /// secret-sync.
    pub(crate) operator: Installation,
    /// The server.
    pub(crate) bao: DevServer,
    /// The fake Key Vault.
    pub(crate) key_vault: FakeKeyVaultHandle,
}

impl SecretEnv {
    /// Removes what an earlier run has left, and starts the providers. Prepares the operator, but does not install it.
    pub(crate) async fn new(environment: Environment) -> Result<Self> {
        let client = environment.client().await?;
        remove(&client).await?;
        let operator = Installation::prepare(&environment, &client, NAME).await?;
        let options = Options {
            listen: SocketAddr::new(environment.host, 0),
            control: None,
            hosts: vec![environment.host.to_string()],
            application: Application {
                tenant: TENANT.to_owned(),
                client_id: CLIENT_ID.to_owned(),
                secrets: vec![planted("client-secret")],
                expired_secrets: vec![planted("expired")],
            },
            resource: "https://vault.azure.net".to_owned(),
        };
        Ok(Self {
            environment,
            client,
            operator,
            bao: DevServer::start().await?,
            key_vault: FakeKeyVault::start(options).await?,
        })
    }

    /// The chart's values for all cases, and more.
    pub(crate) async fn install(&self, more: &[&str]) -> Result<()> {
        let hosts = format!("allowedHosts={{{}}}", self.key_vault.addr());
        let values = ["clusterName=e2e", "logging.format=json", "logging.level=debug", &hosts];
        self.operator.upgrade(&[&values[..], more].concat()).await
    }

    /// Runs a pod to its end, with one key of a Secret in its environment. It cannot start without that.
    pub(crate) async fn run_pod(&self, namespace: &str, secret: &str, key: &str) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let pod = serde_json::from_value(json!({
            "metadata": {"name": "app"},
            // The operator's image is the only one that every cluster of these cases has.
            "spec": {"restartPolicy": "Never", "containers": [{
                "name": "app", "image": self.environment.image, "imagePullPolicy": "IfNotPresent", "args": ["crds"],
                "env": [{"name": "VALUE", "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}],
            }]},
        }))?;
        pods.create(&PostParams::default(), &pod).await?;
        until("the pod has run", LATER, || async {
            let phase = pods
                .get("app")
                .await?
                .status
                .and_then(|status| status.phase)
                .unwrap_or_default();
            ensure!(phase == "Succeeded", "it is {phase}");
            Ok(Some(()))
        })
        .await
    }

    /// The name of the vault in the fake.
    pub(crate) fn vault(&self) -> String {
        self.environment.host.to_string()
    }

    /// A source of the fake Key Vault, of this name and with its namespace, its credential and its certificates.
    pub(crate) async fn key_vault_source(&self, name: &str, secret: &str) -> Result<Value> {
        namespace(&self.client, name).await?;
        let ca = String::from_utf8(self.key_vault.ca().to_vec())?;
        let meta = json!({"namespace": NAMESPACE, "name": format!("{name}-sp")});
        let data = json!({"client-secret": secret, "ca.crt": ca});
        apply(
            &self.client,
            &json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data}),
        )
        .await?;
        let url = format!("https://{}", self.key_vault.addr());
        Ok(json!({
            "apiVersion": "secrets.hearth.home.arpa/v1alpha1", "kind": "ClusterSecretSource",
            "metadata": {"name": name, "labels": {(LABEL): "e2e"}},
            "spec": {
                "azureKeyVault": {
                    "vaultURL": url, "tenantID": TENANT,
                    "servicePrincipal": {"clientID": CLIENT_ID, "secretRef": {"name": format!("{name}-sp")}, "expires": "2100-01-01"},
                    "cloud": {"authorityHost": url, "vaultSuffix": "vault.azure.net"},
                    "ca": {"secretRef": {"name": format!("{name}-sp")}},
                },
                "allow": [{"namespaces": [name]}],
            }
        }))
    }

    /// A KV engine of version 2, a policy and a token for it, a namespace and a source, all of this name. `auth` replaces the
    /// token.
    pub(crate) async fn source(&self, name: &str) -> Result<Source> {
        let api = self.bao.api();
        api.post(
            &format!("sys/mounts/{name}"),
            json!({"type": "kv", "options": {"version": "2"}}),
        )
        .await?;
        let rules = format!("path \"{name}/data/*\" {{ capabilities = [\"read\"] }}");
        api.post(&format!("sys/policies/acl/{name}"), json!({"policy": rules}))
            .await?;
        let created = api
            .post(
                "auth/token/create",
                json!({"policies": [name], "ttl": "1h", "renewable": true}),
            )
            .await?;
        let token = created["auth"]["client_token"].as_str().context("no token")?.to_owned();
        let uri: http::Uri = api.url().parse()?;
        let server: SocketAddr = uri.authority().context("no address")?.as_str().parse()?;
        let gate = HttpGate::start(self.environment.host, server).await?;
        namespace(&self.client, name).await?;
        let source = Source {
            name: name.to_owned(),
            client: self.client.clone(),
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
            api: api.clone(),
        };
        source.credential("token", &token).await?;
        Ok(source)
    }

    /// The same, applied and ready.
    pub(crate) async fn ready_source(&self, name: &str) -> Result<Source> {
        let source = self.source(name).await?;
        apply(&self.client, &source.object).await?;
        source.condition("Ready", "True", "", LATER).await?;
        Ok(source)
    }
}

/// Removes the sources with their credentials and the namespaces that a run has made.
pub(crate) async fn remove(client: &Client) -> Result<()> {
    let sources: Api<ClusterSecretSource> = Api::all(client.clone());
    match sources.delete_collection(&DeleteParams::default(), &labelled()).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => return Err(error.into()),
    }
    let credentials: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    credentials
        .delete_collection(&DeleteParams::default(), &labelled())
        .await?;
    remove_namespaces(client).await
}

impl TestEnv for SecretEnv {
    async fn setup(environment: Environment) -> Result<Self> {
        let env = Self::new(environment).await?;
        env.install(&[]).await?;
        Ok(env)
    }

    /// Each case has a namespace, a source and an engine of its own.
    async fn cleanup(&self) -> Result<()> {
        Ok(())
    }

    fn operator(&self) -> &Installation {
        &self.operator
    }
}

/// A source with its engine and its gate.
pub(crate) struct Source {
    /// Its name, that of its engine, and of its namespace.
    pub(crate) name: String,
    /// The manifest.
    pub(crate) object: Value,
    /// What is between the operator and the server.
    pub(crate) gate: HttpGate,
    /// The server, with all rights.
    pub(crate) api: crate::vault_server::Api,
    client: Client,
}

impl Source {
    /// Writes the credential's Secret.
    pub(crate) async fn credential(&self, key: &str, value: &str) -> Result<()> {
        apply(
            &self.client,
            &json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {
                    "namespace": NAMESPACE, "name": format!("{}-vault", self.name), "labels": {(LABEL): "e2e"},
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
