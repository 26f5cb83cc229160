//! Restores a folder of a snapshot into a volume, and proves what is there afterwards.
use std::io;

use tracing::{info, warn};

use super::volume::LOST_AND_FOUND;
use super::{Mover, volume};
use crate::engine::Failed;
use crate::engine::command::{self, Call, pattern};
use crate::engine::messages::Message;
use crate::engine::outcome::{Collected, Failure, KEPT_PROBLEMS, pack, progress};
use crate::task::{Problem, Reason, Report, Restore, SnapshotReport, Verdict};
use compare::{Comparison, Expected, compare};
use failures::{Failures, INCOMPLETE};
use listing::Listing;
use target::Target;

pub mod compare;
pub mod failures;
pub mod listing;
pub mod target;
pub mod tree;

/// Devices that are left out by name. A volume with more is none of an application.
const MOST_DEVICES: usize = 1000;
/// The most bytes of paths that are left out by name because their data is missing. The arguments of a process may have 2 MiB.
const MOST_MISSING: usize = 512 * 1024;
/// The labels of the old node; the new one gives its own.
const LABELS: &str = "security.selinux";
/// Attributes that give rights, such as the capabilities of a program.
const RIGHTS: &str = "security.*";

/// Restores the volume.
pub async fn restore(mover: &mut Mover<'_>, task: &Restore) -> Report {
    run(mover, task).await.unwrap_or_else(Failure::report)
}

async fn run(mover: &mut Mover<'_>, task: &Restore) -> Result<Report, Failure> {
    check(task)?;
    let mut target = Target::open(task)?;
    let temporary = mover.engine.settings.temporary.clone();
    let internal = |error: io::Error| target::failure(&error, "a temporary file cannot be written");
    let mut listing = Listing::new(&task.path, &temporary).map_err(internal)?;
    let mut failures = Failures::new(&temporary).map_err(internal)?;
    let unlisted = list(mover, task, &mut listing).await?;
    listing.finish().map_err(internal)?;
    room(mover, task, &target, &listing).await?;
    if target.resumed {
        info!("an earlier attempt of this restore was stopped; it is continued");
        failures::clean(&target.tree).map_err(|error| target::failure(&error, "files of the earlier attempt"))?;
    }
    target.begin()?;

    let ended = call(mover, task, &listing, target.resumed, &mut failures).await;
    target.tree.changed();
    let kept = failures.set_aside(&mut target.tree, &listing);
    kept.map_err(|error| target::failure(&error, "files that are not complete cannot be set aside"))?;
    if listing.setuid && !task.setuid {
        let stripped = target.strip_setuid(&listing);
        stripped.map_err(|error| target::failure(&error, "setuid bits cannot be removed"))?;
    }
    if failures.full {
        return full(&target, task, &listing, failures);
    }
    ended?;
    // Another attempt can restore what this one could not.
    if let Some(reason) = failures.outage {
        return Ok(outage(reason, failures));
    }
    if let Err(failure) = name_packs(mover, &mut failures).await {
        if failures.unproven {
            return Err(failure);
        }
        warn!("the ids of packs stay short: {}", failure.message);
    }
    target
        .sync()
        .map_err(|error| target::failure(&error, "the volume cannot be written to the disk"))?;
    let expected = Expected {
        devices: task.devices,
        setuid: task.setuid,
    };
    let comparison = compare(&listing, &mut target.tree, expected, &|path| failures.knows(path));
    let comparison = comparison.map_err(|error| target::failure(&error, "the volume cannot be compared"))?;
    let root = target.finish(listing.root.as_ref());
    let root = root.map_err(|error| target::failure(&error, "the root of the volume"))?;
    info!(compared = comparison.compared, different = comparison.count, "compared");
    Ok(judge(task, &listing, failures, comparison, root, unlisted.as_ref()))
}

/// Ids and paths go to restic as they are, where `latest` and a relative path have meanings of their own.
fn check(task: &Restore) -> Result<(), Failure> {
    let id = task.snapshot.len() >= 8 && task.snapshot.bytes().all(|byte| byte.is_ascii_hexdigit());
    if id && task.path.starts_with('/') {
        return Ok(());
    }
    let text = format!(
        "{}:{} is no id of a snapshot with an absolute path",
        task.snapshot, task.path
    );
    Err(Failure::new(Reason::SnapshotMissing, &text))
}

