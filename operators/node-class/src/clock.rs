//! Time, as a value.
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A moment on both clocks. Durations are measured on `mono` only; `wall` is for people and for what is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The machine's boot clock: it never jumps, and continues in suspend.
    pub mono: Duration,
    /// The wall clock. It may jump.
    pub wall: Timestamp,
}

impl Now {
    /// Reads both clocks.
    pub fn read() -> Self {
        Self {
            mono: hearth_reconciler::lease::boot_time(),
            wall: Timestamp::now(),
        }
    }

    /// When something happened that was `ago`, on the wall clock.
    pub fn ago(self, ago: Duration) -> Timestamp {
        let ago = SignedDuration::try_from(ago).unwrap_or_default();
        self.wall.saturating_sub(ago).unwrap_or(self.wall)
    }
}
