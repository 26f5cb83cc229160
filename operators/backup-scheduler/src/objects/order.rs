//! The order in which objects are made: what others need comes first, what may refuse others comes last.
use super::group_of;

/// The groups that the API server has by itself. Kinds of all others are custom, or of an aggregated API server.
const BUILT_IN: [&str; 20] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];
/// The group of roles and their bindings.
pub(super) const RBAC: &str = "rbac.authorization.k8s.io";
/// The group of webhooks and admission policies.
const ADMISSION: &str = "admissionregistration.k8s.io";

/// When an object is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Namespaces.
    Namespaces,
    /// CustomResourceDefinitions: the kinds of others.
    Definitions,
    /// What claims and pods name: storage classes, priority classes.
    Classes,
    /// Service accounts.
    Accounts,
    /// Secrets and `ConfigMaps`.
    Settings,
    /// Claims.
    Claims,
    /// Roles.
    Roles,
    /// Bindings of roles.
    Bindings,
    /// What pods are held to when they are made.
    Limits,
    /// Services.
    Services,
    /// Other kinds of the API server.
    Others,
    /// Custom kinds: after their definitions.
    Custom,
    /// What runs pods.
    Workloads,
    /// Pods that nothing runs: the Jobs and sets come first.
    Pods,
    /// Webhooks and policies, which may refuse all others as long as what they call does not run.
    Admission,
    /// Aggregated API servers.
    ApiServices,
}

/// When an object of a kind is made.
pub fn phase(api_version: &str, kind: &str) -> Phase {
    let group = group_of(api_version);
    if kind.ends_with("Class") && (BUILT_IN.contains(&group) || group.ends_with(".k8s.io")) {
        return Phase::Classes;
    }
    match (group, kind) {
        ("", "Namespace") => Phase::Namespaces,
        ("apiextensions.k8s.io", _) => Phase::Definitions,
        ("storage.k8s.io", "CSIDriver") => Phase::Classes,
        ("", "ServiceAccount") => Phase::Accounts,
        ("", "Secret" | "ConfigMap") => Phase::Settings,
        ("", "PersistentVolumeClaim") => Phase::Claims,
        (RBAC, "Role" | "ClusterRole") => Phase::Roles,
        (RBAC, _) => Phase::Bindings,
        ("", "LimitRange" | "ResourceQuota") | ("policy", _) | ("networking.k8s.io", "NetworkPolicy") => Phase::Limits,
        ("", "Service") => Phase::Services,
        ("", "Pod") => Phase::Pods,
        ("apps" | "batch", _) | ("", "ReplicationController") => Phase::Workloads,
        (ADMISSION, _) => Phase::Admission,
        ("apiregistration.k8s.io", _) => Phase::ApiServices,
        (group, _) if !BUILT_IN.contains(&group) => Phase::Custom,
        _ => Phase::Others,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_need_comes_first_and_what_may_refuse_others_comes_last() {
        let order = [
            ("v1", "Namespace"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            ("storage.k8s.io/v1", "StorageClass"),
            ("v1", "ServiceAccount"),
            ("v1", "Secret"),
            ("v1", "PersistentVolumeClaim"),
            ("rbac.authorization.k8s.io/v1", "Role"),
            ("rbac.authorization.k8s.io/v1", "RoleBinding"),
            ("v1", "LimitRange"),
            ("v1", "Service"),
            ("networking.k8s.io/v1", "Ingress"),
            ("cert-manager.io/v1", "Certificate"),
            ("apps/v1", "Deployment"),
            ("v1", "Pod"),
            ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
            ("apiregistration.k8s.io/v1", "APIService"),
        ];
        let phases: Vec<Phase> = order.iter().map(|(version, kind)| phase(version, kind)).collect();
        assert!(phases.windows(2).all(|pair| pair[0] < pair[1]), "{phases:?}");
    }

    #[test]
    fn classes_of_the_api_server_and_of_its_extensions_come_early_and_other_kinds_of_that_name_do_not() {
        for (version, kind) in [
            ("scheduling.k8s.io/v1", "PriorityClass"),
            ("networking.k8s.io/v1", "IngressClass"),
            ("snapshot.storage.k8s.io/v1", "VolumeSnapshotClass"),
            ("gateway.networking.k8s.io/v1", "GatewayClass"),
        ] {
            assert_eq!(phase(version, kind), Phase::Classes, "{kind}");
        }
        assert_eq!(phase("school.example.org/v1", "Class"), Phase::Custom);
        assert_eq!(phase("snapshot.storage.k8s.io/v1", "VolumeSnapshot"), Phase::Custom);
        assert_eq!(
            phase("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
            Phase::Admission
        );
    }
}
