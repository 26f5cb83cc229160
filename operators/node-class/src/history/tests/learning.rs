//! What is learned of a life, and when.
use std::time::Duration;

use super::*;
use crate::crd::Availability::{AlwaysOn, Unproven, Volatile};

/// Lives on until `end` in steps, `is_up` telling the state; changes are noticed 40 s late. Returns the verdicts with the
/// times at which they came.
struct Life {
    record: Record,
    now: i64,
    step: i64,
    learning: Learning,
    zone: TimeZone,
    verdicts: Vec<(i64, Availability)>,
    went: Option<i64>,
}

impl Life {
    fn new(step: i64) -> Self {
        Self {
            record: record(),
            now: MONDAY,
            step,
            learning: Learning::default(),
            zone: utc(),
            verdicts: Vec::new(),
            went: None,
        }
    }

    fn go_on(&mut self, end: i64, is_up: impl Fn(i64) -> bool, kind: Kind) {
        while self.now < end {
            self.now += self.step;
            let (up, now) = (is_up(self.now), timestamp(self.now));
            let was_up = self.went.is_none();
            let state = if up { State::Up } else { State::Down };
            self.record.advance(state, false, now, &self.zone);
            let at = self.now - self.step;
            let what = match (was_up, up) {
                (true, false) => down(at, kind, false),
                (false, true) => back(self.went.unwrap(), at, kind, false),
                _ => {
                    self.learn();
                    continue;
                }
            };
            self.went = was_up.then_some(at);
            self.record.take(&what, &machine("m-1"), now);
            self.learn();
        }
    }

    fn learn(&mut self) {
        let changed = self.record.learn(&self.learning, timestamp(self.now));
        if changed {
            self.verdicts.push((self.now, self.record.learned()));
        }
        assert!(self.record.penalty(timestamp(self.now)).value >= 0);
    }

