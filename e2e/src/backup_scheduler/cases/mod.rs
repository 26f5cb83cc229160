//! backup-scheduler on a real cluster, installed by its chart under its own RBAC, with a real S3 server and the real restic.
mod kills;
mod maintenance;
mod objects;
mod others;
mod rebuilt;
mod refused;
mod rights;
mod robust;
mod schedules;
mod there_and_back;
mod tls;

use super::env::BackupEnv;
use super::story;
use crate::case::Case;

/// Those that take long.
pub(super) fn endurance() -> Vec<Case<BackupEnv>> {
    [rights::cases(), kills::cases(), rebuilt::cases()]
        .into_iter()
        .flatten()
        .collect()
}

/// All others.
pub(super) fn all() -> Vec<Case<BackupEnv>> {
    [
        there_and_back::cases(),
        refused::cases(),
        robust::cases(),
        maintenance::cases(),
        objects::cases(),
        schedules::cases(),
        tls::cases(),
        others::cases(),
        story::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
