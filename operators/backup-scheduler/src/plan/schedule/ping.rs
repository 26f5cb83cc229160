//! Whether the server of `spec.ping` is to be told of a good slot now, and what the status says of it.
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{moment, seconds};
use crate::crd::backup_schedule::PingStatus;

/// A ping is sent at most so often: after 0, 1, 3, 7 and 15 minutes. The server waits longer than that for a slot that it misses, or it
/// would ring at each change of a run's length.
pub const MOST_ATTEMPTS: i64 = 5;
/// Before the second attempt; each further one waits twice as long.
const FIRST_DELAY: SignedDuration = SignedDuration::from_mins(1);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing, until another slot is good.
    Nothing,
    /// It is sent again then.
    Later(Timestamp),
    /// It is sent now, for this slot.
    Send(Timestamp),
}

/// Decides. `good` is the newest slot whose runs are all good, `known` the last ping. A slot that is older than `rpo` is not told of:
/// the server is to raise its alarm then.
pub fn next(good: Option<Timestamp>, known: Option<&PingStatus>, rpo: Option<Duration>, now: Timestamp) -> Next {
    let Some(slot) = good else {
        return Next::Nothing;
    };
    let age = Duration::try_from(now.duration_since(slot)).unwrap_or_default();
    if rpo.is_some_and(|rpo| age > rpo) {
        return Next::Nothing;
    }
    let last = known.and_then(|known| Some((known, known.slot.parse::<Timestamp>().ok()?)));
    match last {
        Some((_, last)) if last > slot => Next::Nothing,
        Some((known, last)) if last == slot => {
            if known.problem.is_none() || known.attempts >= MOST_ATTEMPTS {
                return Next::Nothing;
            }
            match retry(known) {
                Some(at) if at > now => Next::Later(at),
                _ => Next::Send(slot),
            }
        }
        _ => Next::Send(slot),
    }
}

/// When it is sent again.
fn retry(known: &PingStatus) -> Option<Timestamp> {
    let doublings = u32::try_from(known.attempts.clamp(1, MOST_ATTEMPTS) - 1).unwrap_or(0);
    let delay = FIRST_DELAY.saturating_mul(1 << doublings);
    moment(Some(&known.time))?.checked_add(delay).ok()
}

/// Records an attempt that ended now.
pub fn record(known: Option<&PingStatus>, slot: Timestamp, result: Result<(), String>, now: Timestamp) -> PingStatus {
    let slot = slot.to_string();
    let before = known
        .filter(|known| known.slot == slot)
        .map_or(0, |known| known.attempts);
    PingStatus {
        slot,
        attempts: before.saturating_add(1),
        time: seconds(now).to_string(),
        problem: result.err(),
    }
}

/// The later of two records: the status may be read from a cache that is behind.
pub fn later(one: Option<PingStatus>, other: Option<PingStatus>) -> Option<PingStatus> {
    let place = |ping: &PingStatus| (moment(Some(&ping.slot)), ping.attempts);
    match (one, other) {
        (Some(one), Some(other)) if place(&other) > place(&one) => Some(other),
        (one, other) => one.or(other),
    }
}

