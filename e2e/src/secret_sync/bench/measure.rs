//! The measurements while the provider is there: first sync, idling, new SecretSyncs, rotations, restarts.
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Bench;
use super::load::Load;
use crate::bench::figures::First;
use crate::bench::idle::{self, Idle};
use crate::bench::restart::{self, Restarts};
use crate::bench::steps::spread;
use crate::bench::{replicas, writes};
use crate::pod_process::{Process, of_pod};
use crate::secret_sync::env::LATER;

/// A first sync that is far too slow still ends within this.
const FIRST: Duration = Duration::from_mins(10);
/// One change.
const CHANGE: Duration = Duration::from_mins(1);
/// Events of what was done are written by then, and the API server has counted it.
const SETTLE: Duration = Duration::from_secs(10);
/// What a new process reads and writes without need, it does within this after it is ready.
const AFTER_RESTART: Duration = Duration::from_secs(15);

/// The first sync.
pub(crate) struct FirstSync {
    pub(crate) first: First,
    pub(crate) reads: u32,
    /// To Secrets and SecretSyncs.
    pub(crate) writes: f64,
}

/// Asks for one replica and waits until each SecretSync has its Secret and its status.
pub(crate) async fn first_sync(bench: &Bench, load: &Load) -> Result<FirstSync> {
    let (operator, mark) = (&bench.env.operator, load.source.gate.mark());
    let before = bench.counted_writes().await?;
    let begin = Instant::now();
    replicas::set(operator, 1).await?;
    load.hold(0..load.syncs, "first", FIRST).await?;
    let took = begin.elapsed();
    load.source.condition("Ready", "True", "", LATER).await?;
    let took = if load.syncs == 0 { begin.elapsed() } else { took };
    load.all_are(true, None, FIRST).await?;
    let process = of_pod(&operator.pod().await?, operator.name)?;
    let cpu_seconds = process.cpu_seconds()?;
    tokio::time::sleep(SETTLE).await;
    Ok(FirstSync {
        first: First {
            took,
            cpu_seconds,
            process,
        },
        reads: load.reads(mark)?,
        writes: bench.counted_writes().await? - before,
    })
}

/// Watches the operator do nothing; with its calls of the provider, per minute.
pub(crate) async fn idle(bench: &Bench, load: &Load, process: &Process) -> Result<(Idle, f64)> {
    let mark = load.source.gate.mark();
    let idle = idle::minute(&bench.env.operator, process, async || bench.counted_writes().await).await?;
    let calls = idle.per_minute(f64::from(load.calls(mark)?));
    Ok((idle, calls))
}

/// Makes so many new SecretSyncs, one after another, and takes the time until each has its Secret.
pub(crate) async fn changes(load: &Load, count: u32) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    for step in 0..count {
        let number = load.syncs + step;
        load.create(number).await?;
        let created = Instant::now();
        load.hold([number].into_iter(), "first", CHANGE)
            .await
            .with_context(|| format!("new SecretSync {step}"))?;
        latencies.push(created.elapsed());
    }
    Ok(latencies)
}

/// Rotates so many objects, one after another: a new version, a request; takes the time until the Secret has it.
pub(crate) async fn rotations(load: &Load, count: u32) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    for step in 0..count {
        let (number, value) = (spread(step, load.syncs), format!("rotated-{step}"));
        load.put(number, &value).await?;
        load.request(number, &value).await?;
        let requested = Instant::now();
        load.hold([number].into_iter(), &value, CHANGE)
            .await
            .with_context(|| format!("rotation {step}"))?;
        latencies.push(requested.elapsed());
    }
    Ok(latencies)
}

/// What both new processes did.
pub(crate) struct Work {
    pub(crate) reads: u32,
    pub(crate) writes: f64,
}

/// Deletes the pod, then kills the process of the new one.
pub(crate) async fn restarts(bench: &Bench, load: &Load) -> Result<(Restarts, Work)> {
    // What the last change leaves to be reported must not be work of the new process.
    tokio::time::sleep(SETTLE).await;
    let (operator, mark) = (&bench.env.operator, load.source.gate.mark());
    let (restarts, written) = restart::both(operator, async |restarted| {
        tokio::time::sleep(AFTER_RESTART).await;
        let written = writes::reported(operator, &restarted.pod).await?;
        if written > 0.0 {
            eprintln!("writes of the new process: {written}");
            eprintln!("{}", writes::shown(operator, &restarted.pod).await?);
        }
        Ok(written)
    })
    .await?;
    let work = Work {
        reads: load.reads(mark)?,
        writes: written.iter().sum(),
    };
    Ok((restarts, work))
}
