//! Conditions, after the Kubernetes API conventions and kstatus: `Ready` always, `Reconciling` and `Stalled` only while
//! true (abnormal-true), never both. Pure: the caller says what time it is.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::error::truncate;

/// The condition that every kind has.
pub const READY: &str = "Ready";
/// Present while work is under way or waited for; kstatus reports `InProgress`.
pub const RECONCILING: &str = "Reconciling";
/// Present while a retry cannot help; kstatus reports `Failed`.
pub const STALLED: &str = "Stalled";

/// The API's limit for a condition's message, in characters; we count bytes, which is stricter.
const MESSAGE_LIMIT: usize = 32 * 1024;

/// An object's conditions while they are being written.
#[derive(Debug)]
pub struct Conditions<'a> {
    /// The conditions in the object's status; those of others stay.
    pub list: &'a mut Vec<Condition>,
    /// The generation that they speak of.
    pub generation: Option<i64>,
    /// The present time.
    pub now: Timestamp,
}

impl Conditions<'_> {
    /// Sets one condition; a status of `None` means that nobody knows. `lastTransitionTime` changes only when the status
    /// does, so that setting the same again changes nothing. `reason` is one word in `PascalCase`; a message beyond
    /// 32 KiB is cut.
    pub fn set(&mut self, type_: &str, status: impl Into<Option<bool>>, reason: &str, message: &str) {
        let status = status.into().map_or("Unknown", |so| if so { "True" } else { "False" });
        let old = self.list.iter_mut().find(|c| c.type_ == type_);
        let since = old.as_ref().filter(|c| c.status == status);
        // The API keeps whole seconds; more would differ from what we read back.
        let now = Timestamp::from_second(self.now.as_second()).unwrap_or(self.now);
        let new = Condition {
            last_transition_time: since.map_or(Time(now), |c| c.last_transition_time.clone()),
            message: truncate(message, MESSAGE_LIMIT),
            observed_generation: self.generation,
            reason: reason.to_owned(),
            status: status.to_owned(),
            type_: type_.to_owned(),
        };
        match old {
            Some(place) => *place = new,
            None => self.list.push(new),
        }
    }

    /// What the spec asks for is so (or the object is suspended). `Reconciling` and `Stalled` go.
    pub fn ready(&mut self, reason: &str, message: &str) {
        self.set(READY, true, reason, message);
        self.list.retain(|c| c.type_ != RECONCILING && c.type_ != STALLED);
    }

    /// Not ready yet: work is under way, waited for or retried. `Reconciling` comes, `Stalled` goes.
    pub fn reconciling(&mut self, reason: &str, message: &str) {
        self.set(READY, false, reason, message);
        self.set(RECONCILING, true, reason, message);
        self.list.retain(|c| c.type_ != STALLED);
    }

    /// Not ready, and a retry cannot help; the message says what would. `Stalled` comes, `Reconciling` goes.
    pub fn stalled(&mut self, reason: &str, message: &str) {
        self.set(READY, false, reason, message);
        self.set(STALLED, true, reason, message);
        self.list.retain(|c| c.type_ != RECONCILING);
    }
}

/// The condition of this type.
pub fn get<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn of(list: &mut Vec<Condition>, generation: Option<i64>, now: Timestamp) -> Conditions<'_> {
        Conditions { list, generation, now }
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
        of(&mut conditions, Some(1), at(10)).set(READY, true, "Synced", "");
        of(&mut conditions, Some(2), at(20)).set(READY, true, "Suspended", "by hand");
        assert_eq!(shown(&conditions), [("Ready", "True", "Suspended", 10)]);
        assert_eq!(
            (conditions[0].observed_generation, conditions[0].message.as_str()),
            (Some(2), "by hand")
        );
        of(&mut conditions, Some(2), at(30)).set(READY, None::<bool>, "Lost", "");
        assert_eq!(shown(&conditions), [("Ready", "Unknown", "Lost", 30)]);
    }

    #[test]
    fn setting_the_same_again_changes_nothing() {
        let mut conditions = Vec::new();
        of(&mut conditions, Some(1), at(10)).reconciling("Waiting", "for a Secret");
        let before = conditions.clone();
        of(&mut conditions, Some(1), at(99)).reconciling("Waiting", "for a Secret");
        assert_eq!(conditions, before);
    }

    #[test]
    fn reconciling_and_stalled_are_there_only_while_true_and_never_both() {
        let mut conditions = Vec::new();
        of(&mut conditions, None, at(1)).reconciling("Waiting", "");
        assert_eq!(
            shown(&conditions),
            [("Ready", "False", "Waiting", 1), ("Reconciling", "True", "Waiting", 1)]
        );
        of(&mut conditions, None, at(2)).stalled("NotOurs", "");
        assert_eq!(
            shown(&conditions),
            [("Ready", "False", "NotOurs", 1), ("Stalled", "True", "NotOurs", 2)]
        );
        of(&mut conditions, None, at(3)).ready("Synced", "");
        assert_eq!(shown(&conditions), [("Ready", "True", "Synced", 3)]);
    }

    #[test]
    fn conditions_of_others_stay() {
        let mut conditions = Vec::new();
        of(&mut conditions, None, at(1)).set("Reachable", true, "Answered", "");
        of(&mut conditions, None, at(2)).stalled("NotOurs", "");
        of(&mut conditions, None, at(3)).ready("Synced", "");
        assert_eq!(get(&conditions, "Reachable").unwrap().reason, "Answered");
    }

    #[test]
    fn a_message_is_cut_at_a_character_and_times_are_whole_seconds() {
        let mut conditions = Vec::new();
        let now = Timestamp::from_millisecond(1_500).unwrap();
        of(&mut conditions, None, now).set(READY, false, "Long", &"ü".repeat(40_000));
        assert!(conditions[0].message.len() <= MESSAGE_LIMIT && conditions[0].message.ends_with('…'));
        assert_eq!(conditions[0].last_transition_time.0.subsec_nanosecond(), 0);
    }
}
