//! The environment of secret-sync's cases: the cluster, a real `OpenBao`, and for each case a KV engine, a policy, a token and a
//! gate of its own; and a fake Key Vault.
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use anyhow::{Result, ensure};
use hearth_secret_sync::crd::ClusterSecretSource;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::case::TestEnv;
use crate::environment::Environment;
use crate::fake_key_vault::{Application, FakeKeyVault, FakeKeyVaultHandle, Options};
use crate::install::{Installation, NAMESPACE};
use crate::namespaces::{LABEL, labelled, namespace, remove_namespaces};
use crate::objects::apply;
pub(crate) use crate::secret_sync::source::{CANARY, LATER, SOON, Source, base64, is_current, planted, stamp};
use crate::vault_server::DevServer;
use crate::wait::until;

/// The release.
pub(crate) const NAME: &str = "secret-sync";
const TENANT: &str = "7b790000-0000-4000-8000-000000000001";

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
            application: application("any"),
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
        // Cases run beside each other: each counts the logins of its own application.
        let application = application(name);
        let client_id = application.client_id.clone();
        self.key_vault.control().application(application);
        let url = format!("https://{}", self.key_vault.addr());
        Ok(json!({
            "apiVersion": "secrets.hearth.home.arpa/v1alpha1", "kind": "ClusterSecretSource",
            "metadata": {"name": name, "labels": {(LABEL): "e2e"}},
            "spec": {
                "azureKeyVault": {
                    "vaultURL": url, "tenantID": TENANT,
                    "servicePrincipal": {"clientID": client_id, "secretRef": {"name": format!("{name}-sp")}, "expires": "2100-01-01"},
                    "cloud": {"authorityHost": url, "vaultSuffix": "vault.azure.net"},
                    "ca": {"secretRef": {"name": format!("{name}-sp")}},
                },
                "allow": [{"namespaces": [name]}],
            }
        }))
    }

    /// A source of this name, with an engine and a token of its own at the server that all cases share.
    pub(crate) async fn source(&self, name: &str) -> Result<Source> {
        Source::new(&self.client, self.environment.host, self.bao.api().clone(), None, name).await
    }

    /// The same, applied and ready.
    pub(crate) async fn ready_source(&self, name: &str) -> Result<Source> {
        let source = self.source(name).await?;
        apply(&self.client, &source.object).await?;
        source.condition("Ready", "True", "", LATER).await?;
        Ok(source)
    }
}

/// The application of a source.
fn application(source: &str) -> Application {
    let mut hasher = DefaultHasher::new();
    source.hash(&mut hasher);
    Application {
        tenant: TENANT.to_owned(),
        client_id: format!("1f2e0000-0000-4000-8000-{:012x}", hasher.finish() >> 16),
        secrets: vec![planted("client-secret")],
        expired_secrets: vec![planted("expired")],
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
