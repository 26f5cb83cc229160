//! The reconcilers, and what they share.
pub mod backup_run;
pub mod backup_schedule;
mod bucket;
mod coverage;
mod limiter;
mod maintenance;
mod movers;
mod ping;
pub mod repository;
pub mod restore_run;
mod settings;

use std::collections::HashMap;
use std::sync::Arc;

use hearth_reconciler::secrets::Secrets;
use hearth_reconciler::start::Process;
use hearth_reconciler::trigger::Trigger;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::crd::backup_run::State;
use crate::crd::{BackupRepository, BackupRun, BackupSchedule, RUN, RestoreRun};
use crate::plan::pod::PodSettings;
use crate::plan::schedule::retention;
use crate::progress::Posts;

/// The UID and generation of a repository whose bucket was tried out, and when.
type Tried = ((String, Option<i64>), Instant);

/// What reconcilers share.
pub struct Context {
    /// The process: client, events, leadership. Credentials are in its namespace.
    pub process: Process,
    /// The cluster's name: the host of snapshots, and the owner of what is in buckets.
    pub cluster: String,
    /// What all pods of movers have.
    pub pods: PodSettings,
    /// The service accounts of movers that read and write API objects.
    pub accounts: Accounts,
    /// So many movers are at work in the cluster at the same time.
    pub concurrency: usize,
    /// What is counted before the watch tells of it.
    pub limiter: Mutex<limiter::Limiter>,
    /// The repositories.
    pub repositories: Store<BackupRepository>,
    /// The schedules.
    pub schedules: Store<BackupSchedule>,
    /// The runs.
    pub backups: Store<BackupRun>,
    /// The restores.
    pub restores: Store<RestoreRun>,
    /// The movers' Jobs, without their specs.
    pub jobs: Store<PartialObjectMeta<Job>>,
    /// The Secrets that repositories refer to.
    pub credentials: Secrets<BackupRepository>,
    /// The Secrets with the URLs of pings.
    pub ping_secrets: Secrets<BackupSchedule>,
    /// Pings that are on their way or not yet in a status, by the UID of the schedule.
    pub pings: Mutex<HashMap<String, ping::Sending>>,
    /// When the bucket of each repository was tried out, and with which UID and generation.
    pub tried: Mutex<HashMap<String, Tried>>,
    /// Fingerprints of passphrases, which are slow to compute.
    pub fingerprints: Mutex<HashMap<String, String>>,
    /// The progress of movers.
    pub posts: Arc<Posts>,
    /// Where movers post it; none: nowhere.
    pub progress_url: Option<String>,
    /// Asks for a reconcile of a BackupRepository.
    pub repository_trigger: Trigger<BackupRepository>,
    /// Asks for a reconcile of a BackupSchedule.
    pub schedule_trigger: Trigger<BackupSchedule>,
    /// Asks for a reconcile of a BackupRun.
    pub backup_trigger: Trigger<BackupRun>,
    /// Asks for a reconcile of a RestoreRun.
    pub restore_trigger: Trigger<RestoreRun>,
}

/// The service accounts of movers that read and write API objects; none: the installation has turned it off.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    /// May read all.
    pub exporter: Option<String>,
    /// May write all.
    pub restorer: Option<String>,
}

impl Context {
    /// Whether a run may have movers. One that is not seen yet is no harm: it asks for a reconcile when it is.
    pub fn has_movers(&self, run_uid: &str) -> bool {
        let is_own = |job: &PartialObjectMeta<Job>| job.labels().get(RUN).is_some_and(|uid| uid == run_uid);
        self.jobs.state().iter().any(|job| is_own(job))
    }

