//! Taints that would keep off a node what it cannot work without: the network's, the storage's and the system's `DaemonSet`
//! pods, or this operator itself.
use k8s_openapi::api::core::v1::{Taint, Toleration};

use crate::crd::class::{Acknowledgement, ClassTaint, Effect, NodeClass};
use crate::facts::NodeFacts;

#[cfg(test)]
mod tests;

/// What is kept of a `DaemonSet`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DaemonSetFacts {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Of its pods.
    pub tolerations: Vec<Toleration>,
    /// Its pods use the node's own network: CNI plugins, proxies, storage drivers.
    pub host_network: bool,
    /// Of its pods.
    pub priority_class: Option<String>,
}

impl DaemonSetFacts {
    /// Whether nodes cannot do without it.
    fn serves_the_node(&self) -> bool {
        let critical = self.priority_class.as_deref() == Some("system-node-critical");
        self.host_network || critical || self.namespace == "kube-system"
    }
}

/// How many `DaemonSets` a message names.
const NAMED: usize = 3;

/// Why a class would lock out what nodes or the operator need, and what to do; none if it would not, matches no node, or
/// acknowledges `Lockout`. `all` are all Node objects. Which nodes a `DaemonSet` is for is not considered.
pub fn lockout(
    class: &NodeClass,
    matched: &[&NodeFacts],
    all: &[&NodeFacts],
    daemonsets: &[DaemonSetFacts],
    own_tolerations: &[Toleration],
) -> Option<String> {
    if matched.is_empty() || class.spec.acknowledge.contains(&Acknowledgement::Lockout) {
        return None;
    }
    let hard = class
        .spec
        .taints
        .iter()
        .filter(|taint| taint.effect != Effect::PreferNoSchedule);
    hard.map(taint).find_map(|taint| {
        of_daemonsets(&taint, daemonsets).or_else(|| of_ourselves(&taint, matched, all, own_tolerations))
    })
}

fn of_daemonsets(taint: &Taint, daemonsets: &[DaemonSetFacts]) -> Option<String> {
    let kept_off = |set: &&DaemonSetFacts| set.serves_the_node() && !tolerated(taint, &set.tolerations);
    let mut names: Vec<String> = daemonsets
        .iter()
        .filter(kept_off)
        .map(|set| format!("{}/{}", set.namespace, set.name))
        .collect();
    names.sort();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    (!names.is_empty()).then(|| {
        format!(
            "taint {}:{} would keep pods off its nodes that nodes need: DaemonSet {}{more} does not tolerate it; add the \
             toleration there, or say acknowledge: [Lockout]",
            taint.key,
            taint.effect,
            names.join(", ")
        )
    })
}

fn of_ourselves(
    new: &Taint,
    matched: &[&NodeFacts],
    all: &[&NodeFacts],
    own_tolerations: &[Toleration],
) -> Option<String> {
    if tolerated(new, own_tolerations) {
        return None;
    }
    let matched = |node: &NodeFacts| matched.iter().any(|one| one.name == node.name);
    // Of a node that is off just now the lifecycle controller's taints say nothing about the time when it is on.
    let lasting = |taint: &&Taint| taint.effect != "PreferNoSchedule" && !taint.key.starts_with("node.kubernetes.io/");
    let open = |node: &NodeFacts| {
        let mut lasting = node.taints.iter().filter(lasting);
        !matched(node) && !node.unschedulable && lasting.all(|taint| tolerated(taint, own_tolerations))
    };
    let left = all.iter().any(|node| open(node));
    (!left).then(|| {
        format!(
            "taint {}:{} would leave no node on which this operator can run; let the operator tolerate it (tolerations \
             in the chart's values), match fewer nodes, or say acknowledge: [Lockout]",
            new.key, new.effect
        )
    })
}

fn taint(of: &ClassTaint) -> Taint {
    Taint {
        key: of.key.clone(),
        effect: of.effect.as_str().to_owned(),
        value: of.value.clone(),
        time_added: None,
    }
}

/// Whether one of the tolerations is for the taint, and for good: who tolerates `NoExecute` for some seconds only has to go.
pub fn tolerated(taint: &Taint, tolerations: &[Toleration]) -> bool {
    tolerations.iter().any(|toleration| {
        let of = |text: &Option<String>| text.clone().unwrap_or_default();
        let (key, effect, value) = (of(&toleration.key), of(&toleration.effect), of(&toleration.value));
        let exists = toleration.operator.as_deref() == Some("Exists");
        let equal = matches!(toleration.operator.as_deref(), None | Some("" | "Equal"));
        let key_fits = if key.is_empty() { exists } else { key == taint.key };
        let value_fits = exists || (equal && value == taint.value.as_deref().unwrap_or_default());
        let lasts = taint.effect != "NoExecute" || toleration.toleration_seconds.is_none();
        key_fits && value_fits && lasts && (effect.is_empty() || effect == taint.effect)
    })
}
