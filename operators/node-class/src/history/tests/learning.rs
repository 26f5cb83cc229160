//! What is learned of a life, and when.
use std::time::Duration;

use super::*;
use crate::crd::Availability::{AlwaysOn, Unproven, Volatile};

/// Lives on until `end` in steps, `is_up` telling the state; changes are noticed 40 s late. Returns the results with the
/// times at which they came.
struct Life {
    record: Record,
    now: i64,
    step: i64,
    learning: Learning,
    results: Vec<(i64, Availability)>,
    went: Option<i64>,
}

impl Life {
    fn new(step: i64) -> Self {
        Self {
            record: record(),
            now: MONDAY,
            step,
            learning: Learning::default(),
            results: Vec::new(),
            went: None,
        }
    }

    fn go_on(&mut self, end: i64, is_up: impl Fn(i64) -> bool, kind: Kind) {
        while self.now < end {
            self.now += self.step;
            let (up, now) = (is_up(self.now), timestamp(self.now));
            let was_up = self.went.is_none();
            self.record.advance(if was_up { State::Up } else { State::Down }, now);
            let at = self.now - self.step;
            let event = match (was_up, up) {
                (true, false) => down(at, kind, false),
                (false, true) => back(self.went.unwrap(), at, kind, false),
                _ => {
                    self.learn();
                    continue;
                }
            };
            self.went = was_up.then_some(at);
            self.record.apply(&event, &machine("m-1"), now);
            self.learn();
        }
    }

    fn learn(&mut self) {
        let changed = self.record.learn(&self.learning, timestamp(self.now));
        if changed {
            self.results.push((self.now, self.record.learned()));
        }
        assert!(self.record.penalty(timestamp(self.now)) >= 0);
    }

    fn downs(&self) -> i64 {
        self.record.downs(timestamp(self.now))
    }
}

/// On from 18:00 to 23:30 on weekdays, from 10:00 to 24:00 at weekends.
fn gaming(now: i64) -> bool {
    let (day, minute) = (
        (now - MONDAY).div_euclid(DAY) % 7,
        (now - MONDAY).rem_euclid(DAY) / MINUTE,
    );
    if day < 5 {
        (18 * 60..23 * 60 + 30).contains(&minute)
    } else {
        minute >= 600
    }
}

#[test]
fn a_gaming_pc_is_volatile() {
    let mut life = Life::new(5 * MINUTE);
    life.go_on(MONDAY + 28 * DAY, |now| gaming(now - 5 * MINUTE), Kind::Clean);
    let month = life.record.windows(timestamp(life.now)).month;
    assert!((328..=332).contains(&month.per_mille.unwrap()), "{month:?}");
    assert_eq!(life.downs(), 28);
    assert_eq!(life.record.learned(), Volatile);
    assert_eq!(life.results.len(), 1);
}

/// Edge 38.
#[test]
fn a_pc_that_is_off_every_night_is_volatile_and_never_dampened() {
    let mut life = Life::new(5 * MINUTE);
    for day in 0..30 {
        life.go_on(
            MONDAY + (day + 1) * DAY,
            |now| (now - 1 - MONDAY) % DAY < 20 * HOUR,
            Kind::Lost,
        );
        assert!(!life.record.update_flapping(timestamp(life.now)));
        assert!(life.record.penalty(timestamp(life.now)) <= 1000);
    }
    assert_eq!(life.results.len(), 1);
    let (at, verdict) = life.results[0];
    assert_eq!(verdict, Volatile);
    assert!(
        (MONDAY + 3 * DAY..MONDAY + 3 * DAY + 600).contains(&at),
        "with the first three days"
    );
}

/// Edge 6.
#[test]
fn a_node_is_unproven_until_enough_is_known() {
    let mut life = Life::new(5 * MINUTE);
    life.go_on(MONDAY + 3 * DAY - HOUR, |now| now % HOUR < HOUR / 2, Kind::Lost);
    assert_eq!((life.record.learned(), life.results.len()), (Unproven, 0));
    life.go_on(MONDAY + 3 * DAY + HOUR, |now| now % HOUR < HOUR / 2, Kind::Lost);
    assert_eq!(life.record.learned(), Volatile);
}

