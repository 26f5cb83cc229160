//! Where a mover runs, and as whom.
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    Capabilities, Node, PersistentVolume, PersistentVolumeClaim, Pod, PodSecurityContext, SeccompProfile,
    SecurityContext, Toleration,
};
use kube::ResourceExt;

use super::claims::{is_shared, users, volume_of};

/// The user of a mover that nobody gives another: that of the image.
const NOBODY: i64 = 65532;

/// The taint of volatile nodes, by node-class.
const VOLATILE_TAINT: &str = "nodes.hearth.home.arpa/volatile";

/// Where a mover runs, and as whom.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Placement {
    /// The node that it must run on; none: the scheduler chooses, as the volume allows.
    pub node: Option<String>,
    /// For the pod.
    pub tolerations: Vec<Toleration>,
    /// For the pod.
    pub pod: PodSecurityContext,
    /// For the container.
    pub container: SecurityContext,
}

/// What is known of the nodes: whether each is ready.
pub type Nodes = BTreeMap<String, bool>;

/// Reads [`Nodes`].
pub fn nodes(nodes: &[Node]) -> Nodes {
    nodes.iter().map(|node| (node.name_any(), is_ready(node))).collect()
}

/// Whether a node is ready.
pub fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref());
    let mut conditions = conditions.unwrap_or_default().iter();
    conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The node that a volume can only be used on: where its affinity names one by its host name.
pub fn node_of(volume: &PersistentVolume) -> Option<String> {
    let terms = &volume
        .spec
        .as_ref()?
        .node_affinity
        .as_ref()?
        .required
        .as_ref()?
        .node_selector_terms;
    let [term] = terms.as_slice() else { return None };
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let hostname = expressions
        .iter()
        .find(|one| one.key == "kubernetes.io/hostname" && one.operator == "In")?;
    match hostname.values.as_deref() {
        Some([node]) => Some(node.clone()),
        _ => None,
    }
}

/// Places a mover that reads a claim: beside the pods that use it, with their user and groups.
pub fn for_backup(claim: &PersistentVolumeClaim, pods: &[Pod], wanted: Option<&SecurityContext>) -> Placement {
    let name = claim.name_any();
    let shared = is_shared(claim);
    let mut placement = Placement {
        container: restricted(NOBODY, None),
        ..Placement::default()
    };
    placement.pod.run_as_non_root = Some(true);
    placement.pod.seccomp_profile = Some(SeccompProfile {
        type_: "RuntimeDefault".to_owned(),
        localhost_profile: None,
    });
    let mut groups: BTreeSet<i64> = BTreeSet::new();
    let mut users: Vec<&Pod> = users(pods, &name).collect();
    // A pod that ends, and another one on another node: the volume will be with the other one.
    users.sort_by_key(|pod| pod.metadata.deletion_timestamp.is_some());
    for pod in users {
        let Some(spec) = &pod.spec else { continue };
        if !shared && placement.node.is_none() {
            placement.node.clone_from(&spec.node_name);
        }
        for toleration in spec.tolerations.iter().flatten() {
            if !placement.tolerations.contains(toleration) {
                placement.tolerations.push(toleration.clone());
            }
        }
        let user = user_of(pod, &name);
        // root cannot be had without privileges: what it alone may read is reported by the mover.
        if let Some(uid) = user.uid.filter(|uid| *uid > 0) {
            placement.container = restricted(uid, user.gid.filter(|gid| *gid > 0));
        }
        // As a further group, not as fsGroup, for which the kubelet would change the owners of all files.
        groups.extend(user.groups);
    }
    if !groups.is_empty() {
        placement.pod.supplemental_groups = Some(groups.into_iter().collect());
    }
    if let Some(wanted) = wanted {
        placement.wants(wanted);
    }
    placement
}

