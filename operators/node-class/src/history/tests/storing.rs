//! What is written can be read, is small, and nothing else is read.

use super::*;
use crate::crd::NodeHistory;
use crate::crd::history::{Day, NodeHistorySpec, Penalty};

/// All that can be stored, as long as it can get.
fn longest() -> Record {
    let mut record = record();
    let mut now = MONDAY;
    advance(&mut record, State::Up, now);
    for number in 0..200 {
        now += 5 * HOUR;
        advance(&mut record, State::Up, now);
        let evidence = "lease silent, the kubelet announced its shutdown, Ready is Unknown".to_owned();
        let what = LivenessEvent::Changed(Transition {
            planned: number % 2 == 0,
            ..Transition::new(Kind::Reinstall, timestamp(now), None, evidence)
        });
        record.apply(&what, &record.machine.clone(), timestamp(now));
        now += HOUR;
        advance(&mut record, State::Down, now);
        let evidence = "new boot, back in unwatched time".to_owned();
        let (from, to) = (timestamp(now - HOUR), Some(timestamp(now)));
        let what = LivenessEvent::Changed(Transition {
            planned: true,
            ..Transition::new(Kind::Reinstall, from, to, evidence)
        });
        record.apply(&what, &record.machine.clone(), timestamp(now));
        let _ = record.learn(&Learning::default(), timestamp(now));
    }
    record.flapping.add(flapping::CEILING, now);
    record.update_flapping(timestamp(now));
    record.longest_reboot = 3600;
    record.learned.calm_since = Some(now);
    record.learned.since = Some(now);
    record.machine = Machine {
        node_uid: "0b9e6a5e-7d3c-4a0e-9a6d-3f1f6f0c5a11".to_owned(),
        system_uuid: "4c4c4544-0042-3510-8052-b4c04f5a4d32".to_owned(),
        machine_id: "5f1d7a84f9f24b1b8c6b1e2f3a4b5c6d".to_owned(),
        boot_id: "3f2504e0-4f89-11d3-9a0c-0305e82c3301".to_owned(),
        versions: "v".repeat(200),
    };
    record
}

#[test]
fn the_longest_history_is_under_11_kb() {
    let record = longest();
    let mut status = written(&record);
    status.observed_generation = Some(i64::MAX);
    status.host = Some("h".repeat(253));
    status.classes = vec!["c".repeat(63); 4];
    assert_eq!(status.transitions.len(), 32);
    assert!(status.uptime.len() == 31 && status.penalty.is_some());
    let whole = serde_json::to_string(&status).unwrap();
    let most = whole.len();
    assert!(most < 10_500, "{most}");
    assert!(most > 8_000, "it is the longest: {most}");
}

#[test]
fn what_is_written_is_read_again_as_the_same_and_written_as_the_same_text() {
    let mut lives = vec![record(), up(MONDAY, MONDAY), up(MONDAY, MONDAY + 100), longest()];
    let mut life = up(MONDAY + 17, MONDAY + 5 * DAY + 77);
    outage(&mut life, MONDAY + 5 * DAY + 100, MONDAY + 6 * DAY + 3, Kind::Lost);
    lives.push(life.clone());
    apply(
        &mut life,
        &down(MONDAY + 6 * DAY + 50, Kind::Clean, true),
        MONDAY + 6 * DAY + 90,
    );
    lives.push(life.clone());
    advance(&mut life, State::Unknown, MONDAY + 20 * DAY);
    lives.push(life.clone());
    advance(&mut life, State::Unknown, MONDAY + 90 * DAY);
    lives.push(life);
    for life in lives {
        let first = written(&life);
        let read = reread(&life);
        assert_eq!(read, life);
        assert_eq!(written(&read), first);
        let text = |status: &NodeHistoryStatus| serde_json::to_string(status).unwrap();
        assert_eq!(text(&written(&read)), text(&first));
        // Also later, and over what was there, as long as nothing was accounted for.
        let mut again = first.clone();
        read.write(&mut again);
        assert_eq!(again, first);
    }
}

