//! Taints that would keep off a node what it cannot work without: the network's, the storage's and the system's `DaemonSet`
//! pods, or this operator itself.
use k8s_openapi::api::core::v1::{Taint, Toleration};

use super::taint;
use crate::crd::class::{Acknowledgement, NodeClass};
use crate::facts::NodeFacts;

#[cfg(test)]
mod tests;

/// What is kept of a `DaemonSet`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DaemonSetFacts {
    pub namespace: String,
    pub name: String,
    pub tolerations: Vec<Toleration>,
    /// Its pods use the node's own network: CNI plugins, proxies, storage drivers.
    pub host_network: bool,
    pub priority_class: Option<String>,
}

impl DaemonSetFacts {
    /// Whether nodes cannot do without it.
    fn serves_the_node(&self) -> bool {
        let critical = self.priority_class.as_deref() == Some("system-node-critical");
        self.host_network || critical || self.namespace == "kube-system"
    }
}

/// Why a class would lock out what nodes or the operator need, and what to do; none if it would not, matches no node, or
/// acknowledges `Lockout`. `others` are the nodes that it does not match. Which nodes a `DaemonSet` is for is not considered.
pub fn lockout(
    class: &NodeClass,
    matches_any: bool,
    others: &[&NodeFacts],
    daemonsets: &[DaemonSetFacts],
    own_tolerations: &[Toleration],
) -> Option<String> {
    if !matches_any || class.spec.acknowledge.contains(&Acknowledgement::Lockout) {
        return None;
    }
    let taints = class.spec.taints.iter();
    let taints = taints.map(|of| taint(&of.key, of.value.as_deref(), of.effect.as_str()));
    let mut hard = taints.filter(|taint| taint.effect != SOFT);
    hard.find_map(|taint| of_daemonsets(&taint, daemonsets).or_else(|| of_ourselves(&taint, others, own_tolerations)))
}

/// The effect that keeps nothing off.
const SOFT: &str = "PreferNoSchedule";

fn of_daemonsets(taint: &Taint, daemonsets: &[DaemonSetFacts]) -> Option<String> {
    let kept_off = |set: &&DaemonSetFacts| set.serves_the_node() && !tolerated(taint, &set.tolerations);
    let kept_off = daemonsets.iter().filter(kept_off);
    let mut names: Vec<String> = kept_off.map(|set| format!("{}/{}", set.namespace, set.name)).collect();
    names.sort();
    let first = names.first()?;
    let more = match names.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "taint {}:{} would keep pods off its nodes that nodes need: DaemonSet {first}{more} does not tolerate it; add the \
         toleration there, or say acknowledge: [Lockout]",
        taint.key, taint.effect
    ))
}

fn of_ourselves(new: &Taint, others: &[&NodeFacts], own_tolerations: &[Toleration]) -> Option<String> {
    // Of a node that is off just now the lifecycle controller's taints say nothing about the time when it is on.
    let lasting = |taint: &&Taint| taint.effect != SOFT && !taint.key.starts_with("node.kubernetes.io/");
    let open = |node: &&NodeFacts| {
        let mut lasting = node.taints.iter().filter(lasting);
        !node.unschedulable && lasting.all(|taint| tolerated(taint, own_tolerations))
    };
    let stays = tolerated(new, own_tolerations) || others.iter().any(open);
    (!stays).then(|| {
        format!(
            "taint {}:{} would leave no node on which this operator can run; let the operator tolerate it (tolerations \
             in the chart's values), match fewer nodes, or say acknowledge: [Lockout]",
            new.key, new.effect
        )
    })
}

/// Whether one of the tolerations is for the taint, and for good: who tolerates `NoExecute` for some seconds only has to go.
pub fn tolerated(taint: &Taint, tolerations: &[Toleration]) -> bool {
    tolerations.iter().any(|of| {
        let [key, effect, value, operator] =
            [&of.key, &of.effect, &of.value, &of.operator].map(|text| text.as_deref().unwrap_or_default());
        let (exists, equal) = (operator == "Exists", matches!(operator, "" | "Equal"));
        let key_fits = if key.is_empty() { exists } else { key == taint.key };
        let value_fits = exists || (equal && value == taint.value.as_deref().unwrap_or_default());
        let lasts = taint.effect != "NoExecute" || of.toleration_seconds.is_none();
        key_fits && value_fits && lasts && (effect.is_empty() || effect == taint.effect)
    })
}