#[test]
fn a_server_that_reboots_each_month_is_always_on_after_a_fortnight() {
    for first in [2 * HOUR, 3 * DAY, 9 * DAY, 13 * DAY, 20 * DAY] {
        let mut life = Life::new(5 * MINUTE);
        let rebooting = |now: i64| {
            let since = now - MONDAY - first;
            since >= 0 && since % (30 * DAY) < 5 * MINUTE
        };
        life.go_on(MONDAY + 60 * DAY, |now| !rebooting(now), Kind::Reboot);
        let [(at, AlwaysOn)] = life.results[..] else {
            panic!("{:?}", life.results)
        };
        let days = at - MONDAY - 14 * DAY;
        assert!(
            (0..=10 * MINUTE).contains(&days),
            "first reboot after {first}: {days} s late"
        );
    }
}

#[test]
fn a_server_that_fails_twice_in_its_first_days_waits_until_that_is_rare() {
    let mut life = Life::new(5 * MINUTE);
    let failing = |now: i64| [DAY, 6 * DAY].iter().any(|at| (0..HOUR).contains(&(now - MONDAY - at)));
    life.go_on(MONDAY + 40 * DAY, |now| !failing(now), Kind::Lost);
    let [(at, AlwaysOn)] = life.results[..] else {
        panic!("{:?}", life.results)
    };
    // Two in twenty days are one in ten; a fortnight of calm begins then, or when the first is 30 days old.
    assert!(
        (MONDAY + 33 * DAY..=MONDAY + 35 * DAY).contains(&at),
        "{}",
        (at - MONDAY) / DAY
    );
}

#[test]
fn planned_outages_do_not_make_a_node_volatile() {
    let mut record = up(MONDAY, MONDAY + HOUR);
    let learning = Learning::default();
    for day in 0..20 {
        let at = MONDAY + day * DAY + 2 * HOUR;
        advance(&mut record, State::Up, at);
        apply(&mut record, &down(at, Kind::Clean, true), at);
        advance(&mut record, State::Down, at + 8 * HOUR);
        apply(&mut record, &back(at, at + 8 * HOUR, Kind::Clean, true), at + 8 * HOUR);
        advance(&mut record, State::Up, at + 9 * HOUR);
        record.learn(&learning, timestamp(at + 9 * HOUR));
    }
    assert_eq!(record.learned(), AlwaysOn);
    let month = record.windows(timestamp(MONDAY + 20 * DAY)).month;
    assert!(month.per_mille.unwrap() < 700, "it is shown all the same: {month:?}");
}

#[test]
fn a_volatile_node_becomes_always_on_late() {
    let mut life = Life::new(5 * MINUTE);
    life.go_on(
        MONDAY + 10 * DAY,
        |now| (now - 1 - MONDAY) % DAY < 20 * HOUR,
        Kind::Clean,
    );
    assert_eq!(life.record.learned(), Volatile);
    let changed = life.now;
    life.go_on(MONDAY + 120 * DAY, |_| true, Kind::Clean);
    let [_, (at, AlwaysOn)] = life.results[..] else {
        panic!("{:?}", life.results)
    };
    let days = (at - changed) / DAY;
    assert!(
        (40..=45).contains(&days),
        "30 days until its nights are forgotten, and 14 of calm: {days}"
    );
}

#[test]
fn an_outage_restarts_the_calm_time_and_changes_nothing_else() {
    let mut life = Life::new(5 * MINUTE);
    let off = |now: i64| (20 * DAY..20 * DAY + 12 * HOUR).contains(&(now - MONDAY));
    life.go_on(MONDAY + 19 * DAY, |_| true, Kind::Lost);
    let calm = life.record.learned.calm_since;
    assert_eq!(calm, Some(MONDAY + 5 * MINUTE));
    life.go_on(MONDAY + 21 * DAY, |now| !off(now), Kind::Lost);
    assert_eq!(life.record.learned.calm_since, None);
    life.go_on(MONDAY + 60 * DAY, |now| !off(now), Kind::Lost);
    assert_eq!(life.record.learned(), AlwaysOn, "97 % is neither");
    assert!(life.record.learned.calm_since > calm);
    assert_eq!(life.results.len(), 1);
}

