//! A BackupRun: the next step of each of its volumes, and of its API objects.
mod ending;
pub mod objects;
mod outcome;

use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::outcome::Outcome;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;

use super::consent::Question;
use super::items::{self, MoverJob, Next};
use super::limits::{Demand, Limits, PER_REPOSITORY};
use super::pause::{self, Facts, Pause};
use super::placement::{self, Nodes, Placement};
use super::yields::{self, Holder};
use super::{claims, doubt, place};
use crate::crd::backup_run::{BackupRunStatus, Item, State};
use crate::crd::repository::Layout;
use crate::crd::{BackupRepository, BackupRun};
use crate::task::{Backup, Volume, WithoutParent};

use outcome::outcome;

pub use ending::{Cancelled, Ending, NODE_OFF, cancel, is_cancelled, record};

/// Before the node of a volume is looked at again. Its return is watched too.
const NODE_RECHECK: Duration = Duration::from_secs(15);
/// Before it is looked again whether there is room for a mover. The end of another is watched too.
const ROOM_RECHECK: Duration = Duration::from_secs(15);
/// The same where runs begin at the same time.
const UNSETTLED_RECHECK: Duration = Duration::from_secs(2);
/// Before it is looked whether another run has made the repository.
const OTHERS_RECHECK: Duration = Duration::from_secs(5);

/// What was observed. Lists are complete: a list that failed is no observation.
#[derive(Debug, Clone)]
pub struct Observed<'a> {
    /// The run.
    pub run: &'a BackupRun,
    /// The claims of its namespace.
    pub claims: &'a [PersistentVolumeClaim],
    /// The pods of its namespace.
    pub pods: &'a [Pod],
    /// The nodes.
    pub nodes: &'a Nodes,
    /// For claims that no pod uses: the node that their volume is bound to.
    pub bound_to: &'a dyn BoundTo,
    /// Its movers, also those in the operator's namespace.
    pub jobs: &'a [MoverJob],
    /// Its movers that hold volumes now.
    pub holders: &'a [Holder],
    /// The runs of this namespace.
    pub history: &'a [Arc<BackupRun>],
    /// The host of snapshots.
    pub host: &'a str,
    /// The host of snapshots of API objects.
    pub objects_host: &'a str,
    /// What is known of backups of API objects.
    pub exports: objects::Exports,
    /// Snapshots of others in the repository may be parents.
    pub adopt: bool,
    /// Whether the namespace's repository was there once.
    pub known: bool,
    /// Whether a mover of another run is at work in this namespace.
    pub others: bool,
    /// What is known of damage in the namespace's repository.
    pub damage: &'a Damage,
    /// The same for the repository of API objects.
    pub objects_damage: &'a Damage,
    /// The largest first upload, in bytes.
    pub first_upload: u64,
    /// How many movers may be at work.
    pub limits: Limits,
    /// So many may be at work in the repository, as it says itself.
    pub per_repository: Option<i64>,
    /// The present time.
    pub now: Timestamp,
}

/// What is known of damage in a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Damage {
    /// Data is damaged, and nobody has agreed to a repair.
    pub unrepaired: bool,
    /// The short ids of snapshots that need lost data.
    pub snapshots: Vec<String>,
}

impl Damage {
    /// What a repository's status says. Of a repository that namespaces share, one of them has found it for all.
    pub fn of(repository: &BackupRepository, namespace: &str) -> Self {
        let records = repository.status.iter().flat_map(|status| &status.maintenance);
        let shared = repository.spec.layout == Layout::Single;
        let mut damage = Self::default();
        for (_, record) in records.filter(|(name, _)| shared || *name == namespace) {
            damage.unrepaired |= record.damage.is_some();
            damage.snapshots.extend(record.damaged_snapshots.iter().cloned());
        }
        damage
    }

    /// Whether a snapshot needs lost data.
    pub fn has(&self, snapshot: &str) -> bool {
        self.snapshots.iter().any(|short| snapshot.starts_with(short.as_str()))
    }
}

