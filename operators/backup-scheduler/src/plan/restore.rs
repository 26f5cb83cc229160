//! A RestoreRun: first its snapshots are found, then each volume is made where it is absent, and filled.
use std::collections::BTreeMap;
use std::time::Duration;

use hearth_reconciler::outcome::Outcome;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, Pod, VolumeResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use super::claims;
use super::items::{self, JobState, MoverJob, Next};
use super::job::hex;
use crate::crd::backup_run::{ClaimSpec, Item, State};
use crate::crd::restore_run::{ExistingVolume, RestoreRunStatus};
use crate::crd::{RESTORED_BY, RestoreRun};
use crate::task::{Find, Report, Restore, Verdict};

/// Before it is looked again whether a claim is free.
const RECHECK: Duration = Duration::from_secs(10);
/// The claim of the Job that finds snapshots.
const NO_CLAIM: &str = "";

/// What was observed. Lists are complete: a list that failed is no observation.
#[derive(Debug, Clone)]
pub struct Observed<'a> {
    /// The run.
    pub run: &'a RestoreRun,
    /// The claims of its namespace.
    pub claims: &'a [PersistentVolumeClaim],
    /// The pods of its namespace.
    pub pods: &'a [Pod],
    /// The names of the storage classes.
    pub classes: &'a [String],
    /// Its movers.
    pub jobs: &'a [MoverJob],
    /// Snapshots that do not count, as far as the runs of this namespace know.
    pub not_good: &'a [String],
    /// Which run has done the same spec, and when.
    pub done: Option<&'a str>,
    /// The host of snapshots.
    pub host: &'a str,
    /// Whether there are snapshots that others have made.
    pub foreign: bool,
    /// The present time.
    pub now: Timestamp,
}

/// What is to be begun.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// A mover that finds snapshots.
    Find(i64, Find),
    /// A claim.
    Claim(Box<PersistentVolumeClaim>),
    /// A mover that fills a claim: its attempt, its work, and the files of the snapshot.
    Restore(i64, String, Restore, u64),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The status after it, without conditions.
    pub status: RestoreRunStatus,
    /// What is to be begun, at most one at a time.
    pub start: Option<Start>,
    /// What the conditions say.
    pub outcome: Outcome,
    /// The spec has run, and is to be remembered.
    pub remember: bool,
}

/// A hash of what a run does: the same manifest, applied again, has the same.
pub fn spec_hash(run: &RestoreRun) -> String {
    let mut spec = run.spec.clone();
    spec.suspend = false;
    // A spec has no map with keys that are not text, so this cannot fail.
    let text = serde_json::to_string(&spec).unwrap_or_default();
    let name = format!("{}/{}/", run.namespace().unwrap_or_default(), run.name_any());
    hex((name + &text).as_bytes(), 16)
}

/// Plans the next step.
pub fn plan(observed: &Observed<'_>) -> Plan {
    let mut status = observed.run.status.clone().unwrap_or_default();
    let hash = spec_hash(observed.run);
    if observed.run.spec.from.path.is_some() && !observed.foreign {
        let message =
            "spec.from.path is for snapshots that others have made, and this repository has only ours: leave it out";
        return ended(status, Outcome::Stalled("InvalidSpec", message.to_owned()), false);
    }
    if status.spec_hash.as_ref() != Some(&hash) {
        // A spec that was changed is another run.
        status = RestoreRunStatus {
            conditions: status.conditions,
            observed_generation: status.observed_generation,
            last_handled_reconcile_at: status.last_handled_reconcile_at,
            ..RestoreRunStatus::default()
        };
        if let Some(done) = observed.done {
            let message =
                format!("the same spec has run already: {done}; set spec.again to a new value to run it once more");
            return ended(status, Outcome::Ready("AlreadyDone", message), false);
        }
        status.spec_hash = Some(hash);
        status.start_time = Some(observed.now.to_string());
    }
    if !status.found {
        match find(observed, &mut status) {
            Step::Found => {}
            Step::Start(start) => return running(status, Some(start), "looking for snapshots".to_owned(), None),
            Step::Wait(message, after) => return running(status, None, message, after),
            Step::Failed(reason, message) => {
                status.completion_time.get_or_insert_with(|| observed.now.to_string());
                return ended(status, Outcome::Stalled(reason, message), false);
            }
        }
    }
    volumes(observed, status)
}

fn running(status: RestoreRunStatus, start: Option<Start>, message: String, after: Option<Duration>) -> Plan {
    Plan {
        status,
        start,
        outcome: Outcome::Waiting("Running", message, after),
        remember: false,
    }
}

