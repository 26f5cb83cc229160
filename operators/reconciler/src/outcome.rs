//! What a reconcile came to, as conditions and a requeue; and the fields that every status has.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Resource, ResourceExt, runtime::controller::Action};

use crate::conditions::Conditions;

/// What a reconcile came to: a reason, one word in `PascalCase`, and a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// What the spec asks for is so.
    Ready(&'static str, String),
    /// Work is under way or waited for. Requeued after this time; without one, something that is watched will change.
    Waiting(&'static str, String, Option<Duration>),
    /// A retry cannot help; the message says what would.
    Stalled(&'static str, String),
}

impl Outcome {
    /// `spec.suspend` is set, which is no error; the message says what stays as it is.
    pub fn suspended(message: impl Into<String>) -> Self {
        Self::Ready("Suspended", message.into())
    }

    /// Sets `Ready`, `Reconciling` and `Stalled`, and returns when to reconcile next.
    pub fn report(&self, conditions: &mut Conditions<'_>) -> Action {
        match self {
            Self::Ready(reason, message) => conditions.ready(reason, message),
            Self::Waiting(reason, message, _) => conditions.reconciling(reason, message),
            Self::Stalled(reason, message) => conditions.stalled(reason, message),
        }
        match self {
            Self::Waiting(_, _, Some(after)) => Action::requeue(*after),
            _ => Action::await_change(),
        }
    }
}

/// The fields that every status has.
pub trait StatusFields {
    /// `conditions`.
    fn conditions(&mut self) -> &mut Vec<Condition>;

    /// Sets `observedGeneration`.
    fn set_observed_generation(&mut self, generation: i64);

    /// `lastHandledReconcileAt`.
    fn last_handled_reconcile_at(&mut self) -> &mut Option<String>;
}

/// Begins a status for the object's present spec: sets `observedGeneration`, and echoes the annotation that asks for a
/// reconcile now (`<group>/reconcile-at`), so that whoever set it sees that it was handled. The echo stays when the
/// annotation is removed. Returns the conditions to set.
pub fn begin<'a, K: Resource, S: StatusFields>(
    object: &K,
    reconcile_at: &str,
    status: &'a mut S,
    now: Timestamp,
) -> Conditions<'a> {
    let generation = object.meta().generation;
    status.set_observed_generation(generation.unwrap_or_default());
    if let Some(asked) = object.annotations().get(reconcile_at) {
        *status.last_handled_reconcile_at() = Some(asked.clone());
    }
    Conditions {
        list: status.conditions(),
        generation,
        now,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;
    use crate::conditions::{READY, STALLED, get};

    #[derive(Default)]
    struct Status {
        generation: i64,
        conditions: Vec<Condition>,
        handled: Option<String>,
    }

    impl StatusFields for Status {
        fn conditions(&mut self) -> &mut Vec<Condition> {
            &mut self.conditions
        }

        fn set_observed_generation(&mut self, generation: i64) {
            self.generation = generation;
        }

        fn last_handled_reconcile_at(&mut self) -> &mut Option<String> {
            &mut self.handled
        }
    }

    fn object(generation: i64, asked: Option<&str>) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.generation = Some(generation);
        let annotation = |value: &str| [("x.io/reconcile-at".to_owned(), value.to_owned())].into();
        object.metadata.annotations = asked.map(annotation);
        object
    }

    fn begun(status: &mut Status, generation: i64, asked: Option<&str>, outcome: &Outcome) -> Action {
        let object = object(generation, asked);
        outcome.report(&mut begin(&object, "x.io/reconcile-at", status, Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn an_outcome_sets_conditions_and_says_when_to_reconcile_next() {
        let (mut status, text) = (Status::default(), String::new);
        let soon = Duration::from_secs(7);
        let table = [
            (Outcome::Ready("Synced", text()), "Synced", Action::await_change()),
            (Outcome::suspended(""), "Suspended", Action::await_change()),
            (
                Outcome::Waiting("Busy", text(), Some(soon)),
                "Busy",
                Action::requeue(soon),
            ),
            (Outcome::Waiting("Later", text(), None), "Later", Action::await_change()),
            (Outcome::Stalled("NotOurs", text()), "NotOurs", Action::await_change()),
        ];
        for (outcome, reason, action) in table {
            assert_eq!(begun(&mut status, 1, None, &outcome), action, "{reason}");
            assert_eq!(get(&status.conditions, READY).unwrap().reason, reason);
        }
        assert!(get(&status.conditions, STALLED).is_some());
    }

    #[test]
    fn the_generation_and_the_request_are_echoed() {
        let (mut status, ready) = (Status::default(), Outcome::Ready("Synced", String::new()));
        begun(&mut status, 3, Some("now"), &ready);
        assert_eq!((status.generation, status.handled.as_deref()), (3, Some("now")));
        assert_eq!(get(&status.conditions, READY).unwrap().observed_generation, Some(3));
        begun(&mut status, 4, None, &ready);
        assert_eq!((status.generation, status.handled.as_deref()), (4, Some("now")));
    }
}
