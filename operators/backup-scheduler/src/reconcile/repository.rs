//! A BackupRepository: its Secrets, its owner mark in the bucket, what the bucket can do.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::conditions::{READY, get};
use hearth_reconciler::error::RequestError;
use hearth_reconciler::outcome::{Outcome, begin};
use hearth_reconciler::status::patch_status;
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use serde_json::json;

use super::settings::{Obstacle, PENDING_RECHECK, adopted_password, certificates, credentials, passphrase, referred};
use super::{Context, coverage, maintenance};
use crate::MANAGER;
use crate::crd::{BackupRepository, BackupRepositoryStatus, KEY_ESCROWED, RECONCILE_AT, RestoreRun};
use crate::passphrase::Passphrase;
use crate::plan::maintenance::health;
use crate::plan::slots::slots;

/// The condition that says whether the passphrase is stored outside the cluster.
pub const ESCROWED: &str = "KeyEscrowed";
/// The condition that says whether the bucket can be used now.
pub const REACHABLE: &str = "Reachable";
/// The condition that says whether checks have found damage.
pub const HEALTHY: &str = "Healthy";
/// The condition that says whether snapshots are removed and repositories are checked and pruned as they should be.
pub const MAINTAINED: &str = "Maintained";
/// Field managers of what runs record in the status of a repository. Another than that of the rest, which would remove it.
const NAMESPACES: &str = "backup-scheduler-namespaces";
const RESTORES: &str = "backup-scheduler-restores";
/// The reason of a repository that is ready, and only read.
const ADOPTED: &str = "Adopted";
/// So many restores are remembered; the oldest are forgotten.
const REMEMBERED: usize = 500;
/// The bucket is looked at anew after this.
const RECHECK: Duration = Duration::from_mins(10);

/// One pass.
pub async fn reconcile(repository: Arc<BackupRepository>, ctx: Arc<Context>) -> Result<Action, RequestError> {
    // What work was begun must be known, and the cache may not have it yet.
    let api: Api<BackupRepository> = Api::all(ctx.process.client.clone());
    let found = api.get_opt(&repository.name_any()).await;
    let Some(repository) = found.map_err(RequestError::when("reading the BackupRepository"))? else {
        return Ok(Action::await_change());
    };
    let reference = ObjectRef::from_obj(&repository);
    ctx.credentials
        .retain(&reference, &referred(&repository, &ctx.process.args.namespace));
    let mut status = repository.status.clone().unwrap_or_default();
    let outcome = if repository.spec.suspend {
        Outcome::suspended("spec.suspend is set; no run begins")
    } else {
        match look(&repository, &ctx, &mut status).await {
            Ok(outcome) | Err(Obstacle::Outcome(outcome)) => outcome,
            Err(Obstacle::Pending) => return Ok(Action::requeue(PENDING_RECHECK)),
            Err(Obstacle::Failed(error)) => return Err(error),
        }
    };
    // One that is only read protects nothing.
    if repository.spec.adopt.is_none()
        && let Some(coverage) = coverage::look(&ctx).await?
    {
        status.coverage = Some(coverage);
    }
    let was_ready = is_ready(&repository);
    let next = match &outcome {
        // What others have made is not ours to keep in order.
        Outcome::Ready(reason, _) if !matches!(*reason, "Suspended" | ADOPTED) => {
            maintain(&repository, &ctx, &mut status).await?
        }
        _ => None,
    };
    let mut conditions = begin(&repository, RECONCILE_AT, &mut status, Timestamp::now());
    let mut action = Action::requeue(RECHECK);
    match &outcome {
        // What was proven stays true in an outage: movers wait for its end themselves.
        Outcome::Waiting("Unreachable", message, after) if was_ready => {
            conditions.set(REACHABLE, false, "Unreachable", message);
            action = Action::requeue(after.unwrap_or(RECHECK));
        }
        Outcome::Waiting(reason, message, after) => {
            outcome.report(&mut conditions);
            conditions.set(REACHABLE, None, reason, message);
            action = Action::requeue(after.unwrap_or(RECHECK));
        }
        Outcome::Stalled(reason, message) => {
            outcome.report(&mut conditions);
            conditions.set(REACHABLE, None, reason, message);
        }
        Outcome::Ready(reason, message) => {
            outcome.report(&mut conditions);
            let reachable = (*reason != "Suspended").then_some(true);
            conditions.set(REACHABLE, reachable, reason, message);
        }
    }
    if let Some(next) = &next {
        action = Action::requeue(next.after().map_or(RECHECK, |after| after.min(RECHECK)));
    }
    escrow(&repository, &mut status);
    write(&repository, &ctx, status).await?;
    match next {
        None => Ok(action),
        Some(next) => match maintenance::act(&ctx, &repository, next).await {
            Ok(()) => Ok(action),
            Err(Obstacle::Failed(error)) => Err(error),
            // Its Secrets were there a moment ago.
            Err(Obstacle::Pending | Obstacle::Outcome(_)) => Ok(Action::requeue(PENDING_RECHECK)),
        },
    }
}

