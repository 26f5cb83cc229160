//! What is restored, in which order; and what is not, and why. From the files of exports and the options alone.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hearth_reconciler::labels;
use serde_json::Value;

use super::managed::{Manager, manager};
use super::mapping::{mapped, mentions};
use super::order::{Phase, RBAC, phase};
use super::workload::{is_finished, uses_any};
use super::{group_of, list_at, prepare, text_at};
use crate::crd::RUN;
use crate::task::{Gitops, RestoreObjects, Selection};

/// The group of our kinds.
const OURS: &str = "backup.hearth.home.arpa";
/// What limits a namespace: its tenants may not change it, as with the role `admin` of Kubernetes.
const LIMITS: [&str; 2] = ["LimitRange", "ResourceQuota"];
/// Types of Secrets that the cluster makes for itself.
const TOKENS: [&str; 2] = ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"];
/// So many names are in a hint.
const NAMED: usize = 5;

/// Why an object is not restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A tool makes it.
    Managed(Manager),
    /// It has run to its end.
    Finished,
    /// The cluster makes it by itself.
    MadeByCluster,
    /// It is of this operator.
    Own,
    /// The restore of volumes makes it.
    Volume,
    /// The data of a claim that it uses is not complete.
    VolumeNotRestored,
    /// A run outside the operator's namespace may not write it.
    NotPermitted,
    /// It is there, and differs.
    Exists,
    /// Its kind is not there, or not in this version.
    NotServed,
}

impl Why {
    /// As results have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Managed(manager) => manager.as_str(),
            Self::Finished => "Finished",
            Self::MadeByCluster => "MadeByCluster",
            Self::Own => "BackupScheduler",
            Self::Volume => "Volume",
            Self::VolumeNotRestored => "VolumeNotRestored",
            Self::NotPermitted => "NotPermitted",
            Self::Exists => "Exists",
            Self::NotServed => "NotServed",
        }
    }

    /// Whether somebody should look at it: the others are as they should be.
    pub fn is_loss(self) -> bool {
        matches!(self, Self::VolumeNotRestored | Self::NotServed)
    }
}

/// An object to restore.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its file.
    pub file: PathBuf,
    /// Its kind as `deployments.apps`.
    pub plural: String,
    /// Its `apiVersion`.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace, by the new name.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// When it is made.
    pub phase: Phase,
    /// It is only made where it is absent, and only if something is made in it: a namespace that is another's, or was not asked for.
    pub only_if_absent: bool,
    /// The storage class that a claim asks for.
    pub class: Option<String>,
}

impl Step {
    /// As results have it.
    pub fn label(&self) -> String {
        label(self.namespace.as_deref(), &self.plural, &self.name)
    }
}

fn label(namespace: Option<&str>, plural: &str, name: &str) -> String {
    let place = namespace.map_or(String::new(), |namespace| format!("{namespace}/"));
    format!("{place}{plural}/{name}")
}

/// A plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// What is made, in this order.
    pub steps: Vec<Step>,
    /// What is not made.
    pub skipped: Vec<(String, Why)>,
    /// What cannot be made, and why.
    pub broken: Vec<(String, String)>,
    /// The kinds that its definitions make: `apiVersion` and kind.
    pub kinds: BTreeSet<(String, String)>,
    /// What a person should know.
    pub hints: Vec<String>,
}

/// Takes the files, and makes the plan.
#[derive(Debug)]
pub struct Planner<'a> {
    task: &'a RestoreObjects,
    plan: Plan,
    mentions: u64,
    managed: BTreeMap<Manager, u64>,
    empty_claims: Vec<String>,
    schedules: Vec<String>,
}

impl<'a> Planner<'a> {
    /// A planner without any file.
    pub fn new(task: &'a RestoreObjects) -> Self {
        Self {
            task,
            plan: Plan::default(),
            mentions: 0,
            managed: BTreeMap::new(),
            empty_claims: Vec::new(),
            schedules: Vec::new(),
        }
    }