/// The operator was off for long, and what happened is reported before time is accounted for.
#[test]
fn a_change_after_a_long_gap_leaves_no_more_days_than_can_be_read() {
    let mut record = reread(&up(MONDAY, MONDAY + 10 * DAY));
    apply(
        &mut record,
        &down(MONDAY + 100 * DAY, Kind::Lost, false),
        MONDAY + 100 * DAY + 40,
    );
    assert_eq!(reread(&record), record);
    assert_eq!(sums(&record)[..2], [10 * DAY; 2]);
}

#[test]
fn what_is_not_the_records_own_stays() {
    let mut status = NodeHistoryStatus {
        observed_generation: Some(3),
        host: Some("gamer".to_owned()),
        classes: vec!["volatile".to_owned()],
        ..NodeHistoryStatus::default()
    };
    let before = status.clone();
    up(MONDAY, MONDAY + 100).write(&mut status);
    assert_eq!(
        (status.observed_generation, &status.host, &status.classes),
        (before.observed_generation, &before.host, &before.classes)
    );
    assert_eq!(status.format, Some(FORMAT));
}

#[test]
fn a_process_that_reads_continues_as_the_one_that_wrote() {
    let mut one = up(MONDAY, MONDAY + 3 * DAY + 1234);
    let mut other = reread(&one);
    for record in [&mut one, &mut other] {
        advance(record, State::Up, MONDAY + 3 * DAY + 1300);
        outage(record, MONDAY + 3 * DAY + 1290, MONDAY + 4 * DAY, Kind::Lost);
        advance(record, State::Up, MONDAY + 9 * DAY);
        record.learn(&Learning::default(), timestamp(MONDAY + 9 * DAY));
    }
    assert_eq!(one, other);
}

#[test]
fn times_have_whole_seconds() {
    let mut record = record();
    let fine = |seconds: i64| Timestamp::new(seconds, 987_654_321).unwrap();
    record.advance(State::Up, fine(MONDAY));
    record.advance(State::Up, fine(MONDAY + 100));
    let new = Transition::new(Kind::Reboot, fine(MONDAY + 20), Some(fine(MONDAY + 60)), String::new());
    let what = LivenessEvent::Changed(new);
    record.apply(&what, &machine("m-1"), fine(MONDAY + 100));
    record.update_flapping(fine(MONDAY + 100));
    record.learn(&Learning::default(), fine(MONDAY + 100));
    assert_eq!(reread(&record), record);
}

/// As an earlier version stored it, with fields that are not used any more.
#[test]
fn a_history_of_an_earlier_version_is_read() {
    let life = up(MONDAY, MONDAY + 9 * DAY);
    let mut earlier = serde_json::to_value(written(&life)).unwrap();
    earlier["hoursOfWeek"] = "A".repeat(896).into();
    earlier["former"] =
        serde_json::json!([{ "systemUUID": "m-0", "until": "2026-01-01T00:00:00Z", "learned": "AlwaysOn" }]);
    earlier["rates"] = serde_json::json!({ "downs": 3, "downsPerDayMilli": 330, "mtbfSeconds": 77_760 });
    let blind = Transition::new(
        Kind::Blind,
        timestamp(MONDAY),
        Some(timestamp(MONDAY + DAY)),
        String::new(),
    );
    earlier["transitions"] = serde_json::json!([blind]);
    earlier["conditions"] = serde_json::json!([{ "type": "Ready", "status": "True" }]);
    (earlier["days"], earlier["hours"]) = ("AAAA".into(), "AAAA".into());
    let read = Record::read(&serde_json::from_value(earlier).unwrap()).unwrap();
    assert_eq!(read, life);
}

