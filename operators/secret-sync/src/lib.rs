//! secret-sync copies secrets from Vault and Azure Key Vault into Kubernetes Secrets and keeps them there.
pub mod args;
pub mod core_dump;
pub mod crd;
pub mod metrics;
pub mod provider;
pub mod reconcile;
pub mod run;
pub mod source;
pub mod sync;
pub mod targets;

/// Field manager of everything that this operator writes, and its name in metrics, events and the lease.
pub const MANAGER: &str = "secret-sync";
