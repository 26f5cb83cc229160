//! Wiring: watches fill the caches, controllers reconcile sources and SecretSyncs.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use futures::{StreamExt, TryStreamExt};
use hearth_reconciler::namespaces::watch_namespaces;
use hearth_reconciler::run::{OnTakeover, run as run_controller};
use hearth_reconciler::secrets::Secrets;
use hearth_reconciler::start::start;
use hearth_reconciler::trigger::trigger;
use hearth_reconciler::watch::{Update, reflect, watch};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::Event;
use kube::runtime::{Controller, watcher};
use kube::{Api, ResourceExt};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::args::Args;
use crate::crd::{ClusterSecretSource, MANAGED, SecretSync};
use crate::metrics::Metrics;
use crate::reconcile::{self, Context, WRITES};
use crate::source::close_all;
use crate::sync::secret::slim;
use crate::targets::Targets;
use crate::{MANAGER, core_dump};

/// Objects per page of a list: keeps the peak of the first list small.
const PAGE: u32 = 250;

/// Runs the operator until it is told to end.
pub async fn run(args: Args) -> anyhow::Result<()> {
    // First, since there is no secret in memory yet.
    core_dump::forbid().context("core dumps cannot be switched off")?;
    let installed = args.installed();
    let process = start(MANAGER, args.shared).await?;
    let metrics = process.metrics.register(Metrics::register);
    let (source_trigger, source_triggered) = trigger();
    let (sync_trigger, sync_triggered) = trigger();
    let (sources, source_writer) = reflector::store::<ClusterSecretSource>();
    let (syncs, sync_writer) = reflector::store::<SecretSync>();
    let namespaces = process.args.namespaces();
    let gates = (0..namespaces.len().max(1)).map(|position| {
        let namespace = namespaces.get(position);
        process
            .health
            .gate(namespace.map_or_else(|| "secrets".to_owned(), |name| format!("secrets of {name}")))
    });
    let ctx = Arc::new(Context {
        targets: Targets::new(gates.collect()),
        process: process.clone(),
        installed,
        metrics,
        sources: sources.clone(),
        sources_listed: AtomicBool::new(false),
        syncs: syncs.clone(),
        at_work: Mutex::default(),
        credentials: Secrets::new(process.client.clone(), source_trigger.clone()),
        memory: Mutex::default(),
        term: Mutex::default(),
        deletions: Mutex::default(),
        namespaces: Mutex::default(),
        writes: Semaphore::new(WRITES),
        source_trigger,
        sync_trigger,
    });

    let mut tasks = JoinSet::new();
    tasks.spawn(targets(Arc::clone(&ctx)));
    tasks.spawn(reconcile::sweep(Arc::clone(&ctx)));

    let config = watcher::Config::default().page_size(PAGE);
    let (forgetful, known) = (Arc::clone(&ctx), sources.clone());
    let updates = watch(
        Api::<ClusterSecretSource>::all(process.client.clone()),
        config.clone(),
        |_| (),
    );
    let observer = Arc::clone(&ctx);
    let updates = updates.inspect(move |update| {
        let listed = matches!(update, Update::Event(Event::InitDone));
        if listed && !observer.sources_listed.swap(true, Ordering::Relaxed) {
            // Those that came before the list have waited for it. They are reconciled when the store has it.
            observer.call_all_syncs();
        }
    });
    let touched = reflect(updates, source_writer).inspect_ok(move |source| {
        if known.get(&ObjectRef::from_obj(source)).is_none() {
            forgetful.forget_source(source);
        } else {
            // Who may read what, and how often, may have changed.
            forgetful.call_syncs_of(&source.name_any());
        }
    });
    let sources = Controller::for_stream(touched, sources).reconcile_on(source_triggered);

    let (forgetful, known, observer) = (Arc::clone(&ctx), syncs.clone(), Arc::clone(&ctx));
    let updates = watch(Api::<SecretSync>::all(process.client.clone()), config, |_| ());
    let updates = updates.inspect(move |update| observer.deletions.lock().take(update));
    let touched = reflect(updates, sync_writer).inspect_ok(move |sync| {
        if known.get(&ObjectRef::from_obj(sync)).is_none() {
            forgetful.forget_sync(sync);
        }
    });
    let syncs = Controller::for_stream(touched, syncs).reconcile_on(sync_triggered);

    let sources = run_controller(
        sources,
        &process,
        "clustersecretsource",
        OnTakeover::ReconcileAll,
        Arc::clone(&ctx),
        reconcile::source::reconcile,
    );
    // Each waits for its own source, and none for another one's: the limits are those of the sources and of writes.
    let mut unlimited = process.clone();
    unlimited.args.concurrency = 0;
    let syncs = run_controller(
        syncs,
        &unlimited,
        "secretsync",
        OnTakeover::ReconcileAll,
        Arc::clone(&ctx),
        reconcile::sync::reconcile,
    );
    tokio::join!(sources, syncs);
    tasks.shutdown().await;
    let sources = std::mem::take(&mut *ctx.at_work.lock()).into_values().flatten();
    // The lease does not wait for providers.
    tokio::join!(process.finish(), close_all(sources));
    Ok(())
}

/// Watches the metadata of the Secrets with our label.
async fn targets(ctx: Arc<Context>) {
    let config = watcher::Config::default().page_size(PAGE).labels(MANAGED);
    let mut updates = std::pin::pin!(watch_namespaces::<PartialObjectMeta<Secret>>(
        &ctx.process,
        &config,
        slim
    ));
    while let Some((position, update)) = updates.next().await {
        let listed = ctx.targets.was_listed(position);
        let syncs = ctx.targets.take(position, &update);
        ctx.call_syncs(syncs);
        if !listed && ctx.targets.was_listed(position) {
            // Those that came before the list have waited for it.
            ctx.call_all_syncs();
        }
    }
}