/// The node that a claim's volume can only be used on.
pub trait BoundTo: std::fmt::Debug {
    /// Its name; none if any node will do, or if nothing is known.
    fn node(&self, claim: &PersistentVolumeClaim) -> Option<String>;
}

/// A mover to start.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The claim.
    pub claim: String,
    /// Which attempt it is.
    pub attempt: i64,
    /// Where it runs.
    pub placement: Placement,
    /// The node that the volume binds it to.
    pub node: Option<String>,
    /// What it does.
    pub work: Backup,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The status after it, without conditions.
    pub status: BackupRunStatus,
    /// The mover of a volume to start, at most one at a time.
    pub start: Option<Start>,
    /// The mover of API objects to start, at most one at a time.
    pub export: Option<objects::Start>,
    /// Movers that there is no room for.
    pub held: Vec<Demand>,
    /// What the conditions say.
    pub outcome: Outcome,
}

/// Plans the next step.
pub fn plan(observed: &Observed<'_>) -> Plan {
    let now = observed.now;
    let mut status = observed.run.status.clone().unwrap_or_default();
    if status.start_time.is_none() {
        let volumes = observed.run.spec.volumes.clone().unwrap_or_default();
        let chosen = claims::chosen(observed.claims, &volumes);
        status.volumes = chosen.iter().map(|claim| item(claim)).collect();
        status.objects = objects::items(observed);
        status.start_time = Some(now.to_string());
    }
    let (mut start, mut wait, mut busy, mut held) = (None, None, false, Vec::new());
    for position in 0..status.volumes.len() {
        let mut item = status.volumes[position].clone();
        let had_ended = item.state.is_final();
        let next = match pause::pause(&facts(observed, &item), &mut item) {
            None => items::advance(&mut item, observed.jobs, now),
            Some(Pause::Start(attempt)) => Next::Start(attempt),
            // It holds up no other.
            Some(Pause::Wait(after)) => {
                wait = soonest(wait, Some(after));
                status.volumes[position] = item;
                continue;
            }
            Some(Pause::Ended) => Next::Done,
        };
        match next {
            Next::Done if had_ended => {}
            Next::Done => {
                let former = sizes(observed.run, observed.history, &item.claim);
                doubt::judge(&mut item, &former, observed.damage.unrepaired);
            }
            Next::Wait(after) => {
                busy = true;
                wait = soonest(soonest(wait, after), watch(observed, &item.claim));
            }
            Next::Start(_) if busy || start.is_some() => {}
            Next::Start(attempt) => match begin(observed, &mut item, attempt, &mut held) {
                Ok(step) => {
                    pause::resume(&mut item, attempt);
                    item.state = State::Running;
                    item.attempts = attempt;
                    item.start_time.get_or_insert_with(|| now.to_string());
                    start = Some(step);
                }
                Err(after) => wait = soonest(wait, after),
            },
        }
        status.volumes[position] = item;
    }
    if start.is_some() {
        // A run has one mover of volumes at a time.
        held.clear();
    }
    let exports = objects::step(observed, &mut status.objects);
    wait = soonest(wait, exports.wait);
    held.extend(exports.held);
    let outcome = outcome(observed.run, &mut status, wait);
    if !matches!(outcome, Outcome::Waiting(..)) && status.completion_time.is_none() {
        status.completion_time = Some(now.to_string());
    }
    Plan {
        status,
        start,
        export: exports.start,
        held,
        outcome,
    }
}

fn item(claim: &PersistentVolumeClaim) -> Item {
    Item {
        claim: claim.name_any(),
        ..Item::default()
    }
}

/// What is known of a volume that may have to wait.
fn facts<'a>(observed: &Observed<'a>, item: &Item) -> Facts<'a> {
    Facts {
        question: question(observed, &item.claim),
        pods: observed.pods,
        holders: observed.holders,
        jobs: observed.jobs,
    }
}

