//! The environment of dns-sync's cases: the cluster, a fake Route 53 that its pods reach, and zones in it with credentials of
//! their own.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use hearth_dns_sync::crd::DNSZone;
use kube::api::DeleteParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::case::TestEnv;
use crate::environment::Environment;
use crate::fake_route53::{Access, Call, Control, FakeRoute53, FakeRoute53Handle, Mark, Moto, RecordSet, client};
use crate::install::{Installation, NAMESPACE};
use crate::namespaces::{LABEL, labelled, remove_namespaces};
use crate::objects::{apply, get, merge, object_condition};
use crate::wait::until;

/// The release.
pub(crate) const NAME: &str = "dns-sync";
/// The chart's values for all cases.
pub(crate) const VALUES: [&str; 2] = ["clusterName=e2e", "logging.format=json"];

/// A change in the cluster is at the provider within this.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// What needs a restart, a backoff or a listing.
pub(crate) const LATER: Duration = Duration::from_mins(1);

/// The environment.
pub(crate) struct DnsEnv {
    /// Where it is.
    pub(crate) environment: Environment,
    /// The cluster.
    pub(crate) client: Client,
    /// dns-sync.
    pub(crate) operator: Installation,
    /// The fake Route 53.
    pub(crate) provider: FakeRoute53Handle,
    /// Controls it.
    pub(crate) control: Control,
    moto: Arc<Moto>,
}

impl DnsEnv {
    /// Removes what an earlier run has left, and starts a fake Route 53 that pods reach. Prepares the operator, but does not
    /// install it.
    pub(crate) async fn new(environment: Environment) -> Result<Self> {
        let client = environment.client().await?;
        remove_earlier(&client).await?;
        let operator = Installation::prepare(&environment, &client, NAME).await?;
        let moto = Arc::new(Moto::start().await?);
        Self::with_provider(environment, client, operator, moto).await
    }

    async fn with_provider(
        environment: Environment,
        client: Client,
        operator: Installation,
        moto: Arc<Moto>,
    ) -> Result<Self> {
        let provider = FakeRoute53::start(SocketAddr::new(environment.host, 0), moto.uri()).await?;
        Ok(Self {
            environment,
            client,
            operator,
            control: provider.control(),
            provider,
            moto,
        })
    }

    /// The same environment with another fake Route 53, for a case that takes it down.
    pub(crate) async fn with_own_provider(&self) -> Result<Self> {
        let (environment, client, operator) = (self.environment.clone(), self.client.clone(), self.operator.clone());
        Self::with_provider(environment, client, operator, Arc::clone(&self.moto)).await
    }

    /// Makes a public hosted zone, a credential that may use only it, the Secret with that credential and the DNSZone.
    /// `spec` is merged over a spec with every source and policy Sync.
    pub(crate) async fn zone(&self, name: &str, spec: Value) -> Result<Zone> {
        let zone = self.unapplied_zone(name, spec).await?;
        apply(&self.client, &zone.object).await?;
        Ok(zone)
    }

    /// The same without applying the DNSZone.
    pub(crate) async fn unapplied_zone(&self, name: &str, spec: Value) -> Result<Zone> {
        let domain = format!("{name}.example.org");
        let creator = client(&self.provider.endpoint(), "AKIACREATOR");
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
                "route53": {"zoneID": id, "endpoint": self.provider.endpoint(), "credentialsSecretRef": {"name": format!("{name}-route53")}},
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

impl TestEnv for DnsEnv {
    async fn setup(environment: Environment) -> Result<Self> {
        let env = Self::new(environment).await?;
        env.operator.upgrade(&VALUES).await?;
        Ok(env)
    }

    /// A case's faults are limited to its own zones, or to a provider of its own: they reach no other case.
    async fn cleanup(&self) -> Result<()> {
        Ok(())
    }

    fn operator(&self) -> &Installation {
        &self.operator
    }
}

/// Removes the zones and namespaces of an earlier run.
async fn remove_earlier(client: &Client) -> Result<()> {
    let zones: Api<DNSZone> = Api::all(client.clone());
    match zones.delete_collection(&DeleteParams::default(), &labelled()).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => return Err(error.into()),
    }
    remove_namespaces(client).await
}

/// A DNSZone with its hosted zone.
pub(crate) struct Zone {
    /// The DNSZone's name.
    pub(crate) name: String,
    /// `<name>.example.org`.
    pub(crate) domain: String,
    /// The hosted zone's id.
    pub(crate) id: String,
    /// Its access key.
    pub(crate) key: String,
    /// The manifest.
    pub(crate) object: Value,
    /// The credentials' manifest.
    pub(crate) secret: Value,
    control: Control,
    client: Client,
}

impl Zone {
    /// `label.<domain>`.
    pub(crate) fn host(&self, label: &str) -> String {
        format!("{label}.{}", self.domain)
    }

    /// What Route 53 has at `label` now.
    pub(crate) fn at(&self, label: &str, kind: &str) -> Result<Option<RecordSet>> {
        self.control.get(&self.id, &self.host(label), kind)
    }

    /// The values at `label`, sorted; empty if there is no such set.
    pub(crate) fn values(&self, label: &str, kind: &str) -> Result<Vec<String>> {
        let mut values = self.at(label, kind)?.map(|set| set.values).unwrap_or_default();
        values.sort_unstable();
        Ok(values)
    }

    /// Waits until the values at `label` are these.
    pub(crate) async fn holds(&self, label: &str, kind: &str, values: &[&str], limit: Duration) -> Result<()> {
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
    pub(crate) async fn removed(&self, label: &str, kind: &str, limit: Duration) -> Result<()> {
        self.holds(label, kind, &[], limit).await
    }

    /// Record sets of the zone, NS and SOA of the apex aside.
    pub(crate) fn sets(&self) -> Result<Vec<RecordSet>> {
        let all = self.control.records(&self.id)?;
        Ok(all
            .into_iter()
            .filter(|set| !(matches!(set.kind.as_str(), "SOA" | "NS") && set.name.trim_end_matches('.') == self.domain))
            .collect())
    }

    /// How many A records there are.
    pub(crate) fn addresses(&self) -> Result<usize> {
        Ok(self.sets()?.iter().filter(|set| set.kind == "A").count())
    }

    /// The batches for this zone since a mark, refused ones included.
    pub(crate) fn writes_since(&self, mark: Mark) -> Vec<Call> {
        let mut writes = self.control.writes_since(mark);
        writes.retain(|call| call.zone.as_ref() == Some(&self.id));
        writes
    }

    /// The DNSZone as it is now.
    pub(crate) async fn now(&self) -> Result<Value> {
        get(&self.client, &self.object).await
    }

    /// Waits until a condition has this status and reason; its message.
    pub(crate) async fn condition(&self, kind: &str, status: &str, reason: &str, limit: Duration) -> Result<String> {
        object_condition(&self.client, &self.object, kind, status, reason, limit).await
    }

    /// Applies the DNSZone with a changed spec.
    pub(crate) async fn change(&mut self, spec: Value) -> Result<()> {
        merge(&mut self.object["spec"], spec);
        apply(&self.client, &self.object).await
    }

    /// Sets an annotation on the DNSZone.
    pub(crate) async fn annotate(&mut self, key: &str, value: &str) -> Result<()> {
        self.object["metadata"]["annotations"][key] = json!(value);
        apply(&self.client, &self.object).await
    }
}
