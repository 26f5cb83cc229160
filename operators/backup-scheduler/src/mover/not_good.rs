//! Marks of runs whose snapshots do not count, in the place of the repository. A backup with unreadable files leaves a snapshot
//! that looks complete, until it is removed. A mover that is killed in between leaves it, and a cluster that was lost with its
//! records would restore it.
//!
//! The mark is written while restic is stopped, at the first file that cannot be read: before the snapshot is there. A backup
//! that reads everything writes none.
use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::storage::Storage;
use crate::engine::Hold;
use crate::engine::command::Settings;
use crate::engine::messages::Snapshot;
use crate::engine::outcome::Failure;

/// The folder of the marks. restic looks at none of it.
const FOLDER: &str = "hearth-not-good";

/// What is known of a run.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    /// Backups that began up to this time do not count.
    pub until: Timestamp,
    /// The snapshot that counts all the same: a later backup has shown that nothing is missing in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<String>,
}

/// The name of the mark of a run.
fn name(run_uid: &str) -> Option<PathBuf> {
    let plain = !run_uid.is_empty() && run_uid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain.then(|| PathBuf::from(FOLDER).join(run_uid))
}

/// Writes the mark of a run.
pub async fn write(settings: &Settings, run_uid: &str, good: Option<&str>) -> Result<(), Failure> {
    let Some(name) = name(run_uid) else { return Ok(()) };
    let mark = Mark {
        until: Timestamp::now(),
        good: good.map(str::to_owned),
    };
    let text = serde_json::to_vec(&mark).unwrap_or_default();
    Storage::new(settings)?.write(&name.to_string_lossy(), text).await
}

/// What restic waits for at the first file that cannot be read: the mark of the run.
pub fn hold(settings: &Settings, run_uid: &str) -> Box<Hold> {
    let (settings, run_uid) = (settings.clone(), run_uid.to_owned());
    Box::new(move || {
        let (settings, run_uid) = (settings.clone(), run_uid.clone());
        Box::pin(async move { write(&settings, &run_uid, None).await })
    })
}

/// The marks of all runs. One that cannot be read is of a run of which nothing counts.
pub async fn read(settings: &Settings) -> Result<BTreeMap<String, Mark>, Failure> {
    let storage = Storage::new(settings)?;
    let mut marks = BTreeMap::new();
    for run_uid in storage.names(FOLDER).await? {
        let Some(name) = name(&run_uid) else { continue };
        let text = storage.read(&name.to_string_lossy()).await?;
        let mark = text.map(|text| serde_json::from_slice(&text).ok());
        let Some(mark) = mark else { continue };
        let nothing = || {
            warn!("the mark of run {run_uid} cannot be read");
            Mark {
                until: Timestamp::MAX,
                good: None,
            }
        };
        marks.insert(run_uid.clone(), mark.unwrap_or_else(nothing));
    }
    Ok(marks)
}

/// Whether a mark says that a snapshot does not count.
pub fn is_marked(marks: &BTreeMap<String, Mark>, snapshot: &Snapshot) -> bool {
    let run_uid = snapshot.tags.iter().find_map(|tag| tag.strip_prefix("run-uid="));
    let Some(mark) = run_uid.and_then(|run_uid| marks.get(run_uid)) else {
        return false;
    };
    let began = snapshot.summary.as_ref().and_then(|summary| summary.backup_start);
    mark.good.as_ref() != Some(&snapshot.id) && began.is_none_or(|began| began <= mark.until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::messages::Summary;

    fn snapshot(run_uid: &str, began: Option<&str>) -> Snapshot {
        Snapshot {
            id: "a1".to_owned(),
            time: Timestamp::UNIX_EPOCH,
            paths: Vec::new(),
            hostname: "home".to_owned(),
            tags: vec!["claim=web".to_owned(), format!("run-uid={run_uid}")],
            summary: Some(Summary {
                backup_start: began.map(|began| began.parse().unwrap()),
                ..Summary::default()
            }),
        }
    }

    #[test]
    fn a_snapshot_of_a_marked_run_does_not_count_unless_it_began_later_or_was_proven() {
        let mark = |good: Option<&str>| {
            let mark = Mark {
                until: "2026-11-29T03:05:00Z".parse().unwrap(),
                good: good.map(str::to_owned),
            };
            BTreeMap::from([("one".to_owned(), mark)])
        };
        let early = snapshot("one", Some("2026-11-29T03:04:59Z"));
        assert!(is_marked(&mark(None), &early));
        assert!(is_marked(&mark(None), &snapshot("one", None)));
        assert!(!is_marked(&mark(None), &snapshot("one", Some("2026-11-29T03:05:01Z"))));
        assert!(!is_marked(&mark(None), &snapshot("two", Some("2026-11-29T03:04:59Z"))));
        assert!(!is_marked(&mark(Some("a1")), &early) && is_marked(&mark(Some("b2")), &early));
    }

    #[test]
    fn a_mark_has_a_name_only_for_a_plain_uid() {
        assert!(name("0b5c-1").is_some());
        for uid in ["", "../config", "a/b"] {
            assert_eq!(name(uid), None, "{uid}");
        }
    }
}
