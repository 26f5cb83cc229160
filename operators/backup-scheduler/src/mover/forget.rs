//! Removes the snapshots that the retention does not keep. Nothing is removed unless the repository and the records agree, and
//! what counts as removed was not found any more.
use std::collections::BTreeMap;

use tracing::warn;

use super::Mover;
use super::storage::Storage;
use crate::engine::messages::Snapshot;
use crate::engine::outcome::Failure;
use crate::task::{Forget, Reason, Recorded, Report};

/// Removes the snapshots that the retention does not keep.
pub async fn forget(mover: &Mover<'_>, task: &Forget) -> Report {
    run(mover, task).await.unwrap_or_else(Failure::report)
}

async fn run(mover: &Mover<'_>, task: &Forget) -> Result<Report, Failure> {
    let engine = &mover.engine;
    if mover.append_only {
        return Err(Failure::new(
            Reason::AccessDenied,
            "snapshots of a repository with `appendOnly` are not removed",
        ));
    }
    let present = present(engine.all_snapshots(Some(&task.host)).await?);
    let remove = to_remove(task, &present)?;
    let mut refused = None;
    if !remove.is_empty() {
        Storage::new(&engine.settings)?.may_delete().await?;
        // What it says is not what counts.
        refused = engine.forget(&remove).await.err();
    }
    let left = match (&refused, remove.is_empty()) {
        (Some(failure), _) if !answered(failure) => return Err(failure.clone()),
        (_, true) => present,
        _ => self::present(engine.all_snapshots(Some(&task.host)).await?),
    };
    // An empty list where there must be something is a fault of the server.
    if let Some(kept) = missing(&task.kept, &left) {
        return Err(disagree(&format!("snapshot {} was there before", kept.id)));
    }
    let stayed: Vec<&str> = task
        .snapshots
        .iter()
        .map(|one| one.id.as_str())
        .filter(|id| left.contains_key(*id))
        .collect();
    let forgotten = u64::try_from(task.snapshots.len() - stayed.len()).unwrap_or(u64::MAX);
    let Some(first) = stayed.first() else {
        return Ok(Report {
            forgotten,
            ..Report::completed(None)
        });
    };
    let failure = refused.unwrap_or_else(|| Failure::new(Reason::NotProven, "restic named no reason"));
    warn!("{} snapshots are still there, the first is {first}", stayed.len());
    Ok(Report {
        forgotten,
        message: format!(
            "{} of {} snapshots could not be removed, first {first}: {}",
            stayed.len(),
            task.snapshots.len(),
            failure.message
        ),
        ..failure.report()
    })
}

/// Whether the server answers after this failure, so that it is worth a list.
fn answered(failure: &Failure) -> bool {
    matches!(
        failure.reason,
        Reason::AccessDenied | Reason::SnapshotMissing | Reason::Internal
    )
}

fn present(snapshots: Vec<Snapshot>) -> BTreeMap<String, Snapshot> {
    snapshots
        .into_iter()
        .map(|snapshot| (snapshot.id.clone(), snapshot))
        .collect()
}

/// The ids to remove that are there. Fails if anything differs from the records.
fn to_remove(task: &Forget, present: &BTreeMap<String, Snapshot>) -> Result<Vec<String>, Failure> {
    if let Some(kept) = missing(&task.kept, present) {
        return Err(disagree(&format!("snapshot {} is not in it", kept.id)));
    }
    let mut remove = Vec::new();
    for one in &task.snapshots {
        let Some(snapshot) = present.get(&one.id) else { continue };
        if !snapshot.tags.contains(&format!("run-uid={}", one.run_uid)) {
            return Err(disagree(&format!("snapshot {} is not of run {}", one.id, one.run_uid)));
        }
        if task.kept.iter().any(|kept| kept.id == one.id) {
            return Err(disagree(&format!(
                "snapshot {} is to be kept and to be removed",
                one.id
            )));
        }
        if !remove.contains(&one.id) {
            remove.push(one.id.clone());
        }
    }
    Ok(remove)
}

fn missing<'a>(kept: &'a [Recorded], present: &BTreeMap<String, Snapshot>) -> Option<&'a Recorded> {
    kept.iter().find(|one| !present.contains_key(&one.id))
}

fn disagree(what: &str) -> Failure {
    let text = format!(
        "the repository and the records of the runs disagree: {what}; nothing is removed. Find out who else removes snapshots; if \
         it was on purpose, delete the BackupRun that has this snapshot"
    );
    Failure {
        message: text,
        ..Failure::new(Reason::RecordsDisagree, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(id: &str) -> Recorded {
        Recorded {
            id: id.to_owned(),
            run_uid: format!("uid-{id}"),
        }
    }

    fn there(ids: &[&str]) -> BTreeMap<String, Snapshot> {
        let snapshot = |id: &&str| Snapshot {
            id: (*id).to_owned(),
            time: "2026-11-29T03:00:00Z".parse().unwrap(),
            paths: Vec::new(),
            hostname: "home".to_owned(),
            tags: vec![format!("run-uid=uid-{id}")],
            summary: None,
        };
        present(ids.iter().map(snapshot).collect())
    }

    fn task(snapshots: &[&str], kept: &[&str]) -> Forget {
        Forget {
            host: "home".to_owned(),
            snapshots: snapshots.iter().map(|id| recorded(id)).collect(),
            kept: kept.iter().map(|id| recorded(id)).collect(),
        }
    }

    #[test]
    fn what_is_there_and_of_its_run_is_removed() {
        let remove = to_remove(&task(&["a", "b", "a"], &["c"]), &there(&["a", "c", "d"]));
        assert_eq!(remove.unwrap(), ["a"]);
    }

    #[test]
    fn nothing_is_removed_if_a_kept_snapshot_is_missing_or_the_list_is_empty() {
        for present in [there(&["a", "c"]), there(&[])] {
            let failure = to_remove(&task(&["a"], &["c", "d"]), &present).unwrap_err();
            assert_eq!((failure.reason, failure.retry), (Reason::RecordsDisagree, false));
        }
        let failure = to_remove(&task(&["a"], &["c", "d"]), &there(&["a", "c"])).unwrap_err();
        assert!(
            failure.message.contains("snapshot d is not in it"),
            "{}",
            failure.message
        );
    }

    #[test]
    fn nothing_is_removed_if_a_snapshot_is_of_another_run_or_is_kept() {
        let mut present = there(&["a", "b"]);
        present.get_mut("b").unwrap().tags = vec!["run-uid=other".to_owned()];
        let failure = to_remove(&task(&["a", "b"], &[]), &present).unwrap_err();
        assert!(
            failure.message.contains("snapshot b is not of run uid-b"),
            "{}",
            failure.message
        );
        let failure = to_remove(&task(&["a"], &["a"]), &there(&["a"])).unwrap_err();
        assert_eq!(failure.reason, Reason::RecordsDisagree);
    }
}
