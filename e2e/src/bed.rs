//! The test bed: the cluster, a strict Route 53 that its pods reach, and zones in it with credentials of their own.
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use hearth_dns_sync::crd::DNSZone;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::install::NAMESPACE;
use crate::objects::{apply, condition, get};
use crate::route53::{Access, Control, Moto, RecordSet, Strict, StrictHandle, client};
use crate::surroundings::Surroundings;
use crate::wait::until;

/// On everything that a run makes, so that the next one can begin with nothing of it.
pub const LABEL: &str = "app.kubernetes.io/created-by-hearth";

/// The bed.
pub struct Bed {
    /// Where we are.
    pub surroundings: Surroundings,
    /// The cluster.
    pub client: Client,
    /// The strict layer.
    pub strict: StrictHandle,
    /// The hand on it.
    pub control: Control,
    _moto: Moto,
}

impl Bed {
    /// Starts moto on loopback and the strict layer where pods reach it.
    pub async fn new(surroundings: Surroundings) -> Result<Self> {
        let client = surroundings.client().await?;
        clean(&client).await?;
        let moto = Moto::start().await?;
        let strict = Strict::start(SocketAddr::new(surroundings.host, 0), moto.uri()).await?;
        let control = strict.control();
        Ok(Self {
            surroundings,
            client,
            strict,
            control,
            _moto: moto,
        })
    }

    /// Makes a public hosted zone, a credential that may use only it, the Secret with that credential and the DNSZone.
    /// `spec` is merged over a spec with every source and policy Sync.
    pub async fn zone(&self, name: &str, spec: Value) -> Result<Zone> {
        let zone = self.unapplied_zone(name, spec).await?;
        apply(&self.client, &zone.object).await?;
        Ok(zone)
    }

    /// The same without applying the DNSZone.
    pub async fn unapplied_zone(&self, name: &str, spec: Value) -> Result<Zone> {
        let domain = format!("{name}.example.org");
        let creator = client(&self.strict.endpoint(), "AKIACREATOR");
        self.control.allow("AKIACREATOR", Access::all());
        let reference = format!("{name}-{}", jiff::Timestamp::now().as_nanosecond());
        let made = creator
            .create_hosted_zone()
            .name(&domain)
            .caller_reference(reference)
            .send()
            .await?;
        let id = made
            .hosted_zone()
            .map(|zone| zone.id().trim_start_matches("/hostedzone/").to_owned())
            .context("no zone was made")?;
        let key = format!("AKIA{}", name.to_uppercase().replace('-', ""));
        self.control.allow(&key, Access::zones([id.as_str()]));
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": NAMESPACE, "name": format!("{name}-route53")},
            "stringData": {"access-key-id": key, "secret-access-key": "not-a-real-secret"}
        });
        apply(&self.client, &secret).await?;
        let mut object = json!({
            "apiVersion": "dns.hearth.home.arpa/v1alpha1", "kind": "DNSZone", "metadata": {"name": name, "labels": {(LABEL): "e2e"}},
            "spec": {
                "domain": domain, "policy": "Sync",
                "route53": {"zoneID": id, "endpoint": self.strict.endpoint(), "credentialsSecretRef": {"name": format!("{name}-route53")}},
                "sources": {"services": {}, "ingresses": {}, "records": {}}
            }
        });
        merge(&mut object["spec"], spec);
        Ok(Zone {
            name: name.to_owned(),
            domain,
            id,
            key,
            object,
            secret,
            control: self.control.clone(),
            client: self.client.clone(),
        })
    }
}

/// Removes what an earlier run has left: its zones, then its namespaces.
async fn clean(client: &Client) -> Result<()> {
    let ours = ListParams::default().labels(&format!("{LABEL}=e2e"));
    let zones: Api<DNSZone> = Api::all(client.clone());
    match zones.delete_collection(&DeleteParams::default(), &ours).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => return Err(error.into()),
    }
    remove_namespaces(client).await
}