/// Plans the work on the repository as a whole. The status gets what it is to record.
async fn maintain(
    repository: &BackupRepository,
    ctx: &Context,
    status: &mut BackupRepositoryStatus,
) -> Result<Option<maintenance::Next>, RequestError> {
    let mut seen = repository.clone();
    // What the bucket can do may just have been found out.
    seen.status = Some(status.clone());
    let made = repository
        .creation_timestamp()
        .map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    let uid = repository.uid().unwrap_or_default();
    let slots = slots(&repository.spec, &uid, made, Timestamp::now());
    let next = maintenance::look(ctx, &seen, &slots).await?;
    if let Some(next) = &next {
        status.maintenance.clone_from(&next.plan.status.maintenance);
        status.work.clone_from(&next.plan.status.work);
        tell(repository, status, &slots.problems);
    }
    Ok(next)
}

/// Writes the conditions about the work on the repository as a whole.
fn tell(repository: &BackupRepository, status: &mut BackupRepositoryStatus, problems: &[String]) {
    let health = health(&repository.name_any(), &status.maintenance);
    let mut conditions = conditions_of(repository, status);
    let (healthy, reason, message) = &health.healthy;
    conditions.set(HEALTHY, *healthy, reason, message);
    let (mut maintained, mut reason, mut message) = health.maintained;
    if !problems.is_empty() {
        (maintained, reason, message) = (false, "InvalidSpec", problems.join("; "));
    }
    conditions.set(MAINTAINED, maintained, reason, &message);
}

fn conditions_of<'a>(
    repository: &BackupRepository,
    status: &'a mut BackupRepositoryStatus,
) -> hearth_reconciler::conditions::Conditions<'a> {
    hearth_reconciler::conditions::Conditions {
        list: &mut status.conditions,
        generation: repository.metadata.generation,
        now: Timestamp::now(),
    }
}

/// Whether the status says Ready for the present spec.
fn is_ready(repository: &BackupRepository) -> bool {
    let status = repository.status.as_ref();
    let current = status.is_some_and(|status| Some(status.observed_generation) == repository.metadata.generation);
    let ready = status.and_then(|status| get(&status.conditions, READY));
    current && ready.is_some_and(|ready| ready.status == "True" && ready.reason != "Suspended")
}

/// Looks at the Secrets and the bucket.
async fn look(
    repository: &BackupRepository,
    ctx: &Context,
    status: &mut BackupRepositoryStatus,
) -> Result<Outcome, Obstacle> {
    let s3 = &repository.spec.s3;
    let keys = credentials(ctx, repository, &s3.secret_ref)?;
    if let Some(reference) = &s3.mover_secret_ref {
        credentials(ctx, repository, reference)?;
    }
    let ca = match &s3.ca {
        Some(reference) => Some(certificates(ctx, repository, reference)?),
        None => None,
    };
    if let Some(adopt) = &repository.spec.adopt {
        adopted_password(ctx, repository, adopt)?;
        super::bucket::look_at_adopted(repository, &keys, ca.as_deref()).await?;
        return Ok(Outcome::Ready(
            ADOPTED,
            "the repository is there; it is only read".to_owned(),
        ));
    }
    let passphrase = passphrase(ctx, repository)?;
    let seen = super::bucket::look(repository, ctx, &keys, ca.as_deref(), status.mark.as_deref()).await?;
    status.mark = Some(seen.mark);
    if seen.capabilities.is_some() {
        status.capabilities = seen.capabilities;
    }
    status.key_fingerprint = Some(fingerprint(ctx, passphrase).await);
    Ok(Outcome::Ready("Ready", "the bucket can be read and written".to_owned()))
}

