//! Which work is next.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;

use super::{Observed, Schedule};
use crate::crd::backup_run::{Item, State};
use crate::crd::repository::{Layout, Maintenance, MaintenanceWork, WorkKind};
use crate::crd::{BackupRun, KEEP, REPAIR, SCHEDULE_UID};
use crate::plan::backup::{Damage, slot_of};
use crate::plan::job::hex;
use crate::plan::place;
use crate::plan::retention::{self, Decision, Snapshot};
use crate::task::{Reason, Recorded};

/// So many snapshots are forgotten by one Job, so that their ids fit the status.
const PER_JOB: usize = 200;
/// The key of problems of the retention that need no Job.
pub(super) const CONSENT: &str = "Consent";

/// What is due.
pub(super) struct Due {
    /// The work to do.
    pub(super) work: Option<MaintenanceWork>,
    /// When something may be due that waits now.
    pub(super) after: Option<Duration>,
}

/// Looks through all namespaces. What needs consent is written into their records.
pub(super) fn due(observed: &Observed<'_>, maintenance: &mut BTreeMap<String, Maintenance>) -> Due {
    let status = observed.repository.status.clone().unwrap_or_default();
    let (mut first, mut after) = (None, None::<Duration>);
    for (namespace, since) in &status.namespaces {
        let record = maintenance.entry(namespace.clone()).or_default();
        let found = of_namespace(observed, namespace, time(Some(since)), record);
        if let Some(pause) = pause(record, observed.now) {
            after = Some(after.map_or(pause, |known| known.min(pause)));
        } else if let Some(found) = found.filter(|_| first.is_none()) {
            first = Some(found);
        }
        if *record == Maintenance::default() {
            maintenance.remove(namespace);
        }
    }
    Due { work: first, after }
}

/// How long a namespace is left alone after a failure.
fn pause(record: &Maintenance, now: Timestamp) -> Option<Duration> {
    let until = time(record.retry_at.as_deref())?;
    Duration::try_from(until.duration_since(now))
        .ok()
        .filter(|left| !left.is_zero())
}

fn of_namespace(
    observed: &Observed<'_>,
    namespace: &str,
    since: Option<Timestamp>,
    record: &mut Maintenance,
) -> Option<MaintenanceWork> {
    let forget = retain(observed, namespace, record);
    if let Some(damage) = &record.damage {
        let agreed = observed.repository.annotations().get(REPAIR) == Some(&damage.check);
        return agreed.then(|| work(WorkKind::Repair, namespace, &damage.check));
    }
    if Damage::of(observed.repository, namespace).unrepaired {
        // It was found for another namespace that shares the repository.
        return None;
    }
    // A repository that namespaces share is checked and pruned for the first of them.
    let shared = observed.repository.spec.layout == Layout::Single;
    let first = observed
        .repository
        .status
        .as_ref()
        .and_then(|status| status.namespaces.keys().next());
    let responsible = !shared || first.is_some_and(|first| first == namespace);
    let is_due = |slot: Option<Timestamp>, last: &Option<String>| {
        let last = time(last.as_deref()).max(since);
        let slot = slot.filter(|_| responsible);
        slot.filter(|slot| last.is_some_and(|last| *slot > last))
    };
    if let Some(slot) = is_due(observed.check_slot, &record.checked) {
        return Some(work(WorkKind::Check, namespace, &slot.to_string()));
    }
    if !may_delete(observed) {
        return None;
    }
    // A bucket that is full is pruned once for each run that found it so.
    let prune = is_due(observed.prune_slot.max(full_since(observed, namespace)), &record.pruned);
    forget.or_else(|| prune.map(|slot| work(WorkKind::Prune, namespace, &slot.to_string())))
}

/// The end of the newest run, if the bucket was full for it.
pub(super) fn full_since(observed: &Observed<'_>, namespace: &str) -> Option<Timestamp> {
    let newest = runs(observed, namespace).max_by_key(|run| slot_of(run))?;
    let is_full = |item: &Item| item.reason.as_deref() == Some(Reason::QuotaExceeded.as_str());
    let end = || time(newest.status.as_ref()?.completion_time.as_deref());
    items_of(newest, namespace).iter().any(is_full).then(end)?
}

