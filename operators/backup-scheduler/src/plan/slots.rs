//! The slots of work on repositories: which is the newest. Pure.
use hearth_cron::Cron;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::crd::BackupRepositorySpec;

/// Once a week, at a minute, an hour and a weekday of the repository's own.
const WEEKLY: &str = "H H * * H";
/// Each check reads this part of the data.
const PARTS: u64 = 14;

/// The newest slots that have come since the repository was made, and the parts of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slots {
    /// Of checks.
    pub check: Option<Timestamp>,
    /// Of prunes.
    pub prune: Option<Timestamp>,
    /// Into how many parts the data is cut for checks; none: it is not read.
    pub parts: Option<u64>,
    /// The next slot of either.
    pub next: Option<Timestamp>,
    /// What is wrong with the schedules. What is wrong has no slots.
    pub problems: Vec<String>,
}

/// Computes the slots of a repository with this UID, made at this time.
pub fn slots(spec: &BackupRepositorySpec, uid: &str, made: Timestamp, now: Timestamp) -> Slots {
    let (check, prune) = (
        spec.check.clone().unwrap_or_default(),
        spec.prune.clone().unwrap_or_default(),
    );
    let mut slots = Slots {
        parts: parts(check.read_data.as_deref()),
        ..Slots::default()
    };
    if !check.suspend {
        // Another seed: a prune and a check at the same time would wait for each other.
        let seed = format!("{uid}/check");
        slots.check = slots.newest(
            "check",
            check.schedule.as_deref(),
            check.time_zone.as_deref(),
            &seed,
            made,
            now,
        );
    }
    if !prune.suspend {
        let seed = format!("{uid}/prune");
        slots.prune = slots.newest(
            "prune",
            prune.schedule.as_deref(),
            prune.time_zone.as_deref(),
            &seed,
            made,
            now,
        );
    }
    slots
}

impl Slots {
    fn newest(
        &mut self,
        field: &str,
        schedule: Option<&str>,
        zone: Option<&str>,
        seed: &str,
        made: Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let text = schedule.unwrap_or(WEEKLY);
        let cron = Cron::parse(text, Some(seed)).map_err(|why| why.describe(&format!("spec.{field}.schedule"), text));
        let zone = zone.map_or(Ok(TimeZone::UTC), |name| {
            hearth_cron::time_zone(name).map_err(|why| format!("spec.{field}.timeZone: {why}"))
        });
        match (cron, zone) {
            (Ok(cron), Ok(zone)) => {
                let next = cron.next(now, &zone);
                self.next = [self.next, next].into_iter().flatten().min();
                cron.latest(made, now, &zone).map(|latest| latest.slot)
            }
            (cron, zone) => {
                let problems = [cron.err(), zone.err()];
                self.problems.extend(problems.into_iter().flatten());
                None
            }
        }
    }
}

/// `1/14` → 14; `0` → none.
fn parts(text: Option<&str>) -> Option<u64> {
    match text {
        None => Some(PARTS),
        Some(text) => text.strip_prefix("1/").and_then(|number| number.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::{Value, json};

    use super::*;

    fn spec(more: &Value) -> BackupRepositorySpec {
        let mut spec = json!({
            "s3": {"endpoint": "https://s3", "bucket": "home", "secretRef": {"name": "b2"}},
            "passphraseSecretRef": {"name": "p"}, "initialize": "WhenEmpty",
        });
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        serde_json::from_value(spec).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const MADE: &str = "2026-11-01T00:00:00Z";
    const NOW: &str = "2026-11-30T04:00:00Z";

    #[test]
    fn by_default_each_comes_once_a_week_at_a_time_of_its_own() {
        let slots = slots(&spec(&json!({})), "r1", at(MADE), at(NOW));
        let (check, prune) = (slots.check.unwrap(), slots.prune.unwrap());
        assert_ne!(check, prune);
        assert!(at(NOW).duration_since(check) <= SignedDuration::from_hours(7 * 24));
        assert_eq!((slots.parts, slots.problems), (Some(14), Vec::<String>::new()));
        assert!(slots.next.is_some_and(|next| next > at(NOW)));
    }

    #[test]
    fn a_schedule_is_read_in_its_zone_and_a_suspended_one_has_no_slots() {
        let more = json!({
            "check": {"schedule": "0 5 * * *", "timeZone": "Europe/Berlin", "readData": "1/3"}, "prune": {"suspend": true},
        });
        let slots = slots(&spec(&more), "r1", at(MADE), at(NOW));
        assert_eq!((slots.check, slots.prune, slots.parts), (Some(at(NOW)), None, Some(3)));
        assert_eq!(slots.next, Some(at("2026-12-01T04:00:00Z")));
    }

    #[test]
    fn what_is_wrong_is_said_and_has_no_slots() {
        let more = json!({
            "check": {"schedule": "0 0 31 2 *", "readData": "0"}, "prune": {"schedule": "0 5 * * *", "timeZone": "Mars/Base"},
        });
        let slots = slots(&spec(&more), "r1", at(MADE), at(NOW));
        assert_eq!((slots.check, slots.prune, slots.parts), (None, None, None));
        assert!(slots.problems[0].contains("spec.check.schedule") && slots.problems[0].contains("never comes"));
        assert!(slots.problems[1].contains("spec.prune.timeZone") && slots.problems[1].contains("Mars/Base"));
    }

    #[test]
    fn nothing_is_due_for_a_time_before_the_repository() {
        let more = json!({"check": {"schedule": "0 3 * * *"}, "prune": {"schedule": "0 3 * * *"}});
        let slots = slots(&spec(&more), "r1", at("2026-11-30T03:30:00Z"), at(NOW));
        assert_eq!((slots.check, slots.prune), (None, None));
    }
}
