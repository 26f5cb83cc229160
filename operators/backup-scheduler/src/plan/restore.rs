//! A RestoreRun: first its snapshots are found, then each volume is made where it is absent, and filled.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::outcome::Outcome;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, Pod, VolumeResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use super::claims;
use super::items::{self, MoverJob, Next};
use super::job::hex;
use crate::crd::backup_run::{Item, State};
use crate::crd::restore_run::{ExistingVolume, RestoreRunStatus};
use crate::crd::{RESTORED_BY, RestoreRun};
use crate::task::{Find, Restore, RestoreObjects};
pub use namespaces::not_made;
use search::{Step, find};

mod namespaces;
mod objects;
mod search;

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
    /// Its movers, also those of API objects.
    pub jobs: &'a [MoverJob],
    /// All runs, as far as they were seen.
    pub restores: &'a [Arc<RestoreRun>],
    /// What is known about restores of API objects.
    pub objects: Objects<'a>,
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

/// What is known about restores of API objects.
#[derive(Debug, Clone, Copy, Default)]
pub struct Objects<'a> {
    /// Whether the installation has an account that may write API objects.
    pub enabled: bool,
    /// Whether the run is in the operator's namespace, and may restore other namespaces.
    pub everywhere: bool,
    /// The host of snapshots of API objects.
    pub host: &'a str,
    /// Snapshots of API objects that do not count.
    pub not_good: &'a [String],
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
    /// A mover that finds the namespaces whose API objects are backed up.
    FindNamespaces(i64, Find),
    /// A mover that restores API objects: its attempt, its name, and its work.
    Objects(i64, &'static str, Box<RestoreObjects>),
    /// A run in another namespace, for its volumes.
    Run(Box<RestoreRun>),
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

/// The movers that were started before the spec was changed, by the names of their Jobs. What they have done is no result of this spec,
/// and they must not write beside those of this spec.
pub fn outdated(jobs: &[MoverJob], hash: &str) -> Vec<String> {
    let is_outdated = |job: &&MoverJob| job.spec.as_deref() != Some(hash);
    jobs.iter().filter(is_outdated).map(|job| job.name.clone()).collect()
}

/// Plans the next step.
pub fn plan(observed: &Observed<'_>) -> Plan {
    let mut status = observed.run.status.clone().unwrap_or_default();
    let hash = spec_hash(observed.run);
    if !outdated(observed.jobs, &hash).is_empty() {
        let message = "the spec was changed; it begins when the movers of the former spec are gone";
        return running(status, None, message.to_owned(), Some(RECHECK));
    }
    if let Some((reason, message)) = objects::obstacle(observed) {
        return ended(status, Outcome::Stalled(reason, message), false);
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
    let wide = observed
        .run
        .spec
        .objects
        .as_ref()
        .filter(|wanted| namespaces::is_wide(wanted));
    let step = match wide {
        Some(wanted) => namespaces::step(observed, &mut status, wanted),
        None if status.found || objects::only(observed.run) => Step::Found,
        None => find(observed, &mut status),
    };
    match step {
        Step::Found if wide.is_some() => return objects::step(observed, status),
        Step::Found => {}
        Step::Start(start) => {
            let message = match &start {
                Start::Find(..) | Start::FindNamespaces(..) => "looking for snapshots",
                Start::Objects(..) => "namespaces are being made",
                _ => "volumes are being restored in the namespaces",
            };
            return running(status, Some(start), message.to_owned(), None);
        }
        Step::Wait(message, after) => return running(status, None, message, after),
        Step::Failed(reason, message) => {
            status.completion_time.get_or_insert_with(|| observed.now.to_string());
            return ended(status, Outcome::Stalled(reason, message), false);
        }
    }
    match volumes(observed, &mut status) {
        Some((start, message, wait)) => running(status, start, message, wait),
        None => objects::step(observed, status),
    }
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

/// Follows the volumes. None when all have ended; else what is to be begun, what is said of them, and when to look again.
fn volumes(
    observed: &Observed<'_>,
    status: &mut RestoreRunStatus,
) -> Option<(Option<Start>, String, Option<Duration>)> {
    let (mut start, mut wait, mut busy) = (None, None, false);
    for position in 0..status.volumes.len() {
        let mut item = status.volumes[position].clone();
        match items::advance(&mut item, observed.jobs, observed.now) {
            Next::Done => {}
            Next::Wait(after) => {
                busy = true;
                wait = [wait, after].into_iter().flatten().min();
            }
            Next::Start(_) if observed.run.spec.dry_run => foresee(observed, &mut item),
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
    if all_ended || observed.run.spec.dry_run {
        return None;
    }
    let waiting = status
        .volumes
        .iter()
        .find(|item| !item.state.is_final() && item.message.is_some());
    let detail = waiting.map_or_else(String::new, |item| {
        format!("; {}: {}", item.claim, item.message.as_deref().unwrap_or_default())
    });
    Some((start, format!("{good} of {total} volumes are restored{detail}"), wait))
}

/// Says what would be begun.
fn foresee(observed: &Observed<'_>, item: &mut Item) {
    let mut next = item.clone();
    let message = match begin(observed, &mut next, 1) {
        Ok(Start::Claim(_)) => "the claim would be created and filled",
        Ok(_) => "the claim would be filled, if it is empty or volumes.existing is Overwrite",
        Err(_) => {
            *item = next;
            return;
        }
    };
    item.message = Some(message.to_owned());
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
