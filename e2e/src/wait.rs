//! Waits for what must happen, and checks that something never happens.
use std::future::Future;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// Asks until the answer is `Ok(Some(…))`; after the limit, fails with `what` and the last error.
pub(crate) async fn until<T, F, Fut>(what: &str, limit: Duration, mut ask: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>>>,
{
    let end = Instant::now() + limit;
    let mut last = String::from("not yet");
    loop {
        match ask().await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => {}
            Err(error) => last = format!("{error:#}"),
        }
        if Instant::now() >= end {
            bail!("timed out after {limit:?} waiting: {what} ({last})");
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Asks again and again: the answer must be `None` (nothing wrong) until the time is over.
pub(crate) async fn never<F, Fut>(what: &str, time: Duration, mut ask: F) -> Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<String>>>,
{
    let end = Instant::now() + time;
    while Instant::now() < end {
        if let Some(wrong) = ask().await? {
            bail!("this must not happen: {what}: {wrong}");
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
