//! Classes that must not be used now: invalid ones, and those whose taint would lock out what nodes need.
use std::sync::Arc;

use super::types::{Observed, Unusable};
use crate::class::lockout::lockout;
use crate::class::{Subject, matches, validate};
use crate::crd::class::Match;
use crate::crd::{Availability, NodeClass};
use crate::facts::NodeFacts;

/// Finds what forbids using classes, once for each plan.
pub(super) fn unusable(observed: &Observed) -> Unusable {
    let found = |class: &Arc<NodeClass>| Some((class.metadata.name.clone()?, obstacle(observed, class)?));
    observed.classes.iter().filter_map(found).collect()
}

/// The classes as they may be used. One that must not be used is suspended and matches every node: each keeps what it has,
/// because it is not known any more whom the class matches.
pub(super) fn usable(observed: &Observed, unusable: &Unusable) -> Vec<Arc<NodeClass>> {
    let class = |class: &Arc<NodeClass>| {
        let name = class.metadata.name.as_ref();
        if !name.is_some_and(|name| unusable.contains_key(name)) {
            return Arc::clone(class);
        }
        let mut class = NodeClass::clone(class);
        (class.spec.suspend, class.spec.matches) = (true, Match::default());
        Arc::new(class)
    };
    observed.classes.iter().map(class).collect()
}

/// What forbids using a class: reason and message.
fn obstacle(observed: &Observed, class: &NodeClass) -> Option<(&'static str, String)> {
    if let Some(text) = validate(class) {
        return Some(("InvalidClass", text));
    }
    let (sets, own) = (observed.daemon_sets.as_ref()?, observed.own_tolerations.as_ref()?);
    if class.spec.taints.is_empty() {
        return None;
    }
    // Hosts and availability are not needed to see whom a taint would lock out: all nodes that it could match count.
    let mut any = class.clone();
    any.spec.matches.availability = None;
    any.spec.matches.hosts.clear();
    any.spec.matches.form_factors.clear();
    let could_match = |node: &&NodeFacts| {
        let subject = Subject {
            node,
            host: None,
            form_factor: None,
            availability: Availability::Unproven,
            may_exclude: false,
        };
        matches(&any, &subject)
    };
    let nodes = observed.nodes.values().map(|node| &**node);
    let (could, others): (Vec<_>, Vec<_>) = nodes.partition(could_match);
    lockout(class, !could.is_empty(), &others, sets, own).map(|text| ("WouldLockOut", text))
}