/// The fingerprint of a passphrase, which is slow to compute.
async fn fingerprint(ctx: &Context, passphrase: Passphrase) -> String {
    // A password of its own, that opens nothing, tells passphrases apart in memory.
    let key = passphrase.password("hearth/fingerprint").expose().to_owned();
    if let Some(known) = ctx.fingerprints.lock().get(&key) {
        return known.clone();
    }
    let computed = tokio::task::spawn_blocking(move || passphrase.fingerprint())
        .await
        .unwrap_or_default();
    ctx.fingerprints.lock().insert(key, computed.clone());
    computed
}

/// Whether a person has said that the passphrase is stored outside the cluster.
fn escrow(repository: &BackupRepository, status: &mut BackupRepositoryStatus) {
    let Some(fingerprint) = status.key_fingerprint.clone() else {
        return;
    };
    let said = repository.annotations().get(KEY_ESCROWED);
    let mut conditions = conditions_of(repository, status);
    if said == Some(&fingerprint) {
        conditions.set(
            ESCROWED,
            true,
            "Acknowledged",
            "the passphrase is stored outside the cluster",
        );
        return;
    }
    let message = format!(
        "without the passphrase nothing can be restored when this cluster is lost: store it outside, then \
         `kubectl annotate --overwrite backuprepository {} {KEY_ESCROWED}={fingerprint}`",
        repository.name_any()
    );
    conditions.set(ESCROWED, false, "NotAcknowledged", &message);
}

/// Writes the status, but for what runs record in it.
async fn write(
    repository: &BackupRepository,
    ctx: &Context,
    mut status: BackupRepositoryStatus,
) -> Result<(), RequestError> {
    let mut known = repository.clone();
    for status in [Some(&mut status), known.status.as_mut()].into_iter().flatten() {
        status.namespaces.clear();
        status.restores.clear();
    }
    let api: Api<BackupRepository> = Api::all(ctx.process.client.clone());
    let written = patch_status(&api, MANAGER, &known, &status).await;
    written.map_err(RequestError::when("writing the status"))
}

/// Records that repositories are there: those of namespaces, and that of API objects. They are never created again.
pub(super) async fn record_namespaces(
    ctx: &Context,
    repository: &BackupRepository,
    new: &[&str],
) -> Result<(), RequestError> {
    let known = repository.status.clone().unwrap_or_default().namespaces;
    let new = new.iter().filter(|namespace| !known.contains_key(**namespace));
    let new = new.map(|namespace| ((*namespace).to_owned(), Some(now()))).collect();
    record(ctx, repository, NAMESPACES, "namespaces", &new).await
}

/// Records that a restore has run. The same spec does not run again.
pub(super) async fn record_restore(
    ctx: &Context,
    repository: &BackupRepository,
    run: &RestoreRun,
    hash: &str,
) -> Result<(), RequestError> {
    let restores = repository.status.clone().unwrap_or_default().restores;
    if restores.contains_key(hash) {
        return Ok(());
    }
    // The time is at the begin of the text.
    let mut oldest: Vec<(String, String)> = restores.into_iter().map(|(hash, text)| (text, hash)).collect();
    oldest.sort_unstable();
    let surplus = (oldest.len() + 1).saturating_sub(REMEMBERED);
    let mut changes: Changes = oldest.into_iter().take(surplus).map(|(_, hash)| (hash, None)).collect();
    let text = format!(
        "{} RestoreRun {}/{}",
        now(),
        run.namespace().unwrap_or_default(),
        run.name_any()
    );
    changes.insert(hash.to_owned(), Some(text));
    record(ctx, repository, RESTORES, "restores", &changes).await
}

/// What is recorded, and, without a value, what is removed.
type Changes = BTreeMap<String, Option<String>>;

/// Records in a map of the status. Only the changes are sent: another run may record something at the same time.
async fn record(
    ctx: &Context,
    repository: &BackupRepository,
    manager: &str,
    field: &str,
    changes: &Changes,
) -> Result<(), RequestError> {
    let api: Api<BackupRepository> = Api::all(ctx.process.client.clone());
    let body = json!({"status": {field: changes}});
    let params = PatchParams {
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    };
    let written = api
        .patch_status(&repository.name_any(), &params, &Patch::Merge(&body))
        .await;
    written
        .map(drop)
        .map_err(RequestError::when("recording in the status of the BackupRepository"))
}

/// The present time in whole seconds.
fn now() -> String {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}
