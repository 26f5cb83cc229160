//! Starts movers, looks at them, and removes them when their end is in the status.
use hearth_reconciler::error::RequestError;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::Context;
use super::settings::Opened;
use crate::MANAGER;
use crate::crd::{BackupRepository, RUN};
use crate::plan::items::MoverJob;
use crate::plan::job::{self, MoverSpec};
use crate::plan::job_state;
use crate::plan::limits::ActiveMover;
use crate::plan::place;
use crate::plan::yields::{self, Holder};
use crate::task::{PostTo, Task, Work};

/// The pods of a namespace that are no movers, and the movers of a run. Complete lists of the API server: what was started a
/// moment ago is among them.
pub(super) struct Seen {
    /// The pods.
    pub(super) pods: Vec<Pod>,
    /// The movers of this run, but for those that work on API objects.
    pub(super) jobs: Vec<MoverJob>,
    /// Those that hold volumes now.
    pub(super) holders: Vec<Holder>,
    /// Whether a mover of another run is at work.
    pub(super) others: bool,
}

/// Looks at a namespace.
pub(super) async fn look(ctx: &Context, namespace: &str, run_uid: &str) -> Result<Seen, RequestError> {
    let client = &ctx.process.client;
    let jobs: Api<Job> = Api::namespaced(client.clone(), namespace);
    let ours = ListParams::default().labels(RUN);
    let jobs = jobs
        .list(&ours)
        .await
        .map_err(RequestError::when("listing the movers' Jobs"))?
        .items;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pods = pods
        .list(&ListParams::default())
        .await
        .map_err(RequestError::when("listing pods"))?
        .items;
    let is_own = |job: &Job| job.labels().get(RUN).is_some_and(|uid| uid == run_uid);
    let (own, foreign): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(is_own);
    let others = job_state::read(&foreign, &pods);
    let is_active = |job: &MoverJob| matches!(job.state, crate::plan::items::JobState::Active(_));
    let active = |job: &MoverJob| is_active(job) && !place::is_objects(&job.claim);
    let mut jobs = job_state::read(&own, &pods);
    jobs.retain(|job| !place::is_objects(&job.claim));
    Ok(Seen {
        jobs,
        holders: yields::holders(&own, &pods),
        others: others.iter().any(active),
        pods: pods.into_iter().filter(|pod| !pod.labels().contains_key(RUN)).collect(),
    })
}

/// Looks at the movers of a run in the operator's namespace, which work on API objects.
pub(super) async fn look_elsewhere(ctx: &Context, run_uid: &str) -> Result<Vec<MoverJob>, RequestError> {
    let (client, namespace) = (&ctx.process.client, &ctx.process.args.namespace);
    let of_run = ListParams::default().labels(&format!("{RUN}={run_uid}"));
    let jobs = Api::<Job>::namespaced(client.clone(), namespace).list(&of_run).await;
    let jobs = jobs.map_err(RequestError::when("listing the movers' Jobs"))?.items;
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let pods = Api::<Pod>::namespaced(client.clone(), namespace).list(&of_run).await;
    let pods = pods.map_err(RequestError::when("listing the movers' pods"))?.items;
    let mut jobs = job_state::read(&jobs, &pods);
    jobs.retain(|job| place::is_objects(&job.claim));
    Ok(jobs)
}

/// Starts a mover: its Secret, its Job, then the Secret goes to the Job. Stopped between any two of them, the next pass finds
/// the same names and goes on.
pub(super) async fn start(ctx: &Context, spec: &MoverSpec, opened: Opened, work: Work) -> Result<(), RequestError> {
    start_counted(ctx, spec, opened, work, &ActiveMover::default()).await
}

