//! Wiring: watches feed the caches, the planner plans, controllers carry the plan out.
use std::fmt::Debug;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use hearth_reconciler::health::Check;
use hearth_reconciler::run::OnTakeover::{AwaitTrigger, ReconcileAll};
use hearth_reconciler::run::run as run_controller;
use hearth_reconciler::start::start;
use hearth_reconciler::trigger::{Triggered, trigger};
use hearth_reconciler::watch::{Update, reflect, reflect_quietly, watch};
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::runtime::reflector::store::{Writer, store};
use kube::runtime::{Controller, watcher};
use kube::{Api, Resource};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::args::{Feature, Settings};
use crate::clock::Now;
use crate::crd::{NodeClass, NodeHost};
use crate::facts::{MANAGER, SlimHistory, SlimLease, SlimNode, reduce, slim_history};
use crate::metrics::Metrics;
use crate::observe::Feeds;
use crate::planner::{Observed, Planner};
use crate::reconcile::{Context, Objects, class, history, host, node};
use crate::workloads::{self, SlimPod};
use crate::{address_probe, control_loop, daemonset_watch, ready_made};

/// Objects per page of a list: keeps the peak of the first list small. A page of Nodes is decoded with their managedFields
/// before these are dropped, ten times what is kept.
const PAGE: u32 = 25;

/// The control loop may be silent for this long before the process counts as stuck.
const STUCK: Duration = Duration::from_mins(1);

/// Runs the operator until it is stopped.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let process = start(MANAGER, settings.shared.clone()).await?;
    let metrics = process.metrics.register(Metrics::register);
    let (nodes, node_writer, node_triggered) = objects();
    let (hosts, host_writer, host_triggered) = objects();
    let (classes, class_writer, class_triggered) = objects();
    let (histories, history_writer, history_triggered) = objects();
    let ctx = Arc::new(Context {
        process: process.clone(),
        evictions: process.client_without_retries()?,
        metrics: metrics.clone(),
        planner: Mutex::new(Planner::new(&settings, Now::read())),
        observed: Mutex::new(Observed::default()),
        plan: Arc::default(),
        nodes,
        hosts,
        classes,
        histories,
        wake: Notify::new(),
    });
    metrics.show(Arc::clone(&ctx.plan), process.leadership.clone());
    let watches = Watches {
        ctx: Arc::clone(&ctx),
        feeds: Arc::default(),
    };
    let client = || process.client.clone();
    let mut tasks = JoinSet::new();
    // Leases of kubelets are in a namespace of their own.
    let leases = Api::<SlimLease>::namespaced(client(), "kube-node-lease");
    tasks.spawn(watches.feed(leases, |_| (), "leases listed", Feeds::lease));
    if settings.features.0.contains(&Feature::Workloads) {
        // Not being allowed to see them holds nothing else up.
        let pods = Api::<SlimPod>::all(client());
        tasks.spawn(watches.feed(pods, workloads::slim, "pods listed", Feeds::pod));
        let volumes = Api::<PersistentVolume>::all(client());
        tasks.spawn(watches.feed(volumes, |_| (), "volumes listed", Feeds::volume));
    }
    daemonset_watch::watch(&mut tasks, &process, &ctx, config());
    tasks.spawn(address_probe::run(Arc::clone(&ctx)));
    if settings.create_classes {
        tasks.spawn(ready_made::run(Arc::clone(&ctx)));
    }
    tasks.spawn(control_loop::run(
        Arc::clone(&ctx),
        Arc::clone(&watches.feeds),
        process.health.heartbeat("control loop", STUCK),
        process.health.gate("histories restored"),
    ));

    // Of nodes and histories there are many; a plan asks for those that have something to write.
    let shared = || Arc::clone(&ctx);
    let updates = watches.watch(Api::<SlimNode>::all(client()), reduce, "nodes read", Feeds::node);
    let updates = reflect_quietly(updates, node_writer);
    let nodes = Controller::for_stream(updates, ctx.nodes.store.clone()).reconcile_on(node_triggered);
    let nodes = run_controller(nodes, &process, "node", AwaitTrigger, shared(), node::reconcile);

    let updates = watches.watch(Api::<NodeHost>::all(client()), |_| (), "nodehosts read", Feeds::host);
    let updates = reflect(updates, host_writer);
    let hosts = Controller::for_stream(updates, ctx.hosts.store.clone()).reconcile_on(host_triggered);
    let hosts = run_controller(hosts, &process, "nodehost", ReconcileAll, shared(), host::reconcile);

    let updates = watches.watch(
        Api::<NodeClass>::all(client()),
        |_| (),
        "nodeclasses read",
        Feeds::class,
    );
    let updates = reflect(updates, class_writer);
    let classes = Controller::for_stream(updates, ctx.classes.store.clone()).reconcile_on(class_triggered);
    let classes = run_controller(classes, &process, "nodeclass", ReconcileAll, shared(), class::reconcile);

    let api = Api::<SlimHistory>::all(client());
    let updates = watches.watch(api, slim_history, "nodehistories read", Feeds::history);
    let updates = reflect_quietly(updates, history_writer);
    let histories = Controller::for_stream(updates, ctx.histories.store.clone()).reconcile_on(history_triggered);
    let histories = run_controller(
        histories,
        &process,
        "nodehistory",
        AwaitTrigger,
        shared(),
        history::reconcile,
    );

    tokio::join!(nodes, hosts, classes, histories);
    tasks.shutdown().await;
    process.finish().await;
    Ok(())
}

fn config() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

fn objects<K>() -> (Objects<K>, Writer<K>, Triggered<K>)
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let ((store, writer), (trigger, triggered)) = (store(), trigger());
    (Objects { store, trigger }, writer, triggered)
}

/// How the feeds take an update of a watch.
type Take<K> = fn(&Feeds, &Context, &mut Update<K>, &Check);

/// Watches whose updates go to the feeds first.
struct Watches {
    ctx: Arc<Context>,
    feeds: Arc<Feeds>,
}

impl Watches {
    fn watch<K>(
        &self,
        api: Api<K>,
        slim: fn(&mut K),
        gate: &str,
        take: Take<K>,
    ) -> impl Stream<Item = Update<K>> + Send + use<K>
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let gate = self.ctx.process.health.gate(gate);
        let (ctx, feeds) = (Arc::clone(&self.ctx), Arc::clone(&self.feeds));
        watch(api, config(), slim).map(move |mut update| {
            take(&feeds, &ctx, &mut update, &gate);
            update
        })
    }

    fn feed<K>(
        &self,
        api: Api<K>,
        slim: fn(&mut K),
        gate: &str,
        take: Take<K>,
    ) -> impl Future<Output = ()> + Send + use<K>
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        self.watch(api, slim, gate, take).for_each(|_| ready(()))
    }
}
