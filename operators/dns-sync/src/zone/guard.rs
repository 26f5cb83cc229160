//! The delete guard: counts deletes in a sliding window and says how many more may go before somebody has to confirm.
use std::time::Duration;

use hearth_reconciler::duration;
use sha2::{Digest, Sha256};

use crate::crd::zone::{DeleteGuard, RecentDeletes};
use crate::records::SetKey;

/// The guard's numbers with their defaults filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Percent of the records at the window's start.
    pub max_percent: u32,
    /// Always allowed within the window.
    pub min_records: u32,
    /// The window's length.
    pub window: Duration,
}

impl Limits {
    /// From the spec; absent numbers have the documented defaults.
    pub fn of(spec: Option<&DeleteGuard>) -> Self {
        let positive =
            |number: Option<i32>, default: u32| number.and_then(|n| u32::try_from(n).ok()).unwrap_or(default);
        Self {
            max_percent: positive(spec.and_then(|guard| guard.max_percent), 30),
            min_records: positive(spec.and_then(|guard| guard.min_records), 3),
            window: spec
                .and_then(|guard| guard.window.as_deref())
                .and_then(|text| duration::parse(text).ok())
                .filter(|window| *window >= Duration::from_secs(12))
                .unwrap_or(Duration::from_hours(1)),
        }
    }
}

/// Deletes of the window, in buckets of a twelfth of it; kept in the zone's status so that a restart does not forget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    buckets: Vec<RecentDeletes>,
}

impl Guard {
    /// Continues what an earlier process counted.
    pub fn resume(buckets: &[RecentDeletes]) -> Self {
        Self {
            buckets: buckets.to_vec(),
        }
    }

    /// The buckets to keep in the status. Forgets those outside the window.
    pub fn buckets(&self) -> &[RecentDeletes] {
        &self.buckets
    }

    /// Whether `deletes` more may be carried out at `now` (seconds since 1970) when the zone holds `owned` sets.
    pub fn admits(&self, deletes: usize, owned: usize, now: i64, limits: &Limits) -> bool {
        if limits.max_percent >= 100 {
            return true;
        }
        let recent = self.within(now, limits);
        // Records at the window's start: those that are left and those that were deleted. New ones count in the base, too:
        // a zone that grows may lose more.
        let base = owned as u64 + recent;
        let total = recent + deletes as u64;
        total <= u64::from(limits.min_records) || total * 100 <= base * u64::from(limits.max_percent)
    }

    /// Counts deletes that the provider accepted, and drops buckets that have left the window.
    pub fn record(&mut self, deletes: usize, now: i64, limits: &Limits) {
        if deletes == 0 {
            return;
        }
        let width = (i64::try_from(limits.window.as_secs()).unwrap_or(i64::MAX) / 12).max(1);
        let at = now - now.rem_euclid(width);
        let count = i64::try_from(deletes).unwrap_or(i64::MAX);
        match self.buckets.iter_mut().find(|bucket| bucket.at == at) {
            Some(bucket) => bucket.count = bucket.count.saturating_add(count),
            None => self.buckets.push(RecentDeletes { at, count }),
        }
        self.forget(now, limits);
    }

    /// Drops buckets that have left the window; true when there were any.
    pub fn forget(&mut self, now: i64, limits: &Limits) -> bool {
        let before = self.buckets.len();
        let oldest = oldest(now, limits);
        self.buckets.retain(|bucket| bucket.at >= oldest);
        before != self.buckets.len()
    }

    fn within(&self, now: i64, limits: &Limits) -> u64 {
        let oldest = oldest(now, limits);
        // A bucket of the future comes from a clock that was set back: it still counts.
        let counts = self
            .buckets
            .iter()
            .filter(|bucket| bucket.at >= oldest)
            .map(|bucket| bucket.count);
        u64::try_from(counts.sum::<i64>()).unwrap_or(0)
    }
}

/// The start of the oldest bucket that still reaches into the window.
fn oldest(now: i64, limits: &Limits) -> i64 {
    let window = i64::try_from(limits.window.as_secs()).unwrap_or(i64::MAX);
    now.saturating_sub(window).saturating_sub(window / 12)
}

