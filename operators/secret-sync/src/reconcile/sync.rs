//! A SecretSync: plan, read, write, report.
mod report;
mod write;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use hearth_reconciler::error::RequestError;
use hearth_reconciler::status::patch_status;
use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use tokio::time::Instant;

use self::report::Report;
use super::Context;
use crate::MANAGER;
use crate::crd::{RECONCILE_AT, SecretSync, SecretSyncStatus};
use crate::provider::Failure;
use crate::source::Source;
use crate::sync::Problem;
use crate::sync::config::Config;
use crate::sync::orphans::Key;
use crate::sync::plan::{Observed, Step};
use crate::sync::values::{Reads, assemble};

/// After the failure of one object: nothing tells when it is there.
const RETRY_AFTER: Duration = Duration::from_mins(1);
/// When something else is waited for, which is told by a watch or by the source; only in case that is lost.
const RECHECK_AFTER: Duration = Duration::from_mins(5);

/// Why a SecretSync is not written now.
pub(crate) enum Obstacle {
    /// The spec or another object must be changed.
    Stalled(Problem),
    /// It changes by itself, or something that is watched changes.
    Waiting(Problem),
    /// It is tried again after this time.
    Retried(Problem, Duration),
    /// Nothing is known yet, so nothing is reported.
    Pending,
    /// A request to the API server failed.
    Failed(RequestError),
}

/// What a pass came to.
enum Done {
    /// Nothing was due.
    Nothing,
    /// The Secret is as it is to be.
    Synced(crate::sync::values::Assembled),
}

/// One pass.
pub async fn reconcile(sync: Arc<SecretSync>, ctx: Arc<Context>) -> Result<Action, RequestError> {
    if sync.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let key = (sync.namespace().unwrap_or_default(), sync.name_any());
    let sync = ctx.with_written_status(&key, sync);
    let status = sync.status.clone().unwrap_or_default();
    let mut pass = Pass {
        sync: &sync,
        ctx: &ctx,
        key: &key,
        status: &status,
        now: Timestamp::now(),
        in_place: false,
        refresh: None,
        next: None,
        handled: true,
    };
    let result = if sync.spec.suspend {
        Ok(Done::Nothing)
    } else {
        pass.run().await
    };
    let mut report = Report::new(&sync, &status, pass.handled);
    let action = match result {
        _ if sync.spec.suspend => {
            let name = sync
                .spec
                .target
                .as_ref()
                .and_then(|target| target.name.as_ref())
                .unwrap_or(&key.1);
            let present = ctx
                .targets
                .get(&key.0, name)
                .is_some_and(|secret| *secret.owner == *key.1);
            report.suspended(present);
            Action::await_change()
        }
        Ok(Done::Nothing) => {
            report.export(&ctx, pass.refresh);
            return Ok(pass.requeue());
        }
        Ok(Done::Synced(assembled)) => {
            report.synced(&pass.secret_name(), &assembled);
            pass.requeue()
        }
        Err(Obstacle::Pending) => return Ok(Action::await_change()),
        Err(Obstacle::Failed(error)) => return Err(error),
        Err(Obstacle::Stalled(problem)) => {
            report.stalled(&problem, pass.in_place);
            Action::requeue(RECHECK_AFTER)
        }
        Err(Obstacle::Waiting(problem)) => {
            report.waiting(&problem, pass.in_place);
            Action::requeue(RECHECK_AFTER)
        }
        Err(Obstacle::Retried(problem, after)) => {
            report.waiting(&problem, pass.in_place);
            Action::requeue(after)
        }
    };
    report.export(&ctx, pass.refresh);
    report.tell(&ctx);
    let Ok(_slot) = ctx.writes.acquire().await else {
        return Ok(Action::await_change());
    };
    let api = Api::namespaced(ctx.process.client.clone(), &key.0);
    patch_status(&api, MANAGER, &*sync, &report.status)
        .await
        .map_err(RequestError::when("failed to write the status"))?;
    if report.status != status {
        let written = (sync.resource_version(), report.status);
        ctx.memory.lock().entry(key).or_default().reported = Some(written);
    }
    Ok(action)
}

