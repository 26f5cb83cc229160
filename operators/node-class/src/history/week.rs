//! When in the week a node is usually up: 168 hours of local time. Each whole minute counts for the local hour in which it
//! began, as what its last second was; so nothing of it has to be remembered between two calls, and on the days when
//! clocks are changed a minute still is a minute of the hour that clocks show.
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::journal::{Change, Weight};
use super::ledger::{DAY, HOUR};

/// Hours of a week.
pub(super) const HOURS: usize = 168;
const MINUTE: i64 = 60;
/// Zones' offsets change and differ by quarters of an hour.
const QUARTER: i64 = 15 * MINUTE;
/// 2^(-1/4), times 2^16: what is left after one week of a half-life of four.
const WEEKLY: u32 = 55_109;
/// After this time nothing is left of anything.
const FORGOTTEN: i64 = 2 * 365 * DAY;

/// One of 168.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Minutes up.
    pub up: u16,
    /// Minutes known.
    pub known: u16,
}

impl Bucket {
    fn change(&mut self, by: Weight, minutes: i64) {
        let known = (i64::from(self.known) + by.known * minutes).clamp(0, i64::from(u16::MAX));
        let up = (i64::from(self.up) + by.up * minutes).clamp(0, known);
        self.known = u16::try_from(known).unwrap_or(u16::MAX);
        self.up = u16::try_from(up).unwrap_or(u16::MAX);
    }

    /// A week later. Rounded down, so that everything is forgotten in the end.
    fn decay(&mut self) {
        let less = |minutes: u16| u16::try_from((u32::from(minutes) * WEEKLY) >> 16).unwrap_or_default();
        (self.up, self.known) = (less(self.up), less(self.known));
    }
}

/// The table; Monday 00:00 comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Week {
    /// All 168.
    pub buckets: Vec<Bucket>,
}

impl Default for Week {
    fn default() -> Self {
        Self {
            buckets: vec![Bucket::default(); HOURS],
        }
    }
}

impl Week {
    /// Enters a stretch of time that comes after all others. Each hour that begins, watched or not, takes a week's share off
    /// what its bucket holds.
    pub(super) fn enter(&mut self, mut from: i64, to: i64, weight: Weight, zone: &TimeZone) {
        if to - from > FORGOTTEN {
            *self = Self::default();
            from = to - FORGOTTEN;
        }
        for (start, minutes) in quarters(from, to) {
            let number = bucket(start, zone);
            // Only where a quarter begins an hour can begin.
            let begins = start.rem_euclid(QUARTER) == 0 && bucket(start - MINUTE, zone) != number;
            let Some(bucket) = self.buckets.get_mut(number) else {
                continue;
            };
            if begins {
                bucket.decay();
            }
            bucket.change(weight, minutes);
        }
    }

    /// Corrects what was entered less than a week ago.
    pub(super) fn correct(&mut self, change: Change, zone: &TimeZone) {
        for (start, minutes) in quarters(change.from, change.to) {
            if let Some(bucket) = self.buckets.get_mut(bucket(start, zone)) {
                bucket.change(change.by, minutes);
            }
        }
    }

    /// Up, of the known time, in per mille.
    pub(super) fn usual(&self, at: i64, zone: &TimeZone) -> Option<i64> {
        let bucket = self.buckets.get(bucket(at, zone))?;
        (i64::from(bucket.up) * 1000).checked_div(i64::from(bucket.known))
    }
}

/// The minutes that end after `from` and no later than `to`, in pieces that lie within a quarter of an hour: start, number.
fn quarters(from: i64, to: i64) -> impl Iterator<Item = (i64, i64)> {
    let end = to.div_euclid(MINUTE) * MINUTE;
    let mut start = from.div_euclid(MINUTE) * MINUTE;
    std::iter::from_fn(move || {
        let piece = start;
        start = end.min((piece.div_euclid(QUARTER) + 1) * QUARTER);
        (piece < end).then_some((piece, (start - piece) / MINUTE))
    })
}

/// The number of the hour of the week that clocks show.
fn bucket(at: i64, zone: &TimeZone) -> usize {
    let offset = Timestamp::from_second(at).map_or(0, |at| zone.to_offset(at).seconds());
    // 1970 began on a Thursday.
    let local = at + i64::from(offset) + 3 * DAY;
    usize::try_from(local.rem_euclid(7 * DAY) / HOUR).unwrap_or_default()
}