/// Whether a volume may be uploaded for the first time.
fn question<'a>(observed: &Observed<'a>, name: &str) -> Question<'a> {
    let run = observed.run;
    let age = |run: &BackupRun| (slot_of(run), run.name_any());
    let newer = observed.history.iter().any(|other| {
        let mut volumes = other.status.iter().flat_map(|status| &status.volumes);
        let same = other.spec.repository == run.spec.repository;
        same && age(other) > age(run) && volumes.any(|volume| volume.claim == name)
    });
    Question {
        run,
        claim: observed.claims.iter().find(|claim| claim.name_any() == name),
        limit: observed.first_upload,
        newer,
        now: observed.now,
    }
}

/// When to look at the pods again while a mover is at work: it may keep one from its volume.
fn watch(observed: &Observed<'_>, name: &str) -> Option<Duration> {
    let claim = observed.claims.iter().find(|claim| claim.name_any() == name)?;
    (!claims::is_shared(claim)).then_some(yields::RECHECK)
}

fn soonest(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    [one, other].into_iter().flatten().min()
}

/// The mover of an item; else the item is told why there is none, and when to look again.
fn begin(
    observed: &Observed<'_>,
    item: &mut Item,
    attempt: i64,
    held: &mut Vec<Demand>,
) -> Result<Start, Option<Duration>> {
    let Some(claim) = observed.claims.iter().find(|claim| claim.name_any() == item.claim) else {
        items::fail(
            item,
            State::Failed,
            "ClaimMissing",
            "the claim was deleted".to_owned(),
            observed.now,
        );
        return Err(None);
    };
    if let Some((reason, message)) = claims::obstacle(claim, observed.pods) {
        items::fail(item, State::Skipped, reason, message, observed.now);
        return Err(None);
    }
    let spec = &observed.run.spec;
    let wanted = spec.mover.as_ref().and_then(|mover| mover.security_context.as_ref());
    let mut placement = placement::for_backup(claim, observed.pods, wanted);
    let node = placement.node.clone().or_else(|| observed.bound_to.node(claim));
    if node.is_some() {
        placement.stays_on_its_node();
    }
    if let Some(node) = node.as_ref().filter(|node| observed.nodes.get(*node) != Some(&true)) {
        item.state = State::Deferred;
        item.reason = Some(NODE_OFF.to_owned());
        item.message = Some(format!(
            "node {node}, which has the volume, is not ready; it begins when the node is back"
        ));
        return Err(Some(NODE_RECHECK));
    }
    if !observed.known && !observed.adopt && observed.others {
        item.message = Some("another run of this namespace makes the repository".to_owned());
        return Err(Some(OTHERS_RECHECK));
    }
    let former = former(observed, &item.claim);
    let demand = demand(observed, &item.claim, node.clone(), former);
    if let Err(why) = observed.limits.admit(&demand) {
        if item.attempts == 0 {
            item.state = State::Pending;
        }
        item.reason = Some("WaitsForRoom".to_owned());
        item.message = Some(why);
        held.push(demand);
        return Err(Some(room_recheck(observed)));
    }
    (item.reason, item.message) = (None, None);
    let work = Backup {
        path: format!("/data/{}", item.claim),
        host: observed.host.to_owned(),
        time: slot_of(observed.run).to_string(),
        run: format!(
            "{}/{}",
            observed.run.namespace().unwrap_or_default(),
            observed.run.name_any()
        ),
        run_uid: observed.run.uid().unwrap_or_default(),
        first_attempt: attempt == 1,
        claim: item.claim.clone(),
        parent: former.and_then(|item| item.snapshot.clone()),
        without_parent: if observed.adopt {
            WithoutParent::Newest
        } else {
            WithoutParent::Nothing
        },
        // One that others have made is there.
        create: !observed.known && !observed.adopt,
        volume: volume(claim),
        former_files: former
            .and_then(|item| item.files)
            .map_or(0, |files| u64::try_from(files).unwrap_or(0)),
        allow_partial: spec.allow_partial,
        exclude: spec
            .volumes
            .as_ref()
            .map(|volumes| volumes.exclude.clone())
            .unwrap_or_default(),
        first_upload_limit: question(observed, &item.claim).allowed(),
    };
    Ok(Start {
        claim: item.claim.clone(),
        attempt,
        placement,
        node,
        work,
    })
}

