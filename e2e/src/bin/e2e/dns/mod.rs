//! dns-sync on a real cluster, installed by its chart under its own RBAC, against a strict Route 53.
mod sources;

use crate::Case;

/// The chart's values for all cases.
pub(crate) const VALUES: [&str; 2] = ["clusterName=e2e", "logging.format=json"];

/// All cases in order; those that shake the cluster come last.
pub(crate) fn cases() -> Vec<Case> {
    sources::cases()
}
