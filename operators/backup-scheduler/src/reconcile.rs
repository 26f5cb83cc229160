//! The reconcilers, and what they share.
pub mod backup_run;
mod bucket;
mod maintenance;
mod movers;
pub mod repository;
pub mod restore_run;
mod settings;

use std::collections::HashMap;

use hearth_reconciler::secrets::Secrets;
use hearth_reconciler::start::Process;
use hearth_reconciler::trigger::Trigger;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::crd::{BackupRepository, BackupRun, RUN, RestoreRun};
use crate::plan::pod::PodSettings;

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
    /// The runs.
    pub backups: Store<BackupRun>,
    /// The restores.
    pub restores: Store<RestoreRun>,
    /// The movers' Jobs, without their specs.
    pub jobs: Store<PartialObjectMeta<Job>>,
    /// The Secrets that repositories refer to.
    pub credentials: Secrets<BackupRepository>,
    /// When the bucket of each repository was tried out, and with which UID and generation.
    pub tried: Mutex<HashMap<String, Tried>>,
    /// Fingerprints of passphrases, which are slow to compute.
    pub fingerprints: Mutex<HashMap<String, String>>,
    /// Asks for a reconcile of a BackupRepository.
    pub repository_trigger: Trigger<BackupRepository>,
    /// Asks for a reconcile of a BackupRun.
    pub backup_trigger: Trigger<BackupRun>,
    /// Asks for a reconcile of a RestoreRun.
    pub restore_trigger: Trigger<RestoreRun>,
}

impl Context {
    /// Whether a run may have movers. One that is not seen yet is no harm: it asks for a reconcile when it is.
    pub fn has_movers(&self, run_uid: &str) -> bool {
        let is_own = |job: &PartialObjectMeta<Job>| job.labels().get(RUN).is_some_and(|uid| uid == run_uid);
        self.jobs.state().iter().any(|job| is_own(job))
    }

    /// Asks for a reconcile of the run that a Job belongs to.
    pub fn call_owner(&self, job: &PartialObjectMeta<Job>) {
        let namespace = job.namespace().unwrap_or_default();
        for owner in job.owner_references() {
            match owner.kind.as_str() {
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

    /// Asks for a reconcile of all runs of a repository.
    pub fn call_runs_of(&self, repository: &str) {
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
