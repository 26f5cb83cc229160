//! A minute without changes.
use std::time::{Duration, Instant};

use anyhow::Result;
use kube::ResourceExt;

use super::writes;
use crate::install::Installation;
use crate::pod_process::Process;

/// How long nothing is changed.
const IDLE: Duration = Duration::from_mins(1);

/// What a process needs while nothing happens.
pub(crate) struct Idle {
    pub(crate) rss: u64,
    pub(crate) anon: u64,
    pub(crate) peak: u64,
    pub(crate) millicores: f64,
    /// Writes a minute, as the operator counts them or as `counted` does, whichever is more.
    pub(crate) api_writes: f64,
    took: Duration,
}

/// Watches the operator do nothing. `counted` counts writes of the operator at the API server.
pub(crate) async fn minute(
    operator: &Installation,
    process: &Process,
    counted: impl AsyncFn() -> Result<f64>,
) -> Result<Idle> {
    let pod = operator.pod().await?.name_any();
    let before = (writes::reported(operator, &pod).await?, counted().await?);
    // The scrapes themselves are not idling.
    let (begin, cpu) = (Instant::now(), process.cpu_seconds()?);
    tokio::time::sleep(IDLE).await;
    let (took, cpu) = (begin.elapsed(), process.cpu_seconds()? - cpu);
    let (rss, anon) = process.memory()?;
    let writes = (writes::reported(operator, &pod).await? - before.0).max(counted().await? - before.1);
    let mut idle = Idle {
        rss,
        anon,
        peak: process.peak()?,
        millicores: cpu * 1000.0 / took.as_secs_f64(),
        api_writes: 0.0,
        took,
    };
    idle.api_writes = idle.per_minute(writes);
    Ok(idle)
}

impl Idle {
    /// So many in that time, as a rate.
    pub(crate) fn per_minute(&self, count: f64) -> f64 {
        count * 60.0 / self.took.as_secs_f64()
    }
}