/// Edge 7: a history that a user deleted is made again, empty.
#[test]
fn an_empty_status_is_a_node_that_was_never_seen() {
    let read = Record::read(&NodeHistoryStatus::default()).unwrap();
    assert_eq!(read, Record::new(Machine::default()));
    assert_eq!((read.learned(), read.remembered()), (Availability::Unproven, None));
    let made = NodeHistory::new("talos03", NodeHistorySpec::default());
    assert_eq!(made.status, None);
}

/// Edge 8.
#[test]
fn what_is_newer_or_broken_is_refused_with_its_reason() {
    type Spoil = fn(&mut NodeHistoryStatus);
    let spoils: [(&str, Spoil); 10] = [
        ("its format is 2", |status| status.format = Some(2)),
        ("its format is 0", |status| status.format = Some(0)),
        ("names no format", |status| status.format = None),
        ("belong together", |status| status.known_until = None),
        ("belong together", |status| status.state = None),
        ("belong together", |status| {
            status.since = Some(time(MONDAY + 100 * DAY));
        }),
        ("uptime: more up", |status| status.uptime[0].up += 1),
        ("uptime: more up", |status| status.uptime[0].known = DAY + 1),
        ("uptime: more up", |status| status.uptime[0].planned = -1),
        ("uptime: ", |status| status.uptime.reverse()),
    ];
    let mut good = up(MONDAY, MONDAY + 9 * DAY);
    advance(&mut good, State::Unknown, MONDAY + 9 * DAY + 1);
    let good = written(&good);
    assert!(Record::read(&good).is_ok());
    for (expected, spoil) in spoils {
        let mut status = good.clone();
        spoil(&mut status);
        let Unreadable(why) = Record::read(&status).unwrap_err();
        assert!(why.contains(expected), "{why} is not {expected}");
    }
}

#[test]
fn impossible_days_are_refused_or_harmless() {
    let mut random = fastrand::Rng::with_seed(8);
    let good = written(&longest());
    let (mut refused, mut read) = (0, 0);
    for _ in 0..600 {
        let mut status = good.clone();
        let at = random.usize(..status.uptime.len());
        let Day {
            day,
            up,
            known,
            planned,
            downs,
        } = &mut status.uptime[at];
        let number = [day, up, known, planned, downs]
            .into_iter()
            .nth(random.usize(..5))
            .unwrap();
        *number = number.saturating_add([-1, 1, -5000, 5000, i64::MIN, i64::MAX][random.usize(..6)]);
        match Record::read(&status) {
            Err(_) => refused += 1,
            Ok(mut record) => {
                read += 1;
                let until = record.current.unwrap().known_until;
                advance(&mut record, State::Up, until + 3 * DAY);
                apply(&mut record, &down(until + 3 * DAY, Kind::Lost, false), until + 3 * DAY);
                record.learn(&Learning::default(), timestamp(until));
                assert_eq!(reread(&record), record);
                assert!(serde_json::to_string(&written(&record)).unwrap().len() < 12_000);
            }
        }
    }
    assert!(refused > 200 && read > 40, "{refused} refused, {read} read");
}

#[test]
fn times_at_the_ends_of_the_calendar_do_no_harm() {
    let mut status = written(&longest());
    for at in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
        status.learned_since = Some(Time(at));
        status.calm_since = Some(Time(at));
        status.penalty = Some(Penalty {
            value: 5000,
            at: Time(at),
            flapping_since: Some(Time(at)),
        });
        for transition in &mut status.transitions {
            transition.back_at = Some(Time(at));
        }
        let mut record = Record::read(&status).unwrap();
        for now in [Timestamp::MIN, Timestamp::UNIX_EPOCH, timestamp(MONDAY), Timestamp::MAX] {
            record.advance(State::Up, now);
            record.apply(&down(0, Kind::Lost, false), &machine("m-1"), now);
            record.apply(&back(0, 0, Kind::Lost, false), &machine("m-1"), now);
            record.learn(&Learning::default(), now);
            record.update_flapping(now);
            let _ = (record.windows(now), record.downs(now), record.penalty(now));
            written(&record);
        }
    }
}