    /// Takes a file: of which export (none: of objects of no namespace), its path, its kind as `deployments.apps`, and its text.
    pub fn add(&mut self, source: Option<&str>, file: &Path, plural: &str, text: &str) {
        let name = file
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        let object: Value = match serde_json::from_str(text) {
            Ok(object) => object,
            Err(failed) => return self.broken(source, plural, &name, format!("its file is no JSON: {failed}")),
        };
        let kind = text_at(&object, "/kind");
        let (version, name_inside) = (text_at(&object, "/apiVersion"), text_at(&object, "/metadata/name"));
        // A name is a part of a path. The file's name is the object's.
        if kind.is_empty() || version.is_empty() || name_inside != name || !is_plain(&name) || !is_plain(kind) {
            return self.broken(source, plural, &name, "its file is no object with this name".to_owned());
        }
        let is_namespace = version == "v1" && kind == "Namespace";
        let inside = Some(text_at(&object, "/metadata/namespace")).filter(|namespace| !namespace.is_empty());
        let expected = if is_namespace { None } else { source };
        if inside != expected || is_namespace && source.is_some_and(|source| source != name) {
            return self.broken(
                source,
                plural,
                &name,
                "it is of another namespace than its export".to_owned(),
            );
        }
        let managed = manager(&object);
        if !is_namespace && !is_selected(&self.task.selection, &object, plural, &name) {
            return;
        }
        let target = expected.map(|namespace| mapped(&self.task.namespace_mapping, namespace).to_owned());
        if let Some(why) = self.why_not(source, &object, managed) {
            // The namespace of a tenant is there.
            if !(is_namespace && why == Why::NotPermitted) {
                self.plan.skipped.push((label(target.as_deref(), plural, &name), why));
            }
            return;
        }
        if let Some(manager) = managed.filter(|_| self.task.gitops == Gitops::Include) {
            *self.managed.entry(manager).or_default() += 1;
        }
        let phase = phase(version, kind);
        let class = match phase {
            Phase::Claims => {
                let is_made = self.task.makes_empty_claims(source);
                self.empty_claims.extend(is_made.then(|| name.clone()));
                let class = text_at(&object, "/spec/storageClassName");
                let class = mapped(&self.task.storage_class_mapping, class);
                Some(class.to_owned()).filter(|class| !class.is_empty())
            }
            _ => None,
        };
        if phase == Phase::Definitions {
            self.plan.kinds.extend(kinds_of(&object));
        }
        if prepare::is_schedule(&object) {
            self.schedules.push(name.clone());
        }
        self.mentions += u64::from(mentions(text, &self.task.namespace_mapping));
        let name = if is_namespace {
            mapped(&self.task.namespace_mapping, &name).to_owned()
        } else {
            name
        };
        self.plan.steps.push(Step {
            file: file.to_owned(),
            plural: plural.to_owned(),
            api_version: version.to_owned(),
            kind: kind.to_owned(),
            namespace: target,
            name,
            phase,
            only_if_absent: is_namespace
                && (managed.is_some() && self.task.gitops == Gitops::Skip || !is_asked_for(&self.task.selection)),
            class,
        });
    }

    fn broken(&mut self, source: Option<&str>, plural: &str, name: &str, why: String) {
        self.plan.broken.push((label(source, plural, name), why));
    }

    fn why_not(&self, source: Option<&str>, object: &Value, managed: Option<Manager>) -> Option<Why> {
        let (version, kind) = (text_at(object, "/apiVersion"), text_at(object, "/kind"));
        let is_namespace = version == "v1" && kind == "Namespace";
        let group = group_of(version);
        let core = |of: &str| group.is_empty() && kind == of;
        if self.task.tenant && (group == RBAC || is_namespace || group.is_empty() && LIMITS.contains(&kind)) {
            return Some(Why::NotPermitted);
        }
        let labels = object.pointer("/metadata/labels");
        let is_own_kind = kind == "CustomResourceDefinition" && text_at(object, "/spec/group") == OURS;
        if is_own_kind || labels.is_some_and(|labels| labels.get(RUN).is_some()) {
            return Some(Why::Own);
        }
        if is_made_by_cluster(object) {
            return Some(Why::MadeByCluster);
        }
        // A namespace is needed for what is in it, whoever makes it.
        if let Some(manager) = managed.filter(|_| self.task.gitops == Gitops::Skip && !is_namespace) {
            return Some(Why::Managed(manager));
        }
        if is_finished(object) {
            return Some(Why::Finished);
        }
        let source = source.unwrap_or_default();
        let claim = format!("{source}/{}", text_at(object, "/metadata/name"));
        if core("PersistentVolumeClaim") && self.task.claims.contains(&claim) {
            return Some(Why::Volume);
        }
        let prefix = format!("{source}/");
        let incomplete = self
            .task
            .incomplete_claims
            .iter()
            .filter_map(|claim| claim.strip_prefix(&prefix));
        uses_any(object, incomplete).then_some(Why::VolumeNotRestored)
    }

