//! What holds for every life, whatever is told in which order.
use super::*;

const KINDS: [Kind; 5] = [Kind::Clean, Kind::Lost, Kind::Reboot, Kind::Suspend, Kind::Reinstall];
const STATES: [State; 5] = [State::Up, State::Down, State::Unknown, State::Gone, State::Missing];

/// Any happening around `now`, true or not.
fn anything(random: &mut fastrand::Rng, now: i64) -> LivenessEvent {
    let mut some = |most: i64| now - random.i64(-30..most);
    let (at, earlier) = (some(200), some(9000));
    let (kind, planned) = (KINDS[random.usize(..KINDS.len())], random.bool());
    match random.u8(..20) {
        0..8 => down(at, kind, planned),
        8..16 => back(earlier.min(at), at, kind, planned),
        16..18 => blind(earlier.min(at), at),
        18 => LivenessEvent::Reregistered { at: timestamp(at) },
        _ => LivenessEvent::Replaced { at: timestamp(at) },
    }
}

#[test]
fn whatever_is_told_the_books_are_sound_and_can_be_stored() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let zone = [utc(), berlin(), TimeZone::get("Australia/Lord_Howe").unwrap()][random.usize(..3)].clone();
        let mut record = record();
        let mut now = MONDAY;
        for _ in 0..400 {
            now += match random.u8(..20) {
                0 => random.i64(0..3 * DAY),
                1 => -random.i64(0..100),
                2 => random.i64(0..3 * HOUR),
                _ => random.i64(0..90),
            };
            let state = STATES[random.usize(..STATES.len())];
            record.advance(state, random.bool(), timestamp(now), &zone);
            if random.bool() {
                let what = anything(&mut random, now);
                let machine = machine(&format!("m-{}", random.u8(..2)));
                record.take(&what, &machine, timestamp(now));
                if !matches!(what, LivenessEvent::Blind { .. }) {
                    let before = record.clone();
                    record.take(&what, &machine, timestamp(now));
                    assert_eq!(record, before, "told twice: {what:?}");
                }
            }
            record.learn(&Learning::default(), timestamp(now));
            record.dampen(&Dampening::default(), timestamp(now));
            let ledger = &record.ledger;
            assert!(ledger.hours.rows.iter().all(|row| row.is_sound(3600)));
            assert!(ledger.days.rows.iter().all(|row| row.is_sound(1440)));
            assert!(record.week.buckets.iter().all(|bucket| bucket.up <= bucket.known));
            assert!(record.transitions.len() <= TRANSITIONS && record.transitions.is_sorted_by_key(|t| t.at.clone()));
            if random.u8(..15) == 0 {
                let again = reread(&record);
                assert_eq!(again, record);
                record = again;
            }
        }
    }
}

/// The same life, judged at once or late, in one process or many, comes out the same to the second.
#[test]
fn late_notice_changes_nothing_in_the_end() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut late, mut exact) = (up(MONDAY, MONDAY + 60), up(MONDAY, MONDAY + 60));
        let mut now = MONDAY + 60;
        for _ in 0..60 {
            let (went, noticed) = (now + random.i64(10..20_000), random.i64(40..80));
            let (came, seen) = (went + noticed + random.i64(10..20_000), random.i64(0..6));
            let planned = random.bool();
            advance(&mut exact, State::Up, went);
            take(&mut exact, &down(went, Kind::Lost, planned), went);
            exact.advance(State::Down, planned, timestamp(came), &utc());
            take(&mut exact, &back(went, came, Kind::Lost, planned), came);
            advance(&mut exact, State::Up, came + seen);

            advance(&mut late, State::Up, went + noticed - 5);
            let what = down(went, Kind::Lost, planned && random.bool());
            let told_first = random.bool();
            if told_first {
                take(&mut late, &what, went + noticed);
            }
            advance(&mut late, State::Down, went + noticed);
            if !told_first {
                take(&mut late, &what, went + noticed);
            }
            advance(&mut late, State::Down, came);
            advance(&mut late, State::Up, came + seen);
            take(&mut late, &back(went, came, Kind::Lost, planned), came + seen);
            now = came + seen;
            assert_eq!(late.ledger, exact.ledger, "seed {seed}");
            assert_eq!(late.week, exact.week, "seed {seed}");
            assert_eq!(late.transitions.last().map(|t| t.planned), Some(planned));
            assert_eq!(late.present(), exact.present());
        }
    }
}

/// Edges 41, 42, 44: no sequence of blindness and silence of ours takes anything from a steady node.
#[test]
fn no_blindness_makes_a_steady_node_less_available() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut record = up(MONDAY, MONDAY + 60);
        let mut now = MONDAY + 60;
        for _ in 0..300 {
            now += random.i64(0..4000);
            let state = [State::Up, State::Unknown, State::Gone, State::Missing][random.usize(..4)];
            advance(&mut record, state, now);
            if random.bool() {
                let from = now - random.i64(0..9000);
                take(&mut record, &blind(from, now - random.i64(-100..50)), now);
            }
            if random.u8(..20) == 0 {
                record = reread(&record);
            }
            record.learn(&Learning::default(), timestamp(now));
            let month = record.windows(timestamp(now)).month;
            assert!(month.per_mille.is_none_or(|share| share == 1000), "seed {seed}");
            let rates = record.rates(timestamp(now));
            assert_eq!((rates.downs, record.penalty(timestamp(now)).value), (0, 0));
            assert_ne!(record.learned(), Availability::Volatile);
        }
    }
}

/// Edge 70: between two checkpoints a quiet node has nothing new to write but the time.
#[test]
fn a_quiet_hour_changes_nothing_but_how_long_it_is_known() {
    let mut record = up(MONDAY, MONDAY + 20 * DAY);
    record.learn(&Learning::default(), timestamp(MONDAY + 20 * DAY));
    let before = written(&record);
    for now in (MONDAY + 20 * DAY..=MONDAY + 20 * DAY + HOUR).step_by(5) {
        advance(&mut record, State::Up, now);
        record.learn(&Learning::default(), timestamp(now));
        record.dampen(&Dampening::default(), timestamp(now));
    }
    let mut after = written(&record);
    assert_eq!(after.known_until, Some(time(MONDAY + 20 * DAY + HOUR)));
    after.known_until.clone_from(&before.known_until);
    after.hours.clone_from(&before.hours);
    after.days.clone_from(&before.days);
    after.hours_of_week.clone_from(&before.hours_of_week);
    after.rates = before.rates;
    after.availability = before.availability;
    assert_eq!(after, before);
}

/// A thousand nodes are told every few seconds: the usual call reads no time zone and touches one row. Not measured by the
/// clock, which would depend on the machine: by what it cannot do without allocating a second run.
#[test]
fn the_usual_call_adds_no_run_and_no_row() {
    let mut record = up(MONDAY, MONDAY + DAY + 10);
    let sizes = |record: &Record| (record.ledger.hours.rows.len(), record.ledger.days.rows.len());
    let before = sizes(&record);
    for second in 0..3000 {
        advance(&mut record, State::Up, MONDAY + DAY + 10 + second);
        assert_eq!(record.journal.as_ref().unwrap().since(), MONDAY);
    }
    assert_eq!(sizes(&record), before);
}
