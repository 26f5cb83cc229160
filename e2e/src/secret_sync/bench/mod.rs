//! Measures secret-sync against its budgets, with a real `OpenBao` behind a gate that counts what comes to it.
//!
//! A scale: the operator has no replica; so many objects are written at the provider, with a SecretSync of two keys for each; one
//! replica is asked for (first sync); a minute passes (memory, processor, calls, writes); new SecretSyncs are made one after another
//! (changes); objects are rotated one after another (rotations); the pod is deleted and then the process killed (restarts); the
//! provider goes for three minutes and returns (outage); at last the operator is stopped, as many SecretSyncs of a single object are
//! made, and it is started again (shared reads).
mod budget;
mod figures;
mod load;
mod measure;
mod outage;

use anyhow::{Result, ensure};
use hearth_secret_sync::crd::SecretSync;
use kube::Api;
use kube::api::ListParams;

use self::figures::{Beside, Figures};
use self::load::Load;
use self::measure::FirstSync;
use self::outage::Outage;
use super::env::{NAME, SecretEnv, remove};
use crate::bench::figures::{Common, Subject, percentile};
use crate::bench::mass::names;
use crate::bench::steps::Steps;
use crate::bench::{Measured, Measurement, alone, replicas, writes};
use crate::environment::Environment;
use crate::install::Installation;

/// The chart's values: its defaults.
const VALUES: [&str; 3] = ["clusterName=bench", "replicaCount=0", "logging.format=json"];
/// How many SecretSyncs are new, at most, and how many objects are rotated.
const CHANGES: u32 = 100;
const ROTATIONS: u32 = 50;

/// What every measurement needs.
pub(crate) struct Bench {
    pub(crate) env: SecretEnv,
    image_bytes: u64,
}

impl Bench {
    async fn measure(&self, objects: u32) -> Result<Figures> {
        let (steps, operator) = (Steps::begin(objects), &self.env.operator);
        let load = Load::new(&self.env, &format!("bench-{objects}"), objects, objects).await?;
        steps.done("the objects are there");
        let sync = measure::first_sync(self, &load).await?;
        steps.done("the first sync is done");
        let (idle, idle_calls) = measure::idle(self, &load, &sync.first.process).await?;
        steps.done("a minute of nothing has passed");
        let changes = measure::changes(&load, CHANGES.min(objects)).await?;
        steps.done("the new SecretSyncs are made");
        let rotations = measure::rotations(&load, ROTATIONS.min(objects)).await?;
        steps.done("the objects are rotated");
        ensure!(
            operator.restarts().await? == 0,
            "the operator was restarted by Kubernetes"
        );
        let (restarts, work) = measure::restarts(self, &load).await?;
        steps.done("the restarts are done");
        let (mut outage, mut shared) = (None, None);
        if objects > 0 {
            outage = Some(outage::outage(&load).await?);
            steps.done("the outage is over");
            shared = Some(self.shared(objects).await?);
            steps.done("those of one object are there");
        }
        let subject = Subject {
            operator: NAME,
            objects,
            image_bytes: self.image_bytes,
        };
        let of_outage = |figure: fn(&Outage) -> f64| outage.as_ref().map(figure);
        Ok(Figures {
            common: Common::new(&subject, &sync.first, &idle, &changes, &restarts),
            first_reads: sync.reads,
            writes_per_sync: (objects > 0).then(|| sync.writes / f64::from(objects)),
            rotation_p50_seconds: percentile(&rotations, 50),
            rotation_p99_seconds: percentile(&rotations, 99),
            idle_provider_calls_per_minute: idle_calls,
            idle_api_writes_per_minute: idle.api_writes,
            restart_reads: work.reads,
            restart_writes: work.writes,
            outage_calls_per_minute: of_outage(|outage| outage.calls_per_minute),
            return_seconds: of_outage(|outage| outage.fresh.as_secs_f64()),
            shared_reads: shared.as_ref().map(|shared| shared.reads),
            beside: Beside {
                peak_bytes: idle.peak,
                idle_millicores: idle.millicores,
                takeover: restarts.takeover,
                changes: changes.len(),
                rotations: rotations.len(),
                return_with_probe: of_outage(|outage| outage.with_probe.as_secs_f64()),
                shared_seconds: shared.as_ref().map(|shared| shared.first.took.as_secs_f64()),
            },
        })
    }

    /// The first sync of so many SecretSyncs that are all of one object. The others are there and fresh.
    async fn shared(&self, syncs: u32) -> Result<FirstSync> {
        self.stop().await?;
        let load = Load::new(&self.env, &format!("bench-shared-{syncs}"), syncs, 1).await?;
        measure::first_sync(self, &load).await
    }

    async fn stop(&self) -> Result<()> {
        replicas::set(&self.env.operator, 0).await?;
        replicas::ended(&self.env.operator).await
    }

    /// Writes to Secrets and SecretSyncs that the API server counts since its start: only the operator writes there while we count.
    async fn counted_writes(&self) -> Result<f64> {
        let ours = |line: &str| line.contains("resource=\"secrets\"") || line.contains("resource=\"secretsyncs\"");
        writes::counted(&self.env.client, ours).await
    }
}

impl Measurement for Bench {
    async fn new(environment: Environment, image_bytes: u64) -> Result<Self> {
        let env = SecretEnv::new(environment).await?;
        replicas::set(&env.operator, 0).await?;
        env.operator.upgrade(&VALUES).await?;
        Ok(Self { env, image_bytes })
    }

    const SCALES: &[u32] = &[0, 1_000];
    const LARGEST: u32 = 5_000;

    async fn scale(&self, objects: u32) -> Result<Measured> {
        let syncs: Api<SecretSync> = Api::all(self.env.client.clone());
        alone("SecretSyncs", &names(&syncs, &ListParams::default()).await?)?;
        let figures = self.measure(objects).await?;
        Measured::new(&figures, budget::lines(&figures))
    }

    async fn clear(&self) -> Result<()> {
        self.stop().await?;
        remove(&self.env.client).await
    }

    fn operator(&self) -> &Installation {
        &self.env.operator
    }
}
