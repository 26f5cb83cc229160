//! Wiring: watches feed the world, controllers reconcile the two kinds.
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use hearth_reconciler::run::run as run_controller;
use hearth_reconciler::secrets::Secrets;
use hearth_reconciler::start::{Process, start};
use hearth_reconciler::trigger::{Triggered, trigger};
use hearth_reconciler::watch::{Update, reflect, watch};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{Controller, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use crate::args::Args;
use crate::crd::{DNSRecord, DNSZone};
use crate::metrics::Metrics;
use crate::provider::route53::account::Accounts;
use crate::reconcile::{self, Context, MANAGER, RecordCalls};
use crate::source::SourceKind;
use crate::source::facts::Facts;
use crate::source::ingress::SlimIngress;
use crate::source::scope::Reach;
use crate::source::service::SlimService;
use crate::world::{Scope, World};

/// Objects per page of a list: keeps the peak of the first list small.
const PAGE: u32 = 250;

/// Runs the operator until it is told to end.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let rate = args.rate();
    let process = start(MANAGER, args.shared.clone()).await?;
    let metrics = process.metrics.register(Metrics::register);
    metrics.init_sources(&args.sources);
    let reach = Arc::new(Reach {
        sources: args.sources.clone(),
        namespaces: watched(&args.shared.watch_namespaces),
    });
    let places = reach.namespaces.len().max(1);
    let scopes = reach
        .sources
        .iter()
        .flat_map(|kind| (0..places).map(|position| Scope { kind: *kind, position }));
    let world = Arc::new(World::new(scopes, metrics.clone()));

    let (zone_trigger, zone_triggered) = trigger();
    let (record_calls, record_called) = RecordCalls::new(&reach.namespaces);
    let (zones, zone_writer) = reflector::store::<DNSZone>();
    let context = Arc::new(Context {
        client: process.client.clone(),
        namespace: args.shared.namespace.clone(),
        cluster_name: args.cluster_name.clone(),
        reach: Arc::clone(&reach),
        world: Arc::clone(&world),
        accounts: Accounts::new(rate),
        metrics: metrics.clone(),
        events: process.events.clone(),
        leadership: process.leadership.clone(),
        zones: zones.clone(),
        secrets: Secrets::new(process.client.clone(), zone_trigger.clone()),
        workers: parking_lot::Mutex::default(),
        zones_changed: tokio::sync::Notify::new(),
        zone_trigger,
        record_calls,
    });

    let mut watches = JoinSet::new();
    for kind in &reach.sources {
        match kind {
            SourceKind::Service => source::<SlimService>(&mut watches, &process, &world, *kind, Facts::of_service),
            SourceKind::Ingress => source::<SlimIngress>(&mut watches, &process, &world, *kind, Facts::of_ingress),
            SourceKind::Record => {}
        }
    }
    watches.spawn(sweep(Arc::clone(&context)));
    watches.spawn(reconcile::unmatched_names::watch(Arc::clone(&context)));

    let updates = watch(
        Api::<DNSZone>::all(process.client.clone()),
        watcher::Config::default().page_size(PAGE),
        |_| (),
    );
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
        Arc::clone(&context),
        reconcile::zone::reconcile,
    );

    tokio::join!(zones, records(&process, &context, record_called));
    watches.shutdown().await;
    context.workers().clear();
    process.finish().await;
    Ok(())
}

/// DNSRecords are a source and have a status: one watch serves both.
async fn records(process: &Process, context: &Arc<Context>, triggered: Vec<Triggered<DNSRecord>>) {
    if !context.reach.sources.contains(&SourceKind::Record) {
        return process.shutdown.cancelled().await;
    }
    let mut feeds = Vec::new();
    for ((position, api), triggered) in process
        .args
        .apis::<DNSRecord>(&process.client)
        .into_iter()
        .enumerate()
        .zip(triggered)
    {
        let (store, writer) = reflector::store::<DNSRecord>();
        let scope = Scope {
            kind: SourceKind::Record,
            position,
        };
        let gate = process.health.gate(format!("dnsrecords listed ({position})"));
        let world = Arc::clone(&context.world);
        let updates = watch(api, watcher::Config::default().page_size(PAGE), |_| ())
            .inspect(move |update: &Update<DNSRecord>| world.take(scope, update, Facts::of_record, &gate));
        let controller = Controller::for_stream(reflect(updates, writer), store).reconcile_on(triggered);
        feeds.push(run_controller(
            controller,
            process,
            "dnsrecord",
            Arc::clone(context),
            reconcile::record::reconcile,
        ));
    }
    futures::future::join_all(feeds).await;
}

/// The watched namespaces as [`hearth_reconciler::args::Args::apis`] orders them.
fn watched(namespaces: &[String]) -> Vec<String> {
    let trimmed = namespaces.iter().map(|namespace| namespace.trim().to_owned());
    let mut all: Vec<String> = trimmed.filter(|namespace| !namespace.is_empty()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn source<K>(watches: &mut JoinSet<()>, process: &Process, world: &Arc<World>, kind: SourceKind, facts: fn(&K) -> Facts)
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug
        + Send
        + Sync
        + 'static,
{
    for (position, api) in process.args.apis::<K>(&process.client).into_iter().enumerate() {
        let gate = process.health.gate(format!("{} listed ({position})", kind.source()));
        let updates = watch(api, watcher::Config::default().page_size(PAGE), |_| ());
        watches.spawn(Arc::clone(world).feed(Scope { kind, position }, updates, facts, gate));
    }
}

/// When a term ends, the zones' work and their series end: another replica has them now.
async fn sweep(context: Arc<Context>) {
    let mut terms = std::pin::pin!(context.leadership.terms());
    while let Some(term) = terms.next().await {
        term.ended().await;
        context.workers().retain(|_, handle| handle.term.is_current());
        context.metrics.clear_zones();
    }
}
