//! The CRDs of `backup.hearth.home.arpa`. Types here are the source of `crds/*.yaml`; what a schema cannot say, CEL says.
#![allow(
    unreachable_pub,
    reason = "KubeSchema works on private copies of the structs, for which the lint fires"
)]
pub mod backup_run;
pub mod backup_schedule;
pub mod keep;
pub mod repository;
pub mod restore_run;

use hearth_reconciler::outcome::StatusFields;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResourceExt;

pub use backup_run::{BackupRun, BackupRunSpec, BackupRunStatus};
pub use backup_schedule::{BackupSchedule, BackupScheduleSpec, BackupScheduleStatus};
pub use keep::Keep;
pub use repository::{BackupRepository, BackupRepositorySpec, BackupRepositoryStatus};
pub use restore_run::{RestoreRun, RestoreRunSpec, RestoreRunStatus};

/// The group of all CRDs, and the prefix of labels and annotations.
pub const GROUP: &str = "backup.hearth.home.arpa";
/// Any new value of this annotation requests a reconcile now.
pub const RECONCILE_AT: &str = "backup.hearth.home.arpa/reconcile-at";
/// On a repository: the fingerprint of the passphrase, set by a person who has stored it outside the cluster.
pub const KEY_ESCROWED: &str = "backup.hearth.home.arpa/key-escrowed";
/// On a repository: the name of a check that found damage, set by a person who agrees to the repair.
pub const REPAIR: &str = "backup.hearth.home.arpa/repair";
/// On a schedule: how many snapshots may be removed at once, and which, set by a person who agrees to it.
pub const FORGET: &str = "backup.hearth.home.arpa/forget";
/// On a schedule: any new value makes one run now.
pub const RUN_NOW: &str = "backup.hearth.home.arpa/run-now";
/// On a BackupRun: `"true"` cancels it.
pub const CANCEL: &str = "backup.hearth.home.arpa/cancel";
/// On a claim: `"false"` leaves it out, `"true"` takes it in where volumes are chosen by `OptIn`.
pub const BACKUP: &str = "backup.hearth.home.arpa/backup";
/// The same annotation of K8up, which people have on their claims.
pub const K8UP_BACKUP: &str = "k8up.io/backup";
/// On a claim or a BackupRun: how many bytes the first upload of a volume may have, set by a person who agrees to it.
pub const FIRST_UPLOAD: &str = "backup.hearth.home.arpa/first-upload";
/// On a mover's Job, its pod and its Secret: the UID of the run.
pub const RUN: &str = "backup.hearth.home.arpa/run";
/// On a BackupRun: the UID of the `BackupSchedule` that made it.
pub const SCHEDULE_UID: &str = "backup.hearth.home.arpa/schedule-uid";
/// On a BackupRun: `"true"` keeps its snapshots, whatever the retention says.
pub const KEEP: &str = "backup.hearth.home.arpa/keep";
/// On what a restore has made: the name of the RestoreRun; on an API object its namespace, its name, and the hash of its spec.
pub const RESTORED_BY: &str = "backup.hearth.home.arpa/restored-by";
/// On a mover's Job: the kind of the run.
pub const RUN_KIND: &str = "backup.hearth.home.arpa/run-kind";

impl StatusFields for BackupRepositoryStatus {
    fn conditions(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }

    fn set_observed_generation(&mut self, generation: i64) {
        self.observed_generation = generation;
    }

    fn last_handled_reconcile_at(&mut self) -> &mut Option<String> {
        &mut self.last_handled_reconcile_at
    }
}

impl StatusFields for BackupRunStatus {
    fn conditions(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }

    fn set_observed_generation(&mut self, generation: i64) {
        self.observed_generation = generation;
    }

    fn last_handled_reconcile_at(&mut self) -> &mut Option<String> {
        &mut self.last_handled_reconcile_at
    }
}

impl StatusFields for BackupScheduleStatus {
    fn conditions(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }

    fn set_observed_generation(&mut self, generation: i64) {
        self.observed_generation = generation;
    }

    fn last_handled_reconcile_at(&mut self) -> &mut Option<String> {
        &mut self.last_handled_reconcile_at
    }
}

impl StatusFields for RestoreRunStatus {
    fn conditions(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }

    fn set_observed_generation(&mut self, generation: i64) {
        self.observed_generation = generation;
    }

    fn last_handled_reconcile_at(&mut self) -> &mut Option<String> {
        &mut self.last_handled_reconcile_at
    }
}

/// The CRDs as they are installed.
pub fn crds() -> Vec<CustomResourceDefinition> {
    [
        BackupRepository::crd(),
        BackupSchedule::crd(),
        BackupRun::crd(),
        RestoreRun::crd(),
    ]
    .into_iter()
    .map(hearth_reconciler::crd::finish)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_in_crds_are_current() {
        hearth_reconciler::testing::assert_crds(concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds"), &crds());
    }
}
