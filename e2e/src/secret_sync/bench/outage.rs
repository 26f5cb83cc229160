//! The provider goes, and returns.
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};

use super::load::Load;
use crate::bench::mass::{PARALLEL, again};
use crate::http_gate::{Mode, REFUSED};
use crate::wait::until;

/// In this the time between two probes grows to a minute.
const GROWING: Duration = Duration::from_mins(1);
/// How many minutes are counted after it.
const MINUTES: u32 = 2;
const LIMIT: Duration = Duration::from_mins(5);
/// The value of the annotation.
const REQUEST: &str = "outage";

/// What an outage came to.
pub(crate) struct Outage {
    pub(crate) calls_per_minute: f64,
    /// From the first call that was answered until all were fresh.
    pub(crate) fresh: Duration,
    /// The same, from the return.
    pub(crate) with_probe: Duration,
}

/// Closes the gate, requests a read of every SecretSync, and opens the gate after three minutes.
pub(crate) async fn outage(load: &Load) -> Result<Outage> {
    let gate = &load.source.gate;
    gate.set(Mode::Closed);
    let closed = Instant::now();
    stream::iter(0..load.syncs)
        .map(|number| again(move || load.request(number, REQUEST)))
        .buffer_unordered(PARALLEL)
        .try_collect::<()>()
        .await
        .context("requesting reads")?;
    load.all_are(false, None, LIMIT).await?;
    tokio::time::sleep(GROWING.saturating_sub(closed.elapsed())).await;
    let mark = gate.mark();
    tokio::time::sleep(Duration::from_mins(1) * MINUTES).await;
    let calls = load.calls(mark)?;
    let mark = gate.mark();
    gate.set(Mode::Open);
    let opened = Instant::now();
    let answered = until("a call is answered", LIMIT, || async {
        let answered = gate.since(mark).iter().any(|call| call != REFUSED);
        Ok(answered.then(Instant::now))
    })
    .await?;
    load.all_are(true, Some(REQUEST), LIMIT).await?;
    Ok(Outage {
        calls_per_minute: f64::from(calls) / f64::from(MINUTES),
        fresh: answered.elapsed(),
        with_probe: opened.elapsed(),
    })
}
