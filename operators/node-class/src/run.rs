//! Wiring: watches feed the caches, the planner plans, controllers carry the plan out.
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use hearth_reconciler::cache::Cache;
use hearth_reconciler::run::{OnTakeover, run as run_controller};
use hearth_reconciler::start::{Process, start};
use hearth_reconciler::trigger::trigger;
use hearth_reconciler::watch::{Update, reflect, reflect_quietly, watch};
use kube::runtime::Controller;
use kube::runtime::reflector;
use kube::runtime::watcher;
use kube::{Api, Resource, ResourceExt};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::args::{Feature, Settings};
use crate::clock::Clock;
use crate::control_loop;
use crate::crd::{NodeClass, NodeHost};
use crate::facts::{MANAGER, SlimHistory, SlimLease, SlimNode, reduce, slim_history};
use crate::metrics::Metrics;
use crate::observe::Feeds;
use crate::planner::{Observed, Planner};
use crate::reconcile::{self, Context, Triggers};
use crate::workloads::{self, SlimPod, SlimVolume};
use crate::{address_probe, daemonset_watch};

/// Objects per page of a list: keeps the peak of the first list small. A page of Nodes is decoded with their managedFields
/// before these are dropped, ten times what is kept.
const PAGE: u32 = 25;

/// Runs the operator until it is told to end.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let process = start(MANAGER, settings.shared.clone()).await?;
    let metrics = process.metrics.register(Metrics::register);
    let clock = Clock::system();
    let (node_trigger, node_triggered) = trigger();
    let (host_trigger, host_triggered) = trigger();
    let (class_trigger, class_triggered) = trigger();
    let (history_trigger, history_triggered) = trigger();
    let (nodes, node_writer) = reflector::store::<SlimNode>();
    let (hosts, host_writer) = reflector::store::<NodeHost>();
    let (classes, class_writer) = reflector::store::<NodeClass>();
    let (histories, history_writer) = reflector::store::<SlimHistory>();
    let ctx = Arc::new(Context {
        process: process.clone(),
        evictions: process.client_without_retries()?,
        metrics: metrics.clone(),
        planner: Mutex::new(Planner::new(&settings, clock.now())),
        observed: Mutex::new(Observed::default()),
        plan: Arc::default(),
        clock,
        nodes: nodes.clone(),
        hosts: hosts.clone(),
        classes: classes.clone(),
        histories: histories.clone(),
        triggers: Triggers {
            node: node_trigger,
            host: host_trigger,
            class: class_trigger,
            history: history_trigger,
        },
        wake: Notify::new(),
    });
    metrics.show(Arc::clone(&ctx.plan), process.leadership.clone());
    let feeds = Arc::new(Feeds::default());
    let mut tasks = JoinSet::new();
    leases(&mut tasks, &process, &ctx, &feeds);
    if settings.features.0.contains(&Feature::Workloads) {
        workloads(&mut tasks, &process, &ctx, &feeds);
    }
    daemonset_watch::watch(&mut tasks, &process, &ctx, watcher::Config::default().page_size(PAGE));
    tasks.spawn(address_probe::run(Arc::clone(&ctx)));
    tasks.spawn(control_loop::run(
        Arc::clone(&ctx),
        Arc::clone(&feeds),
        process.health.heartbeat("control loop", STUCK),
        process.health.gate("histories restored"),
    ));

    // Of nodes and histories there are many; a plan asks for those that have something to write.
    let updates = watch(Api::<SlimNode>::all(process.client.clone()), config(), reduce);
    let updates = observe_nodes(updates, &process, &ctx, &feeds);
    let nodes = Controller::for_stream(reflect_quietly(updates, node_writer), nodes).reconcile_on(node_triggered);
    let nodes = run_controller(
        nodes,
        &process,
        "node",
        OnTakeover::AwaitTrigger,
        Arc::clone(&ctx),
        reconcile::node::reconcile,
    );

    let updates = told(&process, &ctx, &feeds, "nodehosts", |feeds: &Feeds| &feeds.hosts);
    let hosts = Controller::for_stream(reflect(updates, host_writer), hosts).reconcile_on(host_triggered);
    let hosts = run_controller(
        hosts,
        &process,
        "nodehost",
        OnTakeover::ReconcileAll,
        Arc::clone(&ctx),
        reconcile::host::reconcile,
    );

    let updates = told(&process, &ctx, &feeds, "nodeclasses", |feeds: &Feeds| &feeds.classes);
    let classes = Controller::for_stream(reflect(updates, class_writer), classes).reconcile_on(class_triggered);
    let classes = run_controller(
        classes,
        &process,
        "nodeclass",
        OnTakeover::ReconcileAll,
        Arc::clone(&ctx),
        reconcile::class::reconcile,
    );

    let updates = told_histories(&process, &ctx, &feeds);
    let histories = Controller::for_stream(reflect_quietly(updates, history_writer), histories);
    let histories = histories.reconcile_on(history_triggered);
    let histories = run_controller(
        histories,
        &process,
        "nodehistory",
        OnTakeover::AwaitTrigger,
        Arc::clone(&ctx),
        reconcile::history::reconcile,
    );

    tokio::join!(nodes, hosts, classes, histories);
    tasks.shutdown().await;
    process.finish().await;
    Ok(())
}

