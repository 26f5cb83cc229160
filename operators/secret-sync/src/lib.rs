//! secret-sync copies secrets from Vault and Azure Key Vault into Kubernetes Secrets and keeps them there.
pub mod provider;
