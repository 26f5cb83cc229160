//! What all pods of movers have in common, whatever they do: how their image is pulled, and which nodes they may be on.
use k8s_openapi::api::core::v1::{
    Affinity, LocalObjectReference, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
    PreferredSchedulingTerm,
};

/// On nodes, by node-class: how available a node is.
const AVAILABILITY: &str = "nodes.hearth.home.arpa/availability";
/// The value of [`AVAILABILITY`] for nodes that are switched off now and then.
const VOLATILE: &str = "Volatile";
/// On nodes, by the kubelet: the architecture.
const ARCHITECTURE: &str = "kubernetes.io/arch";
/// The largest weight of a preference.
const WEIGHT: i32 = 100;

/// What the installation says of the pods of movers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PodSettings {
    /// The operator's image.
    pub image: String,
    /// When the image is pulled: `Always`, `IfNotPresent` or `Never`; none: as Kubernetes decides by the tag.
    pub pull_policy: Option<String>,
    /// The names of Secrets with a login at the registry. The kubelet goes on without those that are not in the pod's namespace.
    pub pull_secrets: Vec<String>,
    /// The architectures of the image; empty: those of all nodes.
    pub architectures: Vec<String>,
    /// The priority class; none: the cluster's default.
    pub priority_class: Option<String>,
}

impl PodSettings {
    /// The references to the Secrets with a login; none if there are none.
    pub(super) fn pull_secrets(&self) -> Option<Vec<LocalObjectReference>> {
        let names = self.pull_secrets.iter();
        let references: Vec<_> = names.map(|name| LocalObjectReference { name: name.clone() }).collect();
        (!references.is_empty()).then_some(references)
    }

    /// Only nodes on which the image can start; rather one that is always on. Where a volume is on one node, that node wins.
    pub(super) fn affinity(&self) -> Affinity {
        let term = |key: &str, operator: &str, values: Vec<String>| NodeSelectorTerm {
            match_expressions: Some(vec![NodeSelectorRequirement {
                key: key.to_owned(),
                operator: operator.to_owned(),
                values: Some(values),
            }]),
            match_fields: None,
        };
        let required = (!self.architectures.is_empty()).then(|| NodeSelector {
            node_selector_terms: vec![term(ARCHITECTURE, "In", self.architectures.clone())],
        });
        Affinity {
            node_affinity: Some(NodeAffinity {
                preferred_during_scheduling_ignored_during_execution: Some(vec![PreferredSchedulingTerm {
                    weight: WEIGHT,
                    // Also true of nodes without the label: node-class need not be there.
                    preference: term(AVAILABILITY, "NotIn", vec![VOLATILE.to_owned()]),
                }]),
                required_during_scheduling_ignored_during_execution: required,
            }),
            ..Affinity::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mover_is_only_on_nodes_of_the_images_architectures() {
        let settings = PodSettings {
            architectures: vec!["amd64".to_owned(), "arm64".to_owned()],
            ..PodSettings::default()
        };
        let affinity = serde_json::to_value(settings.affinity()).unwrap();
        let required = &affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let expressions = json!([{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64", "arm64"]}]);
        assert_eq!(
            required,
            &json!({"nodeSelectorTerms": [{"matchExpressions": expressions}]})
        );
    }

    #[test]
    fn a_mover_is_rather_not_on_volatile_nodes_and_on_any_without_architectures() {
        let affinity = serde_json::to_value(PodSettings::default().affinity()).unwrap();
        let key = "nodes.hearth.home.arpa/availability";
        let preference = json!({"matchExpressions": [{"key": key, "operator": "NotIn", "values": ["Volatile"]}]});
        let preferred = json!([{"weight": 100, "preference": preference}]);
        let expected = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}});
        assert_eq!(affinity, expected);
    }

    #[test]
    fn the_names_of_pull_secrets_are_passed_as_they_are() {
        let mut settings = PodSettings::default();
        assert_eq!(settings.pull_secrets(), None);
        settings.pull_secrets = vec!["private".to_owned()];
        assert_eq!(settings.pull_secrets().unwrap()[0].name, "private");
    }
}
