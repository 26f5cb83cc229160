//! The API objects of a run: those of its namespace, and, for a run in the operator's namespace, those of no namespace. They are followed
//! beside the volumes, one after the other, and hold up no volume.
use std::time::Duration;

use kube::ResourceExt;

use super::Observed;
use crate::crd::backup_run::{Item, State};
use crate::crd::repository::Layout;
use crate::plan::items::{self, Next};
use crate::plan::limits::Demand;
use crate::plan::{doubt, place};
use crate::task::{Backup, Export, Volume, WithoutParent};

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "tests write JSON where they pass it")]
mod tests;

/// Before a Job is looked at again: its end is not told where the operator's namespace is not among those that it watches.
const POLL: Duration = Duration::from_secs(10);
/// Why there is no backup of objects where the installation has turned it off.
const EXPORTER_OFF: &str = "ExporterOff";
/// Why there is none where each namespace has the password of all backups, and nobody has asked for it.
const SHARED: &str = "SharedRepository";

/// What is known of backups of API objects.
#[derive(Debug, Clone, Copy, Default)]
pub struct Exports {
    /// Whether the installation has an account that may read API objects.
    pub enabled: bool,
    /// Whether the run is in the namespace of an operator that has the whole cluster.
    pub cluster: bool,
    /// How the repository is laid out: with `Single` all namespaces share one, and its password.
    pub layout: Layout,
    /// Whether the repository of objects was there once.
    pub known: bool,
}

/// A mover to start in the operator's namespace.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// `.objects` or `.cluster`.
    pub claim: String,
    /// Which attempt it is.
    pub attempt: i64,
    /// What it does.
    pub work: Export,
}

/// The next step.
#[derive(Debug, Clone, Default)]
pub(super) struct Step {
    pub(super) start: Option<Start>,
    pub(super) wait: Option<Duration>,
    pub(super) held: Option<Demand>,
}

/// What a run that begins is to back up.
pub(super) fn items(observed: &Observed<'_>) -> Vec<Item> {
    if !observed.run.spec.objects.clone().unwrap_or_default().enabled {
        return Vec::new();
    }
    let cluster = observed.exports.cluster.then_some(place::CLUSTER_OBJECTS);
    let names = std::iter::once(place::OBJECTS).chain(cluster);
    let items = names.map(|name| {
        let mut item = Item {
            claim: name.to_owned(),
            ..Item::default()
        };
        if let Some((reason, message)) = why_not(observed) {
            items::fail(&mut item, State::Skipped, reason, message.to_owned(), observed.now);
        }
        item
    });
    items.collect()
}

fn why_not(observed: &Observed<'_>) -> Option<(&'static str, &'static str)> {
    if !observed.exports.enabled {
        let message = "API objects are not backed up, since the chart is installed with exporter.enabled=false";
        return Some((EXPORTER_OFF, message));
    }
    (observed.exports.layout == Layout::Single && observed.run.spec.objects.is_none()).then_some((
        SHARED,
        "API objects are not backed up, since with layout: Single the password of all backups is in each namespace with a mover, and \
         Secrets are among the objects; set objects.enabled: true if all namespaces may read them",
    ))
}

/// Follows the objects of a run.
pub(super) fn step(observed: &Observed<'_>, objects: &mut [Item]) -> Step {
    let mut step = Step::default();
    for item in objects {
        let had_ended = item.state.is_final();
        match items::advance(item, observed.jobs, observed.now) {
            Next::Done => {
                if !had_ended {
                    // A namespace of few objects may lose half of them any day: nothing is said of the size.
                    doubt::judge(item, &[], observed.objects_damage.unrepaired);
                }
                continue;
            }
            Next::Wait(after) => step.wait = after.or(Some(POLL)),
            Next::Start(attempt) => begin(observed, item, attempt, &mut step),
        }
        // One at a time.
        break;
    }
    step
}

fn begin(observed: &Observed<'_>, item: &mut Item, attempt: i64, step: &mut Step) {
    let former = super::former(observed, &item.claim);
    let demand = super::demand(observed, &item.claim, None, former);
    if let Err(why) = observed.limits.admit(&demand) {
        item.reason = Some("WaitsForRoom".to_owned());
        item.message = Some(why);
        step.wait = Some(super::room_recheck(observed));
        step.held = Some(demand);
        return;
    }
    let work = export(observed, &item.claim, attempt, former);
    item.state = State::Running;
    item.attempts = attempt;
    (item.reason, item.message) = (None, None);
    item.start_time.get_or_insert_with(|| observed.now.to_string());
    step.start = Some(Start {
        claim: item.claim.clone(),
        attempt,
        work,
    });
}

fn export(observed: &Observed<'_>, claim: &str, attempt: i64, former: Option<&Item>) -> Export {
    let run = observed.run;
    let namespace = run.namespace().unwrap_or_default();
    let namespace = (claim == place::OBJECTS).then_some(namespace);
    let path = place::objects_path(namespace.as_deref().unwrap_or(place::CLUSTER_OBJECTS));
    let count = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    Export {
        exclude_kinds: run.spec.objects.clone().unwrap_or_default().exclude,
        backup: Backup {
            path,
            host: observed.objects_host.to_owned(),
            time: super::slot_of(run).to_string(),
            run: format!("{}/{}", run.namespace().unwrap_or_default(), run.name_any()),
            run_uid: run.uid().unwrap_or_default(),
            first_attempt: attempt == 1,
            claim: claim.to_owned(),
            parent: former.and_then(|item| item.snapshot.clone()),
            without_parent: WithoutParent::Nothing,
            // A repository that others have made is there.
            create: !observed.exports.known && !observed.adopt,
            volume: Volume::default(),
            former_files: former.and_then(|item| count(item.files)).unwrap_or(0),
            allow_partial: run.spec.allow_partial,
            exclude: Vec::new(),
            first_upload_limit: 0,
        },
        namespace,
    }
}