/// The control loop may be silent for this long before the process counts as stuck.
const STUCK: Duration = Duration::from_mins(1);

fn config() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

/// Leases of kubelets are in a namespace of their own.
fn leases(tasks: &mut JoinSet<()>, process: &Process, ctx: &Arc<Context>, feeds: &Arc<Feeds>) {
    let api = Api::<SlimLease>::namespaced(process.client.clone(), "kube-node-lease");
    let (updates, gate) = (watch(api, config(), |_| ()), process.health.gate("leases listed"));
    let (ctx, feeds) = (Arc::clone(ctx), Arc::clone(feeds));
    tasks.spawn(async move {
        let mut updates = std::pin::pin!(updates);
        while let Some(update) = updates.next().await {
            feeds.lease(&ctx, &update, &gate);
        }
    });
}

fn observe_nodes<S: Stream<Item = Update<SlimNode>> + Send>(
    updates: S,
    process: &Process,
    ctx: &Arc<Context>,
    feeds: &Arc<Feeds>,
) -> impl Stream<Item = Update<SlimNode>> + Send + use<S> {
    let gate = process.health.gate("nodes read");
    let (ctx, feeds) = (Arc::clone(ctx), Arc::clone(feeds));
    updates.map(move |mut update| {
        feeds.node(&ctx, &mut update, &gate);
        update
    })
}

/// A watch of one of our own CRDs; any change of it causes a plan.
fn told<K>(
    process: &Process,
    ctx: &Arc<Context>,
    feeds: &Arc<Feeds>,
    name: &str,
    feed: fn(&Feeds) -> &Mutex<Cache<String, ()>>,
) -> impl Stream<Item = Update<K>> + Send + use<K>
where
    K: Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
{
    let gate = process.health.gate(format!("{name} read"));
    let (ctx, feeds) = (Arc::clone(ctx), Arc::clone(feeds));
    watch(Api::<K>::all(process.client.clone()), config(), |_| ()).inspect(move |update: &Update<K>| {
        let mut feed = feed(&feeds).lock();
        feed.take(update, |object| (object.name_any(), Some(())), &gate);
        drop(feed);
        feeds.changed(&ctx);
    })
}

/// Of histories it matters only which there are.
fn told_histories(
    process: &Process,
    ctx: &Arc<Context>,
    feeds: &Arc<Feeds>,
) -> impl Stream<Item = Update<SlimHistory>> + Send + use<> {
    let gate = process.health.gate("nodehistories read");
    let (ctx, feeds) = (Arc::clone(ctx), Arc::clone(feeds));
    let updates = watch(Api::<SlimHistory>::all(process.client.clone()), config(), slim_history);
    updates.inspect(move |update| feeds.history(&ctx, update, &gate))
}

/// Pods and volumes, for what lives only on volatile nodes. Not being allowed to see them holds nothing else up.
fn workloads(tasks: &mut JoinSet<()>, process: &Process, ctx: &Arc<Context>, feeds: &Arc<Feeds>) {
    let pods = watch(Api::<SlimPod>::all(process.client.clone()), config(), workloads::slim);
    let volumes = watch(Api::<SlimVolume>::all(process.client.clone()), config(), |_| ());
    let (pod_gate, volume_gate) = (
        process.health.gate("pods listed"),
        process.health.gate("volumes listed"),
    );
    let (ctx, feeds) = (Arc::clone(ctx), Arc::clone(feeds));
    tasks.spawn(async move {
        let (mut pods, mut volumes) = (std::pin::pin!(pods), std::pin::pin!(volumes));
        loop {
            tokio::select! {
                Some(update) = pods.next() => feeds.pod(&ctx, &update, &pod_gate),
                Some(update) = volumes.next() => feeds.volume(&ctx, &update, &volume_gate),
            }
        }
    });
}
