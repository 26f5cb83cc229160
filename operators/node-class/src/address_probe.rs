//! Looks whether a silent host's own address answers. An answer refutes that the machine is off; silence proves nothing.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use tokio::net::TcpStream;

use crate::crd::host::HostState;
use crate::reconcile::Context;

/// How often a silent host is tried.
const EVERY: Duration = Duration::from_secs(20);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Where nothing else is said: SSH.
const PORT: u16 = 22;

/// Looks for as long as the process lives; only a leader needs it.
pub async fn run(ctx: Arc<Context>) {
    loop {
        tokio::time::sleep(EVERY).await;
        if ctx.process.leadership.term().is_none() {
            continue;
        }
        let plan = ctx.plan();
        let off = |name: &str| {
            plan.hosts
                .get(name)
                .is_some_and(|status| status.state == Some(HostState::Off))
        };
        let mut answers = BTreeMap::new();
        for host in ctx.hosts.store.state().iter().filter(|host| off(&host.name_any())) {
            if let Some(address) = &host.spec.address {
                answers.insert(host.name_any(), answers_at(&with_port(address)).await);
            }
        }
        let changed = ctx.observed.lock().answers != answers;
        ctx.observed.lock().answers = answers;
        if changed {
            ctx.wake.notify_one();
        }
    }
}

/// Whether a machine is there: it accepts the connection, or refuses it, which only a machine that runs can do.
async fn answers_at(address: &str) -> bool {
    match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        Err(_) => false,
    }
}

fn with_port(address: &str) -> String {
    let bare_v6 = address.matches(':').count() > 1 && !address.starts_with('[');
    let has_port = !bare_v6
        && address
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match (has_port, bare_v6) {
        (true, _) => address.to_owned(),
        (false, true) => format!("[{address}]:{PORT}"),
        (false, false) => format!("{address}:{PORT}"),
    }
}

#[cfg(test)]
mod tests;
