//! Runs whose records are of no use any more.
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use crate::crd::{BackupRun, KEEP, SCHEDULE_UID};
use crate::plan::backup::slot_of;

/// So many of the newest runs of a schedule stay in each namespace, whatever came of them.
const STAY: usize = 3;

/// Runs to delete: a schedule made them, they have ended, nothing of them is in the repository any more, and there are newer ones.
/// A run is the record of its snapshots, so one that has any stays.
pub fn surplus(runs: &[Arc<BackupRun>]) -> Vec<Arc<BackupRun>> {
    let mut groups: BTreeMap<(String, String), Vec<&Arc<BackupRun>>> = BTreeMap::new();
    for run in runs {
        if let Some(schedule) = run.labels().get(SCHEDULE_UID) {
            let group = (run.namespace().unwrap_or_default(), schedule.clone());
            groups.entry(group).or_default().push(run);
        }
    }
    let mut surplus = Vec::new();
    for mut group in groups.into_values() {
        group.sort_by_key(|run| std::cmp::Reverse(slot_of(run)));
        let old = group.into_iter().skip(STAY).filter(|run| is_empty(run));
        surplus.extend(old.cloned());
    }
    surplus
}

fn is_empty(run: &BackupRun) -> bool {
    let Some(status) = &run.status else { return false };
    let ended = status
        .completion_time
        .as_deref()
        .is_some_and(|text| text.parse::<Timestamp>().is_ok());
    let pinned = run.annotations().get(KEEP).is_some_and(|value| value == "true");
    let gone =
        |item: &crate::crd::backup_run::Item| (item.snapshot.is_none() || item.forgotten) && item.not_good.is_empty();
    ended && !pinned && status.items().all(gone)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(day: u32, volume: &serde_json::Value) -> Arc<BackupRun> {
        let run = serde_json::from_value(json!({
            "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": "BackupRun",
            "metadata": {
                "name": format!("nightly-{day}"), "namespace": "home", "labels": {(SCHEDULE_UID): "s1"},
                "creationTimestamp": format!("2026-11-{day:02}T03:00:00Z"),
            },
            "spec": {"repository": "b2"},
            "status": {"completionTime": format!("2026-11-{day:02}T03:09:00Z"), "volumes": [volume]},
        }));
        Arc::new(run.unwrap())
    }

    fn names(runs: &[Arc<BackupRun>]) -> Vec<String> {
        surplus(runs).iter().map(|run| run.name_any()).collect()
    }

    #[test]
    fn a_run_stays_as_long_as_a_snapshot_of_it() {
        let kept = json!({"claim": "data", "state": "Completed", "snapshot": "aa"});
        let gone = json!({"claim": "data", "state": "Completed", "snapshot": "aa", "forgotten": true});
        let failed = json!({"claim": "data", "state": "Failed"});
        let not_good = json!({"claim": "data", "state": "Failed", "notGood": ["bb"]});
        let runs = [
            run(9, &gone),
            run(8, &failed),
            run(7, &kept),
            run(6, &gone),
            run(5, &failed),
            run(4, &kept),
            run(3, &not_good),
        ];
        assert_eq!(names(&runs), ["nightly-6", "nightly-5"]);
    }

    #[test]
    fn runs_by_hand_and_pinned_runs_stay() {
        let gone = json!({"claim": "data", "state": "Failed"});
        let mut runs: Vec<_> = (1..=5).map(|day| run(day, &gone)).collect();
        Arc::make_mut(&mut runs[0])
            .annotations_mut()
            .insert(KEEP.to_owned(), "true".to_owned());
        Arc::make_mut(&mut runs[1]).labels_mut().clear();
        assert_eq!(names(&runs), Vec::<String>::new());
    }

    #[test]
    fn a_run_that_has_not_ended_stays() {
        let failed = json!({"claim": "data", "state": "Failed"});
        let mut runs: Vec<_> = (1..=4).map(|day| run(day, &failed)).collect();
        assert_eq!(names(&runs), ["nightly-1"]);
        Arc::make_mut(&mut runs[0]).status = None;
        assert_eq!(names(&runs), Vec::<String>::new());
    }
}
