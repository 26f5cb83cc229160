//! Restores API objects: finds the backups, gets their files, plans, and makes what the plan says.
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kube::Client;
use serde::Deserialize;
use tracing::{info, warn};

use super::restore::failures::{is_full, is_of_data};
use super::{Mover, export, find};
use crate::engine::command::{self, Call};
use crate::engine::outcome::{Collected, Failure, KEPT_PROBLEMS, reason};
use crate::export::{HEADER, OWNED, Summary};
use crate::objects::apply::{Stop, apply};
use crate::objects::plan::{Plan, Planner};
use crate::task::{Find, Found, ObjectsReport, Problem, Reason, Report, RestoreObjects, SnapshotReport, Verdict};

/// The last part of the path in snapshots for objects of no namespace. No namespace has such a name.
const CLUSTER: &str = ".cluster";
/// The format of exports that this version reads.
const FORMAT: u64 = 1;
/// So many names are in a message.
const NAMED: usize = 3;

/// Restores the objects.
pub async fn restore(mover: &mut Mover<'_>, task: &RestoreObjects) -> Report {
    let client = match Client::try_default().await {
        Ok(client) => client,
        Err(failed) => return Report::failed(Reason::Internal, format!("no client for the API server: {failed}")),
    };
    restore_with(mover, task, &client).await
}

/// The same with a client for the API server.
pub async fn restore_with(mover: &mut Mover<'_>, task: &RestoreObjects, client: &Client) -> Report {
    run(mover, task, client).await.unwrap_or_else(Failure::report)
}

async fn run(mover: &mut Mover<'_>, task: &RestoreObjects, client: &Client) -> Result<Report, Failure> {
    check(task)?;
    let folder = Path::new(&task.folder);
    export::clear(folder).map_err(|failed| unwritable(&failed))?;
    let mut planner = Planner::new(task);
    let mut got = Got::default();
    for source in sources(task) {
        get(mover, task, source, &mut planner, &mut got).await?;
    }
    if got.snapshot.is_none() {
        let text = "there is no good backup of API objects that fits `from`, of any of the namespaces";
        return Err(Failure::new(Reason::SnapshotMissing, text));
    }
    let plan = planner.finish();
    info!(steps = plan.steps.len(), skipped = plan.skipped.len(), "planned");
    if plan == Plan::default() {
        let text = "the backup has no API object that is selected; compare `objects` with what the backup has";
        return Err(Failure::new(Reason::NothingSelected, text));
    }
    let result = apply(client, folder, &plan, task, &mover.engine.stop).await;
    Ok(judge(task, result, got))
}

/// What a run outside the operator's namespace can never have.
fn check(task: &RestoreObjects) -> Result<(), Failure> {
    let sources = task.namespaces.iter();
    let mut names = sources
        .chain(task.namespace_mapping.keys())
        .chain(task.namespace_mapping.values());
    let wide = task.cluster || task.namespaces.len() != 1 || !task.namespace_mapping.is_empty();
    // The names are parts of paths.
    if names.any(|name| name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')) {
        return Err(Failure::new(
            Reason::Internal,
            "the task has a name that is no namespace's",
        ));
    }
    if task.tenant && wide {
        return Err(Failure::new(
            Reason::Internal,
            "the task goes beyond the namespace of its run",
        ));
    }
    Ok(())
}

/// The exports: that of objects of no namespace first.
fn sources(task: &RestoreObjects) -> impl Iterator<Item = Option<&str>> {
    let cluster = task.cluster.then_some(None);
    cluster
        .into_iter()
        .chain(task.namespaces.iter().map(|name| Some(name.as_str())))
}

/// What was got of the backups.
#[derive(Debug, Default)]
struct Got {
    snapshot: Option<SnapshotReport>,
    /// What is missing of them.
    problems: Vec<Problem>,
    /// Data of the repository is damaged.
    damaged: bool,
    /// Kinds that the backups lack.
    lacks: Vec<String>,
}

impl Got {
    fn problem(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem {
            path: path.into(),
            message: message.into(),
            pack: None,
        });
    }
}

/// Gets the files of one export, and hands them to the planner.
async fn get(
    mover: &mut Mover<'_>,
    task: &RestoreObjects,
    source: Option<&str>,
    planner: &mut Planner<'_>,
    got: &mut Got,
) -> Result<(), Failure> {
    let name = source.unwrap_or(CLUSTER);
    let path = format!("{}/{name}", task.root);
    let Some(found) = find(mover, task, &path).await? else {
        got.problem(path, "there is no good backup of it that fits `from`");
        return Ok(());
    };
    let folder = Path::new(&task.folder).join(name);
    fs::create_dir_all(&folder).map_err(|failed| unwritable(&failed))?;
    fetch(mover, &found, &path, &folder, got).await?;
    let files = read(&folder, Path::new(name), source, planner, got).map_err(|failed| unwritable(&failed))?;
    info!(snapshot = found.snapshot, files, "the backup of {path} was read");
    got.snapshot.get_or_insert(SnapshotReport {
        id: found.snapshot,
        files: found.files,
        bytes: found.bytes,
        ..SnapshotReport::default()
    });
    Ok(())
}