    /// The plan.
    pub fn finish(mut self) -> Plan {
        let used: BTreeSet<String> = self
            .plan
            .steps
            .iter()
            .filter_map(|step| step.namespace.clone())
            .collect();
        self.plan
            .steps
            .retain(|step| !step.only_if_absent || used.contains(&step.name));
        self.plan.steps.sort_by(|a, b| {
            (a.phase, &a.plural, &a.namespace, &a.name).cmp(&(b.phase, &b.plural, &b.namespace, &b.name))
        });
        self.plan.hints = self.hints();
        self.plan
    }

    fn hints(&self) -> Vec<String> {
        let mut hints = Vec::new();
        for (manager, count) in &self.managed {
            let manager = manager.as_str();
            hints.push(format!(
                "{count} objects are made by {manager}: suspend it there first, or it changes them again"
            ));
        }
        if self.mentions > 0 {
            let count = self.mentions;
            hints.push(format!(
                "{count} objects have texts with names of Services in renamed namespaces, such as `web.old.svc`; they are as in the backup"
            ));
        }
        if !self.empty_claims.is_empty() {
            let names = named(&self.empty_claims);
            hints.push(format!(
                "claims that are not there are created empty, since no volume is restored into them: {names}"
            ));
        }
        if !self.schedules.is_empty() {
            let names = named(&self.schedules);
            hints.push(format!(
                "BackupSchedules come up suspended; set spec.suspend to false to go on: {names}"
            ));
        }
        hints
    }
}

fn named(names: &[String]) -> String {
    let first = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Whether a text can be a segment of a path as it is.
fn is_plain(text: &str) -> bool {
    let odd = |character: char| "/%?#".contains(character) || character.is_control() || character.is_whitespace();
    !text.is_empty() && text != "." && text != ".." && !text.contains(odd)
}

/// Whether namespaces themselves are to be restored.
fn is_asked_for(selection: &Selection) -> bool {
    let is_named = selection
        .kinds
        .iter()
        .any(|pattern| labels::glob(pattern, "namespaces"));
    is_named || *selection == Selection::default()
}

fn is_selected(selection: &Selection, object: &Value, plural: &str, name: &str) -> bool {
    let any = |patterns: &[String], text: &str| patterns.iter().any(|pattern| labels::glob(pattern, text));
    let present = object.pointer("/metadata/labels");
    let label = |key: &str| present.and_then(|labels| labels.get(key)).and_then(Value::as_str);
    (selection.kinds.is_empty() || any(&selection.kinds, plural))
        && !any(&selection.exclude_kinds, plural)
        && (selection.names.is_empty() || any(&selection.names, name))
        && selection
            .selector
            .as_ref()
            .is_none_or(|selector| labels::matches(selector, label))
}

/// The kinds that a CustomResourceDefinition makes.
fn kinds_of(definition: &Value) -> Vec<(String, String)> {
    let (group, kind) = (
        text_at(definition, "/spec/group"),
        text_at(definition, "/spec/names/kind"),
    );
    let served = list_at(definition, "/spec/versions").filter(|version| version["served"] == true);
    let version = |version: &Value| (format!("{group}/{}", text_at(version, "/name")), kind.to_owned());
    served.map(version).collect()
}

fn is_made_by_cluster(object: &Value) -> bool {
    let at = |pointer: &str| text_at(object, pointer);
    match (group_of(at("/apiVersion")), at("/kind")) {
        ("", "Service") => at("/metadata/name") == "kubernetes" && at("/metadata/namespace") == "default",
        ("", "ConfigMap") => at("/metadata/name") == "kube-root-ca.crt",
        ("", "Secret") => TOKENS.contains(&at("/type")),
        // The kubelet makes it from a file.
        ("", "Pod") => !at("/metadata/annotations/kubernetes.io~1config.mirror").is_empty(),
        // The API server makes it, and another version of it makes another.
        (RBAC, _) => at("/metadata/labels/kubernetes.io~1bootstrapping") == "rbac-defaults",
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "tests write JSON where they pass it")]
mod tests;
