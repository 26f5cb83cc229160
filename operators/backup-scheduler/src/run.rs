//! Wiring: watches fill the caches, controllers reconcile repositories and runs.
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use futures::{StreamExt, TryStreamExt};
use hearth_reconciler::admin_server::bind;
use hearth_reconciler::namespaces::{reflect_namespaces, watch_namespaces};
use hearth_reconciler::run::{OnTakeover, run as run_controller};
use hearth_reconciler::secrets::Secrets;
use hearth_reconciler::start::start;
use hearth_reconciler::trigger::{Triggered, trigger};
use hearth_reconciler::watch::{reflect, watch};
use k8s_openapi::api::batch::v1::Job;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::Store;
use kube::runtime::reflector::store::Writer;
use kube::runtime::{Controller, reflector, watcher};
use kube::{Api, ResourceExt};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::MANAGER;
use crate::args::Args;
use crate::crd::{BackupRepository, BackupRun, BackupSchedule, RUN, RestoreRun};
use crate::metrics::{self, Metrics};
use crate::node_watch;
use crate::progress::{Posts, server};
use crate::reconcile::{self, Accounts, Context};

/// Objects per page of a list: keeps the peak of the first list small.
const PAGE: u32 = 250;

/// Runs the operator until it is told to end.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let process = start(MANAGER, args.shared).await?;
    let metrics = process.metrics.register(Metrics::register);
    let (repository_trigger, repository_triggered) = trigger();
    let (schedule_trigger, schedule_triggered) = trigger();
    let (backup_trigger, backup_triggered) = trigger();
    let (restore_trigger, restore_triggered) = trigger();
    let (repositories, repository_writer) = reflector::store::<BackupRepository>();
    let (schedules, schedule_writer) = reflector::store::<BackupSchedule>();
    let (backups, backup_writer) = reflector::store::<BackupRun>();
    let (restores, restore_writer) = reflector::store::<RestoreRun>();
    let (jobs, job_writer) = reflector::store::<PartialObjectMeta<Job>>();
    let ctx = Arc::new(Context {
        process: process.clone(),
        cluster: args.cluster_name,
        pods: args.movers.into(),
        accounts: Accounts {
            exporter: args.exporter_account.filter(|name| !name.is_empty()),
            restorer: args.restorer_account.filter(|name| !name.is_empty()),
        },
        posts: Arc::new(Posts::new().context("reading random bytes")?),
        progress_url: args.progress_url.filter(|url| !url.is_empty()),
        concurrency: usize::from(args.movers_concurrency),
        limiter: Mutex::default(),
        repositories: repositories.clone(),
        schedules: schedules.clone(),
        backups: backups.clone(),
        restores: restores.clone(),
        jobs,
        tried: Mutex::default(),
        fingerprints: Mutex::default(),
        credentials: Secrets::new(process.client.clone(), repository_trigger.clone()),
        ping_secrets: Secrets::new(process.client.clone(), schedule_trigger.clone()),
        pings: Mutex::default(),
        repository_trigger,
        schedule_trigger,
        backup_trigger,
        restore_trigger,
    });

    let mut tasks = JoinSet::new();
    take_posts(&mut tasks, &ctx, args.progress_address).await?;
    let shown = metrics::Stores {
        repositories: repositories.clone(),
        schedules: schedules.clone(),
        backups: backups.clone(),
        restores: restores.clone(),
    };
    tasks.spawn(metrics::keep(process.clone(), metrics, shown));
    let config = watcher::Config::default().page_size(PAGE);
    watch_movers_and_nodes(&mut tasks, &ctx, job_writer, &config);

    let updates = watch(
        Api::<BackupRepository>::all(process.client.clone()),
        config.clone(),
        |_| (),
    );
    let observer = Arc::clone(&ctx);
    let touched = reflect(updates, repository_writer).inspect_ok(move |repository| {
        observer.call_runs_of(&repository.name_any());
    });
    let repositories = Controller::for_stream(touched, repositories).reconcile_on(repository_triggered);
    let repositories = run_controller(
        repositories,
        &process,
        "backuprepository",
        OnTakeover::ReconcileAll,
        Arc::clone(&ctx),
        reconcile::repository::reconcile,
    );

    let schedules = run_schedules(&ctx, &config, (schedules, schedule_writer), schedule_triggered);

    let updates = watch_namespaces::<BackupRun>(&process, &config, |_| ());
    let observer = Arc::clone(&ctx);
    let touched = reflect_namespaces(updates, process.args.namespaces(), backup_writer).inspect_ok(move |run| {
        observer.call_others_of(run);
    });
    let backups = Controller::for_stream(touched, backups).reconcile_on(backup_triggered);
    let backups = run_controller(
        backups,
        &process,
        "backuprun",
        OnTakeover::ReconcileAll,
        Arc::clone(&ctx),
        reconcile::backup_run::reconcile,
    );

    let updates = watch_namespaces::<RestoreRun>(&process, &config, |_| ());
    let touched = reflect_namespaces(updates, process.args.namespaces(), restore_writer);
    let restores = Controller::for_stream(touched, restores).reconcile_on(restore_triggered);
    let restores = run_controller(
        restores,
        &process,
        "restorerun",
        OnTakeover::ReconcileAll,
        Arc::clone(&ctx),
        reconcile::restore_run::reconcile,
    );
    tokio::join!(repositories, schedules, backups, restores);
    tasks.shutdown().await;
    process.finish().await;
    Ok(())
}

