//! The namespaces that a schedule is for.
use std::collections::{BTreeMap, BTreeSet};

use hearth_reconciler::labels;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim};
use kube::ResourceExt;

use super::{Problem, names};
use crate::crd::backup_schedule::Namespaces;
use crate::crd::repository::Layout;
use crate::crd::{BackupRepository, BackupSchedule};
use crate::plan::claims;

/// What is known of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// It is being deleted.
    pub terminating: bool,
}

impl From<Namespace> for NamespaceFacts {
    fn from(namespace: Namespace) -> Self {
        Self {
            name: namespace.name_any(),
            terminating: namespace.metadata.deletion_timestamp.is_some(),
            labels: namespace.metadata.labels.unwrap_or_default(),
        }
    }
}

/// What was observed. Lists are complete.
#[derive(Debug, Clone)]
pub struct TargetFacts<'a> {
    /// The operator's namespace.
    pub own: &'a str,
    /// The namespaces that the operator watches; empty: all.
    pub watched: &'a [String],
    /// All namespaces.
    pub namespaces: &'a [NamespaceFacts],
    /// The claims of all watched namespaces.
    pub claims: &'a [PersistentVolumeClaim],
    /// Whether API objects are backed up, if the schedule does not say otherwise.
    pub objects: bool,
    /// The repository.
    pub repository: &'a BackupRepository,
}

/// The namespaces of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Targets {
    /// They get a run.
    pub chosen: Vec<String>,
    /// What to say of others that are selected.
    pub remarks: Vec<String>,
}

/// Whether runs of a namespace may use a repository.
pub fn may_use(repository: &BackupRepository, namespace: &str, own: &str) -> bool {
    let allowed = &repository.spec.namespaces;
    namespace == own || allowed.iter().any(|pattern| labels::glob(pattern, namespace))
}

/// Chooses the namespaces. In a namespace of its own a schedule is for that one, whatever is in it: its run says so.
pub fn targets(schedule: &BackupSchedule, facts: &TargetFacts<'_>) -> Result<Targets, Problem> {
    let here = schedule.namespace().unwrap_or_default();
    let Some(selector) = &schedule.spec.namespaces else {
        if !may_use(facts.repository, &here, facts.own) {
            let message = format!(
                "BackupRepository {} does not allow this namespace: add it to its spec.namespaces",
                facts.repository.name_any()
            );
            return Err(("NamespaceNotAllowed", message));
        }
        return Ok(Targets {
            chosen: vec![here],
            remarks: Vec::new(),
        });
    };
    let volumes = schedule.spec.volumes.clone().unwrap_or_default();
    let chosen = claims::chosen(facts.claims, &volumes);
    let with_claims: BTreeSet<String> = chosen.iter().filter_map(|claim| claim.namespace()).collect();
    // Not into a repository that namespaces share, unless somebody asks for it.
    let shared = facts.repository.spec.layout == Layout::Single;
    let objects = schedule.spec.objects.as_ref();
    let objects = objects.map_or(!shared, |objects| objects.enabled);
    let objects_suffice = facts.objects && objects && !volumes.names_claims();
    let (mut targets, mut selected, mut empty) = (Targets::default(), 0, 0);
    let (mut denied, mut terminating, mut unwatched) = (Vec::new(), Vec::new(), Vec::new());
    for namespace in facts.namespaces.iter().filter(|namespace| fits(selector, namespace)) {
        selected += 1;
        let name = namespace.name.clone();
        if !facts.watched.is_empty() && !facts.watched.contains(&name) {
            unwatched.push(name);
        } else if namespace.terminating {
            terminating.push(name);
        } else if !objects_suffice && !with_claims.contains(&name) {
            empty += 1;
        } else if !may_use(facts.repository, &name, facts.own) {
            denied.push(name);
        } else {
            targets.chosen.push(name);
        }
    }
    for (what, all) in [
        ("not allowed by spec.namespaces of the repository", denied),
        ("not watched by the operator (scope.namespaces of its chart)", unwatched),
        ("being deleted", terminating),
    ] {
        if !all.is_empty() {
            targets.remarks.push(format!("left out, since {what}: {}", names(&all)));
        }
    }
    if targets.chosen.is_empty() {
        let why = match (selected, empty) {
            (0, _) => "spec.namespaces selects no namespace".to_owned(),
            (_, 0) => format!("spec.namespaces selects {selected} namespaces, and none can be used"),
            _ => format!(
                "spec.namespaces selects {selected} namespaces, and {empty} of them have no claim that spec.volumes selects"
            ),
        };
        let message = [vec![why], targets.remarks].concat().join("; ");
        return Err(("SelectorMatchesNothing", message));
    }
    targets.chosen.sort();
    Ok(targets)
}

fn fits(selector: &Namespaces, namespace: &NamespaceFacts) -> bool {
    let named = |patterns: &[String]| patterns.iter().any(|pattern| labels::glob(pattern, &namespace.name));
    let labelled = |selector| labels::matches(selector, |key| namespace.labels.get(key).map(String::as_str));
    (selector.names.is_empty() || named(&selector.names))
        && !named(&selector.exclude)
        && selector.selector.as_ref().is_none_or(labelled)
}
