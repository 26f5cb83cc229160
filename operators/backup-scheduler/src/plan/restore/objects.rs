//! The API objects of a RestoreRun, after its volumes: a workload must not begin before its data is there.
use std::collections::BTreeSet;
use std::time::Duration;

use hearth_reconciler::outcome::Outcome;
use kube::ResourceExt;

use super::namespaces::{self, is_glob, is_wide, item, restorable, without_volumes};
use super::{Observed, Plan, Start, ended, running, spec_hash};
use crate::crd::RestoreRun;
use crate::crd::backup_run::{Item, State};
use crate::crd::restore_run::{ObjectCounts, RestoreRunStatus, RestoredObjects};
use crate::plan::items::{self, JobState, Next};
use crate::plan::place;
use crate::task::{AbsentClaims, RestoreObjects, Selection};

/// Before a Job is looked at again: its end is not told where the operator's namespace is not among those that it watches.
const POLL: Duration = Duration::from_secs(10);
/// So much of the hash of a spec is on the objects that it has made.
const SHORT_HASH: usize = 12;
/// The longest name of a namespace.
const LONGEST_NAMESPACE: usize = 63;
/// Why no API objects are restored where the installation has turned it off.
const RESTORER_OFF: &str = "RestorerOff";

/// Whether a run restores no volumes.
pub(super) fn only(run: &RestoreRun) -> bool {
    run.spec.objects.as_ref().is_some_and(|objects| objects.only)
}

/// What is wrong with a spec, or with the installation for it: the reason and the message.
pub(super) fn obstacle(observed: &Observed<'_>) -> Option<(&'static str, String)> {
    let spec = &observed.run.spec;
    let invalid = |message: &str| Some(("InvalidSpec", message.to_owned()));
    if spec.from.path.is_some() && !observed.foreign {
        return invalid(
            "spec.from.path is for snapshots that others have made, and this repository has only ours: leave it out",
        );
    }
    let Some(objects) = &spec.objects else {
        if spec.namespace_mapping.is_empty() {
            return None;
        }
        return invalid("spec.namespaceMapping is for API objects: set spec.objects, or leave it out");
    };
    if spec.from.snapshot.is_some() || spec.from.path.is_some() {
        return invalid(
            "spec.from.snapshot and spec.from.path name a snapshot of a volume: for API objects use spec.from.run or spec.from.before",
        );
    }
    let wide = is_wide(objects) || !spec.namespace_mapping.is_empty();
    if wide && !observed.objects.everywhere {
        return invalid(
            "objects.namespaces, objects.cluster and namespaceMapping are for RestoreRuns in the operator's namespace: leave them out",
        );
    }
    if !spec.namespace_mapping.is_empty() && !objects.only {
        return invalid(
            "namespaceMapping is for API objects alone: set objects.only, and restore volumes by RestoreRuns in their namespaces",
        );
    }
    if wide && spec.from.run.is_some() {
        return invalid(
            "spec.from.run is a run of one namespace: with objects.namespaces, objects.cluster or namespaceMapping use spec.from.before",
        );
    }
    let (names, mapping) = (asked(observed.run, objects), &spec.namespace_mapping);
    let plain = names.iter().filter(|name| !is_glob(name));
    if let Some(name) = plain.chain(mapping.values()).find(|name| !is_namespace(name)) {
        return Some(("InvalidSpec", format!("{name:?} is no name of a namespace")));
    }
    let targets: BTreeSet<&String> = names.iter().map(|name| mapping.get(name).unwrap_or(name)).collect();
    if targets.len() < names.len() {
        return invalid("two namespaces would get the same name: correct objects.namespaces and namespaceMapping");
    }
    if observed.objects.enabled {
        return None;
    }
    let message = "API objects cannot be restored, since the chart is installed with restorer.enabled=false: set it to true, or leave \
                   spec.objects out";
    Some((RESTORER_OFF, message.to_owned()))
}

fn is_namespace(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.len() <= LONGEST_NAMESPACE && name.bytes().all(plain)
}

/// The namespaces that a run asks for, by their names in the backup, or globs.
fn asked(run: &RestoreRun, objects: &RestoredObjects) -> Vec<String> {
    if is_wide(objects) {
        objects.namespaces.clone()
    } else {
        vec![run.namespace().unwrap_or_default()]
    }
}

/// What is written on what a run makes: the same for all attempts.
pub(super) fn mark(run: &RestoreRun) -> String {
    let hash: String = spec_hash(run).chars().take(SHORT_HASH).collect();
    format!("{}/{}/{hash}", run.namespace().unwrap_or_default(), run.name_any())
}

/// The next step when all volumes have ended.
pub(super) fn step(observed: &Observed<'_>, mut status: RestoreRunStatus) -> Plan {
    let Some(objects) = &observed.run.spec.objects else {
        return end(observed, status);
    };
    let work = work(observed, &status, objects);
    if is_wide(objects) && work.namespaces.is_empty() && !work.cluster {
        return end(observed, status);
    }
    let item = item(&mut status, place::OBJECTS);
    match items::advance(item, observed.jobs, observed.now) {
        Next::Done => {
            // Its Job is removed when this is in the status.
            let counts = counts(observed, item);
            status.restored_objects = counts.or(status.restored_objects);
            end(observed, status)
        }
        Next::Wait(after) => {
            let message = item
                .message
                .as_deref()
                .map_or(String::new(), |message| format!(": {message}"));
            running(
                status,
                None,
                format!("API objects are being restored{message}"),
                after.or(Some(POLL)),
            )
        }
        Next::Start(attempt) => {
            item.state = State::Running;
            item.attempts = attempt;
            (item.reason, item.message) = (None, None);
            item.start_time.get_or_insert_with(|| observed.now.to_string());
            let start = Start::Objects(attempt, place::OBJECTS, Box::new(work));
            running(
                status,
                Some(start),
                "API objects are being restored".to_owned(),
                Some(POLL),
            )
        }
    }
}

