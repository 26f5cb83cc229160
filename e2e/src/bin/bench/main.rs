//! Measures dns-sync against the budgets of the architecture (section 8): on a real API server, installed by its chart, with a
//! strict Route 53. Ends non-zero when a budget is broken. `cargo xtask bench dns-sync` starts it; [`figures::Figures`] says how each
//! figure is taken.
//!
//! A scale: the operator has no replica; so many Services of type `LoadBalancer` with addresses are created (at 10,000 of them 8,000
//! pods too, bound to no node); one replica is asked for (first sync); a minute passes (memory, processor, calls, writes);
//! Services get new addresses one after another (changes); the pod is deleted and then the process killed (restarts).
mod budget;
mod figures;
mod image;
mod load;
mod measure;
mod restart;

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use hearth_e2e::bed::Bed;
use hearth_e2e::install::{NAMESPACE, Operator};
use hearth_e2e::objects::delete;
use hearth_e2e::surroundings::Surroundings;
use hearth_e2e::table::columns;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::figures::{Beside, Figures, percentile};

#[derive(Parser)]
struct Cli {
    /// The numbers of Services to measure at
    #[arg(long, value_delimiter = ',', default_value = "0,1000,10000")]
    scales: Vec<u32>,
    /// One JSON line per scale on standard output; what is beside it goes to standard error
    #[arg(long)]
    json: bool,
}

/// At this scale the pods of a cluster of that size are there too.
const LARGE: u32 = 10_000;
const PODS: u32 = 8_000;
/// What the names of our `DNSZone`s begin with.
const ZONE_PREFIX: &str = "hearth-bench";

