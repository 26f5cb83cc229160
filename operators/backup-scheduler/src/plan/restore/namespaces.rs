//! A RestoreRun of several namespaces, before its API objects: the namespaces are found and made, and each gets a RestoreRun of its own
//! for its volumes.
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use super::search::{Search, Step, look};
use super::{Observed, Start, objects, spec_hash};
use crate::crd::backup_run::{Item, State};
use crate::crd::restore_run::{RestoreRunSpec, RestoreRunStatus, RestoredNamespace, RestoredObjects};
use crate::crd::{RESTORED_BY, RestoreRun};
use crate::plan::items::{self, Next};
use crate::plan::place;
use crate::task::{Existing, Find, Gitops, Reason, RestoreObjects, Selection};

/// Before it is looked again how far the RestoreRuns in the namespaces are.
const POLL: Duration = Duration::from_secs(5);
/// So many characters of the run's name are in the names of those in the namespaces.
const NAME_CUT: usize = 40;
/// What a claim needs before it can be made in an empty cluster, besides its namespace.
const KINDS: [&str; 2] = ["namespaces", "storageclasses.storage.k8s.io"];
/// What every cluster has by itself. A glob does not select them.
const OF_THE_CLUSTER: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// Whether a run is of more than its own namespace.
pub(super) fn is_wide(objects: &RestoredObjects) -> bool {
    !objects.namespaces.is_empty() || objects.cluster
}

/// Whether a name stands for others.
pub(super) fn is_glob(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// The next step before the API objects. [`Step::Found`]: there is none any more.
pub(super) fn step(observed: &Observed<'_>, status: &mut RestoreRunStatus, wanted: &RestoredObjects) -> Step {
    if !status.found {
        match list(observed, status, wanted) {
            Step::Found => {}
            step => return step,
        }
    }
    if wanted.only || observed.run.spec.dry_run {
        return Step::Found;
    }
    match make(observed, status, wanted) {
        Step::Found => follow(observed, status),
        step => step,
    }
}

/// Finds the namespaces. Without a glob they need not be looked for.
fn list(observed: &Observed<'_>, status: &mut RestoreRunStatus, wanted: &RestoredObjects) -> Step {
    let of = |name: &str| RestoredNamespace {
        name: name.to_owned(),
        ..RestoredNamespace::default()
    };
    if wanted.namespaces.iter().any(|name| is_glob(name)) {
        match look(observed, place::SEARCH, status.start_time.as_ref()) {
            Search::Page(found, next) => {
                let after = status.namespaces.last().map(|last| last.name.clone());
                let new = found
                    .iter()
                    .filter(|found| after.as_ref().is_none_or(|after| found.claim > *after));
                status.namespaces.extend(new.map(|found| of(&found.claim)));
                if let Some(attempt) = next {
                    return Step::Start(find(observed, status, wanted, attempt));
                }
            }
            Search::Start(attempt) => return Step::Start(find(observed, status, wanted, attempt)),
            Search::Wait(message, after) => return Step::Wait(message, after.or(Some(POLL))),
            Search::Failed(reason, message) => return Step::Failed(reason.unwrap_or("Failed"), message),
        }
        let own = observed.run.namespace().unwrap_or_default();
        let is_special = |name: &str| name == own || OF_THE_CLUSTER.contains(&name);
        status
            .namespaces
            .retain(|found| !is_special(&found.name) || wanted.namespaces.contains(&found.name));
    }
    for name in wanted.namespaces.iter().filter(|name| !is_glob(name)) {
        if !status.namespaces.iter().any(|known| known.name == *name) {
            status.namespaces.push(of(name));
        }
    }
    if status.namespaces.is_empty() && !wanted.namespaces.is_empty() {
        let message = "the repository of API objects has no good backup of a namespace that fits spec.objects.namespaces and spec.from";
        return Step::Failed("NothingFound", message.to_owned());
    }
    status.found = true;
    Step::Found
}

fn find(observed: &Observed<'_>, status: &RestoreRunStatus, wanted: &RestoredObjects, attempt: i64) -> Start {
    let find = Find {
        host: observed.objects.host.to_owned(),
        claims: wanted.namespaces.clone(),
        run: None,
        snapshot: None,
        before: observed.run.spec.from.before.clone(),
        foreign: false,
        path: None,
        root: Some(place::OBJECTS_FOLDER.to_owned()),
        not_good: observed.objects.not_good.to_vec(),
        after: status.namespaces.last().map(|last| last.name.clone()),
    };
    Start::FindNamespaces(attempt, find)
}

/// Makes the namespaces that are not there, and with the objects of no namespace the storage classes.
fn make(observed: &Observed<'_>, status: &mut RestoreRunStatus, wanted: &RestoredObjects) -> Step {
    if status.namespaces.is_empty() {
        return Step::Found;
    }
    let work = RestoreObjects {
        selection: Selection {
            kinds: KINDS.map(str::to_owned).to_vec(),
            ..Selection::default()
        },
        // What is there is not touched here, and a namespace is needed whoever makes it.
        existing: Existing::Skip,
        gitops: Gitops::Include,
        ..objects::work(observed, status, wanted)
    };
    let item = item(status, place::NAMESPACES);
    match items::advance(item, observed.jobs, observed.now) {
        // Of a namespace that is not there the RestoreRun cannot be made either.
        Next::Done
            if item.state != State::Failed || item.reason.as_deref() == Some(Reason::NothingSelected.as_str()) =>
        {
            Step::Found
        }
        Next::Done => {
            let message = item.message.clone().unwrap_or_default();
            Step::Failed("Failed", format!("the namespaces could not be made: {message}"))
        }
        Next::Wait(after) => Step::Wait("the namespaces are being made".to_owned(), after.or(Some(POLL))),
        Next::Start(attempt) => {
            item.state = State::Running;
            item.attempts = attempt;
            item.start_time.get_or_insert_with(|| observed.now.to_string());
            Step::Start(Start::Objects(attempt, place::NAMESPACES, Box::new(work)))
        }
    }
}

/// The item of a mover of API objects, which is made if it is not there.
pub(super) fn item<'a>(status: &'a mut RestoreRunStatus, claim: &str) -> &'a mut Item {
    let position = status.objects.iter().position(|item| item.claim == claim);
    let position = position.unwrap_or_else(|| {
        status.objects.push(Item {
            claim: claim.to_owned(),
            ..Item::default()
        });
        status.objects.len() - 1
    });
    &mut status.objects[position]
}

