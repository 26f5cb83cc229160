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
use kube::{Api, ResourceExt};

use super::settings::{Obstacle, PENDING_RECHECK, open, repository};
use super::{Context, movers};
use crate::MANAGER;
use crate::crd::{BackupRun, BackupRunStatus, RECONCILE_AT};
use crate::plan::backup::{BoundTo, Damage, Observed, Plan, plan};
use crate::plan::job::{MEMORY, MoverSpec};
use crate::plan::{items, placement};
use crate::task::Work;

/// The largest first upload, if the repository says nothing: 50 GiB.
const FIRST_UPLOAD: u64 = 50 << 30;

/// One pass.
pub async fn reconcile(run: Arc<BackupRun>, ctx: Arc<Context>) -> Result<Action, RequestError> {
    let old = run.status.clone().unwrap_or_default();
    if old.completion_time.is_some() {
        return finished(&run, &ctx, &old).await;
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
        Err(Obstacle::Outcome(outcome)) => report(&run, &ctx, old, &outcome).await,
    }
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
    let limits = repository.spec.limits.as_ref();
    let first_upload = limits
        .and_then(|limits| limits.first_upload)
        .and_then(|limit| u64::try_from(limit).ok());
    let history: Vec<_> = ctx.backups.state();
    let history: Vec<_> = history
        .into_iter()
        .filter(|other| other.namespace().as_ref() == Some(&namespace))
        .collect();
    let Plan { status, start, outcome } = plan(&Observed {
        run,
        claims: &claims,
        pods: &seen.pods,
        nodes: &nodes,
        bound_to: &volumes,
        jobs: &seen.jobs,
        holders: &seen.holders,
        history: &history,
        cluster: &ctx.cluster,
        known,
        others: seen.others,
        damage: &Damage::of(&repository, &namespace),
        first_upload: first_upload.unwrap_or(FIRST_UPLOAD),
        now: Timestamp::now(),
    });
    if !known && status.volumes.iter().any(|item| item.snapshot.is_some()) {
        super::repository::record_namespace(ctx, &repository, &namespace).await?;
    }
    if let Some(start) = start {
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
        let opened = open(ctx, &repository, &namespace, true)?;
        movers::start(ctx, &spec, opened, Work::Backup(start.work)).await?;
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