/// Lists the folder. A list that ends early because of damaged data is kept, with the failure: the other files are restored.
async fn list(mover: &Mover<'_>, task: &Restore, listing: &mut Listing) -> Result<Option<Failure>, Failure> {
    let missing = |what: &str| Failure::new(Reason::SnapshotMissing, &format!("snapshot {}: {what}", task.snapshot));
    let result = mover
        .engine
        .list(&task.snapshot, &task.path, &mut |node| listing.add(node))
        .await;
    let unlisted = match result {
        Ok(_) => None,
        Err(Failed { failure, .. }) if failure.reason == Reason::DataDamaged && listing.root.is_some() => Some(failure),
        Err(failed) => return Err(failed.failure),
    };
    // restic's list of a path that is not in the snapshot is empty, and a success.
    match &listing.root {
        None if task.path == "/" => Ok(unlisted),
        None => Err(missing(&format!("{} is not in it", task.path))),
        Some(root) if root.kind != "dir" => Err(missing(&format!("{} is no folder", task.path))),
        Some(_) => Ok(unlisted),
    }
}

async fn room(mover: &Mover<'_>, task: &Restore, target: &Target, listing: &Listing) -> Result<(), Failure> {
    let room = target.room(task)?;
    if listing.bytes <= room.usable {
        return Ok(());
    }
    let raw = mover.engine.raw_size(&task.snapshot).await?.total_uncompressed_size;
    if raw <= room.usable {
        warn!(
            "the volume may be too small, unless files have holes: {} needed, {room:?}",
            listing.bytes
        );
        return Ok(());
    }
    Err(room.full(listing.bytes))
}

/// Runs the restore. Errors of single paths are no failure: they are in `failures`.
async fn call(
    mover: &mut Mover<'_>,
    task: &Restore,
    listing: &Listing,
    resumed: bool,
    failures: &mut Failures,
) -> Result<(), Failure> {
    if listing.devices.len() > MOST_DEVICES && !task.devices {
        let text = format!(
            "the snapshot has {} devices, too many to leave out",
            listing.devices.len()
        );
        return Err(Failure::new(Reason::Differs, &text));
    }
    let devices = listing.devices.iter().filter(|_| !task.devices);
    let attributes = if task.setuid { LABELS } else { RIGHTS };
    let mut restore = command::Restore {
        snapshot: task.snapshot.clone(),
        path: task.path.clone(),
        target: task.target.clone().into(),
        exclude: devices
            .map(|path| pattern(&format!("/{path}")))
            .chain([format!("/{LOST_AND_FOUND}")])
            .collect(),
        exclude_attributes: vec![attributes.to_owned()],
        without_lock: false,
    };
    let first = call_restic(mover, Call::Restore(restore.clone()), failures).await;
    // Where nothing can be written, no lock can be taken; a full bucket and a key that may only read can still be restored.
    let refused = |failed: &Failed| {
        matches!(failed.failure.reason, Reason::AccessDenied | Reason::QuotaExceeded)
            && failed.collected.summary.is_none()
    };
    let result = match first {
        Err(failed) if refused(&failed) => {
            warn!(
                "no lock can be taken, so it is restored without one: {}",
                failed.failure.message
            );
            restore.without_lock = true;
            call_restic(mover, Call::Restore(restore.clone()), failures).await
        }
        result => result,
    };
    let result = match result {
        // Where the index lacks the data of one file, as after `repair packs`, restic restores no file at all.
        Err(failed) if failed.failure.reason == Reason::DataDamaged && failed.collected.summary.is_none() => {
            let missing = mover.engine.missing(&task.snapshot, MOST_MISSING).await?;
            if missing.is_empty() {
                return Err(failed.failure);
            }
            for path in missing.iter().filter_map(|path| listing.below(path)) {
                failures.missing(path, resumed);
                restore.exclude.push(pattern(&format!("/{path}")));
            }
            call_restic(mover, Call::Restore(restore), failures).await
        }
        result => result,
    };
    match result {
        Err(failed) if only_paths(&failed.collected) => Ok(()),
        result => result.map_err(Failure::from),
    }
}

async fn call_restic(mover: &mut Mover<'_>, call: Call, failures: &mut Failures) -> Result<(), Failed> {
    let tell = &mut mover.progress;
    let mut on_line = |line: &str, message: Option<&Message>| match message {
        Some(Message::Error(error)) => failures.add(error, pack(&error.error.message)),
        Some(message) => {
            if let Some(progress) = progress(message) {
                tell(progress);
            }
        }
        None => failures.line(line),
    };
    mover.engine.run(&call, &mut on_line).await.map(drop)
}

/// Whether restic went through everything, and only single paths failed.
fn only_paths(collected: &Collected) -> bool {
    let message = collected.exit_message.as_deref().unwrap_or_default();
    collected.summary.is_some() && message.starts_with("Fatal: There were ")
}