/// Whether snapshots may be deleted at all.
fn may_delete(observed: &Observed<'_>) -> bool {
    let status = observed.repository.status.as_ref();
    let can = status
        .and_then(|status| status.capabilities.as_ref())
        .is_some_and(|can| can.delete);
    can && !observed.repository.spec.append_only
}

fn work(kind: WorkKind, namespace: &str, slot: &str) -> MaintenanceWork {
    let name = match kind {
        WorkKind::Forget => "forget",
        WorkKind::Check => "check",
        WorkKind::Prune => "prune",
        WorkKind::Repair => "repair",
    };
    MaintenanceWork {
        kind,
        namespace: namespace.to_owned(),
        slot: slot.to_owned(),
        snapshots: Vec::new(),
        progress: Item {
            // A part of the Job's name.
            claim: format!("{name}-{}-{namespace}", hex(slot.as_bytes(), 4)),
            ..Item::default()
        },
    }
}

/// The snapshots to forget in a namespace, after the newest runs.
fn retain(observed: &Observed<'_>, namespace: &str, record: &mut Maintenance) -> Option<MaintenanceWork> {
    record.problems.remove(CONSENT);
    let forgot = time(record.forgot.as_deref());
    let (mut ids, mut newest_end) = (Vec::new(), None);
    for (schedule, runs) in groups(observed, namespace) {
        let Some((claims, end)) = newest(&runs, namespace) else {
            continue;
        };
        // Left by movers that could not remove them. A newer run is good, so nothing is lost with them.
        let own: BTreeSet<_> = runs.iter().filter_map(|run| run.uid()).collect();
        let left = not_good(observed, namespace).filter(|one| own.contains(&one.run_uid));
        let left: Vec<String> = left.map(|one| one.id).collect();
        if !left.is_empty() && forgot.is_none_or(|forgot| end > forgot) {
            ids.extend(left);
            newest_end = newest_end.max(Some(end));
        }
        let snapshots = snapshots(observed, namespace, &runs);
        let decision = retention::decide(&retention::Observed {
            keep: &schedule.keep,
            zone: &schedule.zone,
            snapshots: &snapshots,
            newest: Some(&claims),
            consent: schedule.consent.as_deref(),
        });
        match decision {
            Decision::Nothing => {}
            Decision::NeedsConsent(count, token) => {
                let message = consent(schedule, count, snapshots.len(), &token);
                record.problems.insert(CONSENT.to_owned(), message);
            }
            // After a failure the next run is waited for.
            Decision::Forget(_) if forgot.is_some_and(|forgot| end <= forgot) => {}
            Decision::Forget(chosen) => {
                ids.extend(chosen.into_iter().map(|snapshot| snapshot.id));
                newest_end = newest_end.max(Some(end));
            }
        }
    }
    let end = newest_end?;
    ids.truncate(PER_JOB);
    let mut work = work(WorkKind::Forget, namespace, &end.to_string());
    // The rest is forgotten by another Job for the same run.
    work.progress.claim = format!("forget-{}-{namespace}", hex(ids.concat().as_bytes(), 4));
    work.snapshots = ids;
    Some(work)
}

fn consent(schedule: &Schedule, count: usize, of: usize, token: &str) -> String {
    format!(
        "the retention of BackupSchedule {} would remove {count} of {of} snapshots at once; keep more, or agree: `kubectl annotate \
         --overwrite backupschedule {} {}={token}`",
        schedule.name,
        schedule
            .name
            .split_once('/')
            .map_or(String::new(), |(namespace, name)| format!("-n {namespace} {name}")),
        crate::crd::FORGET,
    )
}

/// The claims of the newest run and its end, if all of it is good. A claim that was skipped is not among them.
fn newest(runs: &[&BackupRun], namespace: &str) -> Option<(BTreeSet<String>, Timestamp)> {
    let newest = runs.iter().max_by_key(|run| slot_of(run))?;
    let status = newest.status.as_ref()?;
    let end = time(status.completion_time.as_deref())?;
    let bad = |item: &Item| !matches!(item.state, State::Completed | State::Skipped);
    let items = items_of(newest, namespace);
    if items.iter().any(bad) {
        return None;
    }
    let good = items.iter().filter(|item| item.state == State::Completed);
    Some((good.map(|item| item.claim.clone()).collect(), end))
}