/// Places a mover that writes a volume. It must give files to their owners, so it is root with four capabilities, unless the
/// namespace allows only restricted pods: then owners are lost, which the mover reports.
pub fn for_restore(restricted_namespace: bool, devices: bool, wanted: Option<&SecurityContext>) -> Placement {
    let mut placement = Placement {
        container: restricted(NOBODY, None),
        ..Placement::default()
    };
    placement.pod.seccomp_profile = Some(SeccompProfile {
        type_: "RuntimeDefault".to_owned(),
        localhost_profile: None,
    });
    if restricted_namespace {
        placement.pod.run_as_non_root = Some(true);
    } else {
        // FSETID: without it the kernel takes the setgid bit from folders whose group is not the mover's.
        let mut add: Vec<String> = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"].map(str::to_owned).into();
        add.extend(devices.then(|| "MKNOD".to_owned()));
        placement.container.run_as_user = Some(0);
        placement.container.run_as_group = Some(0);
        if let Some(capabilities) = &mut placement.container.capabilities {
            capabilities.add = Some(add);
        }
    }
    if let Some(wanted) = wanted {
        placement.wants(wanted);
    }
    placement
}

impl Placement {
    /// The volume is on one node: the mover may be there, even if node-class keeps other pods away, since the node is volatile.
    pub fn stays_on_its_node(&mut self) {
        self.tolerations.push(Toleration {
            key: Some(VOLATILE_TAINT.to_owned()),
            operator: Some("Exists".to_owned()),
            ..Toleration::default()
        });
    }

    /// A person's security context replaces ours.
    fn wants(&mut self, wanted: &SecurityContext) {
        self.pod.run_as_non_root = None;
        self.container = SecurityContext {
            read_only_root_filesystem: Some(true),
            ..wanted.clone()
        };
    }
}

/// A user, as the pod says.
struct User {
    uid: Option<i64>,
    gid: Option<i64>,
    groups: Vec<i64>,
}

fn user_of(pod: &Pod, claim: &str) -> User {
    let spec = pod.spec.as_ref();
    let of_pod = spec.and_then(|spec| spec.security_context.clone()).unwrap_or_default();
    let volume = volume_of(pod, claim).unwrap_or_default();
    let containers = spec.map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let mounting = containers.iter().find(|container| {
        container
            .volume_mounts
            .iter()
            .flatten()
            .any(|mount| mount.name == volume)
    });
    let own = mounting
        .and_then(|container| container.security_context.clone())
        .unwrap_or_default();
    let mut groups = of_pod.supplemental_groups.unwrap_or_default();
    groups.extend(of_pod.fs_group);
    User {
        uid: own.run_as_user.or(of_pod.run_as_user),
        gid: own.run_as_group.or(of_pod.run_as_group),
        groups,
    }
}

