//! secret-sync on a real cluster, installed by its chart under its own RBAC, with a real `OpenBao`.
mod absence;
mod cluster;
mod key_vault;
mod killed;
mod login;
mod outage;
mod ownership;
mod process;
mod server;
mod values;

use super::env::SecretEnv;
use super::story;
use crate::case::Case;

/// All cases; the search for planted values comes last.
pub(crate) fn all() -> Vec<Case<SecretEnv>> {
    let all = [
        // First, since what other cases have made would be written too.
        killed::cases(),
        values::cases(),
        outage::cases(),
        server::cases(),
        absence::cases(),
        ownership::cases(),
        login::cases(),
        key_vault::cases(),
        cluster::cases(),
        process::cases(),
        story::cases(),
        process::last(),
    ];
    all.into_iter().flatten().collect()
}
