//! When values are read again. Nothing is remembered for it: the times follow from the wall clock, so that a restart knows them.
use std::time::Duration;

use jiff::Timestamp;

/// The first time after `after` at which a SecretSync is due: its times are `k × refresh + seed mod refresh` since 1970 (UTC).
pub fn next_due(after: Timestamp, refresh: Duration, seed: u64) -> Timestamp {
    let period = i128::try_from(refresh.as_millis()).unwrap_or(i128::MAX).max(1);
    let phase = i128::from(seed) % period;
    let after_ms = i128::from(after.as_millisecond());
    let turns = (after_ms - phase).div_euclid(period) + 1;
    let due = i64::try_from(turns.saturating_mul(period).saturating_add(phase)).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(due).unwrap_or(Timestamp::MAX)
}

/// When what was missed while nobody led is made up for: spread from the beginning of the term over a tenth of `refresh`, at
/// most a minute.
pub fn catch_up(begun: Timestamp, refresh: Duration, seed: u64) -> Timestamp {
    let spread = (refresh / 10).min(Duration::from_mins(1)).as_millis().max(1);
    let delay = i64::try_from(u128::from(seed) % spread).unwrap_or_default();
    let due = begun.as_millisecond().saturating_add(delay);
    Timestamp::from_millisecond(due).unwrap_or(begun)
}

/// What is known about the last read of a SecretSync whose status says Fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastRead {
    /// This process has read it at this time.
    At(Timestamp),
    /// An earlier process has. The term began at this time; before it, until `former`, somebody led and read what was due.
    Before {
        /// When the present term began.
        begun: Timestamp,
        /// When the former leader renewed its lease last. None: unknown, then nothing was missed.
        former: Option<Timestamp>,
    },
}

/// When a fresh SecretSync is due; it may be in the past.
pub fn due(last: LastRead, refresh: Duration, seed: u64) -> Timestamp {
    match last {
        LastRead::At(time) => next_due(time, refresh, seed),
        LastRead::Before { begun, former } => {
            let missed = former.is_some_and(|former| former < begun && next_due(former, refresh, seed) <= begun);
            if missed {
                return catch_up(begun, refresh, seed);
            }
            next_due(begun, refresh, seed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn due_times_are_a_period_apart_and_do_not_depend_on_when_one_asks() {
        let seed = 90_000 + 7 * 3_600_000;
        let first = next_due(at("2026-11-30T10:00:00Z"), HOUR, seed);
        assert_eq!(first, at("2026-11-30T10:01:30Z"));
        for asked in [
            "2026-11-30T09:01:30Z",
            "2026-11-30T09:30:00Z",
            "2026-11-30T10:01:29.999Z",
        ] {
            assert_eq!(next_due(at(asked), HOUR, seed), first);
        }
        assert_eq!(next_due(first, HOUR, seed), at("2026-11-30T11:01:30Z"));
    }

    #[test]
    fn many_seeds_spread_over_the_period() {
        let begin = at("2026-11-30T10:00:00Z");
        let mut quarters = [0; 4];
        for seed in 0..4000_u64 {
            let wait = next_due(begin, HOUR, seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)).duration_since(begin);
            assert!(wait.as_millis() > 0 && wait.as_secs() <= 3600);
            quarters[usize::try_from(wait.as_secs() / 901).unwrap().min(3)] += 1;
        }
        assert!(quarters.iter().all(|count| *count > 800), "{quarters:?}");
    }

    #[test]
    fn a_restart_reads_nothing_that_was_read_in_time() {
        let begun = at("2026-11-30T10:00:30Z");
        let last = LastRead::Before {
            begun,
            former: Some(at("2026-11-30T10:00:00Z")),
        };
        // Due at one and a half minutes past: not between the two.
        assert_eq!(due(last, HOUR, 90_000), at("2026-11-30T10:01:30Z"));
        let unknown = LastRead::Before { begun, former: None };
        assert_eq!(due(unknown, HOUR, 0), at("2026-11-30T11:00:00Z"));
    }

    #[test]
    fn what_was_missed_is_made_up_for_within_a_minute_and_not_at_once() {
        let begun = at("2026-11-30T10:00:30Z");
        let last = LastRead::Before {
            begun,
            former: Some(at("2026-11-30T08:00:00Z")),
        };
        let times: std::collections::BTreeSet<_> = (0..200).map(|seed| due(last, HOUR, seed * 104_729)).collect();
        assert!(times.len() > 100);
        assert!(
            times
                .iter()
                .all(|time| *time >= begun && time.duration_since(begun).as_secs() < 60)
        );
    }

    #[test]
    fn a_clock_that_was_set_back_misses_nothing() {
        let last = LastRead::Before {
            begun: at("2020-01-01T00:00:00Z"),
            former: Some(at("2026-11-30T08:00:00Z")),
        };
        assert_eq!(due(last, HOUR, 5_000), at("2020-01-01T00:00:05Z"));
    }

    #[test]
    fn extremes_do_not_panic() {
        for refresh in [Duration::ZERO, Duration::MAX] {
            for time in [Timestamp::MIN, Timestamp::MAX] {
                next_due(time, refresh, u64::MAX);
                catch_up(time, refresh, u64::MAX);
            }
        }
    }
}