/// What the Pod Security Standard `restricted` asks of a container.
fn restricted(uid: i64, gid: Option<i64>) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: None,
        }),
        read_only_root_filesystem: Some(true),
        run_as_user: Some(uid),
        run_as_group: Some(gid.unwrap_or(uid)),
        ..SecurityContext::default()
    }
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "tests write JSON where they pass it")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claim(mode: &str) -> PersistentVolumeClaim {
        serde_json::from_value(json!({"metadata": {"name": "data"}, "spec": {"accessModes": [mode]}})).unwrap()
    }

    fn pod(pod: Value, container: Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "app-0"},
            "spec": {
                "nodeName": "pi", "securityContext": pod, "tolerations": [{"key": "volatile", "operator": "Exists"}],
                "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
                "containers": [
                    {"name": "sidecar", "securityContext": {"runAsUser": 7}},
                    {"name": "app", "securityContext": container, "volumeMounts": [{"name": "v", "mountPath": "/d"}]},
                ],
            },
            "status": {"phase": "Running"},
        }))
        .unwrap()
    }

    #[test]
    fn a_mover_runs_beside_the_pod_that_uses_the_volume_as_its_user_and_with_its_groups() {
        let pods = [pod(
            json!({"runAsUser": 5, "fsGroup": 2000}),
            json!({"runAsUser": 999, "runAsGroup": 998}),
        )];
        let placement = for_backup(&claim("ReadWriteOnce"), &pods, None);
        assert_eq!(placement.node.as_deref(), Some("pi"));
        assert_eq!(placement.tolerations.len(), 1);
        assert_eq!(
            (placement.container.run_as_user, placement.container.run_as_group),
            (Some(999), Some(998))
        );
        assert_eq!(placement.pod.supplemental_groups, Some(vec![2000]));
        assert_eq!(placement.pod.fs_group, None, "the kubelet would change owners");
        assert_eq!(placement.pod.run_as_non_root, Some(true));
    }

    #[test]
    fn a_mover_is_beside_the_pod_that_stays() {
        let on = |node: &str| {
            let mut pod = pod(json!({}), json!({}));
            pod.spec.as_mut().unwrap().node_name = Some(node.to_owned());
            pod
        };
        let mut leaving = on("old");
        leaving.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        let placement = for_backup(&claim("ReadWriteOnce"), &[leaving, on("new")], None);
        assert_eq!(placement.node.as_deref(), Some("new"));
    }

    #[test]
    fn a_volume_of_many_nodes_is_read_on_any_and_root_is_not_copied() {
        let pods = [pod(json!({}), json!({"runAsUser": 0, "runAsGroup": 0}))];
        let placement = for_backup(&claim("ReadWriteMany"), &pods, None);
        assert_eq!((placement.node, placement.container.run_as_user), (None, Some(NOBODY)));
        assert_eq!(placement.container.run_as_group, Some(NOBODY));
    }

    #[test]
    fn a_persons_security_context_wins() {
        let wanted: SecurityContext = serde_json::from_value(json!({"runAsUser": 0})).unwrap();
        let placement = for_backup(&claim("ReadWriteOnce"), &[], Some(&wanted));
        assert_eq!(
            (placement.container.run_as_user, placement.pod.run_as_non_root),
            (Some(0), None)
        );
    }

    #[test]
    fn a_restore_is_root_with_four_capabilities_unless_the_namespace_is_restricted() {
        let add = |placement: Placement| placement.container.capabilities.unwrap().add;
        let root = for_restore(false, false, None);
        assert_eq!((root.container.run_as_user, root.pod.run_as_non_root), (Some(0), None));
        assert_eq!(add(root).unwrap(), ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"]);
        assert_eq!(add(for_restore(false, true, None)).unwrap().len(), 5);
        let plain = for_restore(true, true, None);
        assert_eq!(plain.pod.run_as_non_root, Some(true));
        assert_eq!((plain.container.run_as_user, add(plain)), (Some(NOBODY), None));
    }

    #[test]
    fn a_local_volume_names_its_node() {
        let volume = |values: Value| {
            let expressions = json!([{"key": "kubernetes.io/hostname", "operator": "In", "values": values}]);
            let required = json!({"nodeSelectorTerms": [{"matchExpressions": expressions}]});
            serde_json::from_value(json!({"spec": {"nodeAffinity": {"required": required}}})).unwrap()
        };
        assert_eq!(node_of(&volume(json!(["desk"]))).as_deref(), Some("desk"));
        assert_eq!(node_of(&volume(json!(["desk", "pi"]))), None);
        assert_eq!(node_of(&PersistentVolume::default()), None);
    }

    #[test]
    fn a_node_is_ready_if_its_condition_says_so() {
        let node = |name: &str, status: &str| {
            let conditions = json!([{"type": "Ready", "status": status}]);
            serde_json::from_value(json!({"metadata": {"name": name}, "status": {"conditions": conditions}})).unwrap()
        };
        let nodes = nodes(&[node("a", "True"), node("b", "Unknown")]);
        assert_eq!(
            nodes.into_iter().collect::<Vec<_>>(),
            [("a".to_owned(), true), ("b".to_owned(), false)]
        );
    }
}
