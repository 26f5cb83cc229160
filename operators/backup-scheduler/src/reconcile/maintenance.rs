//! Work on repositories as a whole, in the operator's namespace with the key that may delete: observe, plan, tell the runs, and, when
//! the status is written, start a Job, remove those whose end is recorded, and delete runs that are no record of anything.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use hearth_reconciler::error::RequestError;
use hearth_reconciler::status::patch_status;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use kube::api::{DeleteParams, Preconditions};
use kube::core::PartialObjectMeta;
use kube::{Api, ResourceExt};

use super::settings::{Obstacle, open};
use super::{Context, movers};
use crate::MANAGER;
use crate::crd::{BackupRepository, BackupRun, RUN};
use crate::plan::job::{self, MEMORY, MoverSpec};
use crate::plan::maintenance::{self, Observed, Plan, Start};
use crate::plan::slots::Slots;
use crate::plan::{place, placement};

/// Before a Job is looked at again.
const POLL: Duration = Duration::from_secs(20);

/// What is left to do when the status is written.
pub(super) struct Next {
    /// The plan.
    pub(super) plan: Plan,
    /// The time until the next slot.
    slot: Option<Duration>,
    /// Jobs whose end is recorded.
    superseded: Vec<String>,
    /// Runs that are no record of anything.
    surplus: Vec<Arc<BackupRun>>,
}

impl Next {
    /// When to look again; none: when something changes. The end of a Job is not always told: the operator's namespace may not be
    /// among those that it watches.
    pub(super) fn after(&self) -> Option<Duration> {
        let polled = self.plan.status.work.as_ref().map(|_| POLL);
        [self.plan.after, polled, self.slot].into_iter().flatten().min()
    }
}

/// Plans the next step of a repository, which is as the API server has it now. None before the runs were listed: without them
/// nothing can be said of snapshots.
pub(super) async fn look(
    ctx: &Context,
    repository: &BackupRepository,
    slots: &Slots,
) -> Result<Option<Next>, RequestError> {
    let ready = |done: Option<Result<(), _>>| matches!(done, Some(Ok(())));
    if !ready(ctx.backups.wait_until_ready().now_or_never()) || !ready(ctx.restores.wait_until_ready().now_or_never()) {
        return Ok(None);
    }
    let (name, uid) = (repository.name_any(), repository.uid().unwrap_or_default());
    let runs: Vec<_> = ctx.backups.state();
    let runs: Vec<_> = runs.into_iter().filter(|run| run.spec.repository == name).collect();
    let seen = movers::look(ctx, &ctx.process.args.namespace, &uid).await?;
    let now = Timestamp::now();
    let plan = maintenance::plan(&Observed {
        repository,
        runs: &runs,
        schedules: &ctx.retention(),
        in_use: &in_use(ctx),
        jobs: &seen.jobs,
        busy: &busy(ctx, &uid),
        check_slot: slots.check,
        parts: slots.parts,
        prune_slot: slots.prune,
        cluster: &ctx.cluster,
        now,
    });
    tell(ctx, &runs, &plan.forgotten).await?;
    let recorded = repository.status.clone().unwrap_or_default();
    Ok(Some(Next {
        slot: slots
            .next
            .and_then(|next| Duration::try_from(next.duration_since(now)).ok()),
        superseded: maintenance::superseded(&recorded, &seen.jobs),
        surplus: maintenance::surplus(&runs),
        plan,
    }))
}

/// Does what the plan asks for. The status that belongs to it is written.
pub(super) async fn act(ctx: &Context, repository: &BackupRepository, next: Next) -> Result<(), Obstacle> {
    let namespace = &ctx.process.args.namespace;
    movers::remove(ctx, namespace, &next.superseded).await?;
    if let Some(start) = next.plan.start {
        begin(ctx, repository, namespace, start).await?;
    }
    for run in next.surplus {
        delete(ctx, &run).await?;
    }
    Ok(())
}

async fn begin(ctx: &Context, repository: &BackupRepository, namespace: &str, start: Start) -> Result<(), Obstacle> {
    let spec = MoverSpec {
        owner: job::Owner {
            namespace: namespace.to_owned(),
            ..movers::owner(repository)
        },
        claim: None,
        work: Some(start.name),
        account: None,
        mount_path: String::new(),
        read_only: false,
        attempt: start.attempt,
        placement: placement::for_restore(true, false, None),
        memory: MEMORY,
    };
    let opened = open(ctx, repository, &start.namespace, false)?;
    Ok(movers::start(ctx, &spec, opened, start.work).await?)
}

/// Snapshots that restores are to read.
fn in_use(ctx: &Context) -> BTreeSet<String> {
    let restores = ctx.restores.state();
    let status = restores.iter().filter_map(|run| run.status.as_ref());
    let active = status.filter(|status| status.completion_time.is_none());
    let items = active.flat_map(|status| &status.volumes);
    items.filter_map(|item| item.snapshot.clone()).collect()
}

/// Namespaces whose repositories movers of runs use.
fn busy(ctx: &Context, repository_uid: &str) -> BTreeSet<String> {
    let jobs = ctx.jobs.state();
    let others = jobs
        .iter()
        .filter(|job| job.labels().get(RUN).is_some_and(|uid| uid != repository_uid));
    let repository_of = |job: &Arc<PartialObjectMeta<Job>>| match job.annotations().get(job::CLAIM) {
        Some(claim) if place::is_objects(claim) => Some(place::OBJECTS.to_owned()),
        _ => job.namespace(),
    };
    others.filter_map(repository_of).collect()
}

/// Tells runs which of their snapshots are gone. Stopped in between, the next pass tells the same again.
async fn tell(ctx: &Context, runs: &[Arc<BackupRun>], forgotten: &[String]) -> Result<(), RequestError> {
    for run in runs {
        let mut status = run.status.clone().unwrap_or_default();
        for item in status.items_mut() {
            item.note_gone(forgotten);
        }
        let api: Api<BackupRun> = Api::namespaced(ctx.process.client.clone(), &run.namespace().unwrap_or_default());
        let written = patch_status(&api, MANAGER, &**run, &status).await;
        written.map_err(RequestError::when("writing the status of a run"))?;
    }
    Ok(())
}

/// Deletes a run as it was seen: one that has changed since stays.
async fn delete(ctx: &Context, run: &BackupRun) -> Result<(), RequestError> {
    let api: Api<BackupRun> = Api::namespaced(ctx.process.client.clone(), &run.namespace().unwrap_or_default());
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: run.uid(),
            resource_version: run.resource_version(),
        }),
        ..DeleteParams::default()
    };
    match api.delete(&run.name_any(), &params).await {
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        answer => answer.map(drop).map_err(RequestError::when("deleting an old run")),
    }
}