/// When to look again for room.
pub(super) fn room_recheck(observed: &Observed<'_>) -> Duration {
    if observed.limits.unsettled {
        UNSETTLED_RECHECK
    } else {
        ROOM_RECHECK
    }
}

pub(super) fn demand(observed: &Observed<'_>, claim: &str, node: Option<String>, former: Option<&Item>) -> Demand {
    let own = observed.per_repository.and_then(|limit| usize::try_from(limit).ok());
    let created = observed.run.metadata.creation_timestamp.as_ref();
    Demand {
        run: observed.run.uid().unwrap_or_default(),
        claim: claim.to_owned(),
        node,
        repository: observed.run.spec.repository.clone(),
        per_repository: own.unwrap_or(PER_REPOSITORY),
        last_success: former.and_then(|item| item.start_time.as_deref()?.parse().ok()),
        created: created.map_or(Timestamp::UNIX_EPOCH, |time| time.0),
    }
}

/// The time of the run's snapshots: the slot of its schedule, else that of its creation, whole seconds.
pub fn slot_of(run: &BackupRun) -> Timestamp {
    let slot = run
        .spec
        .schedule
        .as_ref()
        .and_then(|schedule| schedule.slot.parse().ok());
    if let Some(slot) = slot {
        return slot;
    }
    let created = run.metadata.creation_timestamp.as_ref();
    created.map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

/// The backups of a claim, or of API objects, in this repository, of other runs.
fn others<'a>(run: &'a BackupRun, history: &'a [Arc<BackupRun>], claim: &'a str) -> impl Iterator<Item = &'a Item> {
    let same = history
        .iter()
        .filter(|other| other.uid() != run.uid() && other.spec.repository == run.spec.repository);
    let items = same.flat_map(|run| run.status.iter().flat_map(BackupRunStatus::items));
    items.filter(move |item| item.claim == claim)
}

/// The newest good backup of a claim in this repository.
pub(super) fn former<'a>(observed: &'a Observed<'_>, claim: &'a str) -> Option<&'a Item> {
    let damage = if place::is_objects(claim) {
        observed.objects_damage
    } else {
        observed.damage
    };
    let good = others(observed.run, observed.history, claim).filter(|item| {
        let snapshot = item.snapshot.as_deref().filter(|id| !damage.has(id));
        item.state == State::Completed && snapshot.is_some() && !item.forgotten
    });
    good.max_by(|one, other| one.start_time.cmp(&other.start_time))
}

/// The sizes of complete backups of a claim, the newest first.
fn sizes(run: &BackupRun, history: &[Arc<BackupRun>], claim: &str) -> Vec<i64> {
    let complete = others(run, history, claim);
    let complete = complete.filter(|item| matches!(item.state, State::Completed | State::Suspicious));
    let mut complete: Vec<_> = complete
        .map(|item| (&item.start_time, item.bytes.unwrap_or(0)))
        .collect();
    complete.sort_by(|one, other| other.0.cmp(one.0));
    complete.into_iter().map(|(_, bytes)| bytes).collect()
}

fn volume(claim: &PersistentVolumeClaim) -> Volume {
    let spec = claim.spec.as_ref();
    let requests = spec.and_then(|spec| spec.resources.as_ref()?.requests.as_ref());
    Volume {
        size: requests
            .and_then(|requests| requests.get("storage"))
            .map(|size| size.0.clone()),
        storage_class: spec.and_then(|spec| spec.storage_class_name.clone()),
        access_modes: spec.and_then(|spec| spec.access_modes.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "tests write JSON where they pass it")]
mod tests;
