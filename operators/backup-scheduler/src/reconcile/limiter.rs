//! Counts movers: those of the cache, and those that this process has begun and that the watch has not told of yet.
use std::collections::HashMap;
use std::time::Duration;

use futures::FutureExt;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;

use super::Context;
use crate::crd::{BackupRun, RUN, RUN_KIND};
use crate::plan::backup::is_cancelled;
use crate::plan::job::{NODE, REPOSITORY};
use crate::plan::limits::{ActiveMover, Demand, Limits};

/// The watch tells of a Job that was created within this, or the Job was not created.
const TOLD_WITHIN: Duration = Duration::from_mins(1);
/// A run that waits says so again within this, or it does not wait any more.
const SAID_WITHIN: Duration = Duration::from_secs(45);
/// So long a run waits for others that begin at the same time.
const SETTLE: Duration = Duration::from_secs(2);

/// What this process knows better than the cache.
#[derive(Debug, Default)]
pub struct Limiter {
    /// Jobs that were begun, by namespace and name.
    begun: HashMap<(String, String), (ActiveMover, Instant)>,
    /// Runs that wait, by UID: what for, since when, and when they said so last.
    waiting: HashMap<String, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    object: ObjectRef<BackupRun>,
    demands: Vec<Demand>,
    since: Instant,
    said: Instant,
}

impl Limiter {
    /// What there is to know for the plan of a run. None before the Jobs were listed: it is not known then how many there are.
    pub(super) fn limits(&mut self, ctx: &Context, run: &BackupRun) -> Option<Limits> {
        if !matches!(ctx.jobs.wait_until_ready().now_or_never(), Some(Ok(()))) {
            return None;
        }
        let now = Instant::now();
        self.begun.retain(|_, (_, at)| now.duration_since(*at) < TOLD_WITHIN);
        self.waiting
            .retain(|_, waiting| now.duration_since(waiting.said) < SAID_WITHIN);
        let jobs = ctx.jobs.state();
        let counted = jobs.iter().filter(|job| is_counted(job));
        let mut movers: Vec<ActiveMover> = counted.map(|job| read(job)).collect();
        movers.extend(self.begun.values().map(|(mover, _)| mover.clone()));
        let uid = run.uid().unwrap_or_default();
        let others = self.waiting.iter().filter(|(other, _)| **other != uid);
        let settled = |waiting: &Waiting| now.duration_since(waiting.since) >= SETTLE;
        Some(Limits {
            cluster: ctx.concurrency,
            movers,
            waiting: others.flat_map(|(_, waiting)| waiting.demands.clone()).collect(),
            unsettled: !self.waiting.get(&uid).is_some_and(settled) && others_begin(ctx, &uid),
        })
    }

    /// A run waits for this, or for nothing.
    pub(super) fn waits(&mut self, run: &BackupRun, demands: Vec<Demand>) {
        let uid = run.uid().unwrap_or_default();
        if demands.is_empty() {
            self.waiting.remove(&uid);
            return;
        }
        let now = Instant::now();
        let since = self.waiting.get(&uid).map_or(now, |waiting| waiting.since);
        let waiting = Waiting {
            object: ObjectRef::from_obj(run),
            demands,
            since,
            said: now,
        };
        self.waiting.insert(uid, waiting);
    }

    /// A Job is about to be created.
    pub(super) fn begins(&mut self, namespace: &str, job: &str, mover: ActiveMover) {
        let key = (namespace.to_owned(), job.to_owned());
        self.begun.insert(key, (mover, Instant::now()));
    }

    /// The watch has told of a Job, or it could not be created.
    pub(super) fn told(&mut self, namespace: &str, job: &str) {
        self.begun.remove(&(namespace.to_owned(), job.to_owned()));
    }

    /// The runs that wait.
    pub(super) fn waiting(&self) -> Vec<ObjectRef<BackupRun>> {
        self.waiting.values().map(|waiting| waiting.object.clone()).collect()
    }
}

/// Movers of runs; work on repositories has an order of its own.
fn is_counted(job: &PartialObjectMeta<Job>) -> bool {
    let kind = job.labels().get(RUN_KIND).map(String::as_str);
    matches!(kind, Some("BackupRun" | "RestoreRun"))
}

fn read(job: &PartialObjectMeta<Job>) -> ActiveMover {
    ActiveMover {
        run: job.labels().get(RUN).cloned().unwrap_or_default(),
        node: job.annotations().get(NODE).cloned(),
        repository: job.annotations().get(REPOSITORY).cloned(),
    }
}

/// Whether other runs have not begun yet.
fn others_begin(ctx: &Context, uid: &str) -> bool {
    let new = |run: &BackupRun| {
        let begun = run.status.as_ref().is_some_and(|status| status.start_time.is_some());
        !begun && !run.spec.suspend && !is_cancelled(run) && run.uid().as_deref() != Some(uid)
    };
    ctx.backups.state().iter().any(|run| new(run))
}
