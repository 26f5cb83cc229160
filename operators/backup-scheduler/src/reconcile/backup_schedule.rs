//! A BackupSchedule: read the clock; if a slot is due, observe, plan, make and cancel runs; then write the status.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use hearth_reconciler::conditions::{READY, get};
use hearth_reconciler::error::RequestError;
use hearth_reconciler::outcome::{Outcome, begin};
use hearth_reconciler::status::patch_status;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;

use super::{Context, ping};
use crate::MANAGER;
use crate::crd::{
    BackupRepository, BackupRun, BackupSchedule, BackupScheduleStatus, CANCEL, RECONCILE_AT, SCHEDULE_UID,
};
use crate::plan::schedule::{
    Decision, Due, NamespaceFacts, Note, Parsed, TargetFacts, Targets, Timing, decide, outcome, parse, record, results,
    targets, timing,
};

/// What stands in the way of a slot is not all watched.
const RECHECK: Duration = Duration::from_secs(30);
/// Before it is looked again whether a run that was cancelled has ended. Its end is watched too.
const ENDING_RECHECK: Duration = Duration::from_secs(10);
/// Before the caches are ready.
const NOT_LISTED_RECHECK: Duration = Duration::from_secs(2);

/// One pass.
pub async fn reconcile(schedule: Arc<BackupSchedule>, ctx: Arc<Context>) -> Result<Action, RequestError> {
    let old = schedule.status.clone().unwrap_or_default();
    let parsed = match parse(&schedule) {
        Ok(parsed) => parsed,
        Err((reason, message)) => return report(&schedule, &ctx, old, &Outcome::Stalled(reason, message)).await,
    };
    let own = &ctx.process.args.namespace;
    if schedule.spec.namespaces.is_some() && schedule.namespace().as_ref() != Some(own) {
        let message = format!(
            "spec.namespaces is only possible in the operator's namespace {own}: remove it, or create the BackupSchedule there"
        );
        return report(&schedule, &ctx, old, &Outcome::Stalled("NamespacesNotAllowed", message)).await;
    }
    let listed = |done: Option<Result<(), _>>| matches!(done, Some(Ok(())));
    if !listed(ctx.backups.wait_until_ready().now_or_never())
        || !listed(ctx.repositories.wait_until_ready().now_or_never())
    {
        return Ok(Action::requeue(NOT_LISTED_RECHECK));
    }
    let Timing {
        mut status,
        due,
        notes,
        after,
    } = timing(&schedule, &parsed, Timestamp::now());
    let repository = match repository(&ctx, &schedule.spec.repository).await? {
        Ok(repository) => repository,
        Err(obstacle) if !status.suspended || due.is_some() => {
            tell(&schedule, &ctx, &notes);
            report(&schedule, &ctx, status, &obstacle).await?;
            return Ok(Action::requeue(after.min(RECHECK)));
        }
        Err(_) => return ready(&schedule, &ctx, &parsed, status, &notes, after).await,
    };
    let Some(due) = due else {
        return ready(&schedule, &ctx, &parsed, status, &notes, after).await;
    };
    let targets = match observe(&schedule, &ctx, &repository).await? {
        Ok(targets) => targets,
        Err((reason, message)) => {
            tell(&schedule, &ctx, &notes);
            report(&schedule, &ctx, status, &Outcome::Stalled(reason, message)).await?;
            return Ok(Action::requeue(RECHECK));
        }
    };
    let runs = runs(&schedule, &ctx).await?;
    let decision = decide(&schedule, &due, &targets.chosen, &runs);
    let made = act(&schedule, &ctx, &decision, &due).await?;
    if !decision.wait_for.is_empty() {
        let what = match &due.token {
            Some(_) => "the run that was asked for".to_owned(),
            None => format!("slot {}", due.slot),
        };
        let message = format!("{what} waits for the end of {}", decision.wait_for.join(", "));
        tell(&schedule, &ctx, &notes);
        report(&schedule, &ctx, status, &Outcome::Waiting("WaitsForRun", message, None)).await?;
        return Ok(Action::requeue(ENDING_RECHECK));
    }
    status.left_out.clone_from(&targets.remarks);
    let said = record(&mut status, &schedule, &due, &made, &decision.overlap);
    let notes = [notes, said].concat();
    ready(&schedule, &ctx, &parsed, status, &notes, after).await
}

async fn ready(
    schedule: &BackupSchedule,
    ctx: &Arc<Context>,
    parsed: &Parsed,
    mut status: BackupScheduleStatus,
    notes: &[Note],
    after: Duration,
) -> Result<Action, RequestError> {
    let runs = ctx.backups.state();
    let results = results(runs.iter().map(|run| &**run), &schedule.uid().unwrap_or_default());
    let outcome = outcome(&mut status, parsed, &results, Timestamp::now());
    let (said, again) = ping::look(schedule, ctx, parsed, &mut status);
    tell(schedule, ctx, notes);
    tell(schedule, ctx, said.as_slice());
    report(schedule, ctx, status, &outcome).await?;
    Ok(Action::requeue(again.map_or(after, |again| after.min(again))))
}

