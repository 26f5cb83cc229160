//! A BackupRun: observe, plan, write the status, start a mover, remove those whose end is recorded.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::error::RequestError;
use hearth_reconciler::outcome::{Outcome, begin};
use hearth_reconciler::status::patch_status;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim};
use kube::api::ListParams;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};

use super::settings::{Obstacle, PENDING_RECHECK, open, repository, writable};
use super::{Context, movers};
use crate::MANAGER;
use crate::crd::backup_run::Item;
use crate::crd::{BackupRepository, BackupRun, BackupRunStatus, RECONCILE_AT};
use crate::plan::backup::objects::{self, Exports};
use crate::plan::backup::{BoundTo, Cancelled, Damage, Ending, Observed, Plan, cancel, is_cancelled, plan, record};
use crate::plan::items::MoverJob;
use crate::plan::job::{self, MEMORY, MoverSpec};
use crate::plan::limits::{ActiveMover, Limits};
use crate::plan::{items, place, placement};
use crate::task::Work;

/// The largest first upload, if the repository says nothing: 50 GiB.
const FIRST_UPLOAD: u64 = 50 << 30;
/// Before it is looked again whether movers have stopped. Their end is watched too.
const STOP_RECHECK: Duration = Duration::from_secs(10);

/// One pass.
pub async fn reconcile(run: Arc<BackupRun>, ctx: Arc<Context>) -> Result<Action, RequestError> {
    let old = run.status.clone().unwrap_or_default();
    if old.completion_time.is_some() {
        return finished(&run, &ctx, &old).await;
    }
    if is_cancelled(&run) {
        return end(&run, &ctx, &old).await;
    }
    if run.spec.suspend && old.start_time.is_none() {
        return report(
            &run,
            &ctx,
            old,
            &Outcome::suspended("spec.suspend is set; nothing is begun"),
        )
        .await;
    }
    match Box::pin(pass(&run, &ctx)).await {
        Ok(action) => Ok(action),
        Err(Obstacle::Pending) => Ok(Action::requeue(PENDING_RECHECK)),
        Err(Obstacle::Failed(error)) => Err(error),
        Err(Obstacle::Outcome(outcome)) => held_up(&run, &ctx, old, &outcome).await,
    }
}

/// Ends a run that is cancelled: stops its movers, and records the end when none is left.
async fn end(run: &BackupRun, ctx: &Context, recorded: &BackupRunStatus) -> Result<Action, RequestError> {
    let (namespace, uid) = (run.namespace().unwrap_or_default(), run.uid().unwrap_or_default());
    ctx.limiter.lock().waits(run, Vec::new());
    let seen = movers::look(ctx, &namespace, &uid).await?;
    let exports = exports(ctx, recorded, &uid).await?;
    let ending = ending(run, ctx, &namespace, [&seen.jobs[..], &exports].concat());
    let Cancelled { status, stop, outcome } = cancel(&ending);
    let is_export = |name: &String| exports.iter().any(|job| job.name == *name);
    let (elsewhere, here): (Vec<String>, Vec<String>) = stop.iter().cloned().partition(is_export);
    movers::stop(ctx, &namespace, &here).await?;
    movers::stop(ctx, &ctx.process.args.namespace, &elsewhere).await?;
    remove(ctx, &namespace, recorded, &seen.jobs, &exports).await?;
    report(run, ctx, status, &outcome).await?;
    // Jobs that have ended are removed in a pass after the one that records it.
    Ok(Action::requeue(if stop.is_empty() {
        Duration::from_secs(1)
    } else {
        STOP_RECHECK
    }))
}