/// Reconciles schedules, and tells their repositories of them.
fn run_schedules(
    ctx: &Arc<Context>,
    config: &watcher::Config,
    (store, writer): (Store<BackupSchedule>, Writer<BackupSchedule>),
    triggered: Triggered<BackupSchedule>,
) -> impl Future<Output = ()> {
    let process = &ctx.process;
    let updates = watch_namespaces::<BackupSchedule>(process, config, |_| ());
    let observer = Arc::clone(ctx);
    let touched = reflect_namespaces(updates, process.args.namespaces(), writer).inspect_ok(move |schedule| {
        observer.schedule_changed(schedule);
    });
    run_controller(
        Controller::for_stream(touched, store).reconcile_on(triggered),
        process,
        "backupschedule",
        OnTakeover::ReconcileAll,
        Arc::clone(ctx),
        reconcile::backup_schedule::reconcile,
    )
}

/// Keeps the cache of movers, and tells their runs; tells runs that wait for a node when it is back.
fn watch_movers_and_nodes(
    tasks: &mut JoinSet<()>,
    ctx: &Arc<Context>,
    writer: Writer<PartialObjectMeta<Job>>,
    config: &watcher::Config,
) {
    let process = &ctx.process;
    let movers = watch_namespaces::<PartialObjectMeta<Job>>(process, &config.clone().labels(RUN), |_| ());
    let movers = reflect_namespaces(movers, process.args.namespaces(), writer);
    tasks.spawn(node_watch::keep(process.clone(), Arc::clone(ctx), config.clone()));
    let observer = Arc::clone(ctx);
    tasks.spawn(movers.for_each(move |job| {
        if let Ok(job) = job {
            observer.call_owner(&job);
        }
        std::future::ready(())
    }));
}

/// Takes the progress that movers post, if they are told where.
async fn take_posts(tasks: &mut JoinSet<()>, ctx: &Arc<Context>, address: SocketAddr) -> anyhow::Result<()> {
    if ctx.progress_url.is_none() {
        return Ok(());
    }
    let listener = bind(address).await;
    let listener = listener.with_context(|| format!("binding {address} for the progress of movers"))?;
    let observer = Arc::clone(ctx);
    let told = move |run: &str| observer.call_run(Some(run));
    tasks.spawn(server::serve(listener, Arc::clone(&ctx.posts), told));
    Ok(())
}