/// The repository, if runs of it can begin now. A slot waits until it can: its data is then as new as can be.
async fn repository(ctx: &Context, name: &str) -> Result<Result<Arc<BackupRepository>, Outcome>, RequestError> {
    let waiting = |reason, message| Ok(Err(Outcome::Waiting(reason, message, None)));
    let mut found = ctx.repositories.get(&ObjectRef::new(name));
    if found.is_none() {
        // The cache may be late.
        let api: Api<BackupRepository> = Api::all(ctx.process.client.clone());
        let live = api.get_opt(name).await;
        found = live
            .map_err(RequestError::when("reading the BackupRepository"))?
            .map(Arc::new);
    }
    let Some(repository) = found else {
        let message =
            format!("there is no BackupRepository {name}; create it, or name another in a new BackupSchedule");
        return Ok(Err(Outcome::Stalled("RepositoryNotFound", message)));
    };
    if repository.spec.suspend {
        return waiting("RepositorySuspended", format!("BackupRepository {name} is suspended"));
    }
    let conditions = repository.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let ready = get(conditions, READY);
    if ready.is_none_or(|ready| ready.status != "True") {
        let why = ready.map_or("it was not looked at yet", |ready| ready.message.as_str());
        return waiting(
            "RepositoryNotReady",
            format!("BackupRepository {name} is not ready: {why}"),
        );
    }
    Ok(Ok(repository))
}

/// Looks at namespaces and claims, as far as the schedule chooses among them.
async fn observe(
    schedule: &BackupSchedule,
    ctx: &Context,
    repository: &BackupRepository,
) -> Result<Result<Targets, crate::plan::schedule::Problem>, RequestError> {
    let (mut namespaces, mut claims) = (Vec::new(), Vec::new());
    let (client, args) = (&ctx.process.client, &ctx.process.args);
    if schedule.spec.namespaces.is_some() {
        let all = Api::<Namespace>::all(client.clone()).list(&ListParams::default()).await;
        let all = all.map_err(RequestError::when("listing namespaces"))?;
        namespaces = all.items.into_iter().map(NamespaceFacts::from).collect();
        for api in args.apis::<PersistentVolumeClaim>(client) {
            let here = api.list(&ListParams::default()).await;
            claims.extend(here.map_err(RequestError::when("listing claims"))?.items);
        }
    }
    Ok(targets(
        schedule,
        &TargetFacts {
            own: &args.namespace,
            watched: &args.namespaces(),
            namespaces: &namespaces,
            claims: &claims,
            objects: ctx.accounts.exporter.is_some(),
            repository,
        },
    ))
}

/// All runs of a schedule, as the API server has them now.
async fn runs(schedule: &BackupSchedule, ctx: &Context) -> Result<Vec<BackupRun>, RequestError> {
    let uid = schedule.uid().unwrap_or_default();
    let labelled = ListParams::default().labels(&format!("{SCHEDULE_UID}={uid}"));
    let mut runs = Vec::new();
    for api in ctx.process.args.apis::<BackupRun>(&ctx.process.client) {
        let here = api.list(&labelled).await;
        runs.extend(
            here.map_err(RequestError::when("listing the runs of a schedule"))?
                .items,
        );
    }
    // A label can be set by anybody who may write runs; this field cannot be changed.
    runs.retain(|run| run.spec.schedule.as_ref().is_some_and(|schedule| schedule.uid == uid));
    Ok(runs)
}

