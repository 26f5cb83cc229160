//! Which claims of the cluster have a good backup that is not too old. Pure.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;

use super::backup::slot_of;
use crate::crd::backup_run::State;
use crate::crd::repository::Coverage;
use crate::crd::{BackupRun, SCHEDULE_UID};

/// A backup that no schedule promises counts for so long.
const BY_HAND: Duration = Duration::from_hours(48);
/// So many names are in a status.
const NAMED: usize = 20;

/// A claim of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its annotation leaves it out.
    pub excluded: bool,
}

/// Counts the claims. `rpo`: how old the newest good backup may become, by the UID of the schedule.
pub fn coverage(
    claims: &[Claim],
    runs: &[Arc<BackupRun>],
    rpo: &BTreeMap<String, Duration>,
    now: Timestamp,
) -> Coverage {
    let mut good = BTreeSet::new();
    for run in runs {
        let promised = run.labels().get(SCHEDULE_UID).and_then(|uid| rpo.get(uid));
        let age = Duration::try_from(now.duration_since(slot_of(run))).unwrap_or_default();
        if age > *promised.unwrap_or(&BY_HAND) {
            continue;
        }
        let items = run.status.iter().flat_map(|status| &status.volumes);
        let complete = items.filter(|item| item.state == State::Completed && !item.forgotten);
        good.extend(complete.map(|item| (run.namespace().unwrap_or_default(), item.claim.clone())));
    }
    let (excluded, wanted): (Vec<&Claim>, Vec<&Claim>) = claims.iter().partition(|claim| claim.excluded);
    let is_good = |claim: &&Claim| good.contains(&(claim.namespace.clone(), claim.name.clone()));
    let (protected, unprotected): (Vec<&Claim>, Vec<&Claim>) = wanted.into_iter().partition(is_good);
    let mut names: Vec<String> = unprotected
        .iter()
        .map(|claim| format!("{}/{}", claim.namespace, claim.name))
        .collect();
    names.sort_unstable();
    names.truncate(NAMED);
    let count = |claims: &[&Claim]| i64::try_from(claims.len()).unwrap_or(i64::MAX);
    Coverage {
        protected: count(&protected),
        excluded: count(&excluded),
        unprotected: count(&unprotected),
        names,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-11-30T03:00:00Z";

    fn claim(name: &str, excluded: bool) -> Claim {
        Claim {
            namespace: "home".to_owned(),
            name: name.to_owned(),
            excluded,
        }
    }

    fn run(slot: &str, schedule: Option<&str>, claim: &str, state: &str) -> Arc<BackupRun> {
        let labels = schedule.map(|uid| json!({(SCHEDULE_UID): uid}));
        let run = json!({
            "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": "BackupRun",
            "metadata": {"name": "r", "namespace": "home", "labels": labels, "creationTimestamp": slot},
            "spec": {"repository": "b2"},
            "status": {"volumes": [{"claim": claim, "state": state, "snapshot": "s"}]},
        });
        Arc::new(serde_json::from_value(run).unwrap())
    }

    fn counted(claims: &[Claim], runs: &[Arc<BackupRun>]) -> Coverage {
        let rpo = [("weekly".to_owned(), Duration::from_hours(14 * 24))].into();
        coverage(claims, runs, &rpo, NOW.parse().unwrap())
    }

    #[test]
    fn every_claim_is_protected_excluded_or_unprotected() {
        let claims = [
            claim("a", false),
            claim("b", true),
            claim("c", false),
            claim("d", false),
        ];
        let runs = [
            run("2026-11-29T03:00:00Z", None, "a", "Completed"),
            run("2026-11-29T03:00:00Z", None, "c", "Partial"),
            run("2026-11-29T03:00:00Z", None, "gone", "Completed"),
        ];
        let expected = Coverage {
            protected: 1,
            excluded: 1,
            unprotected: 2,
            names: vec!["home/c".to_owned(), "home/d".to_owned()],
        };
        assert_eq!(counted(&claims, &runs), expected);
    }

    #[test]
    fn a_good_backup_protects_as_long_as_its_schedule_promises() {
        let protected = |slot: &str, schedule| {
            let runs = [run(slot, schedule, "a", "Completed")];
            counted(&[claim("a", false)], &runs).protected == 1
        };
        assert!(protected("2026-11-28T03:00:00Z", None));
        assert!(!protected("2026-11-28T02:59:59Z", None));
        assert!(protected("2026-11-16T03:00:00Z", Some("weekly")));
        assert!(!protected("2026-11-16T02:00:00Z", Some("weekly")));
        // The schedule was deleted: it promises nothing more.
        assert!(!protected("2026-11-16T03:00:00Z", Some("another")));
        // The clock was put back.
        assert!(protected("2026-12-16T03:00:00Z", None));
    }

    #[test]
    fn a_claim_of_the_same_name_elsewhere_is_another_one() {
        let mut other = claim("a", false);
        other.namespace = "work".to_owned();
        let runs = [run("2026-11-29T03:00:00Z", None, "a", "Completed")];
        assert_eq!(counted(&[other], &runs).names, ["work/a"]);
    }

    #[test]
    fn only_the_first_names_are_listed() {
        let claims: Vec<Claim> = (10..50).map(|number| claim(&format!("c{number}"), false)).collect();
        let coverage = counted(&claims, &[]);
        assert_eq!((coverage.unprotected, coverage.names.len()), (40, NAMED));
        assert_eq!(coverage.names[0], "home/c10");
    }
}
