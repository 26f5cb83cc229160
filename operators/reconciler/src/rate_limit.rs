//! A token bucket for calls to a provider, shared by all who call with the same account. Throttling halves the rate; time
//! without throttling restores it.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How many calls may be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Calls per second.
    pub per_second: f64,
    /// Calls at once after a quiet time.
    pub burst: f64,
}

/// The bucket. It starts full.
#[derive(Debug)]
pub struct RateLimiter {
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

/// The lowest rate after throttling, as a share of the configured rate.
const SLOWEST: f64 = 1.0 / 32.0;
/// How much of the configured rate is restored by each second without throttling.
const RECOVERY: f64 = 0.02;

impl RateLimiter {
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
        let mut bucket = self.bucket.lock();
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.at = now;
        bucket.factor = (bucket.factor + passed * RECOVERY).min(1.0);
        let per_second = self.rate.per_second * bucket.factor;
        bucket.tokens = (bucket.tokens + passed * per_second).min(self.rate.burst);
        let pause = bucket.not_before.map(|at| at.saturating_duration_since(now));
        if let Some(pause) = pause.filter(|pause| !pause.is_zero()) {
            return Some(pause);
        }
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return None;
        }
        Some(Duration::from_secs_f64((1.0 - bucket.tokens) / per_second.max(0.01)))
    }

    /// The provider refused a call because there were too many: halves the rate, empties the bucket, and waits for `pause` if the
    /// provider named one (at most 5 minutes).
    pub fn throttled(&self, pause: Option<Duration>) {
        let mut bucket = self.bucket.lock();
        bucket.factor = (bucket.factor / 2.0).max(SLOWEST);
        bucket.tokens = 0.0;
        let until = pause.map(|pause| Instant::now() + pause.min(Duration::from_mins(5)));
        // Calls run at the same time: an answer without a pause must not cancel one.
        bucket.not_before = bucket.not_before.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_followed_by_the_rate() {
        let limiter = RateLimiter::new(Rate {
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
        let limiter = RateLimiter::new(Rate {
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
    async fn a_pause_that_the_provider_names_is_kept() {
        let limiter = RateLimiter::new(Rate {
            per_second: 5.0,
            burst: 10.0,
        });
        limiter.throttled(Some(Duration::from_secs(7)));
        // The answer to another call of the same account, without a pause.
        limiter.throttled(None);
        let start = Instant::now();
        limiter.acquire().await;
        assert!(start.elapsed() >= Duration::from_secs(7));
    }
}