async fn find(mover: &Mover<'_>, task: &RestoreObjects, path: &str) -> Result<Option<Found>, Failure> {
    let find = Find {
        host: task.host.clone(),
        // The path says which snapshots; a name is only needed to have one.
        claims: vec![path.to_owned()],
        run: task.run.clone(),
        snapshot: None,
        before: task.before.clone(),
        foreign: false,
        path: Some(path.to_owned()),
        root: None,
        not_good: task.not_good.clone(),
        after: None,
    };
    Ok(find::newest(mover, &find).await?.into_iter().next())
}

/// Restores the files. Those whose data is damaged are left out, and named.
async fn fetch(mover: &Mover<'_>, found: &Found, path: &str, folder: &Path, got: &mut Got) -> Result<(), Failure> {
    let mut restore = command::Restore {
        snapshot: found.snapshot.clone(),
        path: path.to_owned(),
        target: folder.to_owned(),
        exclude: Vec::new(),
        exclude_attributes: vec!["*".to_owned()],
        without_lock: false,
    };
    let mut result = mover.engine.run(&Call::Restore(restore.clone()), &mut |_, _| ()).await;
    // Where nothing can be written, no lock can be taken; a full bucket and a key that may only read can still be restored.
    if let Err(failed) = &result
        && matches!(failed.failure.reason, Reason::AccessDenied | Reason::QuotaExceeded)
        && failed.collected.summary.is_none()
    {
        warn!(
            "no lock can be taken, so it is restored without one: {}",
            failed.failure.message
        );
        restore.without_lock = true;
        result = mover.engine.run(&Call::Restore(restore), &mut |_, _| ()).await;
    }
    match result {
        Ok(_) => Ok(()),
        Err(failed) if only_paths(&failed.collected) => set_aside(failed.collected.problems, folder, got),
        // Too many to name: which of the others are complete is not known.
        Err(failed) if failed.collected.problems.len() >= KEPT_PROBLEMS => {
            set_aside(failed.collected.problems, folder, &mut Got::default())?;
            let text = format!(
                "the data of many objects could not be read, first: {}",
                failed.failure.message
            );
            Err(Failure::new(Reason::DataDamaged, &text))
        }
        Err(failed) => Err(failed.failure),
    }
}

/// Removes files that could not be restored: what there is of one may look like a file. Fails if another attempt may do better.
fn set_aside(problems: Vec<Problem>, folder: &Path, got: &mut Got) -> Result<(), Failure> {
    for problem in problems.into_iter().filter(|problem| is_of_data(&problem.message)) {
        let message = problem.message.as_str();
        if is_full(message) {
            return Err(Failure::new(Reason::TargetFull, message));
        }
        // A server that sends one pack without its content answers all other requests.
        let outage =
            reason(message).filter(|reason| *reason != Reason::DataDamaged && !message.contains("unexpected EOF"));
        if let Some(reason) = outage {
            return Err(Failure::new(reason, message));
        }
        let file = folder.join(problem.path.trim_start_matches('/'));
        if file.is_file() {
            fs::remove_file(&file).map_err(|failed| unwritable(&failed))?;
        }
        got.damaged = true;
        got.problems.push(problem);
    }
    Ok(())
}

/// Whether restic went through everything, only single paths failed, and all of them are named.
fn only_paths(collected: &Collected) -> bool {
    let message = collected.exit_message.as_deref().unwrap_or_default();
    let all_named =
        collected.problems.len() < KEPT_PROBLEMS && collected.problems.iter().all(|problem| problem.path.len() > 1);
    collected.summary.is_some() && message.starts_with("Fatal: There were ") && all_named
}

/// The file that says what an export has.
#[derive(Deserialize)]
struct Header {
    format: u64,
    #[serde(default)]
    summary: Summary,
}

