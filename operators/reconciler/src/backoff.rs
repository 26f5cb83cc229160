//! How long to wait after failures, object by object.

use std::{collections::HashMap, time::Duration};

use kube::{
    core::DynamicObject,
    runtime::{controller::Action, reflector::ObjectRef},
};
use parking_lot::Mutex;

use crate::error::Retry;

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

/// `Retry::After` is not believed beyond this.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// When to look at an object again after its `failures`-th failure in a row; `jitter` from 0 to 1.
pub(crate) fn requeue(retry: Retry, failures: u32, jitter: f64) -> Action {
    match retry {
        Retry::Backoff => Action::requeue(delay(failures, jitter)),
        // Never earlier than asked, and up to a tenth later: many objects hear the same time.
        Retry::After(time) => Action::requeue(time.min(LONGEST_WAIT).mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 10.0)),
        Retry::OnChange => Action::await_change(),
    }
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
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<HashMap<ObjectRef<DynamicObject>, Failing>>);

impl Failures {
    /// Notes a failure and returns the object's record.
    pub(crate) fn note(&self, key: ObjectRef<DynamicObject>, uid: &str, reason: &'static str) -> Failing {
        let mut map = self.0.lock();
        let record = map.entry(key).or_default();
        if record.uid != uid {
            (record.uid, record.failures, record.reason) = (uid.to_owned(), 0, "");
        }
        record.failures += 1;
        record.same = if record.reason == reason { record.same + 1 } else { 1 };
        record.reason = reason;
        record.clone()
    }

    /// Forgets an object: it succeeded, or it is gone.
    pub(crate) fn forget(&self, key: &ObjectRef<DynamicObject>) {
        self.0.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(name: &str) -> ObjectRef<DynamicObject> {
        ObjectRef::<ConfigMap>::new(name).erase()
    }

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
    fn errors_become_requeues() {
        assert_eq!(requeue(Retry::OnChange, 1, 0.5), Action::await_change());
        assert_eq!(requeue(Retry::Backoff, 1, 1.0), Action::requeue(Duration::from_secs(1)));
        assert_eq!(requeue(Retry::Backoff, 4, 1.0), Action::requeue(Duration::from_secs(8)));
        assert_eq!(
            requeue(Retry::Backoff, 99, 1.0),
            Action::requeue(Duration::from_mins(5))
        );
        assert_eq!(
            requeue(Retry::After(Duration::MAX), 1, 0.0),
            Action::requeue(Duration::from_hours(24))
        );
        let minute = Duration::from_mins(1);
        assert_eq!(requeue(Retry::After(minute), 9, 0.0), Action::requeue(minute));
        assert_eq!(
            requeue(Retry::After(minute), 9, 1.0),
            Action::requeue(Duration::from_secs(66))
        );
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
        let failures = Failures::default();
        let note = |key: &'static str, reason| failures.note(object(key), "uid", reason);
        assert_eq!(note("a", "X").failures, 1);
        assert_eq!(note("a", "X").failures, 2);
        assert_eq!(note("b", "X").failures, 1);
        failures.forget(&object("a"));
        assert_eq!(note("a", "X").failures, 1);
    }

    #[test]
    fn another_reason_restarts_the_count_of_the_same_but_not_the_delay() {
        let failures = Failures::default();
        failures.note(object("a"), "uid", "X");
        failures.note(object("a"), "uid", "X");
        let record = failures.note(object("a"), "uid", "Y");
        assert_eq!((record.failures, record.same), (3, 1));
    }

    #[test]
    fn an_object_created_anew_under_the_same_name_starts_afresh() {
        let failures = Failures::default();
        failures.note(object("a"), "old", "X");
        assert_eq!(failures.note(object("a"), "new", "X").failures, 1);
    }
}
