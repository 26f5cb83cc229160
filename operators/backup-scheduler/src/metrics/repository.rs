//! The series of repositories.
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use hearth_reconciler::conditions::{READY, get};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Series, add, set, set_seconds, time};
use crate::crd::BackupRepository;
use crate::crd::repository::Maintenance;

/// The conditions of repositories that are shown.
const CONDITIONS: [&str; 5] = [READY, "Reachable", "KeyEscrowed", "Healthy", "Maintained"];

/// The series of repositories.
#[derive(Clone, Debug, Default)]
pub(super) struct RepositoryMetrics {
    conditions: Series<RepositoryCondition, Gauge>,
    checked: Series<Place, Gauge<f64, AtomicU64>>,
    pruned: Series<Place, Gauge<f64, AtomicU64>>,
    size: Series<Place, Gauge>,
    claims: Series<Covered, Gauge>,
}

/// Claims of the cluster, as a repository's status counts them.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Covered {
    repository: String,
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RepositoryCondition {
    repository: String,
    r#type: &'static str,
}

/// The repository of a namespace.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Place {
    repository: String,
    object_namespace: String,
}

impl RepositoryMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let all = self.clone();
        add(
            registry,
            "hearth_backup_repository_condition",
            "Conditions of repositories: 1 if True, 0 if False",
            all.conditions.family,
        );
        add(
            registry,
            "hearth_backup_repository_checked_timestamp_seconds",
            "The slot of the last check of a namespace's repository, or when it was made",
            all.checked.family,
        );
        add(
            registry,
            "hearth_backup_repository_pruned_timestamp_seconds",
            "The slot of the last prune of a namespace's repository, or when it was made",
            all.pruned.family,
        );
        add(
            registry,
            "hearth_backup_repository_size_bytes",
            "The size of a namespace's repository, at its last prune or check",
            all.size.family,
        );
        add(
            registry,
            "hearth_backup_claims",
            "Claims of the cluster, by whether they have a good backup that is not too old in any repository",
            all.claims.family,
        );
    }

    /// Makes all series anew.
    pub(super) fn show(&self, repositories: &[Arc<BackupRepository>]) {
        self.conditions.replace(conditions(repositories), set);
        let (mut checked, mut pruned, mut sizes) = (HashMap::new(), HashMap::new(), HashMap::new());
        let none = Maintenance::default();
        for repository in repositories {
            let (spec, status) = (&repository.spec, repository.status.clone().unwrap_or_default());
            let is_checked = !spec.check.as_ref().is_some_and(|check| check.suspend);
            let is_pruned = !spec.append_only && !spec.prune.as_ref().is_some_and(|prune| prune.suspend);
            for (namespace, made) in &status.namespaces {
                let place = Place {
                    repository: repository.name_any(),
                    object_namespace: namespace.clone(),
                };
                let record = status.maintenance.get(namespace).unwrap_or(&none);
                let last = |slot: &Option<String>| time(slot.as_deref()).or_else(|| time(Some(made)));
                if let Some(at) = last(&record.checked).filter(|_| is_checked) {
                    checked.insert(place.clone(), at);
                }
                if let Some(at) = last(&record.pruned).filter(|_| is_pruned) {
                    pruned.insert(place.clone(), at);
                }
                if let Some(bytes) = record.bytes {
                    sizes.insert(place, bytes);
                }
            }
        }
        self.checked.replace(checked, set_seconds);
        self.pruned.replace(pruned, set_seconds);
        self.size.replace(sizes, set);
        let mut claims = HashMap::new();
        for repository in repositories {
            let Some(coverage) = repository.status.as_ref().and_then(|status| status.coverage.as_ref()) else {
                continue;
            };
            for (state, count) in [
                ("protected", coverage.protected),
                ("excluded", coverage.excluded),
                ("unprotected", coverage.unprotected),
            ] {
                let repository = repository.name_any();
                claims.insert(Covered { repository, state }, count);
            }
        }
        self.claims.replace(claims, set);
    }

    pub(super) fn clear(&self) {
        self.show(&[]);
    }
}

/// The conditions of repositories. One that is Unknown has no series.
fn conditions(repositories: &[Arc<BackupRepository>]) -> HashMap<RepositoryCondition, i64> {
    let mut shown = HashMap::new();
    for repository in repositories {
        let list: &[Condition] = repository.status.as_ref().map_or(&[], |status| &status.conditions);
        for r#type in CONDITIONS {
            let value = match get(list, r#type).map(|condition| condition.status.as_str()) {
                Some("True") => 1,
                Some("False") => 0,
                _ => continue,
            };
            let labels = RepositoryCondition {
                repository: repository.name_any(),
                r#type,
            };
            shown.insert(labels, value);
        }
    }
    shown
}
