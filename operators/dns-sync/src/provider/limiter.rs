//! One token bucket per provider account, shared by its zones. Throttling halves the rate; quiet time restores it.
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Calls per second and in a burst. Route 53 documents 5 requests per second and account; newer pages name 10 with a
/// burst of 50 (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>). The account is shared
/// with other tools, so the default stays at the old figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Calls per second.
    pub per_second: f64,
    /// Calls at once after a quiet time.
    pub burst: f64,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            per_second: 5.0,
            burst: 10.0,
        }
    }
}

/// The bucket.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    factor: f64,
    at: Instant,
    not_before: Option<Instant>,
}

/// The slowest that throttling makes it: a share of the configured rate.
const SLOWEST: f64 = 1.0 / 32.0;
/// How much of the full rate comes back in a second without throttling.
const RECOVERY: f64 = 0.02;

impl Limiter {
    /// A full bucket.
    pub fn new(rate: Rate) -> Self {
        let bucket = Bucket {
            tokens: rate.burst,
            factor: 1.0,
            at: Instant::now(),
            not_before: None,
        };
        Self {
            rate,
            bucket: Mutex::new(bucket),
        }
    }

    /// Waits until a call may be made.
    pub async fn acquire(&self) {
        while let Some(wait) = self.take(Instant::now()) {
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes a token, or says how long to wait for one.
    fn take(&self, now: Instant) -> Option<Duration> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.at = now;
        bucket.factor = (bucket.factor + passed * RECOVERY).min(1.0);
        let per_second = self.rate.per_second * bucket.factor;
        bucket.tokens = (bucket.tokens + passed * per_second).min(self.rate.burst);
        if let Some(wait) = bucket
            .not_before
            .and_then(|at| at.checked_duration_since(now))
            .filter(|wait| !wait.is_zero())
        {
            return Some(wait);
        }
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return None;
        }
        Some(Duration::from_secs_f64((1.0 - bucket.tokens) / per_second.max(0.01)))
    }

    /// The provider said that there were too many calls: half the rate, an empty bucket, and a pause if it named one.
    pub fn throttled(&self, pause: Option<Duration>) {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.factor = (bucket.factor / 2.0).max(SLOWEST);
        bucket.tokens = 0.0;
        let asked = pause.map(|pause| Instant::now() + pause.min(Duration::from_mins(5)));
        // Calls run side by side: an answer that names no pause takes none back.
        bucket.not_before = bucket.not_before.max(asked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_the_rate() {
        let limiter = Limiter::new(Rate {
            per_second: 5.0,
            burst: 10.0,
        });
        let start = Instant::now();
        for _ in 0..20 {
            limiter.acquire().await;
        }
        let took = start.elapsed().as_secs_f64();
        assert!((1.9..2.2).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_halves_the_rate_and_time_restores_it() {
        let limiter = Limiter::new(Rate {
            per_second: 10.0,
            burst: 1.0,
        });
        limiter.throttled(None);
        let start = Instant::now();
        for _ in 0..5 {
            limiter.acquire().await;
        }
        assert!(start.elapsed() >= Duration::from_millis(850), "{:?}", start.elapsed());
        tokio::time::sleep(Duration::from_mins(1)).await;
        let start = Instant::now();
        for _ in 0..6 {
            limiter.acquire().await;
        }
        assert!(start.elapsed() <= Duration::from_millis(600), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_named_pause_is_kept() {
        let limiter = Limiter::new(Rate::default());
        limiter.throttled(Some(Duration::from_secs(7)));
        // The answer to another call of the account, which names none.
        limiter.throttled(None);
        let start = Instant::now();
        limiter.acquire().await;
        assert!(start.elapsed() >= Duration::from_secs(7));
    }
}
