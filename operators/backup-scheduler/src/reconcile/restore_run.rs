//! A RestoreRun: observe, plan, make a claim or start a mover, write the status, remember what has run.
use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::error::RequestError;
use hearth_reconciler::outcome::{Outcome, begin};
use hearth_reconciler::status::patch_status;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{ListParams, PostParams};
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};

use super::settings::{Obstacle, PENDING_RECHECK, open, repository};
use super::{Context, movers};
use crate::MANAGER;
use crate::crd::{BackupRepository, RECONCILE_AT, RestoreRun, RestoreRunStatus};
use crate::plan::backup::Damage;
use crate::plan::items::MoverJob;
use crate::plan::job::{self, MEMORY, MoverSpec, restore_memory};
use crate::plan::limits::ActiveMover;
use crate::plan::restore::{Objects, Observed, Plan, Start, not_made, outdated, plan, spec_hash};
use crate::plan::{items, place, placement};
use crate::task::Work;

/// The label of the Pod Security Standard that a namespace enforces.
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// The status of an answer that only asks to wait.
const TOO_MANY_REQUESTS: u16 = 429;

/// Nothing that is watched says when rights change, or when a person has made the claim.
const FORBIDDEN_RECHECK: Duration = Duration::from_secs(30);

/// One pass.
pub async fn reconcile(run: Arc<RestoreRun>, ctx: Arc<Context>) -> Result<Action, RequestError> {
    let old = run.status.clone().unwrap_or_default();
    let hash = spec_hash(&run);
    if old.completion_time.is_some() && old.spec_hash.as_ref() == Some(&hash) {
        return finished(&run, &ctx).await;
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
    match pass(&run, &ctx, &hash).await {
        Ok(action) => Ok(action),
        Err(Obstacle::Pending) => Ok(Action::requeue(PENDING_RECHECK)),
        Err(Obstacle::Failed(error)) => Err(error),
        Err(Obstacle::Outcome(outcome)) => report(&run, &ctx, old, &outcome).await,
    }
}

/// A run that has ended stays as it is. What it started is removed.
async fn finished(run: &RestoreRun, ctx: &Context) -> Result<Action, RequestError> {
    let (namespace, uid) = (run.namespace().unwrap_or_default(), run.uid().unwrap_or_default());
    if !ctx.has_movers(&uid) {
        return Ok(Action::await_change());
    }
    let seen = movers::look(ctx, &namespace, &uid).await?;
    let elsewhere = movers::look_elsewhere(ctx, &uid).await?;
    let names = |jobs: &[MoverJob]| jobs.iter().map(|job| job.name.clone()).collect::<Vec<_>>();
    movers::remove(ctx, &namespace, &names(&seen.jobs)).await?;
    movers::remove(ctx, &ctx.process.args.namespace, &names(&elsewhere)).await?;
    Ok(Action::await_change())
}

async fn pass(run: &RestoreRun, ctx: &Context, hash: &str) -> Result<Action, Obstacle> {
    let (namespace, uid) = (run.namespace().unwrap_or_default(), run.uid().unwrap_or_default());
    let repository = repository(ctx, &run.spec.from.repository, &namespace).await?;
    let seen = movers::look(ctx, &namespace, &uid).await?;
    let elsewhere = movers::look_elsewhere(ctx, &uid).await?;
    let client = &ctx.process.client;
    let api: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &namespace);
    let claims = api.list(&ListParams::default()).await;
    let claims = claims.map_err(RequestError::when("listing claims"))?.items;
    let classes = Api::<StorageClass>::all(client.clone())
        .list(&ListParams::default())
        .await;
    let classes = classes.map_err(RequestError::when("listing storage classes"))?.items;
    let classes: Vec<String> = classes.iter().map(ResourceExt::name_any).collect();
    let done = repository
        .status
        .as_ref()
        .and_then(|status| status.restores.get(hash))
        .cloned();
    let recorded = run.status.clone().unwrap_or_default();
    let Plan {
        mut status,
        start,
        outcome,
        remember,
    } = plan(&Observed {
        run,
        claims: &claims,
        pods: &seen.pods,
        classes: &classes,
        jobs: &[&seen.jobs[..], &elsewhere].concat(),
        restores: &ctx.restores.state(),
        objects: Objects {
            enabled: ctx.accounts.restorer.is_some(),
            everywhere: namespace == ctx.process.args.namespace && ctx.process.args.namespaces().is_empty(),
            host: &place::host(&repository.spec, &ctx.cluster, place::OBJECTS),
            not_good: &not_good(ctx, &repository, place::OBJECTS),
        },
        not_good: &not_good(ctx, &repository, &namespace),
        done: done.as_deref(),
        host: &place::host(&repository.spec, &ctx.cluster, &namespace),
        foreign: place::has_foreign(&repository.spec),
        now: Timestamp::now(),
    });
    items::show(status.volumes.iter_mut(), &ctx.posts.of(&uid));
    ctx.posts.keep(&uid, |claim| {
        status
            .volumes
            .iter()
            .any(|item| item.claim == claim && item.progress.is_some())
    });
    movers::stop(ctx, &namespace, &outdated(&seen.jobs, hash)).await?;
    movers::stop(ctx, &ctx.process.args.namespace, &outdated(&elsewhere, hash)).await?;
    let (mut soon, ended) = (false, status.completion_time.is_some());
    if let Some(start) = start {
        soon = begin_step(run, ctx, &repository, &api, &mut status, start).await?;
    }
    if remember {
        // Before the status says so: a run that was stopped in between does not run again.
        super::repository::record_restore(ctx, &repository, run, hash).await?;
    }
    if recorded.found {
        movers::remove(ctx, &namespace, &items::superseded(&recorded.volumes, &seen.jobs)).await?;
    }
    let own = &ctx.process.args.namespace;
    movers::remove(ctx, own, &items::superseded(&recorded.objects, &elsewhere)).await?;
    let action = report(run, ctx, status, &outcome).await?;
    Ok(if ended || soon {
        Action::requeue(Duration::from_secs(1))
    } else {
        action
    })
}

