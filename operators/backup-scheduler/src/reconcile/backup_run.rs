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
use crate::crd::{BackupRepository, BackupRun, BackupRunStatus, RECONCILE_AT};
use crate::plan::backup::{BoundTo, Cancelled, Damage, Ending, Observed, Plan, cancel, is_cancelled, plan, record};
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
    match pass(&run, &ctx).await {
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
    let Cancelled { status, stop, outcome } = cancel(&ending(run, ctx, &namespace, &seen));
    movers::stop(ctx, &namespace, &stop).await?;
    movers::remove(ctx, &namespace, &items::superseded(&recorded.volumes, &seen.jobs)).await?;
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
    let status = record(&ending(run, ctx, &namespace, &seen));
    movers::remove(ctx, &namespace, &items::superseded(&old.volumes, &seen.jobs)).await?;
    report(run, ctx, status, outcome).await
}

fn ending<'a>(run: &'a BackupRun, ctx: &Context, namespace: &str, seen: &'a movers::Seen) -> Ending<'a> {
    let repository = ctx.repositories.get(&ObjectRef::new(&run.spec.repository));
    Ending {
        run,
        jobs: &seen.jobs,
        history: history(ctx, namespace),
        damaged: repository.is_some_and(|repository| Damage::of(&repository, namespace).unrepaired),
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
    movers::remove(ctx, &namespace, &items::superseded(&status.volumes, &seen.jobs)).await?;
    Ok(Action::await_change())
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
    let known = repository
        .status
        .as_ref()
        .is_some_and(|status| status.namespaces.contains_key(&namespace));
    let repository_limits = repository.spec.limits.as_ref();
    let first_upload = repository_limits
        .and_then(|limits| limits.first_upload)
        .and_then(|limit| u64::try_from(limit).ok());
    let history = history(ctx, &namespace);
    let damage = Damage::of(&repository, &namespace);
    let observed = Observed {
        run,
        claims: &claims,
        pods: &seen.pods,
        nodes: &nodes,
        bound_to: &volumes,
        jobs: &seen.jobs,
        holders: &seen.holders,
        history: &history,
        host: &place::host(&repository.spec, &ctx.cluster, &namespace),
        adopt: place::has_foreign(&repository.spec),
        known,
        others: seen.others,
        damage: &damage,
        first_upload: first_upload.unwrap_or(FIRST_UPLOAD),
        limits: Limits::default(),
        per_repository: repository_limits.and_then(|limits| limits.concurrency),
        now: Timestamp::now(),
    };
    let Some((
        Plan {
            status, start, outcome, ..
        },
        begun,
    )) = ctx.plan_in_room(observed, &repository)
    else {
        return Ok(Action::requeue(PENDING_RECHECK));
    };
    if !known && status.volumes.iter().any(|item| item.snapshot.is_some()) {
        super::repository::record_namespace(ctx, &repository, &namespace).await?;
    }
    if let (Some(start), Some((job, mover))) = (start, begun) {
        let spec = MoverSpec {
            owner: movers::owner(run),
            claim: Some(start.claim.clone()),
            work: None,
            mount_path: start.work.path.clone(),
            read_only: true,
            attempt: start.attempt,
            placement: start.placement,
            memory: MEMORY,
        };
        let started = match open(ctx, &repository, &namespace, true) {
            Ok(opened) => movers::start_counted(ctx, &spec, opened, Work::Backup(start.work), &mover)
                .await
                .map_err(Obstacle::from),
            Err(obstacle) => Err(obstacle),
        };
        if let Err(obstacle) = started {
            ctx.limiter.lock().told(&namespace, &job);
            return Err(obstacle);
        }
    }
    // What is recorded before this pass may be removed: its report is in the status.
    movers::remove(ctx, &namespace, &items::superseded(&recorded.volumes, &seen.jobs)).await?;
    let ended = status.completion_time.is_some();
    let action = report(run, ctx, status, &outcome).await?;
    // Its Jobs are removed in a pass after the one that records the end.
    Ok(if ended {
        Action::requeue(Duration::from_secs(1))
    } else {
        action
    })
}

/// The name of a Job, and how it counts.
type Begun = (String, ActiveMover);

impl Context {
    /// Plans a run and takes the room for its mover. No other run is planned meanwhile, so that two never take the same room. None
    /// before it is known how many movers there are.
    fn plan_in_room(&self, mut observed: Observed<'_>, repository: &BackupRepository) -> Option<(Plan, Option<Begun>)> {
        let (mut limiter, run) = (self.limiter.lock(), observed.run);
        observed.limits = limiter.limits(self, run)?;
        let mut plan = plan(&observed);
        limiter.waits(run, std::mem::take(&mut plan.held));
        let begun = plan.start.as_ref().map(|start| {
            let mover = ActiveMover {
                run: run.uid().unwrap_or_default(),
                node: start.node.clone(),
                repository: Some(repository.name_any()),
            };
            (job::name(&mover.run, Some(&start.claim), start.attempt), mover)
        });
        if let Some((job, mover)) = &begun {
            limiter.begins(&run.namespace().unwrap_or_default(), job, mover.clone());
        }
        Some((plan, begun))
    }
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
