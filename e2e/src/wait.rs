//! Waiting for what must come, and making sure of what must not.
use std::future::Future;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// Asks until the answer is `Ok(Some(…))`; after the limit fails with what was missing and the last error.
pub(crate) async fn until<T, F, Fut>(what: &str, limit: Duration, mut ask: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>>>,
{
    let end = Instant::now() + limit;
    let mut last = String::from("it was not so");
    loop {
        match ask().await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => {}
            Err(error) => last = format!("{error:#}"),
        }
        if Instant::now() >= end {
            bail!("within {limit:?} it did not come to this: {what} ({last})");
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Asks all the time: the answer must be `None` (nothing wrong) to the end.
pub(crate) async fn never<F, Fut>(what: &str, time: Duration, mut ask: F) -> Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<String>>>,
{
    let end = Instant::now() + time;
    while Instant::now() < end {
        if let Some(wrong) = ask().await? {
            bail!("this must not be: {what}: {wrong}");
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
