//! Wiring: watches fill the object cache, controllers reconcile DNSZones and DNSRecords.
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use hearth_reconciler::health::Check;
use hearth_reconciler::namespaces::{reflect_namespaces, watch_namespaces};
use hearth_reconciler::run::{OnTakeover, run as run_controller};
use hearth_reconciler::secrets::Secrets;
use hearth_reconciler::start::start;
use hearth_reconciler::trigger::{Triggered, trigger};
use hearth_reconciler::watch::{reflect, watch};
use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{Controller, watcher};
use kube::{Api, Resource, ResourceExt};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use crate::args::Args;
use crate::crd::{DNSRecord, DNSZone};
use crate::metrics::Metrics;
use crate::object_cache::{ObjectCache, Scope};
use crate::provider::Accounts;
use crate::reconcile::{self, Configs, Context, MANAGER};
use crate::source::SourceKind;
use crate::source::facts::Facts;
use crate::source::ingress::SlimIngress;
use crate::source::scope::Reach;
use crate::source::service::SlimService;

/// Objects per page of a list: keeps the peak of the first list small.
const PAGE: u32 = 250;

/// Runs the operator until it is told to end.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let accounts = Accounts::new(&args.providers);
    let process = start(MANAGER, args.shared).await?;
    let metrics = process.metrics.register(Metrics::register);
    metrics.init_sources(&args.sources);
    let reach = Arc::new(Reach {
        sources: args.sources,
        namespaces: process.args.namespaces(),
    });
    let scopes = reach.sources.iter().flat_map(|kind| {
        let positions = 0..reach.namespaces.len().max(1);
        positions.map(|position| Scope { kind: *kind, position })
    });
    let (zone_trigger, zone_triggered) = trigger();
    let (record_trigger, record_triggered) = trigger();
    let (zones, zone_writer) = reflector::store::<DNSZone>();
    let context = Arc::new(Context {
        process: process.clone(),
        configs: Configs::new(args.cluster_name, Arc::clone(&reach)),
        object_cache: Arc::new(ObjectCache::new(scopes, metrics.clone())),
        reach,
        accounts,
        metrics,
        zones: zones.clone(),
        secrets: Secrets::new(process.client.clone(), zone_trigger.clone()),
        workers: Mutex::default(),
        zones_changed: tokio::sync::Notify::new(),
        zone_trigger,
        record_trigger,
    });

    let mut watches = JoinSet::new();
    for kind in &context.reach.sources {
        match kind {
            SourceKind::Service => watches.spawn(source::<SlimService>(&context, *kind, Facts::of_service)),
            SourceKind::Ingress => watches.spawn(source::<SlimIngress>(&context, *kind, Facts::of_ingress)),
            SourceKind::Record | SourceKind::Node => continue,
        };
    }
    watches.spawn(sweep(Arc::clone(&context)));
    watches.spawn(reconcile::unmatched_names::watch(Arc::clone(&context)));

    let updates = watch(Api::<DNSZone>::all(process.client.clone()), config(), |_| ());
    let forgetful = Arc::clone(&context);
    let known = zones.clone();
    let touched = reflect(updates, zone_writer).inspect_ok(move |zone| {
        if known.get(&ObjectRef::from_obj(zone)).is_none() {
            forgetful.forget(&zone.name_any());
        }
    });
    let zones = Controller::for_stream(touched, zones).reconcile_on(zone_triggered);
    let zones = run_controller(
        zones,
        &process,
        "dnszone",
        OnTakeover::ReconcileAll,
        Arc::clone(&context),
        reconcile::zone::reconcile,
    );

    tokio::join!(zones, records(&context, record_triggered));
    watches.shutdown().await;
    context.workers().clear();
    process.finish().await;
    Ok(())
}

/// DNSRecords are a source and have a status: one watch serves both.
async fn records(context: &Arc<Context>, triggered: Triggered<DNSRecord>) {
    let (kind, process) = (SourceKind::Record, &context.process);
    if !context.reach.sources.contains(&kind) {
        return process.shutdown.cancelled().await;
    }
    let (store, writer) = reflector::store::<DNSRecord>();
    let (gates, cache) = (gates(context, kind), Arc::clone(&context.object_cache));
    let updates = watch_namespaces(process, &config(), |_| ());
    let updates = updates.inspect(move |(position, update)| {
        let scope = Scope {
            kind,
            position: *position,
        };
        cache.take(scope, update, Facts::of_record, &gates[*position]);
    });
    let touched = reflect_namespaces(updates, context.reach.namespaces.clone(), writer);
    let records = Controller::for_stream(touched, store).reconcile_on(triggered);
    run_controller(
        records,
        process,
        "dnsrecord",
        OnTakeover::ReconcileAll,
        Arc::clone(context),
        reconcile::record::reconcile,
    )
    .await;
}

/// Watches a source that has no status of ours.
fn source<K>(context: &Context, kind: SourceKind, facts: fn(&K) -> Facts) -> impl Future<Output = ()> + Send + use<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug
        + Send
        + Sync
        + 'static,
{
    let updates = watch_namespaces(&context.process, &config(), |_| ());
    Arc::clone(&context.object_cache).feed(kind, updates, facts, gates(context, kind))
}

fn config() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

/// A gate for each watched namespace.
fn gates(context: &Context, kind: SourceKind) -> Vec<Arc<Check>> {
    let positions = 0..context.reach.namespaces.len().max(1);
    let gate = |position| {
        let name = format!("{} listed ({position})", kind.source());
        context.process.health.gate(name)
    };
    positions.map(gate).collect()
}

/// When a term ends, the zones' work and their series end: another replica has them now.
async fn sweep(context: Arc<Context>) {
    let mut terms = std::pin::pin!(context.process.leadership.terms());
    while let Some(term) = terms.next().await {
        term.ended().await;
        context.workers().retain(|_, handle| handle.term.is_current());
        context.metrics.clear_zones();
    }
}