/// Follows the RestoreRuns in the namespaces.
fn follow(observed: &Observed<'_>, status: &mut RestoreRunStatus) -> Step {
    let mark = objects::mark(observed.run);
    let (mut start, mut waits) = (None, Vec::new());
    let RestoreRunStatus {
        namespaces, volumes, ..
    } = status;
    for namespace in namespaces.iter_mut().filter(|namespace| !namespace.state.is_final()) {
        let made = observed.restores.iter().find(|run| {
            run.namespace().as_ref() == Some(&namespace.name) && run.annotations().get(RESTORED_BY) == Some(&mark)
        });
        let Some(made) = made else {
            let run = of_namespace(observed.run, &namespace.name, &mark);
            let is_it =
                |other: &&Arc<RestoreRun>| other.name_any() == run.name_any() && other.namespace() == run.namespace();
            if observed.restores.iter().any(|other| is_it(&other)) {
                let message = format!(
                    "there is a RestoreRun {} that this run has not made; delete it",
                    run.name_any()
                );
                (namespace.state, namespace.message) = (State::Failed, Some(message));
                continue;
            }
            (namespace.run, namespace.state) = (Some(run.name_any()), State::Pending);
            // One at a time; those that are there are followed meanwhile.
            start.get_or_insert_with(|| Start::Run(Box::new(run)));
            continue;
        };
        namespace.run = Some(made.name_any());
        let Some((state, message, items)) = end_of(made) else {
            namespace.state = State::Running;
            namespace.message = said(made).map(|(_, _, message)| message.to_owned());
            waits.push(namespace.name.as_str());
            continue;
        };
        (namespace.state, namespace.message) = (state, message);
        volumes.extend(items.into_iter().map(|item| Item {
            claim: format!("{}/{}", namespace.name, item.claim),
            claim_spec: None,
            ..item
        }));
    }
    let wait = waits.first().map(|first| {
        let message = format!(
            "volumes are being restored in {} namespaces, such as {first}",
            waits.len()
        );
        Step::Wait(message, Some(POLL))
    });
    let (good, _) = items::count(&status.volumes);
    (status.good, status.total) = (i64::try_from(good).ok(), i64::try_from(status.volumes.len()).ok());
    start.map(Step::Start).or(wait).unwrap_or(Step::Found)
}