/// One pass over a SecretSync.
struct Pass<'a> {
    sync: &'a SecretSync,
    ctx: &'a Arc<Context>,
    key: &'a Key,
    status: &'a SecretSyncStatus,
    now: Timestamp,
    /// The Secret is there as the last good read for this spec has made it.
    in_place: bool,
    refresh: Option<Duration>,
    /// When it is due next.
    next: Option<Timestamp>,
    /// Whether a request by annotation has been handled, if there is one.
    handled: bool,
}

impl Pass<'_> {
    async fn run(&mut self) -> Result<Done, Obstacle> {
        let (namespace, name) = self.key;
        let spec = &self.sync.spec;
        let stalled = |reason, message: String| Err(Obstacle::Stalled(Problem::new(reason, message)));
        let Some(position) = self.ctx.position(namespace) else {
            return stalled(
                "NotPermitted",
                format!(
                    "the operator writes no Secrets in namespace {namespace}; add it to the chart's value scope.namespaces"
                ),
            );
        };
        if !self.ctx.sources_listed.load(Ordering::Relaxed) {
            return Err(Obstacle::Pending);
        }
        if !self.ctx.targets.was_listed(position) {
            let Some(reason) = self.ctx.targets.failing(position) else {
                return Err(Obstacle::Pending);
            };
            let message = format!(
                "the Secrets of namespace {namespace} cannot be watched ({reason}); see the permissions of the operator"
            );
            return Err(Obstacle::Waiting(Problem::new("NotPermitted", message)));
        }
        let source = self.ctx.sources.get(&ObjectRef::new(&spec.source));
        let secret_name = self.secret_name().into_owned();
        let secret = self.ctx.targets.get(namespace, &secret_name);
        let mut observed = Observed {
            now: self.now,
            generation: self.sync.metadata.generation,
            status: self.status,
            requested: self.sync.annotations().get(RECONCILE_AT).map(String::as_str),
            secret: secret.as_ref(),
            name,
            secret_name: &secret_name,
            last_read: self.ctx.last_read(self.key, self.now),
            not_before: self.not_before(),
            refresh: None,
            seed: 0,
        };
        self.in_place = observed.is_in_place();
        self.handled = observed
            .requested
            .is_none_or(|requested| self.status.last_handled_reconcile_at.as_deref() == Some(requested));
        let Some(source) = source else {
            return stalled(
                "SourceNotFound",
                format!(
                    "spec.source: there is no ClusterSecretSource {}; create it, it is noticed at once",
                    spec.source
                ),
            );
        };
        let config = Config::parse(name, namespace, spec, &source.spec).map_err(Obstacle::Stalled)?;
        if let Some(other) = self.other_with(&config.secret) {
            return stalled(
                "Conflict",
                format!(
                    "spec.target.name: SecretSync {other} writes Secret {} already; use another name",
                    config.secret
                ),
            );
        }
        (observed.refresh, observed.seed) = (config.refresh, config.seed(&spec.source));
        self.refresh = config.refresh;
        let requested = match observed.decide() {
            Step::Wait(next) => {
                self.next = next;
                return Ok(Done::Nothing);
            }
            Step::Read { requested } => requested,
        };
        if source.spec.suspend {
            let message = format!("ClusterSecretSource {} is suspended", spec.source);
            return Err(Obstacle::Waiting(Problem::new("SourceSuspended", message)));
        }
        let handle = self.ctx.at_work.lock().get(&spec.source).cloned();
        // It asks for this SecretSync when it has been looked at.
        let handle = handle.ok_or(Obstacle::Pending)?;
        let Some(handle) = handle else {
            let message = format!("ClusterSecretSource {} is not ready; see its status", spec.source);
            return Err(Obstacle::Waiting(Problem::new("SourceNotReady", message)));
        };
        let not_before = requested.then(|| self.noticed());
        let reads = self.read(&handle, &config, not_before).await?;
        self.handled = true;
        let present = if self.in_place { &self.status.keys[..] } else { &[] };
        let assembled = assemble(&config, &reads, present).map_err(|problem| self.retried(problem))?;
        write::write(self, position, &config, &assembled, secret.as_ref()).await?;
        self.remember(|memory| (memory.read_at, memory.not_before) = (Some(self.now), None));
        self.next = config
            .refresh
            .map(|refresh| crate::sync::schedule::next_due(self.now, refresh, observed.seed));
        Ok(Done::Synced(assembled))
    }

    /// Reads all objects at the same time. An outage ends it: the source asks again when it is over.
    async fn read(&self, source: &Source, config: &Config, not_before: Option<Instant>) -> Result<Reads, Obstacle> {
        let name = &self.sync.spec.source;
        let reads = config.objects().into_iter().map(|object| async move {
            let answer = source.read(object, not_before).await;
            (object.clone(), answer)
        });
        let reads: Reads = join_all(reads).await.into_iter().collect();
        let outage = reads
            .values()
            .find_map(|answer| answer.as_ref().err().filter(|failure| failure.is_of_source()));
        match outage {
            Some(failure) => Err(Obstacle::Waiting(outage_problem(name, failure))),
            None => Ok(reads),
        }
    }

    /// The failure of one object: tried again after a minute, and at once when something changes.
    fn retried(&self, problem: Problem) -> Obstacle {
        let at = self.now.checked_add(RETRY_AFTER).unwrap_or(self.now);
        let generation = self.sync.metadata.generation;
        self.remember(|memory| memory.not_before = Some((generation, at)));
        Obstacle::Retried(problem, RETRY_AFTER)
    }

    fn remember(&self, change: impl FnOnce(&mut super::Memory)) {
        change(self.ctx.memory.lock().entry(self.key.clone()).or_default());
    }

    fn not_before(&self) -> Option<Timestamp> {
        let memory = self.ctx.memory.lock();
        let (generation, time) = memory.get(self.key)?.not_before?;
        (generation == self.sync.metadata.generation).then_some(time)
    }

    /// When the present request was noticed.
    fn noticed(&self) -> Instant {
        let asked = self.sync.annotations().get(RECONCILE_AT).cloned().unwrap_or_default();
        let mut memory = self.ctx.memory.lock();
        let memory = memory.entry(self.key.clone()).or_default();
        match &memory.requested {
            Some((known, noticed)) if *known == asked => *noticed,
            _ => {
                let now = Instant::now();
                memory.requested = Some((asked, now));
                now
            }
        }
    }

    fn secret_name(&self) -> Cow<'_, str> {
        let target = self.sync.spec.target.as_ref();
        Cow::Borrowed(target.and_then(|target| target.name.as_ref()).unwrap_or(&self.key.1))
    }

    /// An older SecretSync of this namespace that asks for the same Secret, or the one that has written it.
    fn other_with(&self, secret: &str) -> Option<String> {
        let (namespace, name) = self.key;
        let owner = self.ctx.targets.get(namespace, secret).map(|secret| secret.owner);
        if owner.as_deref() == Some(name) {
            return None;
        }
        let rank = |sync: &SecretSync| {
            let has_it = owner.as_deref() == Some(&sync.name_any());
            (!has_it, sync.creation_timestamp().map(|time| time.0), sync.name_any())
        };
        let mine = rank(self.sync);
        let others = self.ctx.syncs.state().into_iter().filter(|other| {
            let target = other.spec.target.as_ref().and_then(|target| target.name.clone());
            other.namespace().as_deref() == Some(namespace)
                && other.name_any() != *name
                && target.unwrap_or_else(|| other.name_any()) == secret
        });
        others
            .map(|other| rank(&other))
            .filter(|other| *other < mine)
            .min()
            .map(|other| other.2)
    }

    fn requeue(&self) -> Action {
        let Some(next) = self.next else {
            return Action::await_change();
        };
        let wait = next.duration_since(Timestamp::now());
        Action::requeue(
            Duration::try_from(wait)
                .unwrap_or_default()
                .max(Duration::from_millis(50)),
        )
    }
}

fn outage_problem(source: &str, failure: &Failure) -> Problem {
    Problem::new(
        failure.reason.as_str(),
        format!(
            "ClusterSecretSource {source}: {}. It is read again as soon as the source is back",
            failure.message
        ),
    )
}
