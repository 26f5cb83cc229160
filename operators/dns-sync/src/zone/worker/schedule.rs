//! What a worker's loop remembers between its passes, and when it reports a change of the zone.
use std::collections::BTreeSet;
use std::time::Duration;

use crate::name::Name;
use crate::zone::state::Mono;

/// Between two reports of the zone's status.
const NOTIFY_INTERVAL: Duration = Duration::from_secs(1);
/// A report waits so long for changes under way, so that a change is reported once, when it is done, and not twice.
const SETTLE: Duration = Duration::from_secs(2);

/// What the loop remembers between its passes.
#[derive(Debug)]
pub(super) struct Schedule {
    /// The zone must be listed before anything else.
    pub(super) list_due: bool,
    pub(super) next_list: Mono,
    /// Names whose last change has an unknown outcome.
    pub(super) unconfirmed: BTreeSet<Name>,
    /// Calls that failed in a row, and when the next may be made.
    pub(super) failures: u32,
    pub(super) not_before: Mono,
    /// When the first event of the open batch came.
    pub(super) batch_since: Option<Mono>,
    /// When the zone's status was last reported, and since when there is something to report.
    pub(super) notified: Option<Mono>,
    pub(super) changed_since: Option<Mono>,
}

impl Schedule {
    /// At the beginning the zone must be listed, and that it is being listed must be reported.
    pub(super) fn first() -> Self {
        Self {
            list_due: true,
            next_list: Mono::ZERO,
            unconfirmed: BTreeSet::new(),
            failures: 0,
            not_before: Mono::ZERO,
            batch_since: None,
            notified: None,
            changed_since: Some(Mono::ZERO),
        }
    }

    /// There is something to report of the zone.
    pub(super) fn note_change(&mut self, now: Mono) {
        self.changed_since.get_or_insert(now);
    }

    /// When the zone's status is to be reported; `busy`: changes are under way.
    pub(super) fn notify_at(&self, busy: bool) -> Option<Mono> {
        let settled = if busy {
            self.changed_since? + SETTLE
        } else {
            self.changed_since?
        };
        Some(
            self.notified
                .map_or(settled, |last| settled.max(last + NOTIFY_INTERVAL)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Mono = Mono::from_secs(1);

    #[test]
    fn a_change_is_reported_once_when_it_is_done() {
        let mut schedule = Schedule::first();
        assert_eq!(
            schedule.notify_at(false),
            Some(Mono::ZERO),
            "that it begins is reported at once"
        );
        (schedule.notified, schedule.changed_since) = (Some(10 * SECOND), None);
        assert_eq!(schedule.notify_at(false), None);
        schedule.note_change(20 * SECOND);
        schedule.note_change(21 * SECOND);
        assert_eq!(
            schedule.notify_at(true),
            Some(22 * SECOND),
            "a change is reported although others are still under way"
        );
        assert_eq!(schedule.notify_at(false), Some(20 * SECOND));
        (schedule.notified, schedule.changed_since) = (Some(20 * SECOND), Some(20 * SECOND));
        assert_eq!(schedule.notify_at(false), Some(21 * SECOND), "at most once a second");
    }
}