/// Snapshots of a namespace, or of all API objects, that do not count: those that could not be removed, and those that need lost data.
fn not_good(ctx: &Context, repository: &BackupRepository, namespace: &str) -> Vec<String> {
    let damage = Damage::of(repository, namespace);
    let runs = ctx.backups.state();
    let of_objects = namespace == place::OBJECTS;
    let here = runs
        .iter()
        .filter(|run| of_objects || run.namespace().as_deref() == Some(namespace));
    let statuses = here.filter_map(|run| run.status.as_ref());
    let items = statuses.flat_map(|status| if of_objects { &status.objects } else { &status.volumes });
    let ids = items.flat_map(|item| {
        let damaged = item.snapshot.iter().filter(|id| damage.has(id));
        item.not_good.iter().chain(damaged).cloned()
    });
    ids.collect()
}

/// Begins a step; whether the next pass is to follow soon, since nothing that is watched will change.
async fn begin_step(
    run: &RestoreRun,
    ctx: &Context,
    repository: &BackupRepository,
    claims: &Api<PersistentVolumeClaim>,
    status: &mut RestoreRunStatus,
    start: Start,
) -> Result<bool, Obstacle> {
    let namespace = run.namespace().unwrap_or_default();
    let wanted = run
        .spec
        .mover
        .as_ref()
        .and_then(|mover| mover.security_context.as_ref());
    let mut spec = MoverSpec {
        owner: movers::owner(run),
        claim: None,
        work: None,
        account: None,
        mount_path: String::new(),
        read_only: false,
        attempt: 1,
        placement: placement::for_restore(true, false, None),
        memory: MEMORY,
    };
    spec.owner.spec = Some(spec_hash(run));
    // Whose repository it works in.
    let mut of = namespace.as_str();
    let work = match start {
        Start::Claim(claim) => {
            let made = claims.create(&PostParams::default(), &claim).await;
            return match made {
                Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(true),
                Err(kube::Error::Api(status)) if status.is_forbidden() => {
                    let message = format!(
                        "claim {} is not there, and the operator may not create it: {}; make it yourself, or install the \
                         chart with restore.enabled=true",
                        claim.name_any(),
                        status.message
                    );
                    Err(Obstacle::Outcome(Outcome::Waiting(
                        "NotPermitted",
                        message,
                        Some(FORBIDDEN_RECHECK),
                    )))
                }
                made => Ok(made.map(|_| true).map_err(RequestError::when("creating a claim"))?),
            };
        }
        Start::Find(attempt, find) => {
            spec.attempt = attempt;
            Work::Find(find)
        }
        Start::FindNamespaces(attempt, find) => {
            spec.owner = elsewhere(ctx, run, repository, spec.owner);
            spec.work = Some(place::SEARCH.to_owned());
            (spec.attempt, of) = (attempt, place::OBJECTS);
            Work::Find(find)
        }
        Start::Run(made) => return Ok(make_run(ctx, status, &made).await.map(|()| true)?),
        Start::Objects(attempt, work, restore) => {
            // In the operator's namespace: it has a token that may write all objects, and the password of the repository of all objects.
            // The security context of the run is not for it.
            spec.owner = elsewhere(ctx, run, repository, spec.owner);
            (spec.work, spec.account) = (Some(work.to_owned()), ctx.accounts.restorer.clone());
            restore.folder.clone_into(&mut spec.mount_path);
            (spec.attempt, of) = (attempt, place::OBJECTS);
            Work::RestoreObjects(restore)
        }
        Start::Restore(attempt, claim, restore, files) => {
            let api: Api<Namespace> = Api::all(ctx.process.client.clone());
            let found = api
                .get(&namespace)
                .await
                .map_err(RequestError::when("reading the namespace"))?;
            let restricted = found.labels().get(ENFORCE).is_some_and(|level| level == "restricted");
            spec.placement = placement::for_restore(restricted, restore.devices, wanted);
            spec.mount_path.clone_from(&restore.target);
            (spec.attempt, spec.claim, spec.memory) = (attempt, Some(claim), restore_memory(files));
            Work::Restore(restore)
        }
    };
    let opened = open(ctx, repository, of, false)?;
    // It counts, and is not held up.
    let mover = ActiveMover {
        run: run.uid().unwrap_or_default(),
        node: None,
        repository: Some(repository.name_any()),
    };
    movers::start_counted(ctx, &spec, opened, work, &mover).await?;
    Ok(false)
}

