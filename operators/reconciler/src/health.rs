//! Readiness and liveness: what is missing, and whether loops still turn.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// The health of the process. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Vec<Weak<Check>>>>);

/// Something that must happen: once before the process is ready (a gate), or again and again while it is alive (a
/// heartbeat). It stops counting when dropped.
#[derive(Debug)]
pub struct Check {
    name: String,
    /// A heartbeat's, a gate has none.
    max_silence: Option<Duration>,
    /// When it happened last.
    last: Mutex<Option<Instant>>,
}

impl Check {
    /// It has happened.
    pub fn pass(&self) {
        *self.last.lock() = Some(Instant::now());
    }
}

impl Health {
    /// Adds a gate; `name` is what /readyz lists until it is passed.
    pub fn gate(&self, name: impl Into<String>) -> Arc<Check> {
        self.add(name.into(), None)
    }

    /// Adds a loop that passes at least every `max_silence`. Suspend of the machine does not count as silence.
    pub fn heartbeat(&self, name: impl Into<String>, max_silence: Duration) -> Arc<Check> {
        let heartbeat = self.add(name.into(), Some(max_silence));
        heartbeat.pass();
        heartbeat
    }

    /// The names of the gates that were not passed; empty means ready.
    pub fn missing(&self) -> Vec<String> {
        self.names(|check| check.last.lock().is_none())
    }

    /// The names of the loops that have been silent for too long; empty means alive.
    pub fn stuck(&self, now: Instant) -> Vec<String> {
        let silence = |check: &Check| check.last.lock().map(|last| now.saturating_duration_since(last));
        self.names(|check| check.max_silence.is_some_and(|max| silence(check) > Some(max)))
    }

    fn add(&self, name: String, max_silence: Option<Duration>) -> Arc<Check> {
        let check = Arc::new(Check {
            name,
            max_silence,
            last: Mutex::default(),
        });
        self.0.lock().push(Arc::downgrade(&check));
        check
    }

    fn names(&self, wrong: impl Fn(&Check) -> bool) -> Vec<String> {
        let mut checks = self.0.lock();
        checks.retain(|check| check.strong_count() > 0);
        let wrong = checks.iter().filter_map(Weak::upgrade).filter(|check| wrong(check));
        wrong.map(|check| check.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_lists_only_gates_that_were_not_passed() {
        let health = Health::default();
        assert!(health.missing().is_empty());
        let (zones, records) = (health.gate("zones"), health.gate("records"));
        zones.pass();
        assert_eq!(health.missing(), ["records"]);
        drop(records);
        assert!(health.missing().is_empty());
    }

    #[test]
    fn a_silent_loop_is_stuck_until_it_passes_or_ends() {
        let health = Health::default();
        let heartbeat = health.heartbeat("lease", Duration::from_mins(1));
        let now = Instant::now();
        assert!(health.stuck(now + Duration::from_secs(59)).is_empty());
        assert_eq!(health.stuck(now + Duration::from_secs(62)), ["lease"]);
        heartbeat.pass();
        assert!(health.stuck(Instant::now() + Duration::from_secs(59)).is_empty());
        drop(heartbeat);
        assert!(health.stuck(now + Duration::from_secs(62)).is_empty());
    }
}
