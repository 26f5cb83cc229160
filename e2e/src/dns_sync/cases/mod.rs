//! dns-sync on a real cluster, installed by its chart under its own RBAC, against a fake Route 53 that enforces the real one's
//! rules.
mod blackout;
mod faults;
mod guard;
mod history;
mod identity;
mod invalid;
mod lifecycle;
mod ownership;
mod sources;
mod zone_load;

use super::env::DnsEnv;
use crate::case::Case;

/// The cluster stays as it is, but for the operator. Kubernetes waits longer after each kill of the same pod: between them come
/// the cases that replace the pod.
pub(crate) fn calm() -> Vec<Case<DnsEnv>> {
    let all = [
        faults::cases(),
        sources::cases(),
        ownership::cases(),
        history::cases(),
        identity::cases(),
        invalid::cases(),
        lifecycle::cases(),
        guard::cases(),
    ];
    all.into_iter().flatten().collect()
}

/// The API server stops, stalls, or forgets everything.
pub(crate) fn blackout() -> Vec<Case<DnsEnv>> {
    blackout::cases()
}
