//! What restarts come to, and what they write.
use std::time::Duration;

use anyhow::Result;

use super::Scale;
use super::measure::sees;
use crate::bench::restart::{Restarted, Restarts, both};
use crate::bench::writes;

/// Once it sees, a new process has written by then what it adds …
const ADDED: Duration = Duration::from_secs(15);
/// … and what it takes away, which it does not do for a minute.
const TAKEN: Duration = Duration::from_secs(75);

/// What both new processes wrote.
pub(crate) struct Written {
    /// To Nodes.
    pub(crate) to_nodes: f64,
    /// All others.
    pub(crate) others: f64,
}

/// Deletes the pod, then kills the process of the new one.
pub(crate) async fn restarts(scale: &Scale<'_>) -> Result<(Restarts, Written)> {
    // What the last change leaves to be reported must not be work of the new process.
    tokio::time::sleep(Duration::from_secs(15)).await;
    let mut settle = ADDED;
    let (restarts, [first, second]) = both(&scale.bench.operator, async |restarted| {
        let written = written(scale, &restarted, settle).await?;
        settle = TAKEN;
        Ok(written)
    })
    .await?;
    let written = Written {
        to_nodes: first.0 + second.0,
        others: first.1 + second.1,
    };
    Ok((restarts, written))
}

/// What a process wrote from its beginning until it has seen for a while: to Nodes, and else.
async fn written(scale: &Scale<'_>, restarted: &Restarted, settle: Duration) -> Result<(f64, f64)> {
    let operator = &scale.bench.operator;
    sees(scale).await?;
    tokio::time::sleep(settle).await;
    let reported = writes::reported(operator, &restarted.pod).await?;
    let mut to_nodes = 0.0;
    for kind in ["labels", "taints", "cordon"] {
        let label = format!("kind=\"{kind}\"");
        to_nodes += operator.metric("hearth_nodes_writes_total", &[&label]).await?;
    }
    if reported > 0.0 {
        eprintln!("writes of the new process: {reported}, of them {to_nodes} to nodes");
        eprintln!("{}", writes::shown(operator, &restarted.pod).await?);
    }
    Ok((to_nodes, reported - to_nodes))
}