/// Makes the run of a namespace. One that the API server refuses holds up no other.
async fn make_run(ctx: &Context, status: &mut RestoreRunStatus, run: &RestoreRun) -> Result<(), RequestError> {
    let namespace = run.namespace().unwrap_or_default();
    let api: Api<RestoreRun> = Api::namespaced(ctx.process.client.clone(), &namespace);
    match api.create(&PostParams::default(), run).await {
        Err(kube::Error::Api(answer)) if answer.is_already_exists() => Ok(()),
        Err(kube::Error::Api(answer)) if matches!(answer.code, 400..=499) && answer.code != TOO_MANY_REQUESTS => {
            not_made(status, &namespace, &answer.message);
            Ok(())
        }
        answer => answer.map(drop).map_err(RequestError::when("creating a RestoreRun")),
    }
}

/// The owner of a mover in the operator's namespace.
fn elsewhere(ctx: &Context, run: &RestoreRun, repository: &BackupRepository, here: job::Owner) -> job::Owner {
    job::Owner {
        spec: here.spec,
        ..movers::owner_elsewhere(ctx, run, repository)
    }
}

async fn report(
    run: &RestoreRun,
    ctx: &Context,
    mut status: RestoreRunStatus,
    outcome: &Outcome,
) -> Result<Action, RequestError> {
    let action = outcome.report(&mut begin(run, RECONCILE_AT, &mut status, Timestamp::now()));
    let api: Api<RestoreRun> = Api::namespaced(ctx.process.client.clone(), &run.namespace().unwrap_or_default());
    let written = patch_status(&api, MANAGER, run, &status).await;
    written.map_err(RequestError::when("writing the status"))?;
    Ok(action)
}
