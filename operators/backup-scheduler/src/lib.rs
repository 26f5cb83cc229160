//! backup-scheduler backs up volumes and API objects to S3 with restic, and restores them.
pub mod args;
pub mod crd;
pub mod engine;
pub mod export;
pub mod metrics;
pub mod mover;
pub mod node_watch;
pub mod objects;
pub mod passphrase;
pub mod ping;
pub mod plan;
pub mod progress;
pub mod reconcile;
pub mod run;
pub mod s3;
pub mod task;

/// Field manager of everything that this operator writes, and its name in metrics, events and the lease.
pub const MANAGER: &str = "backup-scheduler";
