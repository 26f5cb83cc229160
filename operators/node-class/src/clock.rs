//! Time, as a value.
use std::time::Duration;

use jiff::Timestamp;

/// A moment on both clocks. Durations are measured on `mono` only; `wall` is for people and for what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The machine's boot clock: it never jumps, and goes on in suspend.
    pub mono: Duration,
    /// The wall clock. It may jump.
    pub wall: Timestamp,
}

impl Now {
    /// When something happened that was `ago`, on the wall clock.
    pub fn ago(self, ago: Duration) -> Timestamp {
        self.wall
            .saturating_sub(jiff::SignedDuration::try_from(ago).unwrap_or_default())
            .unwrap_or(self.wall)
    }
}

/// Both clocks; a value, so that tests can hold it.
#[derive(Clone)]
pub struct Clock(std::sync::Arc<dyn Fn() -> Now + Send + Sync>);

impl Clock {
    /// The machine's own clocks.
    pub fn system() -> Self {
        Self(std::sync::Arc::new(|| Now {
            mono: hearth_reconciler::lease::boot_time(),
            wall: Timestamp::now(),
        }))
    }

    /// What time it is.
    pub fn now(&self) -> Now {
        (self.0)()
    }
}
