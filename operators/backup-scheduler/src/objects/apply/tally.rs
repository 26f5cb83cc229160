//! What came of the steps: counts, and the first names.
use hearth_reconciler::error::truncate;

use super::Done;
use crate::objects::plan::{Plan, Step};
use crate::task::{ObjectResult, ObjectsReport};

/// So many objects of each sort are named; a report has room for fewer.
const NAMED: usize = 50;
/// The longest message about an object, in bytes.
const LONGEST: usize = 300;

/// Counts and names.
#[derive(Debug)]
pub(super) struct Tally {
    report: ObjectsReport,
    failed: Vec<ObjectResult>,
    lost: Vec<ObjectResult>,
    skipped: Vec<ObjectResult>,
    written: Vec<ObjectResult>,
    /// Objects that are written are named too.
    name_all: bool,
}

impl Tally {
    /// What the plan has settled already.
    pub(super) fn new(plan: &Plan, name_all: bool) -> Self {
        let mut tally = Self {
            report: ObjectsReport::default(),
            failed: Vec::new(),
            lost: Vec::new(),
            skipped: Vec::new(),
            written: Vec::new(),
            name_all,
        };
        for (label, why) in &plan.broken {
            tally.add(label.clone(), Done::Failed(why.clone()));
        }
        for (label, why) in &plan.skipped {
            tally.add(label.clone(), Done::Skipped(*why, None));
        }
        tally
    }

    /// Notes what came of a step.
    pub(super) fn note(&mut self, step: &Step, done: Done) {
        self.add(step.label(), done);
    }

    fn add(&mut self, object: String, done: Done) {
        let report = &mut self.report;
        let (list, result, message) = match done {
            Done::Created => {
                report.created += 1;
                (&mut self.written, "Create", None)
            }
            Done::Updated => {
                report.updated += 1;
                (&mut self.written, "Update", None)
            }
            Done::Unchanged => {
                report.unchanged += 1;
                return;
            }
            Done::Skipped(why, message) => {
                *report.skipped.entry(why.as_str().to_owned()).or_default() += 1;
                let list = if why.is_loss() {
                    &mut self.lost
                } else {
                    &mut self.skipped
                };
                (list, why.as_str(), message)
            }
            Done::Failed(why) | Done::Later(why) => {
                report.failed += 1;
                (&mut self.failed, "Failed", Some(why))
            }
            Done::NotServed => return,
        };
        if list.len() < NAMED {
            list.push(ObjectResult {
                object,
                result: result.to_owned(),
                message: message.map(|message| truncate(&message, LONGEST)),
            });
        }
    }

    /// As a report: what is lost comes first.
    pub(super) fn report(mut self, hints: &[String]) -> ObjectsReport {
        let written = if self.name_all { self.written } else { Vec::new() };
        let all = self.failed.into_iter().chain(self.lost);
        self.report.objects = all.chain(written).chain(self.skipped).collect();
        self.report.hints = hints.to_vec();
        self.report
    }
}
