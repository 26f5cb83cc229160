//! How long to wait after failures, object by object.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The delay after the first failure.
pub const FIRST: Duration = Duration::from_secs(1);
/// No delay is longer.
pub const LONGEST: Duration = Duration::from_mins(5);

/// The delay after `failures` failures in a row (1 is the first): 1 s, 2 s, 4 s … 5 min, of which the upper half is
/// scaled by `jitter` (0 to 1), so that objects that failed together do not come back together.
pub fn delay(failures: u32, jitter: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16); // 2^16 s is far beyond the cap already
    let full = (FIRST * (1 << doublings)).min(LONGEST);
    full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

/// What is known about an object that fails.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failing {
    /// The object's UID: a new object of the same name starts afresh.
    uid: String,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// Failures in a row with the same reason.
    pub(crate) same: u32,
    /// The last failure's reason.
    reason: &'static str,
}

/// The objects that fail now. An object leaves on success and when it is deleted.
#[derive(Debug)]
pub(crate) struct Failures<Key>(Mutex<HashMap<Key, Failing>>);

/// Beyond this many failing objects, those that do not exist any more are looked for at each new one.
const SWEEP_ABOVE: usize = 128;

impl<Key: Hash + Eq> Failures<Key> {
    /// Nothing fails.
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Notes a failure and returns the object's record. `exists` bounds the map: it is asked about the other keys
    /// when there are many.
    pub(crate) fn note(&self, key: Key, uid: &str, reason: &'static str, exists: impl Fn(&Key) -> bool) -> Failing {
        let mut map = self.map();
        if map.len() >= SWEEP_ABOVE && map.len().is_power_of_two() && !map.contains_key(&key) {
            map.retain(|key, _| exists(key));
        }
        let record = map.entry(key).or_default();
        if record.uid != uid {
            *record = Failing {
                uid: uid.to_owned(),
                ..Failing::default()
            };
        }
        record.failures += 1;
        record.same = if record.reason == reason { record.same + 1 } else { 1 };
        record.reason = reason;
        record.clone()
    }

    /// Forgets an object: it succeeded, or it is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.map().remove(key);
    }

    fn map(&self) -> MutexGuard<'_, HashMap<Key, Failing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_from_one_second_to_five_minutes() {
        let seconds = |n| delay(n, 1.0).as_secs();
        assert_eq!(
            (1..=10).map(seconds).collect::<Vec<_>>(),
            [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
        );
        assert_eq!(seconds(u32::MAX), 300);
    }

    #[test]
    fn jitter_takes_at_most_half_and_bad_jitter_is_harmless() {
        assert_eq!(delay(3, 0.0), Duration::from_secs(2));
        assert_eq!(delay(3, 0.5), Duration::from_secs(3));
        assert_eq!(delay(3, 7.0), delay(3, 1.0));
        assert_eq!(delay(3, -7.0), delay(3, 0.0));
    }

    #[test]
    fn objects_count_for_themselves_and_success_forgets() {
        let failures = Failures::new();
        let note = |key: &'static str, reason| failures.note(key, "uid", reason, |_| true);
        assert_eq!(note("a", "X").failures, 1);
        assert_eq!(note("a", "X").failures, 2);
        assert_eq!(note("b", "X").failures, 1);
        failures.forget(&"a");
        assert_eq!(note("a", "X").failures, 1);
    }

    #[test]
    fn another_reason_restarts_the_count_of_the_same_but_not_the_delay() {
        let failures = Failures::new();
        failures.note("a", "uid", "X", |_| true);
        failures.note("a", "uid", "X", |_| true);
        let record = failures.note("a", "uid", "Y", |_| true);
        assert_eq!((record.failures, record.same), (3, 1));
    }

    #[test]
    fn an_object_created_anew_under_the_same_name_starts_afresh() {
        let failures = Failures::new();
        failures.note("a", "old", "X", |_| true);
        assert_eq!(failures.note("a", "new", "X", |_| true).failures, 1);
    }

    #[test]
    fn objects_that_are_gone_do_not_pile_up() {
        let failures = Failures::new();
        for n in 0..10_000 {
            failures.note(n, "uid", "X", |_| false);
        }
        assert!(failures.map().len() <= SWEEP_ABOVE, "{}", failures.map().len());
    }
}