/// Something stands in the way of new movers. What those that are at work report is recorded.
async fn held_up(
    run: &BackupRun,
    ctx: &Context,
    old: BackupRunStatus,
    outcome: &Outcome,
) -> Result<Action, RequestError> {
    let (namespace, uid) = (run.namespace().unwrap_or_default(), run.uid().unwrap_or_default());
    if !ctx.has_movers(&uid) {
        return report(run, ctx, old, outcome).await;
    }
    let seen = movers::look(ctx, &namespace, &uid).await?;
    let exports = exports(ctx, &old, &uid).await?;
    let status = record(&ending(run, ctx, &namespace, [&seen.jobs[..], &exports].concat()));
    remove(ctx, &namespace, &old, &seen.jobs, &exports).await?;
    report(run, ctx, status, outcome).await
}

fn ending<'a>(run: &'a BackupRun, ctx: &Context, namespace: &str, jobs: Vec<MoverJob>) -> Ending<'a> {
    let repository = ctx.repositories.get(&ObjectRef::new(&run.spec.repository));
    let damaged = |of: &str| {
        let repository = repository.as_ref();
        repository.is_some_and(|repository| Damage::of(repository, of).unrepaired)
    };
    Ending {
        run,
        jobs,
        history: history(ctx, namespace),
        damaged: damaged(namespace),
        objects_damaged: damaged(place::OBJECTS),
        now: Timestamp::now(),
    }
}

/// The runs of a namespace.
fn history(ctx: &Context, namespace: &str) -> Vec<Arc<BackupRun>> {
    let all: Vec<_> = ctx.backups.state();
    let here = all
        .into_iter()
        .filter(|run| run.namespace().as_deref() == Some(namespace));
    here.collect()
}

/// A run that has ended stays as it is. What it started is removed.
async fn finished(run: &BackupRun, ctx: &Context, status: &BackupRunStatus) -> Result<Action, RequestError> {
    let (namespace, uid) = (run.namespace().unwrap_or_default(), run.uid().unwrap_or_default());
    if !ctx.has_movers(&uid) {
        return Ok(Action::await_change());
    }
    let seen = movers::look(ctx, &namespace, &uid).await?;
    let exports = exports(ctx, status, &uid).await?;
    remove(ctx, &namespace, status, &seen.jobs, &exports).await?;
    Ok(Action::await_change())
}

/// The movers of a run that work on API objects. Before a run has begun, it has none.
async fn exports(ctx: &Context, recorded: &BackupRunStatus, uid: &str) -> Result<Vec<MoverJob>, RequestError> {
    if recorded.objects.is_empty() {
        return Ok(Vec::new());
    }
    movers::look_elsewhere(ctx, uid).await
}

/// Removes the movers whose end is recorded.
async fn remove(
    ctx: &Context,
    namespace: &str,
    recorded: &BackupRunStatus,
    movers: &[MoverJob],
    exports: &[MoverJob],
) -> Result<(), RequestError> {
    movers::remove(ctx, namespace, &items::superseded(&recorded.volumes, movers)).await?;
    let own = &ctx.process.args.namespace;
    movers::remove(ctx, own, &items::superseded(&recorded.objects, exports)).await
}

