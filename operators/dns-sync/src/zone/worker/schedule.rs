//! What a worker's loop remembers between its passes, and when it reports a change of the zone.
use std::collections::BTreeSet;
use std::time::Duration;

use crate::name::Name;
use crate::source::ObjectKey;
use crate::zone::state::Mono;

/// Between two reports of the zone's status.
const NOTIFY_INTERVAL: Duration = Duration::from_secs(1);
/// Objects that change together, as when they are applied together, arrive within this time.
const BURST: Duration = Duration::from_millis(10);
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
    /// The object of that event.
    first_object: Option<ObjectKey>,
    /// The open batch waits for more changes, for as long as `batchWindow` says.
    gathering: bool,
    /// When the last call was answered.
    last_answer: Option<Mono>,
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
            first_object: None,
            // Everything that the cluster has comes first.
            gathering: true,
            last_answer: None,
            notified: None,
            changed_since: Some(Mono::ZERO),
        }
    }

    /// An object has changed. A single change on a quiet zone need not wait; when it came during a call, and when several
    /// objects change, more are likely to follow.
    pub(super) fn note_event(&mut self, object: &ObjectKey, at: Mono) {
        self.batch_since = Some(self.batch_since.map_or(at, |since| since.min(at)));
        let during_call = self.last_answer.is_some_and(|answered| at <= answered);
        let first = self.first_object.get_or_insert_with(|| object.clone());
        self.gathering |= during_call || first != object;
    }

    /// When the open batch is to be sent.
    pub(super) fn batch_at(&mut self, now: Mono, window: Duration) -> Mono {
        let since = *self.batch_since.get_or_insert(now);
        since + if self.gathering { window } else { window.min(BURST) }
    }

    /// The open batch is sent, or there is nothing to send.
    pub(super) fn close_batch(&mut self) {
        (self.batch_since, self.first_object, self.gathering) = (None, None, false);
    }

    /// The provider has answered a call.
    pub(super) fn note_answer(&mut self, now: Mono) {
        self.last_answer = Some(now);
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
