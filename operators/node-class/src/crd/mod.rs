//! The CRDs of `nodes.hearth.home.arpa`. Types here are the source of `crds/*.yaml`; what a schema cannot say, CEL says.
pub mod class;
pub mod history;
pub mod host;

pub use class::{NodeClass, NodeClassStatus};
pub use history::{NodeHistory, NodeHistorySpec, NodeHistoryStatus};
pub use host::{NodeHost, NodeHostStatus};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Set to any new value to ask for a reconcile now; echoed in `status.lastHandledReconcileAt`.
pub const RECONCILE_AT: &str = "nodes.hearth.home.arpa/reconcile-at";
/// On a NodeHost: set to anything new (a time, say) to ask that its nodes be emptied, because it will be switched off.
/// Removing it takes the request back.
pub const OFF: &str = "nodes.hearth.home.arpa/off";
/// Label on each node: the physical machine that it is on; the node's own name where no NodeHost claims it.
pub const HOST_LABEL: &str = "nodes.hearth.home.arpa/host";
/// Label on each node: `AlwaysOn`, `Volatile` or `Unproven`.
pub const AVAILABILITY_LABEL: &str = "nodes.hearth.home.arpa/availability";
/// Annotation on a node: the taints that are ours, `key=value:effect`, comma-separated; written in the same patch.
pub const OWNED_TAINTS: &str = "nodes.hearth.home.arpa/owned-taints";
/// Annotation on a node: the cordon is ours; its value is the request that asked for it.
pub const CORDONED: &str = "nodes.hearth.home.arpa/cordoned";
/// Taint of a node that is back while what it ran before is not yet cleaned up.
pub const RETURNING: &str = "nodes.hearth.home.arpa/returning";
/// Kubernetes' taint that says: this machine is off, its pods and volumes may be released (KEP-2268).
pub const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// Kubernetes' label that takes a node out of the count of the node lifecycle controller's disruption modes.
pub const EXCLUDE_DISRUPTION: &str = "node.kubernetes.io/exclude-disruption";

/// How dependably a machine is on, the most dependable first.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Availability {
    /// On, but for repairs and updates.
    AlwaysOn,
    /// Not declared, and not watched for long enough.
    #[default]
    Unproven,
    /// Switched off by people, now and then or every night.
    Volatile,
}

impl Availability {
    /// The name as users write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AlwaysOn => "AlwaysOn",
            Self::Volatile => "Volatile",
            Self::Unproven => "Unproven",
        }
    }
}

/// The kinds as they are installed: finished by the shared rules (status default, list-maps).
pub fn crds() -> Vec<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition> {
    use kube::CustomResourceExt;
    [NodeHost::crd(), NodeClass::crd(), NodeHistory::crd()]
        .into_iter()
        .map(hearth_reconciler::crd::finish)
        .collect()
}

#[cfg(test)]
mod tests;