fn full(target: &Target, task: &Restore, listing: &Listing, failures: Failures) -> Result<Report, Failure> {
    let failure = target.room(task)?.full(listing.bytes);
    Ok(Report {
        problem_count: failures.count(),
        problems: failures.problems,
        ..failure.report()
    })
}

/// What came of a restore during which the server did not answer, or refused.
fn outage(reason: Reason, failures: Failures) -> Report {
    let first = failures.problems.first().map(|problem| problem.message.as_str());
    let text = format!(
        "the data of {} paths could not be read, first: {}",
        failures.count(),
        first.unwrap_or_default()
    );
    Report {
        problem_count: failures.count(),
        problems: failures.problems,
        ..Failure::new(reason, &text).report()
    }
}

/// restic shortens the ids of packs.
async fn name_packs(mover: &Mover<'_>, failures: &mut Failures) -> Result<(), Failure> {
    let mut short: Vec<String> = failures
        .problems
        .iter()
        .filter_map(|problem| problem.pack.clone())
        .collect();
    short.sort();
    short.dedup();
    if short.is_empty() {
        return Ok(());
    }
    let full = mover.engine.full_pack_ids(&short).await?;
    for pack in failures.problems.iter_mut().filter_map(|problem| problem.pack.as_mut()) {
        let place = short.iter().position(|short| short == pack);
        if let Some(full) = place.and_then(|place| full[place].clone()) {
            *pack = full;
        }
    }
    Ok(())
}

fn judge(
    task: &Restore,
    listing: &Listing,
    failures: Failures,
    comparison: Comparison,
    root: Option<String>,
    unlisted: Option<&Failure>,
) -> Report {
    let snapshot = SnapshotReport {
        id: task.snapshot.clone(),
        files: listing.files,
        bytes: listing.bytes,
        added_bytes: 0,
        root: listing
            .root
            .as_ref()
            .map(|node| volume::ownership(node.uid, node.gid, node.permissions())),
    };
    let failed = failures.count();
    let problem_count = failed + comparison.count + u64::from(root.is_some()) + u64::from(unlisted.is_some());
    if problem_count == 0 {
        return Report::completed(Some(snapshot));
    }
    // Nothing counts if no file came back.
    let nothing = listing.files > 0 && comparison.files == 0 && failures.attributes == 0;
    let mut parts = Vec::new();
    if nothing {
        parts.push("no file came back".to_owned());
    }
    if failed > 0 {
        parts.push(format!(
            "{failed} paths could not be restored; what there is of a file ends with {INCOMPLETE}"
        ));
    }
    if comparison.count > 0 {
        parts.push(format!(
            "{} of {} entries are not as in the snapshot: {}",
            comparison.count,
            comparison.compared,
            comparison.summary()
        ));
    }
    if let Some(root) = &root {
        parts.push(format!("the root of the volume differs: {root}"));
    }
    if let Some(unlisted) = unlisted {
        parts.push(format!("some folders could not be listed: {}", unlisted.message));
    }
    if comparison.lost_owners() || root.is_some() {
        parts.push(
            "to restore owners and modes, set `mover.securityContext` so that the mover may change them".to_owned(),
        );
    }
    let at_root = root.map(|message| Problem {
        path: "/".to_owned(),
        message,
        pack: None,
    });
    let damaged = failures.unread || unlisted.is_some();
    let problems = failures.problems.into_iter().chain(at_root).chain(comparison.problems);
    Report {
        verdict: if nothing { Verdict::Failed } else { Verdict::Partial },
        reason: if damaged { Reason::DataDamaged } else { Reason::Differs },
        message: parts.join("; "),
        problems: problems.take(KEPT_PROBLEMS).collect(),
        problem_count,
        ..Report::completed((!nothing).then_some(snapshot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_and_an_absolute_path_are_taken() {
        let task = |snapshot: &str, path: &str| Restore {
            snapshot: snapshot.to_owned(),
            path: path.to_owned(),
            target: "/data/web".to_owned(),
            overwrite: false,
            devices: false,
            setuid: false,
        };
        assert_eq!(check(&task("9115fcb797a8", "/data/web")), Ok(()));
        for (snapshot, path) in [
            ("latest", "/data"),
            ("9115fcb797a8", "data"),
            ("", "/"),
            ("--help-12", "/"),
        ] {
            assert_eq!(
                check(&task(snapshot, path)).unwrap_err().reason,
                Reason::SnapshotMissing
            );
        }
    }
}
