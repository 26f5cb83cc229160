//! The clock of leases: a value, so that tests can hold it.

use std::{fmt, time::Duration};

/// Time since boot, **time in suspend included**: a laptop that slept for an hour must see at once that its term is over.
/// Only differences mean anything. Tokio's timers (which do not count suspend) may wake us, but never decide.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    Boot,
    #[cfg(any(test, feature = "testing"))]
    Given(std::sync::Arc<dyn Fn() -> Duration + Send + Sync>),
}

impl Clock {
    /// The machine's own clock (`CLOCK_BOOTTIME`).
    pub fn boot() -> Self {
        Self(Source::Boot)
    }

    /// A clock for tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn given(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Source::Given(std::sync::Arc::new(now)))
    }

    /// Time since boot.
    pub fn now(&self) -> Duration {
        match &self.0 {
            Source::Boot => boot_time(),
            #[cfg(any(test, feature = "testing"))]
            Source::Given(now) => now(),
        }
    }
}

fn boot_time() -> Duration {
    #[cfg(target_os = "linux")]
    let id = rustix::time::ClockId::Boottime;
    // Development machines only: images are Linux.
    #[cfg(not(target_os = "linux"))]
    let id = rustix::time::ClockId::Monotonic;
    // The kernel's boot clock is never negative; zero would only end a term early.
    rustix::time::clock_gettime(id).try_into().unwrap_or_default()
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_moves_forward() {
        let clock = Clock::boot();
        let before = clock.now();
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.now() >= before + Duration::from_millis(2));
    }
}
