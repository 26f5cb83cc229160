//! A record, given states and events second by second.
mod changes;
mod dampening;
mod learning;
mod properties;
mod statistics;
mod storing;
mod uptime;

use super::*;
use crate::crd::history::{Kind, NodeHistoryStatus};
use crate::liveness::LivenessEvent;

/// Monday, 5 October 2026, 00:00 UTC.
const MONDAY: i64 = 1_791_158_400;
const MINUTE: i64 = 60;
const HOUR: i64 = 3600;

impl Record {
    /// The flap penalty now.
    fn penalty(&self, now: Timestamp) -> i64 {
        self.flapping.value(seconds(now))
    }
}

fn machine(uuid: &str) -> Machine {
    Machine {
        node_uid: "uid-1".to_owned(),
        system_uuid: uuid.to_owned(),
        machine_id: "id-1".to_owned(),
        boot_id: "boot-1".to_owned(),
        versions: "v1.36.0 6.12.1 Talos".to_owned(),
    }
}

fn record() -> Record {
    Record::new(machine("m-1"))
}

/// A record that begins at `from` and was up until `to`.
fn up(from: i64, to: i64) -> Record {
    let mut record = record();
    advance(&mut record, State::Up, from);
    advance(&mut record, State::Up, to);
    record
}

fn advance(record: &mut Record, state: State, to: i64) {
    record.advance(state, timestamp(to));
}

fn apply(record: &mut Record, event: &LivenessEvent, now: i64) {
    record.apply(event, &machine("m-1"), timestamp(now));
}

fn down(at: i64, kind: Kind, planned: bool) -> LivenessEvent {
    LivenessEvent::Changed(Transition {
        planned,
        ..Transition::new(kind, timestamp(at), None, "lease silent".to_owned())
    })
}

fn back(down_at: i64, at: i64, kind: Kind, planned: bool) -> LivenessEvent {
    LivenessEvent::Changed(Transition {
        planned,
        ..Transition::new(
            kind,
            timestamp(down_at),
            Some(timestamp(at)),
            "lease renewed".to_owned(),
        )
    })
}

fn reregistered(at: i64) -> LivenessEvent {
    let at = timestamp(at);
    LivenessEvent::Changed(Transition::new(Kind::Reregistered, at, Some(at), String::new()))
}

/// Goes down and comes back, noticed 40 s and 1 s later.
fn outage(record: &mut Record, at: i64, until: i64, kind: Kind) {
    advance(record, State::Up, at + 40);
    apply(record, &down(at, kind, false), at + 40);
    advance(record, State::Down, until);
    apply(record, &back(at, until, kind, false), until + 1);
    advance(record, State::Up, until + 1);
}

/// Since when the state is what it is, as it is shown.
fn since(record: &Record) -> i64 {
    seconds(written(record).since.unwrap().0)
}

/// What is counted: up, known, planned seconds and outages that are over.
fn sums(record: &Record) -> [i64; 4] {
    let sums = record.uptime.since(0).plus(record.weight(), record.current_since(0));
    [sums.up, sums.known, sums.planned, sums.downs]
}

fn written(record: &Record) -> NodeHistoryStatus {
    let mut status = NodeHistoryStatus::default();
    record.write(&mut status);
    status
}

/// Through JSON, as the API gives it back.
fn reread(record: &Record) -> Record {
    let text = serde_json::to_string(&written(record)).unwrap();
    Record::read(&serde_json::from_str(&text).unwrap()).unwrap()
}