#[test]
fn unwatched_time_is_no_calm_time() {
    let mut record = up(MONDAY, MONDAY + MINUTE);
    let learning = Learning::default();
    let learn = |record: &mut Record, day: i64| {
        record.learn(&learning, timestamp(MONDAY + day * DAY));
        record.learned()
    };
    learn(&mut record, 0);
    advance(&mut record, State::Up, MONDAY + 5 * DAY);
    learn(&mut record, 5);
    advance(&mut record, State::Unknown, MONDAY + 20 * DAY);
    assert_eq!(learn(&mut record, 20), Unproven);
    advance(&mut record, State::Up, MONDAY + 28 * DAY);
    assert_eq!(learn(&mut record, 28), Unproven, "13 days");
    advance(&mut record, State::Up, MONDAY + 30 * DAY);
    assert_eq!(learn(&mut record, 30), AlwaysOn);
    // Away for so long that nothing is left: the verdict stays, and nothing is learned from nothing.
    advance(&mut record, State::Unknown, MONDAY + 100 * DAY);
    assert_eq!(learn(&mut record, 100), AlwaysOn);
    record.learned.availability = Volatile;
    assert_eq!(learn(&mut record, 101), Volatile);
}

/// Edge 39.
#[test]
fn a_flapper_at_the_threshold_changes_once_in_24_hours_at_most() {
    let mut random = fastrand::Rng::with_seed(39);
    let mut life = Life::new(5 * MINUTE);
    // With a calm of minutes instead of days the verdict would change with every turn.
    life.learning.calm = Duration::from_hours(1);
    life.learning.coverage = Duration::from_hours(1);
    for _ in 0..200 {
        let (on, off) = (random.i64(60..900) * MINUTE, random.i64(1..12) * MINUTE);
        let (from, to) = (life.now + on, life.now + on + off);
        life.go_on(to, |now| now < from, Kind::Clean);
        if random.u8(..15) == 0 {
            // A month of calm, so that the other verdict has its turn.
            life.go_on(to + 32 * DAY, |_| true, Kind::Clean);
        }
    }
    assert!(life.results.len() > 6, "{}", life.results.len());
    for pair in life.results.windows(2) {
        assert_ne!(pair[0].1, pair[1].1);
        assert!(pair[1].0 - pair[0].0 >= DAY || pair[0].1 == Unproven);
    }
}

#[test]
fn the_dwell_holds_for_every_change_but_the_first() {
    let sums = |up: i64| Sums {
        up,
        known: 100 * DAY,
        planned: 0,
        downs: 0,
    };
    let learning = Learning {
        calm: Duration::from_mins(1),
        ..Learning::default()
    };
    let mut learned = Learned {
        calm_since: Some(MONDAY),
        ..Learned::default()
    };
    let mut learn = |up: i64, now: i64| (learned.update(&sums(up), |_| DAY, &learning, now), learned.availability);
    assert_eq!(learn(50 * DAY, MONDAY + HOUR), (true, Volatile));
    for hour in 1..=24 {
        assert_eq!(learn(100 * DAY, MONDAY + hour * HOUR), (false, Volatile));
    }
    // The clock went backwards: no time has passed.
    assert_eq!(learn(100 * DAY, 0), (false, Volatile));
    assert_eq!(learn(100 * DAY, MONDAY + 25 * HOUR), (true, AlwaysOn));
}

/// The end-to-end test compresses days to seconds.
#[test]
fn it_works_at_the_scale_of_a_minute() {
    let learning = Learning {
        coverage: Duration::from_mins(1),
        calm: Duration::from_mins(2),
        dwell: Duration::from_secs(10),
    };
    // Also across the end of an hour.
    for start in [0, HOUR - 70] {
        let mut steady = Life::new(5);
        let mut flapper = Life::new(5);
        for life in [&mut steady, &mut flapper] {
            life.learning = learning;
            life.now += start;
            life.record.advance(State::Up, timestamp(life.now));
        }
        let begin = MONDAY + start;
        steady.go_on(begin + 600, |_| true, Kind::Lost);
        flapper.go_on(begin + 600, |now| (now - begin) % 60 < 30, Kind::Lost);
        let [(at, AlwaysOn)] = steady.results[..] else {
            panic!("{:?}", steady.results)
        };
        assert!((120..=130).contains(&(at - begin)), "{}", at - begin);
        let [(at, Volatile)] = flapper.results[..] else {
            panic!("{:?}", flapper.results)
        };
        assert!((60..=65).contains(&(at - begin)), "{}", at - begin);
        assert_eq!(flapper.downs(), 10);
    }
}
