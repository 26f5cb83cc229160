//! What is written can be read, is small, and nothing else is read.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::*;
use crate::crd::NodeHistory;
use crate::crd::history::NodeHistorySpec;
use crate::crd::history::Penalty;

/// All that can be stored, as long as it can get.
fn longest() -> Record {
    let mut record = record();
    let mut now = MONDAY;
    advance(&mut record, State::Up, now);
    for number in 0..200 {
        now += 5 * HOUR;
        advance(&mut record, State::Up, now);
        let what = LivenessEvent::Down {
            at: timestamp(now),
            kind: Kind::Reinstall,
            planned: number % 2 == 0,
            evidence: "\"\\\u{7}ü".repeat(200),
        };
        record.apply(&what, &record.machine.clone(), timestamp(now));
        now += HOUR;
        advance(&mut record, State::Down, now);
        let what = back(now - HOUR, now, Kind::Reinstall, true);
        let LivenessEvent::Back {
            down_at,
            at,
            kind,
            planned,
            ..
        } = what
        else {
            unreachable!()
        };
        let evidence = "\"\\\u{7}ü".repeat(200);
        let what = LivenessEvent::Back {
            down_at,
            at,
            kind,
            planned,
            evidence,
        };
        record.apply(&what, &record.machine.clone(), timestamp(now));
        let _ = record.learn(&Learning::default(), timestamp(now));
    }
    record.flapping.add(flapping::MOST, now);
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
    let types = ["Ready", "DuplicateMachine", "ClockOffset", "NodeMissingButAlive"];
    status.conditions = types
        .map(|type_| Condition {
            type_: type_.to_owned(),
            status: "Unknown".to_owned(),
            reason: "r".repeat(24),
            message: "m".repeat(200),
            observed_generation: Some(1),
            last_transition_time: time(MONDAY),
        })
        .to_vec();
    assert_eq!(status.transitions.len(), 32);
    let days = codec::unpack(status.days.as_deref(), 31, 1440).unwrap();
    assert_eq!(days.rows.len(), 29);
    assert!(status.hours.as_ref().is_some_and(|hours| hours.len() > 300) && status.penalty.is_some());
    let whole = serde_json::to_string(&status).unwrap();
    // The rest of two days' hours, which this one may not have.
    let most = whole.len() + 520 - status.hours.map_or(0, |hours| hours.len());
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
    assert_eq!(sums(&record), [0, 0, 0, 1]);
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
    let what = LivenessEvent::Back {
        down_at: fine(MONDAY + 20),
        at: fine(MONDAY + 60),
        kind: Kind::Reboot,
        planned: false,
        evidence: String::new(),
    };
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
    for (field, value) in [("mtbfSeconds", 77_760), ("mttrSeconds", 90)] {
        earlier["rates"][field] = value.into();
    }
    earlier["rates"]["mtbfIsBound"] = true.into();
    // Yesterday and today were days as well.
    let days = earlier["days"].as_str().unwrap();
    let mut days = STANDARD.decode(days).unwrap();
    for _ in 0..2 {
        days.extend([5, 160, 5, 160, 0, 0, 0, 0]);
    }
    earlier["days"] = STANDARD.encode(days).into();
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
    let spoils: [(&str, Spoil); 14] = [
        ("its format is 2", |status| status.format = Some(2)),
        ("its format is 0", |status| status.format = Some(0)),
        ("names no format", |status| status.format = None),
        ("no state", |status| status.state = Some("Asleep".to_owned())),
        ("belong together", |status| status.known_until = None),
        ("belong together", |status| status.state = None),
        ("since is after", |status| status.since = Some(time(MONDAY + 100 * DAY))),
        ("hours: ", |status| status.hours = Some(String::new())),
        ("hours: ", |status| status.hours = None),
        ("hours: ", |status| status.hours = Some("A".repeat(4000))),
        ("hours: they go beyond", |status| {
            status.known_until = Some(time(MONDAY));
            status.since = Some(time(MONDAY));
        }),
        ("hours: more up", |status| {
            status.hours = Some("AAAAAP////8AAAAA".to_owned());
        }),
        ("days", |status| status.days = Some("AAAAAA==".to_owned())),
        ("penalty", |status| {
            status.penalty = Some(Penalty {
                value: -5,
                at: time(MONDAY),
                flapping_since: None,
            });
        }),
    ];
    let good = written(&up(MONDAY, MONDAY + 9 * DAY));
    assert!(Record::read(&good).is_ok());
    for (expected, spoil) in spoils {
        let mut status = good.clone();
        spoil(&mut status);
        let Unreadable(why) = Record::read(&status).unwrap_err();
        assert!(why.contains(expected), "{why} is not {expected}");
    }
}

#[test]
fn invalid_bytes_are_refused_or_harmless() {
    let mut random = fastrand::Rng::with_seed(8);
    let good = serde_json::to_value(written(&longest())).unwrap();
    let (mut refused, mut read) = (0, 0);
    for _ in 0..600 {
        let mut value = good.clone();
        let field = ["days", "hours"][random.usize(..2)];
        let mut bytes = value[field].as_str().unwrap().as_bytes().to_vec();
        match random.u8(..5) {
            0 => bytes.truncate(random.usize(..bytes.len())),
            1 => bytes.extend(b"AAAA"),
            2 | 3 => {
                let mut table = STANDARD.decode(&bytes).unwrap();
                let at = random.usize(..table.len());
                table[at] = table[at].wrapping_add(random.u8(..3));
                bytes = STANDARD.encode(table).into_bytes();
            }
            _ => {
                for _ in 0..random.usize(1..4) {
                    let at = random.usize(..bytes.len());
                    bytes[at] = random.u8(32..127);
                }
            }
        }
        value[field] = String::from_utf8(bytes).unwrap().into();
        let status: NodeHistoryStatus = serde_json::from_value(value).unwrap();
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
            record.apply(&blind(0, MONDAY * 100), &machine("m-1"), now);
            record.learn(&Learning::default(), now);
            record.update_flapping(now);
            let _ = (record.windows(now), record.rates(now), record.penalty(now));
            written(&record);
        }
    }
}