fn ended(status: RestoreRunStatus, outcome: Outcome, remember: bool) -> Plan {
    Plan {
        status,
        start: None,
        outcome,
        remember,
    }
}

/// How far the search for snapshots is.
enum Step {
    Found,
    Start(Start),
    Wait(String, Option<Duration>),
    Failed(&'static str, String),
}

fn find(observed: &Observed<'_>, status: &mut RestoreRunStatus) -> Step {
    // Attempts of the search are pages too, so its Jobs stay until all pages are in the status.
    let last = observed
        .jobs
        .iter()
        .filter(|job| job.claim == NO_CLAIM)
        .max_by_key(|job| job.attempt);
    if let Some(MoverJob {
        state: JobState::Ended(_, Ok(report)),
        attempt,
        ..
    }) = last
        && report.verdict == Verdict::Completed
    {
        let new = report
            .found
            .iter()
            .filter(|found| status.volumes.iter().all(|item| item.claim < found.claim));
        let new: Vec<Item> = new
            .map(|found| Item {
                claim: found.claim.clone(),
                path: found.path.clone(),
                snapshot: Some(found.snapshot.clone()),
                files: i64::try_from(found.files).ok(),
                bytes: i64::try_from(found.bytes).ok(),
                claim_spec: Some(ClaimSpec {
                    size: found.volume.size.clone(),
                    storage_class: found.volume.storage_class.clone(),
                    access_modes: found.volume.access_modes.clone(),
                }),
                ..Item::default()
            })
            .collect();
        status.volumes.extend(new);
        if report.more {
            return Step::Start(Start::Find(attempt + 1, search(observed, status)));
        }
        if status.volumes.is_empty() {
            let message = "the repository of this namespace has no good snapshot that fits spec.from and spec.select";
            return Step::Failed("NothingFound", message.to_owned());
        }
        status.found = true;
        return Step::Found;
    }
    let mut item = Item {
        start_time: status.start_time.clone(),
        ..Item::default()
    };
    match items::advance(&mut item, observed.jobs, observed.now) {
        Next::Start(attempt) => Step::Start(Start::Find(attempt, search(observed, status))),
        Next::Wait(after) => Step::Wait(
            item.message.unwrap_or_else(|| "looking for snapshots".to_owned()),
            after,
        ),
        Next::Done => {
            let reason = last.and_then(|job| match &job.state {
                JobState::Ended(_, Ok(report)) => Some(reason(report)),
                _ => None,
            });
            Step::Failed(reason.unwrap_or("Failed"), item.message.unwrap_or_default())
        }
    }
}

/// The reason of a report as a condition has it.
fn reason(report: &Report) -> &'static str {
    report.reason.as_str()
}

fn search(observed: &Observed<'_>, status: &RestoreRunStatus) -> Find {
    let (spec, namespace) = (&observed.run.spec, observed.run.namespace().unwrap_or_default());
    Find {
        host: observed.host.to_owned(),
        claims: spec
            .select
            .as_ref()
            .map(|select| select.claims.clone())
            .unwrap_or_default(),
        run: spec.from.run.as_ref().map(|run| format!("{namespace}/{run}")),
        snapshot: spec.from.snapshot.clone(),
        before: spec.from.before.clone(),
        foreign: observed.foreign,
        path: spec.from.path.clone(),
        not_good: observed.not_good.to_vec(),
        after: status.volumes.last().map(|item| item.claim.clone()),
    }
}

fn volumes(observed: &Observed<'_>, mut status: RestoreRunStatus) -> Plan {
    let (mut start, mut wait, mut busy) = (None, None, false);
    for position in 0..status.volumes.len() {
        let mut item = status.volumes[position].clone();
        match items::advance(&mut item, observed.jobs, observed.now) {
            Next::Done => {}
            Next::Wait(after) => {
                busy = true;
                wait = [wait, after].into_iter().flatten().min();
            }
            Next::Start(_) if busy || start.is_some() => {}
            Next::Start(attempt) => match begin(observed, &mut item, attempt) {
                Ok(step) => start = Some(step),
                Err(after) => wait = [wait, after].into_iter().flatten().min(),
            },
        }
        status.volumes[position] = item;
    }
    let (good, all_ended) = items::count(&status.volumes);
    let total = status.volumes.len();
    (status.good, status.total) = (i64::try_from(good).ok(), i64::try_from(total).ok());
    if !all_ended {
        let waiting = status
            .volumes
            .iter()
            .find(|item| !item.state.is_final() && item.message.is_some());
        let detail = waiting.map_or_else(String::new, |item| {
            format!("; {}: {}", item.claim, item.message.as_deref().unwrap_or_default())
        });
        return running(
            status,
            start,
            format!("{good} of {total} volumes are restored{detail}"),
            wait,
        );
    }
    status.completion_time.get_or_insert_with(|| observed.now.to_string());
    let wrote = status
        .volumes
        .iter()
        .any(|item| matches!(item.state, State::Completed | State::Partial));
    let outcome = if good == total {
        Outcome::Ready("Completed", format!("all {total} volumes are restored"))
    } else {
        let reason = if wrote { "Partial" } else { "Failed" };
        let bad = items::complaints(&status.volumes);
        Outcome::Stalled(
            reason,
            format!("{good} of {total} volumes are restored completely; {bad}"),
        )
    };
    ended(status, outcome, wrote)
}