/// What the condition `Pinged` says: status, reason and message.
pub fn condition(known: Option<&PingStatus>) -> (Option<bool>, &'static str, String) {
    let Some(known) = known else {
        return (
            None,
            "WaitsForRun",
            "the server is told of the next slot whose runs are all good".to_owned(),
        );
    };
    let slot = &known.slot;
    let Some(problem) = &known.problem else {
        return (
            Some(true),
            "Sent",
            format!("the server was told of slot {slot} at {}", known.time),
        );
    };
    let then = match retry(known).filter(|_| known.attempts < MOST_ATTEMPTS) {
        Some(at) => format!("it is sent again after {at}"),
        None => "it is not sent again; the next good slot is told of".to_owned(),
    };
    (
        Some(false),
        "PingFailed",
        format!("the ping of slot {slot} failed: {problem}; {then}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Option<Duration> = Some(Duration::from_hours(24));

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Slot 1000 was tried so often, for the last time at this second.
    fn tried(attempts: i64, second: i64, problem: Option<&str>) -> PingStatus {
        PingStatus {
            slot: at(1000).to_string(),
            attempts,
            time: at(second).to_string(),
            problem: problem.map(str::to_owned),
        }
    }

    #[test]
    fn each_good_slot_is_told_of_once() {
        assert_eq!(next(None, None, DAY, at(1100)), Next::Nothing);
        assert_eq!(next(Some(at(1000)), None, DAY, at(1100)), Next::Send(at(1000)));
        let sent = record(None, at(1000), Ok(()), at(1101));
        assert_eq!((sent.attempts, &sent.problem), (1, &None));
        assert_eq!(next(Some(at(1000)), Some(&sent), DAY, at(1200)), Next::Nothing);
        assert_eq!(
            next(Some(at(900)), Some(&sent), DAY, at(1200)),
            Next::Nothing,
            "the clock was wrong"
        );
        assert_eq!(next(Some(at(5000)), Some(&sent), DAY, at(5100)), Next::Send(at(5000)));
    }

    #[test]
    fn a_slot_that_is_too_old_is_not_told_of() {
        let later = at(1000 + 24 * 3600 + 1);
        assert_eq!(next(Some(at(1000)), None, DAY, later), Next::Nothing);
        assert_eq!(next(Some(at(1000)), None, None, later), Next::Send(at(1000)));
        let failed = tried(1, 1100, Some("no route"));
        assert_eq!(next(Some(at(1000)), Some(&failed), DAY, later), Next::Nothing);
    }

    #[test]
    fn a_ping_that_failed_is_sent_a_few_times_more_and_each_time_later() {
        let (mut known, mut now, mut waits) = (None, at(1000), Vec::new());
        loop {
            match next(Some(at(1000)), known.as_ref(), DAY, now) {
                Next::Send(slot) => known = Some(record(known.as_ref(), slot, Err("503".to_owned()), now)),
                Next::Later(then) => {
                    waits.push(then.duration_since(now).as_secs());
                    now = then;
                }
                Next::Nothing => break,
            }
        }
        assert_eq!(waits, [60, 120, 240, 480]);
        let known = known.unwrap();
        assert_eq!((known.attempts, known.problem.as_deref()), (MOST_ATTEMPTS, Some("503")));
        assert_eq!(next(Some(at(9000)), Some(&known), DAY, at(9001)), Next::Send(at(9000)));
        assert_eq!(record(Some(&known), at(9000), Ok(()), at(9001)).attempts, 1);
    }

    #[test]
    fn what_memory_knows_counts_if_the_cache_is_behind() {
        let (first, second) = (tried(1, 1100, Some("503")), tried(2, 1200, None));
        let next_slot = PingStatus {
            slot: at(2000).to_string(),
            ..tried(1, 2100, Some("503"))
        };
        assert_eq!(later(Some(first.clone()), Some(second.clone())), Some(second.clone()));
        assert_eq!(later(Some(second.clone()), Some(first.clone())), Some(second.clone()));
        assert_eq!(later(Some(second), Some(next_slot.clone())), Some(next_slot));
        assert_eq!(later(None, Some(first.clone())), Some(first.clone()));
        assert_eq!(later(Some(first.clone()), None), Some(first));
    }

    #[test]
    fn the_condition_says_whether_it_is_sent_again() {
        assert_eq!(condition(None).0, None);
        assert_eq!(condition(Some(&tried(2, 1200, None))).0, Some(true));
        let (status, reason, message) = condition(Some(&tried(1, 1200, Some("no route"))));
        assert_eq!((status, reason), (Some(false), "PingFailed"));
        assert!(message.contains("no route; it is sent again after"), "{message}");
        let (_, _, message) = condition(Some(&tried(MOST_ATTEMPTS, 1200, Some("no route"))));
        assert!(message.contains("not sent again"), "{message}");
    }
}