/// Records that the RestoreRun of a namespace cannot be made.
pub fn not_made(status: &mut RestoreRunStatus, name: &str, why: &str) {
    for namespace in status.namespaces.iter_mut().filter(|namespace| namespace.name == name) {
        namespace.state = State::Failed;
        namespace.message = Some(format!("its RestoreRun cannot be made: {why}"));
    }
}

/// The RestoreRun of a namespace.
fn of_namespace(run: &RestoreRun, namespace: &str, mark: &str) -> RestoreRun {
    let (hash, spec) = (spec_hash(run), &run.spec);
    let readable: String = run.name_any().chars().take(NAME_CUT).collect();
    let name = format!(
        "{}-{}",
        readable.trim_end_matches(['-', '.']),
        &hash[..10.min(hash.len())]
    );
    RestoreRun {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(namespace.to_owned()),
            annotations: Some([(RESTORED_BY.to_owned(), mark.to_owned())].into()),
            ..ObjectMeta::default()
        },
        spec: RestoreRunSpec {
            from: spec.from.clone(),
            select: spec.select.clone(),
            storage_class_mapping: spec.storage_class_mapping.clone(),
            volumes: spec.volumes.clone(),
            objects: None,
            existing: None,
            gitops: None,
            namespace_mapping: [].into(),
            dry_run: false,
            mover: spec.mover.clone(),
            again: Some(hash),
            suspend: false,
        },
        status: None,
    }
}

/// What the condition `Ready` of a run says now: its status, its reason and its message.
fn said(run: &RestoreRun) -> Option<(&str, &str, &str)> {
    let status = run.status.as_ref()?;
    let current = Some(status.observed_generation) == run.metadata.generation;
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready")?;
    current.then_some((&ready.status, &ready.reason, &ready.message))
}

/// How a run has ended: its state, what is wrong, and its volumes. A namespace without volumes is complete.
fn end_of(run: &RestoreRun) -> Option<(State, Option<String>, Vec<Item>)> {
    let (ready, reason, message) = said(run)?;
    let status = run.status.as_ref()?;
    if ready == "True" {
        return Some((State::Completed, None, status.volumes.clone()));
    }
    status.completion_time.as_ref()?;
    let text = Some(message.to_owned());
    if reason == "NothingFound" || reason == Reason::RepositoryMissing.as_str() {
        return Some((
            State::Completed,
            Some("the backup has no volumes of it".to_owned()),
            Vec::new(),
        ));
    }
    let state = if status.volumes.is_empty() {
        State::Failed
    } else {
        State::Partial
    };
    Some((state, text, status.volumes.clone()))
}

/// The namespaces whose API objects may be restored. Where it is not known which volumes there are, workloads would begin with empty ones.
pub(super) fn restorable(status: &RestoreRunStatus) -> Vec<String> {
    let known = status
        .namespaces
        .iter()
        .filter(|namespace| namespace.state != State::Failed);
    known.map(|namespace| namespace.name.clone()).collect()
}

/// The namespaces whose backup has no volumes.
pub(super) fn without_volumes(status: &RestoreRunStatus) -> Vec<String> {
    let known = status.namespaces.iter().filter(|namespace| {
        let prefix = format!("{}/", namespace.name);
        namespace.state == State::Completed && !status.volumes.iter().any(|item| item.claim.starts_with(&prefix))
    });
    known.map(|namespace| namespace.name.clone()).collect()
}

/// What is said of namespaces of which nothing was restored, before what is said of volumes; empty if there is none.
pub(super) fn unknown(status: &RestoreRunStatus) -> String {
    let failed = status
        .namespaces
        .iter()
        .filter(|namespace| namespace.state == State::Failed);
    let lines = failed.map(|namespace| {
        let message = namespace.message.as_deref().unwrap_or("no more is known");
        format!(
            "nothing of namespace {} was restored, since its volumes were not found: {message}; ",
            namespace.name
        )
    });
    lines.collect()
}