/// The next step of an item; else the item is told why there is none, and when to look again.
fn begin(observed: &Observed<'_>, item: &mut Item, attempt: i64) -> Result<Start, Option<Duration>> {
    let options = observed.run.spec.volumes.clone().unwrap_or_default();
    let overwrite = options.existing == ExistingVolume::Overwrite;
    let user = claims::users(observed.pods, &item.claim).find(|pod| {
        !observed
            .jobs
            .iter()
            .any(|job| pod.labels().get("job-name") == Some(&job.name))
    });
    if let Some(pod) = user {
        let message = format!(
            "pod {} uses the claim, and a volume in use is never written",
            pod.name_any()
        );
        if overwrite {
            item.reason = Some("ClaimInUse".to_owned());
            item.message = Some(format!(
                "{message}; it begins when no pod uses it: scale the workload to 0"
            ));
            return Err(Some(RECHECK));
        }
        let ways = "scale the workload to 0, delete the claim and set spec.again, or set volumes.existing: Overwrite, which waits until no pod uses it";
        items::fail(
            item,
            State::Failed,
            "ClaimInUse",
            format!("{message}; {ways}"),
            observed.now,
        );
        return Err(None);
    }
    let Some(claim) = observed.claims.iter().find(|claim| claim.name_any() == item.claim) else {
        return match make(observed, item) {
            Ok(claim) => Ok(Start::Claim(Box::new(claim))),
            Err(message) => {
                items::fail(item, State::Failed, "StorageClassMissing", message, observed.now);
                Err(None)
            }
        };
    };
    if claim.metadata.deletion_timestamp.is_some() {
        item.message = Some("the claim is being deleted; a new one is made when it is gone".to_owned());
        return Err(Some(RECHECK));
    }
    item.state = State::Running;
    item.attempts = attempt;
    (item.reason, item.message) = (None, None);
    item.start_time.get_or_insert_with(|| observed.now.to_string());
    let target = format!("/data/{}", item.claim);
    let work = Restore {
        snapshot: item.snapshot.clone().unwrap_or_default(),
        path: item.path.clone().unwrap_or_else(|| target.clone()),
        target,
        overwrite,
        devices: options.devices,
        setuid: options.setuid,
    };
    let files = item.files.and_then(|files| u64::try_from(files).ok()).unwrap_or(0);
    Ok(Start::Restore(attempt, item.claim.clone(), work, files))
}

/// A claim as it was when it was backed up.
fn make(observed: &Observed<'_>, item: &Item) -> Result<PersistentVolumeClaim, String> {
    let record = item.claim_spec.clone().unwrap_or_default();
    let mapping = &observed.run.spec.storage_class_mapping;
    let class = record
        .storage_class
        .map(|class| mapping.get(&class).cloned().unwrap_or(class));
    if let Some(class) = class
        .as_ref()
        .filter(|class| !class.is_empty() && !observed.classes.contains(class))
    {
        return Err(format!(
            "there is no StorageClass {class}; map it to one of this cluster by spec.storageClassMapping, or make the claim yourself"
        ));
    }
    let Some(size) = record.size else {
        return Err("the snapshot does not say how large the claim was; make the claim yourself".to_owned());
    };
    let requests = BTreeMap::from([("storage".to_owned(), Quantity(size))]);
    let modes = if record.access_modes.is_empty() {
        vec!["ReadWriteOnce".to_owned()]
    } else {
        record.access_modes
    };
    let annotation = BTreeMap::from([(RESTORED_BY.to_owned(), observed.run.name_any())]);
    Ok(PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(item.claim.clone()),
            namespace: observed.run.namespace(),
            annotations: Some(annotation),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(modes),
            resources: Some(VolumeResourceRequirements {
                requests: Some(requests),
                limits: None,
            }),
            storage_class_name: class,
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    })
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "tests write JSON where they pass it")]
mod tests;
