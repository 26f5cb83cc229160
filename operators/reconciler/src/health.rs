//! Readiness and liveness: what is missing, and whether loops still turn.

use std::{
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use crate::lock;

/// The health of the process. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Vec<Weak<Check>>>>);

#[derive(Debug)]
struct Check {
    name: String,
    /// A loop's, a gate has none.
    max_silence: Option<Duration>,
    /// When the loop turned last, or the gate was opened; none while it is closed.
    last: Mutex<Option<Instant>>,
}

/// Something that must have happened before the process is ready. Closed at first; it stops counting when dropped.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Check>);

/// A loop that must turn, or the process is not alive. It stops counting when dropped.
#[derive(Debug, Clone)]
pub struct Heartbeat(Arc<Check>);

impl Health {
    /// Adds a closed gate; `name` is what /readyz lists while it is closed.
    pub fn gate(&self, name: impl Into<String>) -> Gate {
        Gate(self.add(name.into(), None))
    }

    /// Adds a loop that beats at least every `max_silence`. Suspend of the machine does not count as silence.
    pub fn heartbeat(&self, name: impl Into<String>, max_silence: Duration) -> Heartbeat {
        let heartbeat = Heartbeat(self.add(name.into(), Some(max_silence)));
        heartbeat.beat();
        heartbeat
    }

    /// The names of the closed gates; empty means ready.
    pub fn missing(&self) -> Vec<String> {
        self.names(|check| lock(&check.last).is_none())
    }

    /// The names of the loops that have been silent for too long; empty means alive.
    pub fn stuck(&self, now: Instant) -> Vec<String> {
        let silence = |check: &Check| lock(&check.last).map(|last| now.saturating_duration_since(last));
        self.names(|check| check.max_silence.is_some_and(|max| silence(check) > Some(max)))
    }

    fn add(&self, name: String, max_silence: Option<Duration>) -> Arc<Check> {
        let check = Arc::new(Check {
            name,
            max_silence,
            last: Mutex::default(),
        });
        lock(&self.0).push(Arc::downgrade(&check));
        check
    }

    fn names(&self, wrong: impl Fn(&Check) -> bool) -> Vec<String> {
        let mut checks = lock(&self.0);
        checks.retain(|check| check.strong_count() > 0);
        let wrong = checks.iter().filter_map(Weak::upgrade).filter(|check| wrong(check));
        wrong.map(|check| check.name.clone()).collect()
    }
}

impl Gate {
    /// It has happened.
    pub fn open(&self) {
        *lock(&self.0.last) = Some(Instant::now());
    }
}

impl Heartbeat {
    /// The loop turns.
    pub fn beat(&self) {
        *lock(&self.0.last) = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_lists_closed_gates_only() {
        let health = Health::default();
        assert!(health.missing().is_empty());
        let (zones, records) = (health.gate("zones"), health.gate("records"));
        zones.open();
        assert_eq!(health.missing(), ["records"]);
        drop(records);
        assert!(health.missing().is_empty());
    }

    #[test]
    fn a_silent_loop_is_stuck_until_it_beats_or_ends() {
        let health = Health::default();
        let heartbeat = health.heartbeat("lease", Duration::from_mins(1));
        let now = Instant::now();
        assert!(health.stuck(now + Duration::from_secs(59)).is_empty());
        assert_eq!(health.stuck(now + Duration::from_secs(62)), ["lease"]);
        drop(heartbeat);
        assert!(health.stuck(now + Duration::from_secs(62)).is_empty());
    }
}
