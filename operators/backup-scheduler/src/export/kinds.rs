//! Which kinds of objects there are, and which of them are exported.
use std::collections::BTreeMap;

use hearth_reconciler::labels;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource;
use kube::Client;

use super::Scope;

/// Kinds that say how the cluster is now, and not how it should be; those that the cluster makes by itself; and those of this
/// software, whose records belong to the cluster in which they were made.
const EXCLUDED: [&str; 22] = [
    "apiservices.apiregistration.k8s.io",
    "backupruns.backup.hearth.home.arpa",
    "certificatesigningrequests.certificates.k8s.io",
    "componentstatuses",
    "controllerrevisions.apps",
    "csinodes.storage.k8s.io",
    "csistoragecapacities.storage.k8s.io",
    "endpoints",
    "endpointslices.discovery.k8s.io",
    "events",
    "events.events.k8s.io",
    "flowschemas.flowcontrol.apiserver.k8s.io",
    "ipaddresses.networking.k8s.io",
    "leases.coordination.k8s.io",
    "namespaces",
    "nodehistories.nodes.hearth.home.arpa",
    "nodes",
    "persistentvolumes",
    "podmetrics.metrics.k8s.io",
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
    "restoreruns.backup.hearth.home.arpa",
    "volumeattachments.storage.k8s.io",
];
/// Groups that may be away without harm: none of their objects are exported.
const EXCLUDED_GROUPS: [&str; 3] = ["metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"];
/// In two groups each: these are the ones that count.
const TWICE: [(&str, &str); 1] = [("ingresses", "extensions")];

/// A kind of objects, in the version that the API server prefers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The group; empty for the core.
    pub group: String,
    /// The version.
    pub version: String,
    /// The name in paths: `deployments`.
    pub plural: String,
    /// The name in objects: `Deployment`.
    pub kind: String,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

impl Kind {
    /// Namespaces.
    pub fn namespaces() -> Self {
        Self {
            group: String::new(),
            version: "v1".to_owned(),
            plural: "namespaces".to_owned(),
            kind: "Namespace".to_owned(),
            namespaced: false,
        }
    }

    /// As `deployments.apps`.
    pub fn name(&self) -> String {
        match self.group.as_str() {
            "" => self.plural.clone(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// As objects have it: `apps/v1`.
    pub fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// The path of all its objects, or of those in a namespace.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { "api" } else { "apis" };
        let place = namespace.map_or(String::new(), |namespace| format!("namespaces/{namespace}/"));
        format!("/{root}/{}/{place}{}", self.api_version(), self.plural)
    }
}

/// What was found.
pub(super) struct Found {
    /// The kinds to export.
    pub(super) kinds: Vec<Kind>,
    /// Groups whose kinds are not known, and why.
    pub(super) failed: BTreeMap<String, String>,
}

/// Asks the API server for its kinds. `exclude` has names such as `deployments.apps`, or globs.
pub(super) async fn find(client: &Client, scope: &Scope, exclude: &[String]) -> Found {
    let mut found = Found {
        kinds: Vec::new(),
        failed: BTreeMap::new(),
    };
    let namespaced = matches!(scope, Scope::Namespace(_));
    let mut take = |group: &str, version: &str, resources: Vec<APIResource>| {
        let kinds = resources.into_iter().filter(|resource| is_listed(resource, namespaced));
        let kinds = kinds.map(|resource| Kind {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: resource.name,
            kind: resource.kind,
            namespaced,
        });
        found.kinds.extend(kinds.filter(|kind| !is_excluded(kind, exclude)));
    };
    match client.list_core_api_resources("v1").await {
        Ok(list) => take("", "v1", list.resources),
        Err(error) => {
            found.failed.insert("core".to_owned(), words(&error));
            return found;
        }
    }
    let groups = match client.list_api_groups().await {
        Ok(list) => list.groups,
        Err(error) => {
            found.failed.insert("groups".to_owned(), words(&error));
            return found;
        }
    };
    let mut failed = BTreeMap::new();
    for group in groups
        .iter()
        .filter(|group| !EXCLUDED_GROUPS.contains(&group.name.as_str()))
    {
        let Some(version) = group.preferred_version.as_ref().or(group.versions.first()) else {
            continue;
        };
        match client.list_api_group_resources(&version.group_version).await {
            Ok(list) => take(&group.name, &version.version, list.resources),
            // All kinds of it are left out.
            Err(_) if matches(exclude, &format!("*.{}", group.name)) => {}
            Err(error) => {
                failed.insert(group.name.clone(), words(&error));
            }
        }
    }
    found.failed = failed;
    found
}

fn is_listed(resource: &APIResource, namespaced: bool) -> bool {
    // `pods/log` is a part of a kind.
    resource.namespaced == namespaced
        && !resource.name.contains('/')
        && resource.verbs.iter().any(|verb| verb == "list")
}

fn is_excluded(kind: &Kind, exclude: &[String]) -> bool {
    let name = kind.name();
    EXCLUDED.contains(&name.as_str())
        || TWICE.contains(&(kind.plural.as_str(), kind.group.as_str()))
        || matches(exclude, &name)
}

fn matches(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| labels::glob(pattern, name))
}

/// What an answer of the API server says.
pub(super) fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        other => other.to_string(),
    }
}