/// Names a set of parked deletes; the same sets give the same hash in every process.
pub fn hash<'a>(parked: impl Iterator<Item = &'a SetKey>) -> String {
    let mut lines: Vec<String> = parked.map(ToString::to_string).collect();
    lines.sort_unstable();
    let digest = Sha256::digest(lines.join("\n").as_bytes());
    digest.iter().take(6).fold(String::new(), |mut text, byte| {
        use std::fmt::Write;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        max_percent: 30,
        min_records: 3,
        window: Duration::from_hours(1),
    };

    /// Deletes one per second until the guard refuses; how many were deleted.
    fn trickle(records: usize, limits: &Limits) -> usize {
        let mut guard = Guard::default();
        for recent in 0..records {
            let now = 1_000_000 + i64::try_from(recent).unwrap();
            if !guard.admits(1, records - recent, now, limits) {
                return recent;
            }
            guard.record(1, now, limits);
        }
        records
    }

    /// A confirmation must not release what came after it.
    #[test]
    fn other_deletes_have_another_hash() {
        let key = |name: &str| {
            SetKey::simple(
                &crate::name::Name::parse(name).unwrap(),
                crate::record_data::RecordType::A,
            )
        };
        let (a, b) = (key("a.example.org"), key("b.example.org"));
        assert_eq!(hash([&a, &b].into_iter()), hash([&b, &a].into_iter()));
        assert_ne!(hash([&a].into_iter()), hash([&b].into_iter()));
        assert_ne!(hash([&a].into_iter()), hash([&a, &b].into_iter()));
    }

    #[test]
    fn one_delete_per_second_stops_at_the_share_of_the_windows_start() {
        assert_eq!(trickle(100, &LIMITS), 30);
        assert_eq!(trickle(1000, &LIMITS), 300);
    }

    #[test]
    fn nine_records_lose_three_and_no_more() {
        assert_eq!(trickle(9, &LIMITS), 3);
    }

    #[test]
    fn a_tiny_zone_is_not_held_back() {
        assert_eq!(trickle(3, &LIMITS), 3);
    }

    #[test]
    fn a_mass_delete_is_refused_as_a_whole() {
        assert!(!Guard::default().admits(60, 100, 0, &LIMITS));
        assert!(Guard::default().admits(30, 100, 0, &LIMITS));
    }

    #[test]
    fn a_restart_remembers() {
        let mut guard = Guard::default();
        guard.record(30, 1_000_000, &LIMITS);
        let resumed = Guard::resume(guard.buckets());
        assert!(!resumed.admits(4, 70, 1_000_010, &LIMITS));
    }

    #[test]
    fn the_window_slides() {
        let mut guard = Guard::default();
        guard.record(30, 1_000_000, &LIMITS);
        assert!(!guard.admits(10, 70, 1_003_000, &LIMITS));
        assert!(guard.admits(10, 70, 1_004_500, &LIMITS));
        guard.forget(1_004_500, &LIMITS);
        assert!(guard.buckets().is_empty());
    }

    #[test]
    fn deletes_of_one_twelfth_of_the_window_share_a_bucket_and_all_count() {
        let mut guard = Guard::default();
        for (now, deletes) in [(3_600_000, 2), (3_600_299, 3), (3_600_300, 4), (3_600_301, 0)] {
            guard.record(deletes, now, &LIMITS);
        }
        let buckets: Vec<(i64, i64)> = guard.buckets().iter().map(|one| (one.at, one.count)).collect();
        assert_eq!(buckets, [(3_600_000, 5), (3_600_300, 4)]);
        // Nine of thirty are the most.
        assert!(guard.admits(0, 21, 3_600_301, &LIMITS));
        assert!(!guard.admits(1, 21, 3_600_301, &LIMITS));
    }

    #[test]
    fn nothing_is_counted_where_nothing_was_deleted() {
        let mut guard = Guard::default();
        guard.record(0, 1_000_000, &LIMITS);
        assert!(guard.buckets().is_empty());
    }

    #[test]
    fn a_bucket_counts_until_all_of_it_has_left_the_window() {
        let mut guard = Guard::default();
        // The bucket begins at 3,600,000; its last delete is 299 s later.
        guard.record(30, 3_600_299, &LIMITS);
        let last = 3_600_000 + 3_600 + 300;
        assert!(!guard.admits(1, 70, last, &LIMITS));
        assert!(!guard.forget(last, &LIMITS));
        assert!(guard.admits(1, 70, last + 1, &LIMITS));
        assert!(guard.forget(last + 1, &LIMITS) && guard.buckets().is_empty());
        assert!(!guard.forget(last + 1, &LIMITS), "there is nothing left to forget");
    }

    #[test]
    fn a_later_delete_drops_buckets_that_have_left_the_window() {
        let mut guard = Guard::default();
        guard.record(1, 3_600_000, &LIMITS);
        guard.record(1, 3_600_000 + 7_200, &LIMITS);
        assert_eq!(guard.buckets().len(), 1);
    }

    #[test]
    fn the_window_of_the_spec_is_the_one_that_counts() {
        let of = |window: &str| {
            let spec = DeleteGuard {
                window: Some(window.to_owned()),
                ..DeleteGuard::default()
            };
            Limits::of(Some(&spec)).window
        };
        assert_eq!(of("12s"), Duration::from_secs(12));
        assert_eq!(of("11s"), Duration::from_hours(1));
        assert_eq!(of("2h"), Duration::from_hours(2));
        // A window shorter than twelve seconds has buckets of one second.
        let tiny = Limits {
            window: Duration::from_secs(5),
            ..LIMITS
        };
        let mut guard = Guard::default();
        guard.record(1, 1_000_001, &tiny);
        assert_eq!(guard.buckets()[0].at, 1_000_001);
        let day = Limits {
            window: Duration::from_hours(24),
            ..LIMITS
        };
        let mut guard = Guard::default();
        guard.record(30, 1_000_000, &day);
        assert!(!guard.admits(1, 70, 1_080_000, &day), "most of the day is left");
    }

    #[test]
    fn a_clock_set_back_forgets_nothing() {
        let mut guard = Guard::default();
        guard.record(30, 1_000_000, &LIMITS);
        assert!(!guard.admits(10, 70, 900_000, &LIMITS));
    }

    #[test]
    fn a_hundred_percent_turns_it_off() {
        assert!(Guard::default().admits(
            9,
            9,
            0,
            &Limits {
                max_percent: 100,
                ..LIMITS
            }
        ));
    }
}
