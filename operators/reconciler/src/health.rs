//! Readiness and liveness: what is missing, and whether loops still turn.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::AtomicBool, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

/// The health of the process. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Checks>>);

#[derive(Debug, Default)]
struct Checks {
    gates: Vec<Weak<GateState>>,
    loops: Vec<Weak<LoopState>>,
}

#[derive(Debug)]
struct GateState {
    name: String,
    open: AtomicBool,
}

#[derive(Debug)]
struct LoopState {
    name: String,
    max_silence: Duration,
    last: Mutex<Instant>,
}

/// Something that must have happened before the process is ready. Closed at first; it stops counting when dropped.
#[derive(Debug, Clone)]
pub struct Gate(Arc<GateState>);

/// A loop that must turn, or the process is not alive. It stops counting when dropped.
#[derive(Debug, Clone)]
pub struct Heartbeat(Arc<LoopState>);

impl Health {
    /// Adds a closed gate; `name` is what /readyz lists while it is closed.
    pub fn gate(&self, name: impl Into<String>) -> Gate {
        let state = Arc::new(GateState {
            name: name.into(),
            open: AtomicBool::new(false),
        });
        self.lock().gates.push(Arc::downgrade(&state));
        Gate(state)
    }

    /// Adds a loop that beats at least every `max_silence`. Suspend of the machine does not count as silence.
    pub fn heartbeat(&self, name: impl Into<String>, max_silence: Duration) -> Heartbeat {
        let state = Arc::new(LoopState {
            name: name.into(),
            max_silence,
            last: Mutex::new(Instant::now()),
        });
        self.lock().loops.push(Arc::downgrade(&state));
        Heartbeat(state)
    }

    /// The names of the closed gates; empty means ready.
    pub fn missing(&self) -> Vec<String> {
        let mut checks = self.lock();
        checks.gates.retain(|gate| gate.strong_count() > 0);
        checks
            .gates
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|g| !g.open.load(Relaxed))
            .map(|g| g.name.clone())
            .collect()
    }

    /// The names of the loops that have been silent for too long; empty means alive.
    pub fn stuck(&self, now: Instant) -> Vec<String> {
        let mut checks = self.lock();
        checks.loops.retain(|l| l.strong_count() > 0);
        let silent = |l: &LoopState| now.saturating_duration_since(*lock(&l.last)) > l.max_silence;
        checks
            .loops
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|l| silent(l))
            .map(|l| l.name.clone())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Checks> {
        lock(&self.0)
    }
}

impl Gate {
    /// It has happened.
    pub fn open(&self) {
        self.0.open.store(true, Relaxed);
    }

    /// It does not hold any more.
    pub fn close(&self) {
        self.0.open.store(false, Relaxed);
    }
}

impl Heartbeat {
    /// The loop turns.
    pub fn beat(&self) {
        *lock(&self.0.last) = Instant::now();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        records.open();
        zones.close();
        assert_eq!(health.missing(), ["zones"]);
        drop(zones);
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
