//! Whether a class is for a node.
use hearth_reconciler::labels::{self, glob};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{Subject, keys};
use crate::crd;
use crate::crd::class::NodeClass;
use crate::facts;

/// A label as selectors see it: not those that we set, as a class must not depend on what classes do, and the host and the
/// availability as they are now, whatever the node's labels still say.
fn visible<'a>(subject: &Subject<'a>, key: &str) -> Option<&'a str> {
    let node = subject.node;
    match key {
        crd::HOST_LABEL => Some(subject.host.unwrap_or(&node.name)),
        crd::AVAILABILITY_LABEL => Some(subject.availability.as_str()),
        _ if node.managers.our_labels.contains(key) || key.starts_with(keys::OURS) => None,
        _ => node.labels.get(key).map(|value| &**value),
    }
}

/// Whether the class matches: all that its match says holds. What is unknown (architecture, memory) matches no
/// criterion that asks for it.
pub fn matches(class: &NodeClass, subject: &Subject<'_>) -> bool {
    let (wanted, node) = (&class.spec.matches, subject.node);
    let one_of = |globs: &[String], text: &str| globs.iter().any(|pattern| glob(pattern, text));
    let quantity = |text: &str| facts::bytes(text).filter(|_| node.memory > 0);
    (wanted.names.is_empty() || one_of(&wanted.names, &node.name))
        && (wanted.hosts.is_empty() || subject.host.is_some_and(|host| one_of(&wanted.hosts, host)))
        && (wanted.form_factors.is_empty() || subject.form_factor.is_some_and(|f| wanted.form_factors.contains(&f)))
        && (wanted.architectures.is_empty() || wanted.architectures.contains(&node.architecture))
        && wanted
            .memory_below
            .as_ref()
            .is_none_or(|q| quantity(&q.0).is_some_and(|most| node.memory < most))
        && wanted
            .memory_at_least
            .as_ref()
            .is_none_or(|q| quantity(&q.0).is_some_and(|least| node.memory >= least))
        && wanted
            .availability
            .is_none_or(|availability| availability == subject.availability)
        && wanted
            .label_selector
            .as_ref()
            .is_none_or(|selector| labels::matches(selector, |key| visible(subject, key)))
}

/// The keys that a selector asks for.
pub(super) fn asked(selector: &LabelSelector) -> impl Iterator<Item = &str> {
    let labels = selector.match_labels.iter().flatten().map(|(key, _)| key.as_str());
    let expressions = selector
        .match_expressions
        .iter()
        .flatten()
        .map(|requirement| requirement.key.as_str());
    labels.chain(expressions)
}