async fn pass(run: &BackupRun, ctx: &Context) -> Result<Action, Obstacle> {
    let (namespace, uid) = (run.namespace().unwrap_or_default(), run.uid().unwrap_or_default());
    let repository = repository(ctx, &run.spec.repository, &namespace).await?;
    writable(&repository)?;
    let seen = movers::look(ctx, &namespace, &uid).await?;
    let recorded = run.status.clone().unwrap_or_default();
    let client = &ctx.process.client;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &namespace);
    let claims = claims.list(&ListParams::default()).await;
    let claims = claims.map_err(RequestError::when("listing claims"))?.items;
    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await;
    let nodes = placement::nodes(&nodes.map_err(RequestError::when("listing nodes"))?.items);
    let volumes = volumes(ctx, &claims).await?;
    let is_known = |of: &str| {
        let status = repository.status.as_ref();
        status.is_some_and(|status| status.namespaces.contains_key(of))
    };
    let known = is_known(&namespace);
    let repository_limits = repository.spec.limits.as_ref();
    let first_upload = repository_limits
        .and_then(|limits| limits.first_upload)
        .and_then(|limit| u64::try_from(limit).ok());
    let history = history(ctx, &namespace);
    let damage = Damage::of(&repository, &namespace);
    // Looked at even if the status names none: a pass may have been stopped after it began.
    let exports = movers::look_elsewhere(ctx, &uid).await?;
    let observed = Observed {
        run,
        claims: &claims,
        pods: &seen.pods,
        nodes: &nodes,
        bound_to: &volumes,
        jobs: &[&seen.jobs[..], &exports].concat(),
        holders: &seen.holders,
        history: &history,
        host: &place::host(&repository.spec, &ctx.cluster, &namespace),
        objects_host: &place::host(&repository.spec, &ctx.cluster, place::OBJECTS),
        exports: Exports {
            enabled: ctx.accounts.exporter.is_some(),
            cluster: namespace == ctx.process.args.namespace && ctx.process.args.namespaces().is_empty(),
            layout: repository.spec.layout,
            known: is_known(place::OBJECTS),
        },
        adopt: place::has_foreign(&repository.spec),
        known,
        others: seen.others,
        damage: &damage,
        objects_damage: &Damage::of(&repository, place::OBJECTS),
        first_upload: first_upload.unwrap_or(FIRST_UPLOAD),
        limits: Limits::default(),
        per_repository: repository_limits.and_then(|limits| limits.concurrency),
        now: Timestamp::now(),
    };
    let Some((plan, begun)) = ctx.plan_in_room(observed, &repository) else {
        return Ok(Action::requeue(PENDING_RECHECK));
    };
    let (mut status, outcome) = (plan.status, plan.outcome);
    items::show(status.items_mut(), &ctx.posts.of(&uid));
    ctx.posts.keep(&uid, |claim| {
        status
            .volumes
            .iter()
            .any(|item| item.claim == claim && item.progress.is_some())
    });
    let has_snapshot = |items: &[Item]| items.iter().any(|item| item.snapshot.is_some());
    let new = [
        (!known && has_snapshot(&status.volumes)).then_some(namespace.as_str()),
        (!is_known(place::OBJECTS) && has_snapshot(&status.objects)).then_some(place::OBJECTS),
    ];
    let new: Vec<&str> = new.into_iter().flatten().collect();
    if !new.is_empty() {
        super::repository::record_namespaces(ctx, &repository, &new).await?;
    }
    for Begun { job, mover, start } in begun {
        let in_namespace = start.spec.owner.namespace.clone();
        let started = match open(ctx, &repository, &start.repository, true) {
            Ok(opened) => movers::start_counted(ctx, &start.spec, opened, start.work, &mover)
                .await
                .map_err(Obstacle::from),
            Err(obstacle) => Err(obstacle),
        };
        if let Err(obstacle) = started {
            ctx.limiter.lock().told(&in_namespace, &job);
            return Err(obstacle);
        }
    }
    // What is recorded before this pass may be removed: its report is in the status.
    remove(ctx, &namespace, &recorded, &seen.jobs, &exports).await?;
    let ended = status.completion_time.is_some();
    let action = report(run, ctx, status, &outcome).await?;
    // Its Jobs are removed in a pass after the one that records the end.
    Ok(if ended {
        Action::requeue(Duration::from_secs(1))
    } else {
        action
    })
}

/// A mover that has room.
struct Begun {
    /// The name of its Job.
    job: String,
    /// How it counts.
    mover: ActiveMover,
    /// The rest.
    start: Start,
}

/// A mover to start.
struct Start {
    spec: MoverSpec,
    work: Work,
    /// Whose repository it works in.
    repository: String,
    /// The node that its volume binds it to.
    node: Option<String>,
}

