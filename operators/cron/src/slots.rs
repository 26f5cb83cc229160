//! The slots of a schedule.
use cronexpr::MakeTimestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::{Cron, LAST_YEAR};

/// Slots are counted up to this.
pub const MOST: u32 = 1000;
/// The longest time that [`Cron::latest`] looks back at once: more than the eight years between two leap days.
const FARTHEST: SignedDuration = SignedDuration::from_hours(24 * 366 * 9);
/// So many changes of clocks are passed in search of a slot: those of about thirty years.
const CHANGES: usize = 64;

/// The newest slot of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latest {
    /// The slot.
    pub slot: Timestamp,
    /// How many slots there were, this one included; [`MOST`] stands for any more.
    pub slots: u32,
}

impl Cron {
    /// The next slot strictly after a moment.
    ///
    /// A time of day comes once a day: the first time where clocks are put back and an hour comes twice, and at the moment of the
    /// change where clocks are put forward and the time is left out. A rhythm (`*` or `*/n` in the minute or the hour) runs through
    /// both equal hours; what is left out does not come, unless its hour is given: then once, at the change.
    pub fn next(&self, moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.rhythm {
            self.next_in_rhythm(moment, zone)
        } else {
            self.next_local(moment, zone)
        }
    }

    /// The next slot strictly after a moment, as a time of day is read (see [`Cron::next`]), also where the minute or the hour
    /// begins with `*`.
    pub fn next_local(&self, moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // The schedule is asked in local time, as if there were no changes of clocks: every local time comes once.
        let mut local = zone.to_datetime(moment);
        loop {
            local = self.find(local)?;
            let begin = instant(local, zone)?;
            // In the second of two equal hours the local times that follow have been already.
            if begin > moment {
                return Some(begin);
            }
        }
    }

    fn next_in_rhythm(&self, moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let (mut from, mut local) = (moment, zone.to_datetime(moment));
        for _ in 0..CHANGES {
            let offset = zone.to_offset(from);
            let found = self.find(local)?;
            let slot = offset.to_timestamp(found).ok()?;
            let Some(change) = zone.following(from).next() else {
                return Some(slot);
            };
            if slot < change.timestamp() {
                return Some(slot);
            }
            let after = change.offset().to_datetime(change.timestamp());
            if !self.any_hour && found < after {
                // It lies in the time that is left out.
                return Some(change.timestamp());
            }
            from = change.timestamp();
            // The first slot of the time after the change may be its first minute.
            local = after.checked_sub(1.second()).ok()?;
        }
        None
    }

    /// The next local time of the schedule, strictly after one.
    fn find(&self, local: DateTime) -> Option<DateTime> {
        let mut from = local;
        // The parser looks four years ahead, and leap days can be eight years apart.
        for _ in 0..3 {
            if from.year() > LAST_YEAR {
                return None;
            }
            let as_utc = TimeZone::UTC.to_timestamp(from).ok()?;
            if let Ok(found) = self.crontab.find_next(MakeTimestamp(as_utc)) {
                return Some(found.datetime());
            }
            from = from.checked_add(4.years()).ok()?;
        }
        None
    }

    /// The newest slot after one moment, and not after another. The cost does not depend on how long ago it was.
    pub fn latest(&self, after: Timestamp, until: Timestamp, zone: &TimeZone) -> Option<Latest> {
        let comes = |from: Timestamp| self.next(from, zone).filter(|slot| *slot <= until);
        comes(after)?;
        // Between `known` and `until` there is a slot, between `none` and `until` there is none.
        let (mut known, mut none) = (after, until);
        let mut step = SignedDuration::from_mins(1);
        while step < FARTHEST {
            let from = until.checked_sub(step).ok().filter(|from| *from > after);
            let Some(from) = from else { break };
            if comes(from).is_some() {
                known = from;
                break;
            }
            none = from;
            step = step.saturating_mul(2);
        }
        while none.duration_since(known) > SignedDuration::from_secs(1) {
            let middle = known.checked_add(none.duration_since(known) / 2).ok()?;
            if comes(middle).is_some() {
                known = middle;
            } else {
                none = middle;
            }
        }
        let slot = comes(known)?;
        let (mut slots, mut at) = (0, after);
        while slots < MOST && at < slot {
            at = self.next(at, zone)?;
            slots += 1;
        }
        Some(Latest { slot, slots })
    }

    /// The time from the next slot to the one after it.
    pub fn interval(&self, moment: Timestamp, zone: &TimeZone) -> Option<SignedDuration> {
        let next = self.next(moment, zone)?;
        Some(self.next(next, zone)?.duration_since(next))
    }
}

/// The moment of a local time; never goes back when local times go forward.
fn instant(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let candidates = zone.to_ambiguous_timestamp(local);
    let gap = matches!(candidates.offset(), AmbiguousOffset::Gap { .. });
    let earlier = candidates.earlier().ok()?;
    if gap {
        // The earlier reading of a time that is left out lies before the change, which therefore follows it.
        return zone.following(earlier).next().map(|change| change.timestamp());
    }
    Some(earlier)
}
