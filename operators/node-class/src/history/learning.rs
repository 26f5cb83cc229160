//! Whether a node is volatile or always on, learned from the last 30 days with hysteresis: it becomes volatile soon and
//! always on late, and what is learned does not change twice within a day.
use super::uptime::{DAY, Sums};
use crate::args::Learning;
use crate::crd::Availability;

/// More known time than this cannot be asked for: not much more is kept.
const LONGEST_CALM: i64 = 28 * DAY;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Learned {
    pub availability: Availability,
    /// Since when; none if there was never another.
    pub since: Option<i64>,
    /// Since when the node has been calm without a break.
    pub calm_since: Option<i64>,
}

impl Learned {
    /// Learns from the last 30 days; `known_since` tells how much is known since a second. True if the result changed.
    pub(super) fn update(
        &mut self,
        month: &Sums,
        known_since: impl Fn(i64) -> i64,
        learning: &Learning,
        now: i64,
    ) -> bool {
        let asked = |time: std::time::Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let calm = asked(learning.calm).min(LONGEST_CALM);
        self.calm_since = is_calm(month, calm).then_some(self.calm_since.unwrap_or(now));
        let settled = self
            .since
            .is_none_or(|since| now.saturating_sub(since) >= asked(learning.dwell));
        let availability = if month.known >= asked(learning.coverage) && is_volatile(month) {
            Availability::Volatile
        } else if self.calm_since.is_some_and(|since| known_since(since) >= calm) {
            Availability::AlwaysOn
        } else {
            self.availability
        };
        let unproven = self.availability == Availability::Unproven;
        if availability == self.availability || !(settled || unproven) {
            return false;
        }
        (self.availability, self.since) = (availability, Some(now));
        true
    }
}

/// Up for less than 95 % of the time, or down more than every other day; what was planned counts for neither.
fn is_volatile(month: &Sums) -> bool {
    let judged = month.known - month.planned;
    month.up * 100 < judged * 95 || month.downs * 2 * DAY > month.known
}

/// Up for more than 99 % of the time, and down less than once in ten days. Both are measured over `calm` at least: one
/// reboot in the first days says nothing yet. At the end of `calm` that is the time which is known.
fn is_calm(month: &Sums, calm: i64) -> bool {
    let off = month.known - month.planned - month.up;
    off * 100 < (month.known - month.planned).max(calm) && month.downs * 10 * DAY < month.known.max(calm)
}
