//! What the end of a work means for the records.
use std::collections::BTreeMap;

use super::due::CONSENT;
use super::{Observed, Plan, RETRY_AFTER};
use crate::crd::repository::{Damage, Maintenance, MaintenanceWork, WorkKind};
use crate::plan::items::{JobState, MoverJob};
use crate::plan::job::hex;
use crate::plan::place;
use crate::task::{Reason, Report, Verdict};

/// So many damaged packs and snapshots are named.
const NAMED: usize = 100;

/// Records the end of a work.
pub(super) fn finish(observed: &Observed<'_>, plan: &mut Plan, work: &MaintenanceWork) {
    let record = plan.status.maintenance.entry(work.namespace.clone()).or_default();
    let kind = name(work.kind);
    let report = report(observed.jobs, &work.progress.claim);
    let good = report.filter(|report| report.verdict == Verdict::Completed);
    record.retry_at = None;
    if let Some(bytes) = report.and_then(|report| report.repository_bytes) {
        record.bytes = i64::try_from(bytes).ok();
    }
    let damaged = report.filter(|report| work.kind == WorkKind::Check && report.reason == Reason::DataDamaged);
    if good.is_some() || damaged.is_some() {
        record.succeeded = Some(observed.now.to_string());
        record.problems.remove(kind);
    } else {
        let (reason, message) = (work.progress.reason.as_deref(), work.progress.message.as_deref());
        let text = format!(
            "{}: {}",
            reason.unwrap_or("Unknown"),
            message.unwrap_or("no more is known")
        );
        record.problems.insert(kind.to_owned(), text);
        // A repair has no next slot that it could wait for.
        let heals = report.is_none_or(|report| report.retry) || work.kind == WorkKind::Repair;
        if heals {
            let at = observed.now.checked_add(RETRY_AFTER).unwrap_or(observed.now);
            record.retry_at = Some(at.to_string());
            return;
        }
    }
    match work.kind {
        WorkKind::Forget => {
            if good.is_some() {
                plan.forgotten.clone_from(&work.snapshots);
            } else {
                // Not again before the next run.
                record.forgot = Some(work.slot.clone());
            }
        }
        WorkKind::Prune => record.pruned = Some(work.slot.clone()),
        WorkKind::Check => {
            record.checked = Some(work.slot.clone());
            record.parts_read = Some(record.parts_read.unwrap_or(0).saturating_add(1));
            if let Some(report) = damaged {
                record.damage = Some(damage(observed, work, report));
                add(&mut record.damaged_snapshots, &report.damaged_snapshots);
            } else if let Some(report) = good {
                // Those that it was told of and that are still there.
                record.damaged_snapshots.clear();
                add(&mut record.damaged_snapshots, &report.damaged_snapshots);
            }
        }
        WorkKind::Repair => {
            if let Some(report) = good {
                record.damage = None;
                add(&mut record.damaged_snapshots, &report.damaged_snapshots);
            }
        }
    }
}

fn damage(observed: &Observed<'_>, work: &MaintenanceWork, report: &Report) -> Damage {
    Damage {
        check: hex(format!("{}/{}", work.namespace, work.slot).as_bytes(), 4),
        since: observed.now.to_string(),
        packs: report.damaged_packs.iter().take(NAMED).cloned().collect(),
    }
}

fn add(known: &mut Vec<String>, more: &[String]) {
    for id in more.iter().take(NAMED) {
        if !known.contains(id) {
            known.push(id.clone());
        }
    }
}

/// The last report of a work.
fn report<'a>(jobs: &'a [MoverJob], name: &str) -> Option<&'a Report> {
    let last = jobs
        .iter()
        .filter(|job| job.claim == name)
        .max_by_key(|job| job.attempt)?;
    match &last.state {
        JobState::Ended(_, Ok(report)) => Some(report),
        _ => None,
    }
}

fn name(kind: WorkKind) -> &'static str {
    match kind {
        WorkKind::Forget => "Forget",
        WorkKind::Check => "Check",
        WorkKind::Prune => "Prune",
        WorkKind::Repair => "Repair",
    }
}

/// What the conditions `Healthy` and `Maintained` say: their status, reason and message. `Healthy` is unknown before the first check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Of `Healthy`.
    pub healthy: (Option<bool>, &'static str, String),
    /// Of `Maintained`.
    pub maintained: (bool, &'static str, String),
}

/// Reads the records of all namespaces.
pub fn health(repository: &str, maintenance: &BTreeMap<String, Maintenance>) -> Health {
    let damaged: Vec<String> = maintenance
        .iter()
        .filter_map(|(namespace, record)| Some((namespace, record, record.damage.as_ref()?)))
        .map(|(namespace, record, damage)| {
            format!(
                "check {} found damage in the repository of {}: packs {}; snapshots {} need them. Nothing is \
                 forgotten or pruned, and new backups do not count. Copy the bucket if you can, then agree to take the packs out \
                 of the index, so that the next backup stores their content anew: `kubectl annotate --overwrite backuprepository \
                 {repository} {}={}`",
                damage.check,
                place::whose(namespace),
                short(&damage.packs),
                short(&record.damaged_snapshots),
                crate::crd::REPAIR,
                damage.check
            )
        })
        .collect();
    let checked = maintenance.values().any(|record| record.checked.is_some());
    let healthy = match (damaged.is_empty(), checked) {
        (false, _) => (Some(false), "DataDamaged", damaged.join("; ")),
        (true, true) => (
            Some(true),
            "Checked",
            "no check has found damage that is not repaired".to_owned(),
        ),
        (true, false) => (None, "NotChecked", "nothing was checked yet".to_owned()),
    };
    let problems: Vec<(&String, String)> = maintenance
        .iter()
        .flat_map(|(namespace, record)| {
            let words =
                move |(kind, text): (&'_ String, &'_ String)| format!("{}: {kind}: {text}", place::whose(namespace));
            record.problems.iter().map(move |one| (one.0, words(one)))
        })
        .collect();
    let maintained = match problems.first() {
        None => (true, "Maintained", "nothing is left to do".to_owned()),
        Some((kind, _)) => {
            let reason = if kind.as_str() == CONSENT {
                "NeedsConsent"
            } else {
                "Failed"
            };
            let texts: Vec<String> = problems.iter().map(|(_, text)| text.clone()).take(5).collect();
            (false, reason, texts.join("; "))
        }
    };
    Health { healthy, maintained }
}

/// The begin of ids, the first of them.
fn short(ids: &[String]) -> String {
    const SHOWN: usize = 10;
    let names: Vec<&str> = ids.iter().take(SHOWN).map(|id| id.get(..8).unwrap_or(id)).collect();
    let more = ids.len().saturating_sub(SHOWN);
    match (names.is_empty(), more) {
        (true, _) => "(none named)".to_owned(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    }
}
