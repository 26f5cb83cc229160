//! `ClusterSecretSource`: one Vault or Key Vault, how to log in there, and who may read what.
use hearth_reconciler::duration;
use hearth_reconciler::outcome::StatusFields;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AnyForm;

/// A place that secrets come from, and who may read what there.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "secrets.hearth.home.arpa",
    version = "v1alpha1",
    kind = "ClusterSecretSource",
    plural = "clustersecretsources",
    singular = "clustersecretsource",
    shortname = "hcss",
    category = "hearth",
    status = "ClusterSecretSourceStatus",
    doc = "A Vault, OpenBao or Azure Key Vault that secrets come from, how to log in, and which namespaces may read what.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reachable",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Reachable\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Reachable\")].reason"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.vault) != has(self.azureKeyVault)", "exactly one provider must be set: vault or azureKeyVault"))]
pub struct ClusterSecretSourceSpec {
    /// HashiCorp Vault or OpenBao.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultSource>,
    /// Azure Key Vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure_key_vault: Option<KeyVaultSource>,
    /// Which namespaces may read which objects. A SecretSync needs one rule that allows its namespace and the object.
    #[schemars(length(min = 1, max = 64))]
    pub allow: Vec<AllowRule>,
    /// How often values are read again, e.g. `1h` (the default); at least 1m. A SecretSync can set its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = duration::PATTERN), length(max = 32))]
    pub refresh: Option<String>,
    /// Stop: no call is made. Secrets stay as they are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// Who may read what.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AllowRule {
    /// Namespaces by name or glob (`*` any characters, `?` one).
    #[schemars(length(min = 1, max = 256), inner(length(min = 1, max = 63)))]
    pub namespaces: Vec<String>,
    /// Objects of the provider by name or glob, for example `apps/*`. Unset: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 512)))]
    pub keys: Vec<String>,
}

/// A KV engine of Vault or OpenBao.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("self.server.startsWith('https://') || (has(self.insecureHTTP) && self.insecureHTTP)", "vault.server must begin with https://; for http:// set insecureHTTP: true, then everyone on the way can read tokens and secrets"))]
pub struct VaultSource {
    /// The server's address, e.g. `https://vault.example.org:8200`.
    #[schemars(regex(pattern = r"^https?://[^\s/?#@]+/?$"), length(max = 512))]
    pub server: String,
    /// Certificates to trust for this server, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CaRef>,
    /// Allow `http://`.
    #[serde(default, rename = "insecureHTTP", skip_serializing_if = "std::ops::Not::not")]
    pub insecure_http: bool,
    /// The namespace, of OpenBao or Vault Enterprise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[^\s]+$"), length(max = 512))]
    pub namespace: Option<String>,
    /// The path where the KV engine is mounted, e.g. `secret`.
    #[schemars(regex(pattern = r"^[^\s]+$"), length(min = 1, max = 512))]
    pub path: String,
    /// The version of the KV engine.
    #[serde(default)]
    pub version: KvVersion,
    /// How to log in.
    pub auth: VaultAuth,
}

/// The version of a KV engine.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "lowercase")]
pub enum KvVersion {
    /// Without versions of values.
    V1,
    /// With versions of values.
    #[default]
    V2,
}

/// How to log in to Vault: exactly one method.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("[has(self.kubernetes), has(self.jwt), has(self.appRole), has(self.token)].filter(x, x).size() == 1", "exactly one method must be set: kubernetes, jwt, appRole or token"))]
pub struct VaultAuth {
    /// The method `kubernetes`, with a token of the operator's own ServiceAccount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<ServiceAccountAuth>,
    /// The method `jwt`, with a token of the operator's own ServiceAccount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<ServiceAccountAuth>,
    /// The method `approle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_role: Option<AppRoleAuth>,
    /// A token as it is. It is renewed, but cannot be replaced when it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenAuth>,
}

/// Log in with a token of the operator's own ServiceAccount.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountAuth {
    /// The role at Vault.
    #[schemars(length(min = 1, max = 256))]
    pub role: String,
    /// Where the method is mounted. Default: `kubernetes` or `jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub mount_path: Option<String>,
    /// The audience of the token. Default `vault`. The chart's value tokenAudiences must list it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub audience: Option<String>,
}

/// Log in as an AppRole.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AppRoleAuth {
    /// The role's id.
    #[serde(rename = "roleID")]
    #[schemars(length(min = 1, max = 256))]
    pub role_id: String,
    /// Where the method is mounted. Default: `approle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub mount_path: Option<String>,
    /// The Secret with the secret id. Default key: `secret-id`.
    pub secret_ref: KeyRef,
}

/// Use a token as it is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TokenAuth {
    /// The Secret with the token. Default key: `token`.
    pub secret_ref: KeyRef,
}

/// A key of a Secret or ConfigMap in the operator's namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub key: Option<String>,
}

/// Where certificates to trust are: exactly one.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.configMapRef) != has(self.secretRef)", "exactly one must be set: configMapRef or secretRef"))]
pub struct CaRef {
    /// A ConfigMap in the operator's namespace. Default key: `ca.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<KeyRef>,
    /// A Secret in the operator's namespace. Default key: `ca.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<KeyRef>,
}

/// An Azure Key Vault.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct KeyVaultSource {
    /// The vault's address, e.g. `https://home.vault.azure.net`.
    #[serde(rename = "vaultURL")]
    #[schemars(regex(pattern = r"^https://[^\s/?#@]+/?$"), length(max = 512))]
    pub vault_url: String,
    /// The Microsoft Entra tenant: its id or a domain of it.
    #[serde(rename = "tenantID")]
    #[schemars(regex(pattern = r"^[0-9A-Za-z.-]+$"), length(min = 1, max = 253))]
    pub tenant_id: String,
    /// Who logs in.
    pub service_principal: ServicePrincipal,
    /// Which cloud the vault is in: Public (the default), USGovernment, China, or an object with `authorityHost`
    /// (`https://login.example.org`) and `vaultSuffix` (`vault.example.org`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<AnyForm>,
    /// Certificates to trust, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CaRef>,
}

/// A service principal with a client secret.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ServicePrincipal {
    /// The application's (client's) id.
    #[serde(rename = "clientID")]
    #[schemars(length(min = 1, max = 128))]
    pub client_id: String,
    /// The Secret with the client secret. Default key: `client-secret`.
    pub secret_ref: KeyRef,
    /// The day on which the client secret expires, as `2027-03-01`: an alert fires 30 days before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub expires: Option<String>,
}

/// What the operator found.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSecretSourceStatus {
    /// The generation that the status describes; -1 until the first reconcile.
    #[serde(default)]
    pub observed_generation: i64,
    /// The `resourceVersion` of the credential's Secret with which Ready became True.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_version: Option<String>,
    /// The last value of the annotation `secrets.hearth.home.arpa/reconcile-at` that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// Ready and Reachable; Reconciling and Stalled while True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

impl StatusFields for ClusterSecretSourceStatus {
    fn conditions(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }

    fn set_observed_generation(&mut self, generation: i64) {
        self.observed_generation = generation;
    }

    fn last_handled_reconcile_at(&mut self) -> &mut Option<String> {
        &mut self.last_handled_reconcile_at
    }
}