/// What every measurement needs.
pub(crate) struct Bench {
    pub(crate) bed: Bed,
    pub(crate) operator: Operator,
    image_bytes: u64,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    ensure!(
        cli.scales.iter().all(|&scale| scale <= 60_000),
        "a scale is at most 60000 Services"
    );
    let image_bytes = image::bytes()?;
    let bed = Bed::new(Surroundings::from_env()?).await?;
    let values = ["clusterName=bench", "replicaCount=0", "logging.format=json"];
    let operator = Operator::install(&bed.surroundings, &bed.client, "dns-sync", &values).await?;
    let bench = Bench {
        bed,
        operator,
        image_bytes,
    };
    bench.clear().await?;
    bench.alone().await?;
    let measured = bench.scales(&cli).await;
    if let Err(error) = &measured {
        eprintln!("the measurement failed: {error:#}");
        eprintln!(
            "{}",
            bench
                .operator
                .log()
                .await
                .unwrap_or_default()
                .lines()
                .rev()
                .take(20)
                .collect::<Vec<_>>()
                .join("\n")
        );
    }
    bench.clear().await?;
    bench.operator.uninstall().await?;
    Ok(if measured? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Bench {
    /// All scales; whether every budget was kept.
    async fn scales(&self, cli: &Cli) -> Result<bool> {
        let mut broken = Vec::new();
        for &objects in &cli.scales {
            let figures = self
                .scale(objects)
                .await
                .with_context(|| format!("at {objects} objects"))?;
            let lines = budget::lines(&figures);
            broken.extend(
                lines
                    .iter()
                    .filter(|line| !line.is_kept())
                    .map(|line| format!("{objects} objects: {}", line.what)),
            );
            let head = [format!("{objects} OBJECTS"), "MEASURED".to_owned(), "BUDGET".to_owned()].to_vec();
            let rows: Vec<Vec<String>> = [head]
                .into_iter()
                .chain(lines.iter().map(budget::Line::cells))
                .collect();
            let table = columns(&rows, 0);
            if cli.json {
                writeln!(std::io::stdout(), "{}", serde_json::to_string(&figures)?)?;
                eprintln!("{table}");
            } else {
                writeln!(std::io::stdout(), "{table}")?;
            }
            self.clear().await?;
        }
        for line in &broken {
            eprintln!("broken: {line}");
        }
        Ok(broken.is_empty())
    }

    async fn scale(&self, objects: u32) -> Result<Figures> {
        let steps = Steps {
            objects,
            begin: Instant::now(),
        };
        let client = &self.bed.client;
        self.bed.control.reset_log();
        let drift = json!({"driftInterval": "6h", "sources": {"ingresses": null, "records": null}});
        let zone = self
            .bed
            .unapplied_zone(&format!("{ZONE_PREFIX}-{objects}"), drift)
            .await?;
        load::services(client, objects, &zone.domain).await?;
        load::pods(client, if objects >= LARGE { PODS } else { 0 }).await?;
        hearth_e2e::objects::apply(client, &zone.object).await?;
        steps.done("the objects are there");
        let sync = measure::first_sync(self, &zone, objects).await?;
        steps.done("the first sync is done");
        let idle = measure::idle(self, &zone, &sync.process).await?;
        steps.done("a minute of nothing has passed");
        let count = if objects >= LARGE { 300 } else { 100 };
        let changes = measure::changes(self, &zone, objects, count).await?;
        steps.done("the changes are made");
        ensure!(
            self.operator.restarts().await? == 0,
            "the operator was restarted by Kubernetes"
        );
        let restarts = restart::restarts(self, &zone).await?;
        steps.done("the restarts are done");
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let per_change = (!changes.latencies.is_empty()).then(|| changes.calls as f64 / changes.latencies.len() as f64);
        Ok(Figures {
            operator: "dns-sync",
            objects,
            rss_bytes: idle.rss,
            anon_bytes: idle.anon,
            cpu_seconds: sync.cpu_seconds,
            first_sync_seconds: sync.took.as_secs_f64(),
            change_p50_seconds: percentile(&changes.latencies, 50),
            change_p99_seconds: percentile(&changes.latencies, 99),
            provider_calls_per_change: per_change,
            idle_provider_calls_per_minute: idle.provider_calls,
            idle_api_writes_per_minute: idle.api_writes,
            restart_ready_seconds: restarts.ready.as_secs_f64(),
            restart_writes: restarts.writes,
            image_bytes: self.image_bytes,
            beside: Beside {
                batches: sync.batches,
                least_batches: sync.least_batches,
                idle_millicores: idle.millicores,
                leading_after_end: restarts.leading_after_end.as_secs_f64(),
                leading_after_kill: restarts.leading_after_kill.as_secs_f64(),
                changes: changes.latencies.len(),
                slowest_change: percentile(&changes.latencies, 100),
            },
        })
    }

    /// So many pods of the operator.
    pub(crate) async fn replicas(&self, count: u32) -> Result<()> {
        let api: Api<Deployment> = Api::namespaced(self.bed.client.clone(), NAMESPACE);
        api.patch_scale(
            self.operator.name,
            &PatchParams::default(),
            &Patch::Merge(json!({"spec": {"replicas": count}})),
        )
        .await?;
        Ok(())
    }

    /// Requests other than GET that the operator counts since its start. Its lease's client is not among them.
    pub(crate) async fn told_writes(&self, pod: &str) -> Result<f64> {
        let page = self.operator.page(pod, "metrics").await?;
        Ok(sum(&page, "rest_client_requests_total{", |line| {
            !line.contains("method=\"GET\"")
        }))
    }

    /// Writes to our API group that the API server counts since its start: only the operator writes there while we measure.
    pub(crate) async fn seen_writes(&self) -> Result<f64> {
        let page = self
            .bed
            .client
            .request_text(http::Request::get("/metrics").body(Vec::new())?)
            .await?;
        let reads = ["verb=\"GET\"", "verb=\"LIST\"", "verb=\"WATCH\""];
        Ok(sum(&page, "apiserver_request_total{", |line| {
            line.contains("group=\"dns.hearth.home.arpa\"") && reads.iter().all(|read| !line.contains(read))
        }))
    }

    /// Stops the operator and removes what we made, so that nothing of one measurement is in the next.
    async fn clear(&self) -> Result<()> {
        self.replicas(0).await?;
        for zone in self.zones().await?.iter().filter(|zone| zone.starts_with(ZONE_PREFIX)) {
            delete(
                &self.bed.client,
                &json!({"apiVersion": "dns.hearth.home.arpa/v1alpha1", "kind": "DNSZone", "metadata": {"name": zone}}),
            )
            .await?;
            let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": NAMESPACE, "name": format!("{zone}-route53")}});
            delete(&self.bed.client, &secret).await?;
        }
        load::clear(&self.bed.client).await?;
        hearth_e2e::wait::until("the operator has ended", std::time::Duration::from_mins(1), || async {
            let all: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(self.bed.client.clone(), NAMESPACE);
            let label = format!("app.kubernetes.io/instance={}", self.operator.name);
            Ok(all
                .list(&ListParams::default().labels(&label))
                .await?
                .items
                .is_empty()
                .then_some(()))
        })
        .await
    }

    /// Work for other zones would be measured too.
    async fn alone(&self) -> Result<()> {
        let others = self.zones().await?;
        ensure!(
            others.is_empty(),
            "the cluster has other DNSZones, whose work would be measured too: {}; delete them first",
            others.join(", ")
        );
        Ok(())
    }

    async fn zones(&self) -> Result<Vec<String>> {
        let kind = GroupVersionKind::gvk("dns.hearth.home.arpa", "v1alpha1", "DNSZone");
        let api: Api<DynamicObject> = Api::all_with(
            self.bed.client.clone(),
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

/// Says on standard error what has been done and when.
struct Steps {
    objects: u32,
    begin: Instant,
}

impl Steps {
    fn done(&self, what: &str) {
        eprintln!(
            "[{:>6.1} s] {} objects: {what}",
            self.begin.elapsed().as_secs_f64(),
            self.objects
        );
    }
}

/// The samples whose line begins so and fits.
fn sum(page: &str, beginning: &str, fits: impl Fn(&str) -> bool) -> f64 {
    let lines = page.lines().filter(|line| line.starts_with(beginning) && fits(line));
    lines
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}
