//! The cases of schedule evaluation, by their numbers in the project's list. Case 31 is beside the limits.
mod clock;
mod namespaces;
mod runs;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::crd::{BackupRun, BackupScheduleStatus, RUN_NOW};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A schedule, and the status that its last pass left.
#[derive(Clone)]
struct World {
    schedule: BackupSchedule,
}

impl World {
    /// Created at this time, and not looked at yet.
    fn new(created: &str, spec: Value) -> Self {
        let mut whole = json!({"repository": "b2", "cron": "0 3 * * *", "keep": {"daily": 7}});
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let schedule = json!({
            "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": "BackupSchedule",
            "metadata": {"namespace": "home", "name": "nightly", "uid": "s1", "creationTimestamp": created},
            "spec": whole,
        });
        Self {
            schedule: serde_json::from_value(schedule).unwrap(),
        }
    }

    /// Looked at right after its creation.
    fn seen(created: &str, spec: Value) -> Self {
        let mut world = Self::new(created, spec);
        world.pass(created);
        world
    }

    /// What the clock says; the status is kept, and the slot is not done with.
    fn pass(&mut self, now: &str) -> Timing {
        let parsed = parse(&self.schedule).unwrap();
        let timing = timing(&self.schedule, &parsed, at(now));
        self.schedule.status = Some(timing.status.clone());
        timing
    }

    /// The same; a slot that is due gets its run.
    fn run(&mut self, now: &str) -> Option<Due> {
        let due = self.pass(now).due;
        if let Some(due) = &due {
            self.done(due, &["home"], &[]);
        }
        due
    }

    fn done(&mut self, due: &Due, made: &[&str], overlap: &[&str]) -> Vec<Note> {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let mut status = self.status();
        let notes = record(&mut status, &self.schedule, due, &texts(made), &texts(overlap));
        self.schedule.status = Some(status);
        notes
    }

    fn status(&self) -> BackupScheduleStatus {
        self.schedule.status.clone().unwrap()
    }

    fn ask(&mut self, token: &str) {
        let annotations = self.schedule.metadata.annotations.get_or_insert_default();
        annotations.insert(RUN_NOW.to_owned(), token.to_owned());
    }

    fn said(&self, runs: &[BackupRun], now: &str) -> (String, String) {
        let parsed = parse(&self.schedule).unwrap();
        let results = results(runs.iter(), "s1");
        match outcome(&mut self.status(), &parsed, &results, at(now)) {
            hearth_reconciler::outcome::Outcome::Ready(reason, message) => (reason.to_owned(), message),
            other => panic!("{other:?}"),
        }
    }
}

fn slot(due: Option<Due>) -> Option<String> {
    due.map(|due| due.slot.to_string())
}

fn problem(spec: Value) -> Problem {
    parse(&World::new("2026-01-01T00:00:00Z", spec).schedule).unwrap_err()
}
