//! What an actor's loop remembers between its turns, and when it tells what has become of the zone.
use std::collections::BTreeSet;
use std::time::Duration;

use crate::name::Name;
use crate::zone::state::Mono;

/// Between two announcements of the zone's status.
const ANNOUNCE: Duration = Duration::from_secs(1);
/// News wait so long for the changes under way, so that a change is told once, when it is done, and not twice.
const SETTLE: Duration = Duration::from_secs(2);

/// What the loop remembers between its turns.
#[derive(Debug)]
pub(super) struct Turn {
    /// The zone must be listed before anything else.
    pub(super) look: bool,
    pub(super) next_look: Mono,
    /// Names whose last change has an unknown outcome.
    pub(super) suspects: BTreeSet<Name>,
    /// Calls that failed in a row, and when the next may be made.
    pub(super) failures: u32,
    pub(super) not_before: Mono,
    /// When the first event of the open batch came.
    pub(super) batch_since: Option<Mono>,
    /// When the zone's status was last announced, and since when there is news.
    pub(super) announced: Option<Mono>,
    pub(super) news: Option<Mono>,
}

impl Turn {
    /// At the beginning the zone must be listed, and that it is being listed is to be told.
    pub(super) fn first() -> Self {
        Self {
            look: true,
            next_look: Mono::ZERO,
            suspects: BTreeSet::new(),
            failures: 0,
            not_before: Mono::ZERO,
            batch_since: None,
            announced: None,
            news: Some(Mono::ZERO),
        }
    }

    /// There is something to tell of the zone.
    pub(super) fn tell(&mut self, now: Mono) {
        self.news.get_or_insert(now);
    }

    /// When the zone's status is to be announced; `busy`: changes are under way.
    pub(super) fn told_at(&self, busy: bool) -> Option<Mono> {
        let settled = if busy { self.news? + SETTLE } else { self.news? };
        Some(self.announced.map_or(settled, |last| settled.max(last + ANNOUNCE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Mono = Mono::from_secs(1);

    #[test]
    fn a_change_is_told_once_when_it_is_done() {
        let mut turn = Turn::first();
        assert_eq!(turn.told_at(false), Some(Mono::ZERO), "that it begins is told at once");
        (turn.announced, turn.news) = (Some(10 * SECOND), None);
        assert_eq!(turn.told_at(false), None);
        turn.tell(20 * SECOND);
        turn.tell(21 * SECOND);
        assert_eq!(
            turn.told_at(true),
            Some(22 * SECOND),
            "work that drags on is told all the same"
        );
        assert_eq!(turn.told_at(false), Some(20 * SECOND));
        (turn.announced, turn.news) = (Some(20 * SECOND), Some(20 * SECOND));
        assert_eq!(turn.told_at(false), Some(21 * SECOND), "at most once a second");
    }
}