/// Cancels and makes runs; the namespaces whose run is there then. Stopped between any two requests, the next pass finds the same
/// names and goes on. A namespace that refuses its run holds up no other.
async fn act(
    schedule: &BackupSchedule,
    ctx: &Context,
    decision: &Decision,
    due: &Due,
) -> Result<Vec<String>, RequestError> {
    let mut made: BTreeSet<String> = decision.there.iter().cloned().collect();
    let mut failed = None;
    for run in &decision.cancel {
        if let Err(error) = cancel(ctx, run).await {
            failed = Some(error);
        }
    }
    for run in &decision.create {
        let namespace = run.namespace().unwrap_or_default();
        match create(&ctx.process.client, run).await {
            Ok(true) => {
                made.insert(namespace);
            }
            Ok(false) => {
                let note = format!(
                    "slot {}: namespace {namespace} has no run, since it is being deleted or another object has the name {}",
                    due.slot,
                    run.name_any()
                );
                tell(schedule, ctx, &[("RunNotCreated", note)]);
            }
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(made.into_iter().collect()),
    }
}

/// Makes a run; whether it is there. One of the same name that this schedule has made is this run.
async fn create(client: &Client, run: &BackupRun) -> Result<bool, RequestError> {
    let api: Api<BackupRun> = Api::namespaced(client.clone(), &run.namespace().unwrap_or_default());
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let Err(error) = api.create(&params, run).await else {
        return Ok(true);
    };
    match &error {
        kube::Error::Api(status) if status.is_already_exists() => {
            let found = api.get_opt(&run.name_any()).await;
            let found = found.map_err(RequestError::when("reading a run"))?;
            let uid = |run: &BackupRun| run.spec.schedule.as_ref().map(|schedule| schedule.uid.clone());
            Ok(found.is_some_and(|found| uid(&found) == uid(run)))
        }
        // The namespace is gone, or on its way.
        kube::Error::Api(status)
            if status.is_not_found()
                || status.is_forbidden() && status.message.contains("because it is being terminated") =>
        {
            Ok(false)
        }
        _ => Err(RequestError::when("creating a run")(error)),
    }
}

/// Cancels a run as it was seen.
async fn cancel(ctx: &Context, run: &BackupRun) -> Result<(), RequestError> {
    let api: Api<BackupRun> = Api::namespaced(ctx.process.client.clone(), &run.namespace().unwrap_or_default());
    let body = json!({"metadata": {"uid": run.uid(), "annotations": {(CANCEL): "true"}}});
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    match api.patch(&run.name_any(), &params, &Patch::Merge(&body)).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        answer => answer.map(drop).map_err(RequestError::when("cancelling a run")),
    }
}

fn tell(schedule: &BackupSchedule, ctx: &Context, notes: &[Note]) {
    let reference = schedule.object_ref(&());
    for (reason, message) in notes {
        let kind = if *reason == "CaughtUp" {
            EventType::Normal
        } else {
            EventType::Warning
        };
        ctx.process
            .events
            .publish(&reference, kind, reason, "Schedule", message);
    }
}

async fn report(
    schedule: &BackupSchedule,
    ctx: &Context,
    mut status: BackupScheduleStatus,
    outcome: &Outcome,
) -> Result<Action, RequestError> {
    let action = outcome.report(&mut begin(schedule, RECONCILE_AT, &mut status, Timestamp::now()));
    let namespace = schedule.namespace().unwrap_or_default();
    let api: Api<BackupSchedule> = Api::namespaced(ctx.process.client.clone(), &namespace);
    let written = patch_status(&api, MANAGER, schedule, &status).await;
    written.map_err(RequestError::when("writing the status"))?;
    Ok(action)
}

#[cfg(test)]
mod tests {
    use hearth_reconciler::testing::script::Script;
    use serde_json::Value;

    use super::*;

    const RUNS: &str =
        "/apis/backup.hearth.home.arpa/v1alpha1/namespaces/home/backupruns?&fieldManager=backup-scheduler";
    const RUN: &str = "/apis/backup.hearth.home.arpa/v1alpha1/namespaces/home/backupruns/nightly-1";

    fn run(uid: &str) -> Value {
        json!({
            "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": "BackupRun",
            "metadata": {"namespace": "home", "name": "nightly-1"},
            "spec": {"repository": "b2", "schedule": {"name": "nightly", "uid": uid, "slot": "2026-01-02T03:00:00Z"}},
        })
    }

    async fn created(script: Script) -> Result<bool, RequestError> {
        let (client, server) = script.start();
        let created = create(&client, &serde_json::from_value(run("s1")).unwrap()).await;
        server.finish();
        created
    }

    #[tokio::test]
    async fn a_run_that_is_there_already_is_this_run_if_this_schedule_has_made_it() {
        let made = Script::new().expect_body("POST", RUNS, |_| (), 201, run("s1"));
        assert!(created(made).await.unwrap());
        let exists = || Script::new().refuse("POST", RUNS, 409, "AlreadyExists");
        assert!(
            created(exists().expect_body("GET", RUN, |_| (), 200, run("s1")))
                .await
                .unwrap()
        );
        let foreign = exists().expect_body("GET", RUN, |_| (), 200, run("s2"));
        assert!(!created(foreign).await.unwrap());
    }

    #[tokio::test]
    async fn a_namespace_that_is_gone_has_no_run_and_a_refusal_is_an_error() {
        let gone = Script::new().refuse("POST", RUNS, 404, "NotFound");
        assert!(!created(gone).await.unwrap());
        let refused = Script::new().refuse("POST", RUNS, 403, "Forbidden");
        assert!(created(refused).await.is_err());
    }
}