/// The same, for a mover that counts where movers are limited.
pub(super) async fn start_counted(
    ctx: &Context,
    spec: &MoverSpec,
    opened: Opened,
    work: Work,
    mover: &ActiveMover,
) -> Result<(), RequestError> {
    let (client, namespace) = (&ctx.process.client, &spec.owner.namespace);
    let task = Task {
        repository: opened.repository,
        work,
        memory_limit: spec.memory,
        progress: ctx
            .progress_url
            .as_ref()
            .zip(spec.claim.as_ref())
            .map(|(url, claim)| PostTo {
                url: url.clone(),
                token: ctx.posts.token(&spec.owner.run, claim, spec.attempt),
                run: spec.owner.run.clone(),
                claim: claim.clone(),
                attempt: spec.attempt,
            }),
    };
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = job::secret(spec, &task, &opened.files);
    let name = secret.name_any();
    if let Err(error) = secrets.create(&PostParams::default(), &secret).await {
        if !is_conflict(&error) {
            return Err(RequestError::when("creating a mover's Secret")(error));
        }
        // Left by a pass that was stopped before the Job: its task may be of an older state.
        delete(&secrets, &name, "deleting a mover's old Secret").await?;
        let again = secrets.create(&PostParams::default(), &secret).await;
        again.map_err(RequestError::when("creating a mover's Secret"))?;
    }
    let jobs: Api<Job> = Api::namespaced(client.clone(), namespace);
    let mut job = job::job(spec, &ctx.pods);
    job::count(&mut job, mover);
    let made = jobs.create(&PostParams::default(), &job).await;
    let made = made.map_err(RequestError::when("creating a mover's Job"))?;
    let owner = json!({"metadata": {"ownerReferences": [job::belongs_to(&made)]}});
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    secrets
        .patch_metadata(&name, &params, &Patch::Merge(&owner))
        .await
        .map(drop)
        .map_err(RequestError::when("giving a mover's Secret to its Job"))
}

/// Removes Jobs with their pods and Secrets.
pub(super) async fn remove(ctx: &Context, namespace: &str, names: &[String]) -> Result<(), RequestError> {
    let jobs: Api<Job> = Api::namespaced(ctx.process.client.clone(), namespace);
    let secrets: Api<Secret> = Api::namespaced(ctx.process.client.clone(), namespace);
    for name in names {
        delete(&secrets, name, "deleting a mover's Secret").await?;
        delete(&jobs, name, "deleting a mover's Job").await?;
    }
    Ok(())
}

/// Stops movers that are at work. A Job is there until its pod is gone.
pub(super) async fn stop(ctx: &Context, namespace: &str, names: &[String]) -> Result<(), RequestError> {
    let jobs: Api<Job> = Api::namespaced(ctx.process.client.clone(), namespace);
    for name in names {
        let params = DeleteParams::foreground();
        delete_with(&jobs, name, &params, "stopping a mover's Job").await?;
    }
    Ok(())
}

async fn delete<K>(api: &Api<K>, name: &str, what: &'static str) -> Result<(), RequestError>
where
    K: Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    delete_with(api, name, &DeleteParams::background(), what).await
}

async fn delete_with<K>(api: &Api<K>, name: &str, params: &DeleteParams, what: &'static str) -> Result<(), RequestError>
where
    K: Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    match api.delete(name, params).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        answer => answer.map(drop).map_err(RequestError::when(what)),
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_already_exists())
}

/// The owner of a run's movers.
pub(super) fn owner<K: Resource<DynamicType = ()>>(run: &K) -> job::Owner {
    job::Owner {
        reference: OwnerReference {
            controller: Some(true),
            block_owner_deletion: None,
            ..run.controller_owner_ref(&()).unwrap_or_default()
        },
        namespace: run.namespace().unwrap_or_default(),
        run: run.uid().unwrap_or_default(),
        kind: K::kind(&()).into_owned(),
        spec: None,
    }
}

/// The owner of a run's movers in the operator's namespace: an object may not belong to one in another namespace.
pub(super) fn owner_elsewhere<K: Resource<DynamicType = ()>>(
    ctx: &Context,
    run: &K,
    repository: &BackupRepository,
) -> job::Owner {
    job::Owner {
        reference: OwnerReference {
            controller: Some(false),
            block_owner_deletion: None,
            ..repository.controller_owner_ref(&()).unwrap_or_default()
        },
        namespace: ctx.process.args.namespace.clone(),
        ..owner(run)
    }
}