/// Reads the files of an export; how many there are.
fn read(folder: &Path, name: &Path, source: Option<&str>, planner: &mut Planner<'_>, got: &mut Got) -> io::Result<u64> {
    let label = name.display();
    let header = fs::read(folder.join(HEADER)).ok();
    let header: Option<Header> = header.and_then(|text| serde_json::from_slice(&text).ok());
    if header.as_ref().is_some_and(|header| header.format > FORMAT) {
        got.problem(
            label.to_string(),
            "its format is of a newer version of this operator; install that version",
        );
        return Ok(0);
    }
    let mut files = 0;
    for kind in names(folder)? {
        if !folder.join(&kind).is_dir() || kind == OWNED {
            continue;
        }
        for file in names(&folder.join(&kind))? {
            files += 1;
            let inside = PathBuf::from(&kind).join(&file);
            match fs::read_to_string(folder.join(&inside)) {
                Ok(text) => planner.add(source, &name.join(&inside), &kind, &text),
                Err(failed) => got.problem(format!("{label}/{}", inside.display()), failed.to_string()),
            }
        }
    }
    let Some(Header { summary, .. }) = header else {
        got.problem(
            format!("{label}/{HEADER}"),
            "it is not there, so nobody knows whether the backup is complete",
        );
        return Ok(files);
    };
    let expected = summary.objects.values().sum::<u64>().saturating_sub(summary.owned);
    if files < expected && !got.damaged {
        got.problem(
            label.to_string(),
            format!("the backup has {files} objects of {expected}"),
        );
    }
    got.lacks
        .extend(summary.failed.keys().map(|kind| format!("{label}: {kind}")));
    Ok(files)
}

/// The names in a folder, in their order.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn unwritable(failed: &io::Error) -> Failure {
    let reason = match failed.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Reason::TargetFull,
        _ => Reason::Internal,
    };
    Failure::new(
        reason,
        &format!("the files of the backup cannot be written or read: {failed}"),
    )
}

fn judge(task: &RestoreObjects, result: Result<ObjectsReport, Stop>, got: Got) -> Report {
    let objects = match result {
        Ok(objects) => objects,
        Err(stop) => return stopped(stop),
    };
    let skipped = |reason: &str| objects.skipped.get(reason).copied().unwrap_or(0);
    let (not_served, held) = (skipped("NotServed"), skipped("VolumeNotRestored"));
    let mut parts = Vec::new();
    let first = objects.objects.first();
    if objects.failed > 0 {
        let first = first.map_or(String::new(), |first| {
            format!(
                ", first {}: {}",
                first.object,
                first.message.as_deref().unwrap_or_default()
            )
        });
        parts.push(format!("{} objects could not be restored{first}", objects.failed));
    }
    if not_served > 0 {
        parts.push(format!("the kinds of {not_served} objects are not there, or not in the version of the backup: install what defines them"));
    }
    if held > 0 {
        parts.push(format!(
            "{held} claims and workloads are not made, since the data of the claims is not there or not complete; restore the volumes, or \
             set `objects.emptyClaims`"
        ));
    }
    if !got.problems.is_empty() {
        let first = got
            .problems
            .iter()
            .take(NAMED)
            .map(|problem| format!("{}: {}", problem.path, problem.message));
        let first = first.collect::<Vec<_>>().join(", ");
        parts.push(format!("the backup is not complete: {first}"));
    }
    if !got.lacks.is_empty() {
        let first = got.lacks.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        parts.push(format!(
            "kinds were not in the backup, since they could not be listed then: {first}"
        ));
    }
    if parts.is_empty() {
        return Report {
            objects: Some(objects),
            ..Report::completed(got.snapshot)
        };
    }
    let nothing = objects.created + objects.updated + objects.unchanged == 0;
    Report {
        verdict: if nothing && !task.dry_run {
            Verdict::Failed
        } else {
            Verdict::Partial
        },
        reason: if got.damaged {
            Reason::DataDamaged
        } else {
            Reason::NotRestored
        },
        message: parts.join("; "),
        problem_count: u64::try_from(got.problems.len()).unwrap_or(u64::MAX),
        problems: got.problems,
        objects: Some(objects),
        ..Report::completed(got.snapshot)
    }
}

/// The report of a restore that has ended before its time.
fn stopped(stop: Stop) -> Report {
    match stop {
        Stop::Exists(objects) => {
            let count = objects.skipped.get("Exists").copied().unwrap_or(0);
            let first = objects.objects.iter().find(|result| result.result == "Exists");
            let first = first.map_or("", |result| result.object.as_str());
            let message = format!(
                "{count} objects are there and differ from the backup, first {first}, so nothing was written; set `objects.existing` \
                 to `Skip`, or to `Update`"
            );
            Report {
                objects: Some(objects),
                ..Report::failed(Reason::Exists, message)
            }
        }
        Stop::ClassMissing(classes) => {
            let classes = classes.join(", ");
            let message = format!(
                "claims ask for storage classes that are not there, so nothing was written: {classes}; map them to classes of this \
                 cluster by `storageClassMapping`"
            );
            Report::failed(Reason::StorageClassMissing, message)
        }
        Stop::Unreachable(why) => Report::failed(Reason::Unreachable, why).with_retry(true),
        Stop::Cancelled => Report::failed(Reason::Cancelled, "the mover was told to end").with_retry(true),
    }
}

#[cfg(test)]
mod tests;
