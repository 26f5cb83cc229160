use clap::Parser;
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::args::{Cli, Command};
use crate::crd::NodeHistorySpec;
use crate::crd::history::{Kind, Machine};

fn settings() -> Settings {
    let given = ["node-class", "run", "--namespace", "n", "--cluster-name", "home"];
    let Command::Run(settings) = Cli::try_parse_from(given).unwrap().command else {
        panic!()
    };
    *settings
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn now(second: u64) -> Now {
    Now {
        mono: Duration::from_secs(second),
        wall: at(0) + SignedDuration::try_from(Duration::from_secs(second)).unwrap(),
    }
}

fn down(second: i64) -> What {
    What::Down {
        at: at(second),
        kind: Kind::Lost,
        planned: false,
        evidence: "lease silent".to_owned(),
    }
}

/// What a leader had stored of a node that went down.
fn stored() -> NodeHistory {
    let mut record = Record::new(Machine::default());
    record.advance(State::Up, false, at(0), &TimeZone::UTC);
    record.advance(State::Up, false, at(110), &TimeZone::UTC);
    record.take(&down(100), &Machine::default(), at(110));
    let mut status = NodeHistoryStatus::default();
    record.write(&mut status, at(110), &TimeZone::UTC);
    let mut history = NodeHistory::new("a", NodeHistorySpec {});
    history.status = Some(status);
    history
}

/// The successor began to look when the node was down already: it knows not since when, and what it tells is no news.
#[test]
fn a_going_down_that_the_leader_had_stored_is_not_told_again_by_its_successor() {
    let mut mind = Mind::new(&settings(), now(111));
    mind.pending.push_back((
        Duration::from_secs(125),
        Happening {
            node: "a".to_owned(),
            what: down(112),
        },
    ));
    mind.load([&stored()]);
    let thought = mind.think(&World::default(), now(130));
    assert_eq!(thought.events, []);
    let mut status = NodeHistoryStatus::default();
    mind.entries["a"].record.write(&mut status, at(130), &TimeZone::UTC);
    assert_eq!(status.state.as_deref(), Some("Down"));
    let changes: Vec<_> = status
        .transitions
        .iter()
        .map(|t| (t.at.0, t.back_at.is_none()))
        .collect();
    assert_eq!(changes, [(at(100), true)]);

    // One that it saw come back and go again has gone twice.
    for (second, what) in [
        (
            140,
            What::Back {
                down_at: at(112),
                at: at(140),
                kind: Kind::Reboot,
                planned: false,
                evidence: String::new(),
            },
        ),
        (200, down(200)),
    ] {
        let node = "a".to_owned();
        mind.pending
            .push_back((Duration::from_secs(second), Happening { node, what }));
    }
    let thought = mind.think(&World::default(), now(240));
    assert_eq!(thought.events.len(), 2);
    let mut status = NodeHistoryStatus::default();
    mind.entries["a"].record.write(&mut status, at(240), &TimeZone::UTC);
    let changes: Vec<_> = status
        .transitions
        .iter()
        .map(|t| (t.at.0, t.back_at.is_none()))
        .collect();
    assert_eq!(changes, [(at(100), false), (at(200), true)]);
}
