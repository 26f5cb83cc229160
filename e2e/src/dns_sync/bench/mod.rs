//! Measures dns-sync against the budgets of the architecture (section 8), with a fake Route 53.
//!
//! A scale: the operator has no replica; so many Services of type `LoadBalancer` with addresses are created (at 10,000 of them 8,000
//! pods too, bound to no node); one replica is asked for (first sync); a minute passes (memory, processor, calls, writes);
//! Services get new addresses one after another (changes); the pod is deleted and then the process killed (restarts).
mod budget;
mod figures;
mod load;
mod measure;
mod restart;

use crate::dns_sync::env::DnsEnv;
use crate::environment::Environment;
use crate::install::{Installation, NAMESPACE};
use crate::objects::delete;
use anyhow::{Result, ensure};
use kube::api::{DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, ResourceExt};
use serde_json::json;

use self::figures::{Beside, Figures};
use crate::bench::figures::{Common, Subject, percentile};
use crate::bench::steps::Steps;
use crate::bench::{Measured, Measurement, alone, replicas, writes};

/// At this scale the pods of a cluster of that size are there too.
const LARGE: u32 = 10_000;
const PODS: u32 = 8_000;
/// What the names of our `DNSZone`s begin with.
const ZONE_PREFIX: &str = "hearth-bench";

/// What every measurement needs.
pub(crate) struct Bench {
    pub(crate) env: DnsEnv,
    image_bytes: u64,
}

impl Bench {
    async fn measure(&self, objects: u32) -> Result<Figures> {
        let steps = Steps::begin(objects);
        let client = &self.env.client;
        self.env.control.reset_log();
        let drift = json!({"driftInterval": "6h", "sources": {"ingresses": null, "records": null}});
        let zone = self
            .env
            .unapplied_zone(&format!("{ZONE_PREFIX}-{objects}"), drift)
            .await?;
        load::services(client, objects, &zone.domain).await?;
        load::pods(client, if objects >= LARGE { PODS } else { 0 }).await?;
        crate::objects::apply(client, &zone.object).await?;
        steps.done("the objects are there");
        let sync = measure::first_sync(self, &zone, objects).await?;
        steps.done("the first sync is done");
        let (idle, idle_calls) = measure::idle(self, &zone, &sync.first.process).await?;
        steps.done("a minute of nothing has passed");
        let count = if objects >= LARGE { 300 } else { 100 };
        let changes = measure::changes(self, &zone, objects, count).await?;
        steps.done("the changes are made");
        ensure!(
            self.env.operator.restarts().await? == 0,
            "the operator was restarted by Kubernetes"
        );
        let (restarts, restart_writes) = restart::restarts(self, &zone).await?;
        steps.done("the restarts are done");
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let per_change = (!changes.latencies.is_empty()).then(|| changes.calls as f64 / changes.latencies.len() as f64);
        let subject = Subject {
            operator: "dns-sync",
            objects,
            image_bytes: self.image_bytes,
        };
        Ok(Figures {
            common: Common::new(&subject, &sync.first, &idle, &changes.latencies, &restarts),
            provider_calls_per_change: per_change,
            idle_provider_calls_per_minute: idle_calls,
            idle_api_writes_per_minute: idle.api_writes,
            restart_writes,
            beside: Beside {
                batches: sync.batches,
                least_batches: sync.least_batches,
                idle_millicores: idle.millicores,
                takeover: restarts.takeover,
                changes: changes.latencies.len(),
                slowest_change: percentile(&changes.latencies, 100),
            },
        })
    }

    /// Writes to our API group that the API server counts since its start: only the operator writes there while we measure.
    pub(crate) async fn counted_writes(&self) -> Result<f64> {
        let ours = |line: &str| line.contains("group=\"dns.hearth.home.arpa\"");
        writes::counted(&self.env.client, ours).await
    }

    /// Work for other zones would be measured too.
    async fn alone(&self) -> Result<()> {
        alone("DNSZones", &self.zones().await?)
    }

    async fn zones(&self) -> Result<Vec<String>> {
        let kind = GroupVersionKind::gvk("dns.hearth.home.arpa", "v1alpha1", "DNSZone");
        let api: Api<DynamicObject> = Api::all_with(
            self.env.client.clone(),
            &ApiResource::from_gvk_with_plural(&kind, "dnszones"),
        );
        Ok(api
            .list(&ListParams::default())
            .await?
            .iter()
            .map(ResourceExt::name_any)
            .collect())
    }
}

impl Measurement for Bench {
    async fn new(environment: Environment, image_bytes: u64) -> Result<Self> {
        let env = DnsEnv::new(environment).await?;
        let values = ["clusterName=bench", "replicaCount=0", "logging.format=json"];
        replicas::set(&env.operator, 0).await?;
        env.operator.upgrade(&values).await?;
        Ok(Self { env, image_bytes })
    }

    const SCALES: &[u32] = &[0, 1_000, 10_000];
    const LARGEST: u32 = 60_000;

    async fn scale(&self, objects: u32) -> Result<Measured> {
        self.alone().await?;
        let figures = self.measure(objects).await?;
        Measured::new(&figures, budget::lines(&figures))
    }

    async fn clear(&self) -> Result<()> {
        replicas::set(&self.env.operator, 0).await?;
        for zone in self.zones().await?.iter().filter(|zone| zone.starts_with(ZONE_PREFIX)) {
            delete(
                &self.env.client,
                &json!({"apiVersion": "dns.hearth.home.arpa/v1alpha1", "kind": "DNSZone", "metadata": {"name": zone}}),
            )
            .await?;
            let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": NAMESPACE, "name": format!("{zone}-route53")}});
            delete(&self.env.client, &secret).await?;
        }
        load::clear(&self.env.client).await?;
        replicas::ended(&self.env.operator).await
    }

    fn operator(&self) -> &Installation {
        &self.env.operator
    }
}