/// The runs with snapshots in the repository of a namespace: of API objects, all.
fn runs<'a>(observed: &'a Observed<'_>, namespace: &'a str) -> impl Iterator<Item = &'a BackupRun> {
    let runs = observed.runs.iter().map(|run| &**run);
    runs.filter(move |run| namespace == place::OBJECTS || run.namespace().as_deref() == Some(namespace))
}

/// What a run has put into the repository of a namespace.
fn items_of<'a>(run: &'a BackupRun, namespace: &str) -> &'a [Item] {
    let status = run.status.as_ref();
    status.map_or(&[], |status| {
        if namespace == place::OBJECTS {
            &status.objects
        } else {
            &status.volumes
        }
    })
}

/// The runs of each schedule that belong together: those of one namespace.
fn groups<'a>(observed: &'a Observed<'_>, namespace: &'a str) -> Vec<(&'a Schedule, Vec<&'a BackupRun>)> {
    let mut groups = Vec::new();
    for schedule in observed.schedules {
        let mut runs_of: BTreeMap<Option<String>, Vec<&BackupRun>> = BTreeMap::new();
        for run in runs(observed, namespace) {
            if run.labels().get(SCHEDULE_UID) == Some(&schedule.uid) {
                runs_of.entry(run.namespace()).or_default().push(run);
            }
        }
        groups.extend(runs_of.into_values().map(|runs| (schedule, runs)));
    }
    groups
}

/// The snapshots that runs of a namespace have recorded and that are not forgotten.
pub(super) fn present<'a>(
    observed: &'a Observed<'_>,
    namespace: &'a str,
) -> impl Iterator<Item = (&'a BackupRun, &'a Item)> {
    runs(observed, namespace).flat_map(move |run| kept(run, namespace).map(move |item| (run, item)))
}

/// The snapshots of runs of a namespace that have ended which do not count, and could not be removed.
pub(super) fn not_good(observed: &Observed<'_>, namespace: &str) -> impl Iterator<Item = Recorded> {
    let counted: BTreeSet<&String> = present(observed, namespace)
        .filter_map(|(_, item)| item.snapshot.as_ref())
        .collect();
    let ended = runs(observed, namespace).filter(|run| {
        let end = run.status.as_ref().and_then(|status| status.completion_time.as_ref());
        end.is_some() && run.annotations().get(KEEP).is_none_or(|value| value != "true")
    });
    let mut found = Vec::new();
    for run in ended {
        for id in items_of(run, namespace).iter().flat_map(|item| &item.not_good) {
            if !counted.contains(id) && !observed.in_use.contains(id) {
                found.push(Recorded {
                    id: id.clone(),
                    run_uid: run.uid().unwrap_or_default(),
                });
            }
        }
    }
    found.into_iter()
}

fn kept<'a>(run: &'a BackupRun, namespace: &str) -> impl Iterator<Item = &'a Item> {
    let items = items_of(run, namespace).iter();
    items.filter(|item| item.snapshot.is_some() && !item.forgotten)
}

fn snapshots(observed: &Observed<'_>, namespace: &str, runs: &[&BackupRun]) -> Vec<Snapshot> {
    let damage = Damage::of(observed.repository, namespace);
    let all = runs
        .iter()
        .flat_map(|run| kept(run, namespace).map(move |item| (*run, item)));
    all.map(|(run, item)| {
        let id = item.snapshot.clone().unwrap_or_default();
        Snapshot {
            run_uid: run.uid().unwrap_or_default(),
            claim: item.claim.clone(),
            time: slot_of(run),
            good: item.state == State::Completed && !damage.has(&id),
            lost: damage.has(&id),
            pinned: run.annotations().get(KEEP).is_some_and(|value| value == "true") || observed.in_use.contains(&id),
            id,
        }
    })
    .collect()
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}