/// Removes the namespaces that cases have made.
pub async fn remove_namespaces(client: &Client) -> Result<()> {
    let ours = ListParams::default().labels(&format!("{LABEL}=e2e"));
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for namespace in namespaces.list(&ours).await? {
        namespaces
            .delete(&namespace.name_any(), &DeleteParams::default())
            .await?;
    }
    until("nothing of an earlier run is left", Duration::from_mins(3), || async {
        Ok(namespaces.list(&ours).await?.items.is_empty().then_some(()))
    })
    .await
}

/// A DNSZone with its hosted zone.
pub struct Zone {
    /// The DNSZone's name.
    pub name: String,
    /// `<name>.example.org`.
    pub domain: String,
    /// The hosted zone's id.
    pub id: String,
    /// Its access key.
    pub key: String,
    /// The manifest.
    pub object: Value,
    /// The credentials' manifest.
    pub secret: Value,
    control: Control,
    client: Client,
}

impl Zone {
    /// `label.<domain>`.
    pub fn host(&self, label: &str) -> String {
        format!("{label}.{}", self.domain)
    }

    /// What Route 53 has at `label` now.
    pub fn at(&self, label: &str, kind: &str) -> Result<Option<RecordSet>> {
        self.control.get(&self.id, &self.host(label), kind)
    }

    /// The values at `label`, sorted; empty if there is no such set.
    pub fn values(&self, label: &str, kind: &str) -> Result<Vec<String>> {
        let mut values = self.at(label, kind)?.map(|set| set.values).unwrap_or_default();
        values.sort_unstable();
        Ok(values)
    }

    /// Waits until the values at `label` are these.
    pub async fn holds(&self, label: &str, kind: &str, values: &[&str], limit: Duration) -> Result<()> {
        until(&format!("{} {kind} is {values:?}", self.host(label)), limit, || async {
            let now = self.values(label, kind)?;
            if now == values {
                Ok(Some(()))
            } else {
                anyhow::bail!("it is {now:?}")
            }
        })
        .await
    }

    /// Waits until there is no such set.
    pub async fn gone(&self, label: &str, kind: &str, limit: Duration) -> Result<()> {
        self.holds(label, kind, &[], limit).await
    }

    /// Record sets of the zone, NS and SOA of the apex aside.
    pub fn sets(&self) -> Result<Vec<RecordSet>> {
        let all = self.control.records(&self.id)?;
        Ok(all
            .into_iter()
            .filter(|set| !(matches!(set.kind.as_str(), "SOA" | "NS") && set.name.trim_end_matches('.') == self.domain))
            .collect())
    }

    /// The DNSZone as it is now.
    pub async fn now(&self) -> Result<Value> {
        get(&self.client, &self.object).await
    }

    /// Waits until a condition has this status and reason; its message.
    pub async fn condition(&self, kind: &str, status: &str, reason: &str, limit: Duration) -> Result<String> {
        object_condition(&self.client, &self.object, kind, status, reason, limit).await
    }

    /// Applies the DNSZone with a changed spec.
    pub async fn change(&mut self, spec: Value) -> Result<()> {
        merge(&mut self.object["spec"], spec);
        apply(&self.client, &self.object).await
    }

    /// Sets an annotation on the DNSZone.
    pub async fn annotate(&mut self, key: &str, value: &str) -> Result<()> {
        self.object["metadata"]["annotations"][key] = json!(value);
        apply(&self.client, &self.object).await
    }
}

/// Waits until an object's condition has this status and reason (empty: any); its message.
pub async fn object_condition(
    client: &Client,
    object: &Value,
    kind: &str,
    status: &str,
    reason: &str,
    limit: Duration,
) -> Result<String> {
    let what = format!(
        "{} {} has {kind}={status} {reason}",
        object["kind"], object["metadata"]["name"]
    );
    until(&what, limit, || async {
        let now = get(client, object).await?;
        let current = now.pointer("/metadata/generation") == now.pointer("/status/observedGeneration");
        match condition(&now, kind) {
            Some((value, why, message)) if current && value == status && (reason.is_empty() || why == reason) => {
                Ok(Some(message))
            }
            other => anyhow::bail!("generation seen: {current}, condition: {other:?}"),
        }
    })
    .await
}

/// Lays `patch` over `base`; null removes.
pub fn merge(base: &mut Value, patch: Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    base.remove(&key);
                } else {
                    merge(base.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (base, patch) => *base = patch,
    }
}
