//! What holds for every life, whatever is reported in which order.
use super::*;

const KINDS: [Kind; 5] = [Kind::Clean, Kind::Lost, Kind::Reboot, Kind::Suspend, Kind::Reinstall];
const STATES: [State; 5] = [State::Up, State::Down, State::Unknown, State::Gone, State::Missing];

/// Any happening around `now`, true or not.
fn anything(random: &mut fastrand::Rng, now: i64) -> LivenessEvent {
    let mut some = |most: i64| now - random.i64(-30..most);
    let (at, earlier) = (some(200), some(9000));
    let (kind, planned) = (KINDS[random.usize(..KINDS.len())], random.bool());
    match random.u8(..18) {
        0..8 => down(at, kind, planned),
        8..16 => back(earlier.min(at), at, kind, planned),
        16 => reregistered(at),
        _ => LivenessEvent::Replaced,
    }
}

#[test]
fn after_any_events_the_record_is_valid_and_can_be_stored() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
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
            advance(&mut record, state, now);
            if random.bool() {
                let what = anything(&mut random, now);
                let machine = machine(&format!("m-{}", random.u8(..2)));
                record.apply(&what, &machine, timestamp(now));
                let before = record.clone();
                record.apply(&what, &machine, timestamp(now));
                assert_eq!(record, before, "reported twice: {what:?}");
            }
            record.learn(&Learning::default(), timestamp(now));
            record.update_flapping(timestamp(now));
            assert!(Uptime::stored(&record.uptime.0).is_some());
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
            apply(&mut exact, &down(went, Kind::Lost, planned), went);
            advance(&mut exact, State::Down, came);
            apply(&mut exact, &back(went, came, Kind::Lost, planned), came);
            advance(&mut exact, State::Up, came + seen);

            advance(&mut late, State::Up, went + noticed);
            let event = down(went, Kind::Lost, planned && random.bool());
            apply(&mut late, &event, went + noticed);
            advance(&mut late, State::Down, came + random.i64(0..=seen));
            apply(&mut late, &back(went, came, Kind::Lost, planned), came + seen);
            advance(&mut late, State::Up, came + seen);
            now = came + seen;
            assert_eq!(late.uptime, exact.uptime, "seed {seed}");
            assert_eq!(late.transitions.last().map(|t| t.planned), Some(planned));
            assert_eq!(late.current, exact.current);
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
            if random.u8(..20) == 0 {
                record = reread(&record);
            }
            record.learn(&Learning::default(), timestamp(now));
            let month = record.windows(timestamp(now)).month;
            assert!(month.per_mille.is_none_or(|share| share == 1000), "seed {seed}");
            assert_eq!((record.downs(timestamp(now)), record.penalty(timestamp(now))), (0, 0));
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
        record.update_flapping(timestamp(now));
    }
    let mut after = written(&record);
    assert_eq!(after.known_until, Some(time(MONDAY + 20 * DAY + HOUR)));
    after.known_until.clone_from(&before.known_until);
    after.availability = before.availability;
    assert_eq!(after, before);
}

/// A thousand nodes are counted every few seconds.
#[test]
fn the_time_in_one_state_takes_no_room() {
    let mut record = up(MONDAY, MONDAY + DAY + 10);
    for second in 0..3000 {
        advance(&mut record, State::Up, MONDAY + DAY + 10 + second);
        assert_eq!(record.current.unwrap().since, MONDAY);
    }
    assert_eq!(record.uptime.0, []);
}