impl Context {
    /// Plans a run and takes the room for its movers. No other run is planned meanwhile, so that two never take the same room. None
    /// before it is known how many movers there are.
    fn plan_in_room(&self, mut observed: Observed<'_>, repository: &BackupRepository) -> Option<(Plan, Vec<Begun>)> {
        let (mut limiter, run) = (self.limiter.lock(), observed.run);
        observed.limits = limiter.limits(self, run)?;
        let mut plan = plan(&observed);
        limiter.waits(run, std::mem::take(&mut plan.held));
        let volume = plan.start.take().map(|start| of_volume(run, start));
        let export = plan.export.take();
        let export = export.and_then(|start| of_objects(self, run, repository, start));
        let starts = [volume, export].into_iter().flatten();
        let begun = starts.map(|start| {
            let mover = ActiveMover {
                run: run.uid().unwrap_or_default(),
                node: start.node.clone(),
                repository: Some(repository.name_any()),
            };
            let job = job::name(&start.spec);
            limiter.begins(&start.spec.owner.namespace, &job, mover.clone());
            Begun { job, mover, start }
        });
        let begun = begun.collect();
        Some((plan, begun))
    }
}

fn of_volume(run: &BackupRun, start: crate::plan::backup::Start) -> Start {
    Start {
        spec: MoverSpec {
            owner: movers::owner(run),
            claim: Some(start.claim),
            work: None,
            account: None,
            mount_path: start.work.path.clone(),
            read_only: true,
            attempt: start.attempt,
            placement: start.placement,
            memory: MEMORY,
        },
        work: Work::Backup(start.work),
        repository: run.namespace().unwrap_or_default(),
        node: start.node,
    }
}

/// A mover of API objects, in the operator's namespace: a namespace's own movers have no token, and none of its Secrets opens the
/// repository of all objects.
fn of_objects(ctx: &Context, run: &BackupRun, repository: &BackupRepository, start: objects::Start) -> Option<Start> {
    Some(Start {
        spec: MoverSpec {
            owner: movers::owner_elsewhere(ctx, run, repository),
            claim: None,
            work: Some(start.claim),
            account: Some(ctx.accounts.exporter.clone()?),
            mount_path: place::OBJECTS_FOLDER.to_owned(),
            read_only: false,
            attempt: start.attempt,
            placement: placement::for_restore(true, false, None),
            memory: MEMORY,
        },
        work: Work::Export(start.work),
        repository: place::OBJECTS.to_owned(),
        node: None,
    })
}

async fn report(
    run: &BackupRun,
    ctx: &Context,
    mut status: BackupRunStatus,
    outcome: &Outcome,
) -> Result<Action, RequestError> {
    let action = outcome.report(&mut begin(run, RECONCILE_AT, &mut status, Timestamp::now()));
    let api: Api<BackupRun> = Api::namespaced(ctx.process.client.clone(), &run.namespace().unwrap_or_default());
    let written = patch_status(&api, MANAGER, run, &status).await;
    written.map_err(RequestError::when("writing the status"))?;
    Ok(action)
}

/// The nodes of volumes that can only be used on one.
#[derive(Debug)]
struct Volumes(BTreeMap<String, String>);

impl BoundTo for Volumes {
    fn node(&self, claim: &PersistentVolumeClaim) -> Option<String> {
        let volume = claim.spec.as_ref()?.volume_name.as_ref()?;
        self.0.get(volume).cloned()
    }
}

async fn volumes(ctx: &Context, claims: &[PersistentVolumeClaim]) -> Result<Volumes, RequestError> {
    let api: Api<PersistentVolume> = Api::all(ctx.process.client.clone());
    let mut nodes = BTreeMap::new();
    for name in claims
        .iter()
        .filter_map(|claim| claim.spec.as_ref()?.volume_name.as_ref())
    {
        let volume = api
            .get_opt(name)
            .await
            .map_err(RequestError::when("reading a volume"))?;
        if let Some(node) = volume.as_ref().and_then(placement::node_of) {
            nodes.insert(name.clone(), node);
        }
    }
    Ok(Volumes(nodes))
}