/// What the mover says of the objects; none if it says nothing, or its Job is not there any more.
fn counts(observed: &Observed<'_>, item: &Item) -> Option<ObjectCounts> {
    let job = observed
        .jobs
        .iter()
        .find(|job| job.claim == item.claim && job.attempt == item.attempts)?;
    match &job.state {
        JobState::Ended(_, Ok(report)) => report.objects.as_ref().map(ObjectCounts::from),
        _ => None,
    }
}

/// What the mover of API objects is to do.
pub(super) fn work(observed: &Observed<'_>, status: &RestoreRunStatus, objects: &RestoredObjects) -> RestoreObjects {
    let (run, spec) = (observed.run, &observed.run.spec);
    let namespace = run.namespace().unwrap_or_default();
    let wide = is_wide(objects);
    let claim = |item: &Item| {
        if wide {
            item.claim.clone()
        } else {
            format!("{namespace}/{}", item.claim)
        }
    };
    let incomplete = |item: &&Item| item.state != State::Completed && !spec.dry_run;
    RestoreObjects {
        host: observed.objects.host.to_owned(),
        namespaces: if wide {
            restorable(status)
        } else {
            vec![namespace.clone()]
        },
        cluster: objects.cluster,
        run: spec.from.run.as_ref().map(|name| format!("{namespace}/{name}")),
        before: spec.from.before.clone(),
        not_good: observed.objects.not_good.to_vec(),
        root: place::OBJECTS_FOLDER.to_owned(),
        folder: place::OBJECTS_FOLDER.to_owned(),
        selection: Selection {
            kinds: objects.kinds.clone(),
            exclude_kinds: objects.exclude_kinds.clone(),
            names: objects.names.clone(),
            selector: objects.selector.clone(),
        },
        existing: spec.existing.unwrap_or_default(),
        gitops: spec.gitops.unwrap_or_default(),
        namespace_mapping: spec.namespace_mapping.clone(),
        storage_class_mapping: spec.storage_class_mapping.clone(),
        claims: status.volumes.iter().map(claim).collect(),
        incomplete_claims: status.volumes.iter().filter(incomplete).map(claim).collect(),
        // With volumes, a claim that is absent by now has no backup.
        absent_claims: if objects.only && !objects.empty_claims {
            AbsentClaims::Skip
        } else {
            AbsentClaims::CreateEmpty
        },
        without_volumes: if objects.empty_claims {
            Vec::new()
        } else {
            without_volumes(status)
        },
        tenant: !observed.objects.everywhere,
        mark: mark(run),
        dry_run: spec.dry_run,
    }
}

/// What the whole run has come to.
fn end(observed: &Observed<'_>, mut status: RestoreRunStatus) -> Plan {
    status.completion_time.get_or_insert_with(|| observed.now.to_string());
    let (good, _) = items::count(&status.volumes);
    let total = status.volumes.len();
    let counts = status.restored_objects.clone().unwrap_or_default();
    let of_objects: Vec<Item> = status
        .objects
        .iter()
        .filter(|item| item.claim == place::OBJECTS)
        .cloned()
        .collect();
    let objects = match of_objects.first() {
        Some(_) => said(&counts, observed.run.spec.dry_run),
        None => String::new(),
    };
    if observed.run.spec.dry_run {
        let failed = of_objects.iter().any(|item| item.state == State::Failed);
        let bad = items::complaints(&of_objects);
        let outcome = if failed {
            Outcome::Stalled("Failed", format!("a dry run, nothing was written: {bad}"))
        } else {
            let volumes = if status.namespaces.is_empty() {
                format!("{total} volumes would be restored")
            } else {
                format!(
                    "which volumes {} namespaces have was not looked at",
                    status.namespaces.len()
                )
            };
            Outcome::Ready("DryRun", format!("nothing was written; {volumes}{objects}"))
        };
        return ended(status, outcome, false);
    }
    let items: Vec<Item> = status.volumes.iter().chain(&of_objects).cloned().collect();
    let unknown = namespaces::unknown(&status);
    let wrote = items
        .iter()
        .any(|item| matches!(item.state, State::Completed | State::Partial));
    let outcome = if unknown.is_empty() && items.iter().all(|item| item.state == State::Completed) {
        let volumes = if only(observed.run) {
            "no volumes".to_owned()
        } else {
            format!("all {total} volumes")
        };
        Outcome::Ready("Completed", format!("{volumes} are restored{objects}"))
    } else {
        let reason = if wrote { "Partial" } else { "Failed" };
        let bad = [unknown, items::complaints(&items)].join("");
        Outcome::Stalled(
            reason,
            format!("{good} of {total} volumes are restored completely{objects}; {bad}"),
        )
    };
    ended(status, outcome, wrote)
}

/// What is said of the objects after what is said of the volumes.
fn said(counts: &ObjectCounts, dry_run: bool) -> String {
    let skipped: i64 = counts.skipped.values().sum();
    let ObjectCounts {
        created,
        updated,
        unchanged,
        failed,
        ..
    } = counts;
    if dry_run {
        return format!(
            "; API objects: {created} to create, {updated} to update, {unchanged} unchanged, {skipped} to skip, {failed} that would fail"
        );
    }
    format!(
        "; API objects: {created} created, {updated} updated, {unchanged} unchanged, {skipped} skipped, {failed} failed"
    )
}