    /// Asks for a reconcile of the run that a Job belongs to. When a Job is gone, there may be room for runs that wait.
    pub fn call_owner(&self, job: &PartialObjectMeta<Job>) {
        let namespace = job.namespace().unwrap_or_default();
        self.limiter.lock().told(&namespace, &job.name_any());
        if self.jobs.get(&ObjectRef::from_obj(job)).is_none() {
            let waiting = self.limiter.lock().waiting();
            for run in waiting {
                self.backup_trigger.reconcile(run);
            }
        }
        for owner in job.owner_references() {
            match owner.kind.as_str() {
                // It works on API objects for a run in another namespace.
                "BackupRepository" if job.labels().get(RUN) != Some(&owner.uid) => {
                    self.call_run(job.labels().get(RUN).map(String::as_str));
                }
                "BackupRepository" => self.repository_trigger.reconcile(ObjectRef::new(&owner.name)),
                "BackupRun" => self
                    .backup_trigger
                    .reconcile(ObjectRef::new(&owner.name).within(&namespace)),
                "RestoreRun" => self
                    .restore_trigger
                    .reconcile(ObjectRef::new(&owner.name).within(&namespace)),
                _ => {}
            }
        }
    }

    /// Asks for a reconcile of the run with a UID.
    pub fn call_run(&self, uid: Option<&str>) {
        if let Some(run) = self.backups.find(|run| run.metadata.uid.as_deref() == uid) {
            self.backup_trigger.reconcile(ObjectRef::from_obj(&*run));
        }
        if let Some(run) = self.restores.find(|run| run.metadata.uid.as_deref() == uid) {
            self.restore_trigger.reconcile(ObjectRef::from_obj(&*run));
        }
    }

    /// Asks for a reconcile of the repository of a run that has ended, which may remove snapshots now, and of its schedule.
    pub fn call_others_of(&self, run: &BackupRun) {
        let ended = run
            .status
            .as_ref()
            .is_some_and(|status| status.completion_time.is_some());
        if !ended {
            return;
        }
        self.repository_trigger.reconcile(ObjectRef::new(&run.spec.repository));
        let Some(schedule) = run.spec.schedule.as_ref() else {
            return;
        };
        let own = run.namespace().unwrap_or_default();
        let (namespace, name) = schedule.name.split_once('/').unwrap_or((&own, &schedule.name));
        self.schedule_trigger.reconcile(ObjectRef::new(name).within(namespace));
    }

    /// A person may have agreed to remove snapshots of a schedule. Of one that is gone nothing is remembered.
    pub fn schedule_changed(&self, schedule: &BackupSchedule) {
        self.repository_trigger
            .reconcile(ObjectRef::new(&schedule.spec.repository));
        let reference = ObjectRef::from_obj(schedule);
        if self.schedules.get(&reference).is_none() {
            ping::forget(self, &reference, &schedule.uid().unwrap_or_default());
        }
    }

    /// What the retention needs to know of the schedules.
    pub fn retention(&self) -> Vec<crate::plan::maintenance::Schedule> {
        let schedules = self.schedules.state();
        schedules.iter().filter_map(|schedule| retention(schedule)).collect()
    }

    /// Asks for a reconcile of the runs that wait for a node.
    pub fn call_deferred(&self) {
        for run in self.backups.state() {
            let volumes = run.status.as_ref().map_or(&[][..], |status| &status.volumes);
            if volumes.iter().any(|item| item.state == State::Deferred) {
                self.backup_trigger.reconcile(ObjectRef::from_obj(&*run));
            }
        }
    }

    /// Asks for a reconcile of all schedules and runs of a repository: who may use it, and whether it is ready, may have changed.
    pub fn call_runs_of(&self, repository: &str) {
        for schedule in self.schedules.state() {
            if schedule.spec.repository == repository {
                self.schedule_trigger.reconcile(ObjectRef::from_obj(&*schedule));
            }
        }
        for run in self.backups.state() {
            if run.spec.repository == repository {
                self.backup_trigger.reconcile(ObjectRef::from_obj(&*run));
            }
        }
        for run in self.restores.state() {
            if run.spec.from.repository == repository {
                self.restore_trigger.reconcile(ObjectRef::from_obj(&*run));
            }
        }
    }
}