    fn rates(&self) -> Rates {
        self.record.rates(timestamp(self.now))
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

/// The worked example of section 4.2.
#[test]
fn a_gaming_pc_is_volatile_and_its_hours_are_known() {
    let mut life = Life::new(5 * MINUTE);
    life.go_on(MONDAY + 28 * DAY, |now| gaming(now - 5 * MINUTE), Kind::Clean);
    let month = life.record.windows(timestamp(life.now)).month;
    assert!((328..=332).contains(&month.per_mille.unwrap()), "{month:?}");
    let rates = life.rates();
    assert!((990..=1040).contains(&rates.downs_per_day_milli), "{rates:?}");
    assert!(
        (27_500..=28_700).contains(&rates.mtbf_seconds.unwrap()),
        "7.9 h: {rates:?}"
    );
    assert!(
        (56_000..=58_500).contains(&rates.mttr_seconds.unwrap()),
        "16 h: {rates:?}"
    );
    assert_eq!(life.record.learned(), Volatile);
    assert_eq!(life.verdicts.len(), 1);
    for hour in 0..168 {
        let at = MONDAY + 28 * DAY + hour * HOUR;
        let usual = life.record.usual(timestamp(at), &utc()).unwrap();
        let expected = match (gaming(at), gaming(at + HOUR - 1)) {
            (true, true) => 950..=1000,
            (false, false) => 0..=50,
            _ => 450..=550,
        };
        assert!(expected.contains(&usual), "hour {hour}: {usual}");
    }
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
        assert!(!life.record.dampen(&Dampening::default(), timestamp(life.now)));
        assert!(life.record.penalty(timestamp(life.now)).value <= 1000);
    }
    assert_eq!(life.verdicts.len(), 1);
    let (at, verdict) = life.verdicts[0];
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
    assert_eq!((life.record.learned(), life.verdicts.len()), (Unproven, 0));
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
        let [(at, AlwaysOn)] = life.verdicts[..] else {
            panic!("{:?}", life.verdicts)
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
    let [(at, AlwaysOn)] = life.verdicts[..] else {
        panic!("{:?}", life.verdicts)
    };
    // Two in twenty days are one in ten; a fortnight of calm begins then, or when the first is 30 days old.
    assert!(
        (MONDAY + 33 * DAY..=MONDAY + 35 * DAY).contains(&at),
        "{}",
        (at - MONDAY) / DAY
    );
}

#[test]
fn planned_reboots_and_nights_that_were_announced_are_no_reason() {
    let mut record = up(MONDAY, MONDAY + HOUR);
    let learning = Learning::default();
    for day in 0..20 {
        let at = MONDAY + day * DAY + 2 * HOUR;
        advance(&mut record, State::Up, at);
        take(&mut record, &down(at, Kind::Clean, true), at);
        record.advance(State::Down, true, timestamp(at + 8 * HOUR), &utc());
        take(&mut record, &back(at, at + 8 * HOUR, Kind::Clean, true), at + 8 * HOUR);
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
    let [_, (at, AlwaysOn)] = life.verdicts[..] else {
        panic!("{:?}", life.verdicts)
    };
    let days = (at - changed) / DAY;
    assert!(
        (40..=45).contains(&days),
        "30 days until its nights are forgotten, and 14 of calm: {days}"
    );
}

#[test]
fn a_fault_after_a_good_while_begins_the_calm_again_and_changes_nothing() {
    let mut life = Life::new(5 * MINUTE);
    let off = |now: i64| (20 * DAY..20 * DAY + 12 * HOUR).contains(&(now - MONDAY));
    life.go_on(MONDAY + 19 * DAY, |_| true, Kind::Lost);
    let calm = life.record.verdict.calm_since;
    assert_eq!(calm, Some(MONDAY + 5 * MINUTE));
    life.go_on(MONDAY + 21 * DAY, |now| !off(now), Kind::Lost);
    assert_eq!(life.record.verdict.calm_since, None);
    life.go_on(MONDAY + 60 * DAY, |now| !off(now), Kind::Lost);
    assert_eq!(life.record.learned(), AlwaysOn, "97 % is neither");
    assert!(life.record.verdict.calm_since > calm);
    assert_eq!(life.verdicts.len(), 1);
}

#[test]
fn time_that_nobody_watched_is_no_calm() {
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
    record.verdict.learned = Volatile;
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
    assert!(life.verdicts.len() > 6, "{}", life.verdicts.len());
    for pair in life.verdicts.windows(2) {
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
    let ledger = up(MONDAY, MONDAY + DAY).ledger;
    let mut verdict = Verdict {
        calm_since: Some(MONDAY),
        ..Verdict::default()
    };
    let mut judge = |up: i64, now: i64| (verdict.judge(&sums(up), &ledger, &learning, now), verdict.learned);
    assert_eq!(judge(50 * DAY, MONDAY + HOUR), (true, Volatile));
    for hour in 1..=24 {
        assert_eq!(judge(100 * DAY, MONDAY + hour * HOUR), (false, Volatile));
    }
    // The clock went backwards: no time has passed.
    assert_eq!(judge(100 * DAY, 0), (false, Volatile));
    assert_eq!(judge(100 * DAY, MONDAY + 25 * HOUR), (true, AlwaysOn));
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
            life.record.advance(State::Up, false, timestamp(life.now), &utc());
        }
        let begin = MONDAY + start;
        steady.go_on(begin + 600, |_| true, Kind::Lost);
        flapper.go_on(begin + 600, |now| (now - begin) % 60 < 30, Kind::Lost);
        let [(at, AlwaysOn)] = steady.verdicts[..] else {
            panic!("{:?}", steady.verdicts)
        };
        assert!((120..=130).contains(&(at - begin)), "{}", at - begin);
        let [(at, Volatile)] = flapper.verdicts[..] else {
            panic!("{:?}", flapper.verdicts)
        };
        assert!((60..=65).contains(&(at - begin)), "{}", at - begin);
        let rates = flapper.rates();
        assert_eq!(rates.downs, 10);
        assert!(rates.downs_per_day_milli > 1_000_000, "{rates:?}");
        assert!((25..=35).contains(&rates.mtbf_seconds.unwrap()), "{rates:?}");
    }
}
