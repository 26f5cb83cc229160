//! What checkpoints cost, counted with a checkpoint a minute instead of one in half an hour.
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kube::ResourceExt;

use super::measure::sees;
use super::{Scale, VALUES};
use crate::bench::idle::Idle;
use crate::bench::writes;

/// Short, but longer than the operator's resync (10 s).
const SHORT: Duration = Duration::from_mins(1);
/// The chart's default.
const DEFAULT: Duration = Duration::from_mins(30);
const DAY: Duration = Duration::from_hours(24);
/// Rounds that are counted.
const ROUNDS: u32 = 2;

/// What came of the count.
pub(crate) struct Checkpoint {
    pub(crate) writes_per_node_and_day: f64,
    /// Processor time of one node's checkpoint.
    pub(crate) cpu_seconds: f64,
    /// The mean of a day: idling and all checkpoints.
    pub(crate) day_millicores: f64,
}

/// Counts all writes and the histories that were stored. A checkpoint is one history stored, so there are as many writes to a
/// checkpoint as all writes by all histories stored; and a node has `DAY / DEFAULT` checkpoints a day.
pub(crate) async fn round(scale: &Scale<'_>, idle: &Idle) -> Result<Checkpoint> {
    let operator = &scale.bench.operator;
    let mut values = VALUES.to_vec();
    values.retain(|value| !value.starts_with("replicaCount"));
    values.extend(["replicaCount=1", "timing.checkpoint=1m"]);
    operator.upgrade(&values).await?;
    let process = sees(scale).await?;
    // What the start itself has to store is stored, and each node has had its first checkpoint.
    tokio::time::sleep(SHORT + Duration::from_secs(15)).await;
    let pod = operator.pod().await?.name_any();
    let before = counted(scale, &pod).await?;
    let (begin, cpu) = (Instant::now(), process.cpu_seconds()?);
    tokio::time::sleep(SHORT * ROUNDS).await;
    let (took, cpu) = (begin.elapsed().as_secs_f64(), process.cpu_seconds()? - cpu);
    let after = counted(scale, &pod).await?;
    let (all, stored) = (after.0 - before.0, after.1 - before.1);
    let nodes = f64::from(scale.all);
    // A node whose turn is at the very edge falls in or out.
    let (least, most) = (nodes * f64::from(ROUNDS - 1), nodes * f64::from(ROUNDS + 1));
    ensure!(
        (least..=most).contains(&stored),
        "{stored} histories of {nodes} nodes were stored in {took:.0} s with a checkpoint every {SHORT:?}"
    );
    let cpu_seconds = (cpu - idle.millicores / 1000.0 * took).max(0.0) / stored;
    let day = DAY.as_secs_f64() / DEFAULT.as_secs_f64();
    Ok(Checkpoint {
        writes_per_node_and_day: all / stored * day,
        cpu_seconds,
        day_millicores: idle.millicores + cpu_seconds * nodes / DEFAULT.as_secs_f64() * 1000.0,
    })
}

/// All writes, and histories stored, of one moment.
async fn counted(scale: &Scale<'_>, pod: &str) -> Result<(f64, f64)> {
    let page = scale.bench.operator.page(pod, "metrics").await?;
    let stored = writes::sum(&page, "hearth_nodes_writes_total{", |line| {
        line.contains("kind=\"history\"")
    });
    Ok((writes::reported_on(&page), stored))
}
