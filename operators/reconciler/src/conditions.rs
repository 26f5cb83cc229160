//! Conditions, after the Kubernetes API conventions and kstatus: `Ready` always, `Reconciling` and `Stalled` only while
//! true (abnormal-true), never both. Pure: the caller says what time it is.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::error::cut;

/// The condition that every kind has.
pub const READY: &str = "Ready";
/// Present while work is under way or waited for; kstatus reports `InProgress`.
pub const RECONCILING: &str = "Reconciling";
/// Present while a retry cannot help; kstatus reports `Failed`.
pub const STALLED: &str = "Stalled";

/// The API's limit for a condition's message, in characters; we count bytes, which is stricter.
const MESSAGE_LIMIT: usize = 32 * 1024;

/// Sets one condition; a status of `None` means that nobody knows. `lastTransitionTime` changes only when the status
/// does, so that setting the same again changes nothing. `reason` is one word in `PascalCase`; a message beyond 32 KiB
/// is cut.
pub fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: impl Into<Option<bool>>,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) {
    let status = status.into().map_or("Unknown", |so| if so { "True" } else { "False" });
    let old = conditions.iter_mut().find(|c| c.type_ == type_);
    let since = old.as_ref().filter(|c| c.status == status);
    // The API keeps whole seconds; more would differ from what we read back.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let new = Condition {
        last_transition_time: since.map_or(Time(now), |c| c.last_transition_time.clone()),
        message: cut(message, MESSAGE_LIMIT),
        observed_generation: generation,
        reason: reason.to_owned(),
        status: status.to_owned(),
        type_: type_.to_owned(),
    };
    match old {
        Some(place) => *place = new,
        None => conditions.push(new),
    }
}

/// Removes one condition, if it is there.
pub fn remove(conditions: &mut Vec<Condition>, type_: &str) {
    conditions.retain(|c| c.type_ != type_);
}

/// The condition of this type.
pub fn get<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}

/// Ready: what the spec asks for is so (or the object is suspended). `Reconciling` and `Stalled` go.
pub fn ready(conditions: &mut Vec<Condition>, reason: &str, message: &str, generation: Option<i64>, now: Timestamp) {
    set(conditions, READY, true, reason, message, generation, now);
    remove(conditions, RECONCILING);
    remove(conditions, STALLED);
}

/// Not ready yet: work is under way, waited for or retried. `Reconciling` comes, `Stalled` goes.
pub fn reconciling(
    conditions: &mut Vec<Condition>,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) {
    set(conditions, READY, false, reason, message, generation, now);
    set(conditions, RECONCILING, true, reason, message, generation, now);
    remove(conditions, STALLED);
}

/// Not ready, and a retry cannot help; the message says what would. `Stalled` comes, `Reconciling` goes.
pub fn stalled(conditions: &mut Vec<Condition>, reason: &str, message: &str, generation: Option<i64>, now: Timestamp) {
    set(conditions, READY, false, reason, message, generation, now);
    set(conditions, STALLED, true, reason, message, generation, now);
    remove(conditions, RECONCILING);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn shown(conditions: &[Condition]) -> Vec<(&str, &str, &str, i64)> {
        let line = |c: &'_ Condition| c.last_transition_time.0.as_second();
        conditions
            .iter()
            .map(|c| (c.type_.as_str(), c.status.as_str(), c.reason.as_str(), line(c)))
            .collect()
    }

    #[test]
    fn the_transition_time_changes_with_the_status_only() {
        let mut conditions = Vec::new();
        set(&mut conditions, READY, true, "Synced", "", Some(1), at(10));
        set(&mut conditions, READY, true, "Suspended", "by hand", Some(2), at(20));
        assert_eq!(shown(&conditions), [("Ready", "True", "Suspended", 10)]);
        assert_eq!(
            (conditions[0].observed_generation, conditions[0].message.as_str()),
            (Some(2), "by hand")
        );
        set(&mut conditions, READY, None::<bool>, "Lost", "", Some(2), at(30));
        assert_eq!(shown(&conditions), [("Ready", "Unknown", "Lost", 30)]);
    }

    #[test]
    fn setting_the_same_again_changes_nothing() {
        let mut conditions = Vec::new();
        reconciling(&mut conditions, "Waiting", "for a Secret", Some(1), at(10));
        let before = conditions.clone();
        reconciling(&mut conditions, "Waiting", "for a Secret", Some(1), at(99));
        assert_eq!(conditions, before);
    }

    #[test]
    fn reconciling_and_stalled_are_there_only_while_true_and_never_both() {
        let mut conditions = Vec::new();
        reconciling(&mut conditions, "Waiting", "", None, at(1));
        assert_eq!(
            shown(&conditions),
            [("Ready", "False", "Waiting", 1), ("Reconciling", "True", "Waiting", 1)]
        );
        stalled(&mut conditions, "NotOurs", "", None, at(2));
        assert_eq!(
            shown(&conditions),
            [("Ready", "False", "NotOurs", 1), ("Stalled", "True", "NotOurs", 2)]
        );
        ready(&mut conditions, "Synced", "", None, at(3));
        assert_eq!(shown(&conditions), [("Ready", "True", "Synced", 3)]);
    }

    #[test]
    fn conditions_of_others_stay() {
        let mut conditions = Vec::new();
        set(&mut conditions, "Reachable", true, "Answered", "", None, at(1));
        stalled(&mut conditions, "NotOurs", "", None, at(2));
        ready(&mut conditions, "Synced", "", None, at(3));
        assert_eq!(get(&conditions, "Reachable").unwrap().reason, "Answered");
    }

    #[test]
    fn a_message_is_cut_at_a_character_and_times_are_whole_seconds() {
        let mut conditions = Vec::new();
        let now = Timestamp::from_millisecond(1_500).unwrap();
        set(&mut conditions, READY, false, "Long", &"ü".repeat(40_000), None, now);
        assert!(conditions[0].message.len() <= MESSAGE_LIMIT && conditions[0].message.ends_with('…'));
        assert_eq!(conditions[0].last_transition_time.0.subsec_nanosecond(), 0);
    }
}
