//! Looks whether a silent host's own address answers. An answer refutes that the machine is off; silence proves nothing.
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use tokio::net::TcpStream;

use crate::crd::NodeHost;
use crate::crd::host::HostState;
use crate::reconcile::Context;

/// How often the addresses of silent hosts are tried.
const EVERY: Duration = Duration::from_secs(10);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Where nothing else is said: SSH.
const PORT: u16 = 22;

/// Looks for as long as the process lives; only a leader needs it.
pub async fn run(ctx: Arc<Context>) {
    loop {
        tokio::time::sleep(EVERY).await;
        if ctx.process.leadership.term().is_none() {
            // What was heard in an earlier term says nothing of this one.
            ctx.observed.lock().answers.clear();
            continue;
        }
        let plan = ctx.plan();
        let silent = |host: &Arc<NodeHost>| {
            let (name, address) = (host.name_any(), host.spec.address.clone()?);
            (plan.hosts.get(&name)?.state == Some(HostState::Off)).then_some((name, address))
        };
        let silent: Vec<_> = ctx.hosts.store.state().iter().filter_map(silent).collect();
        // All at once: one that does not answer must not delay the others.
        let answers = silent.into_iter().map(|(host, address)| async move {
            let answered = answers_at(&with_port(&address)).await;
            (host, answered)
        });
        let answers: BTreeMap<String, bool> = futures::future::join_all(answers).await.into_iter().collect();
        if ctx.observed.lock().answers != answers {
            ctx.observed.lock().answers = answers;
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
    let has_port = |(_, port): (&str, &str)| port.parse::<u16>().is_ok();
    if address.parse::<Ipv6Addr>().is_ok() {
        format!("[{address}]:{PORT}")
    } else if address.rsplit_once(':').is_some_and(has_port) {
        address.to_owned()
    } else {
        format!("{address}:{PORT}")
    }
}

#[cfg(test)]
mod tests;
