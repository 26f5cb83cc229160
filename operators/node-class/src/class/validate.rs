//! What keeps a class from being used. What the API server refuses already (CEL in the schema) is repeated here only where the
//! harm would be great if the installed CRD is an older one.
use std::time::Duration;

use hearth_reconciler::duration;

use super::{keys, matching};
use crate::crd;
use crate::crd::class::{Acknowledgement, Effect, NodeClass, NodeClassSpec};
use crate::facts;

/// The longest wait of a failover; who waits for longer does not need one.
const FAILOVER: Duration = Duration::from_hours(24);

/// The longest value of an annotation.
const ANNOTATION: usize = 1024;

/// What keeps a class from being used at all, the first thing found; the text says what to do.
pub fn validate(class: &NodeClass) -> Option<String> {
    let checks = [selector, memory, keys, values, no_execute, failover];
    checks.iter().find_map(|check| check(&class.spec))
}

fn selector(spec: &NodeClassSpec) -> Option<String> {
    let selector = spec.matches.label_selector.as_ref()?;
    let at = |why: String| format!("match.labelSelector: {why}");
    for requirement in selector.match_expressions.iter().flatten() {
        let (key, values) = (&requirement.key, requirement.values.as_deref().unwrap_or_default());
        let why = match (requirement.operator.as_str(), values.is_empty()) {
            ("In" | "NotIn", true) => "needs values".to_owned(),
            ("Exists" | "DoesNotExist", false) => "takes no values".to_owned(),
            ("In" | "NotIn" | "Exists" | "DoesNotExist", _) => continue,
            (other, _) => format!("is not known: `{other}`; there are In, NotIn, Exists and DoesNotExist"),
        };
        return Some(at(format!("the operator of `{key}` {why}")));
    }
    if let Some(key) = matching::asked(selector).find(|key| !keys::is_key(key)) {
        return Some(at(format!("`{key}` is no key of a label")));
    }
    let sets = |key: &str| {
        spec.labels.contains_key(key) || (spec.exclude_from_disruption_count && key == crd::EXCLUDE_DISRUPTION)
    };
    let own = matching::asked(selector).find(|key| sets(key))?;
    Some(at(format!(
        "it asks for `{own}`, which the class itself sets; select by something else"
    )))
}

fn memory(spec: &NodeClassSpec) -> Option<String> {
    let (least, below) = (&spec.matches.memory_at_least, &spec.matches.memory_below);
    for (name, quantity) in [("memoryAtLeast", least), ("memoryBelow", below)] {
        if let Some(quantity) = quantity.as_ref().filter(|quantity| facts::bytes(&quantity.0).is_none()) {
            return Some(format!(
                "match.{name}: `{}` is no amount of memory such as 4500Mi or 8Gi",
                quantity.0
            ));
        }
    }
    let (least, below) = (facts::bytes(&least.as_ref()?.0)?, facts::bytes(&below.as_ref()?.0)?);
    (least >= below).then(|| "match: memoryAtLeast must be less than memoryBelow, or no node can match".into())
}

fn keys(spec: &NodeClassSpec) -> Option<String> {
    let of_maps = spec.labels.keys().chain(spec.annotations.keys());
    let of_maps = of_maps.map(|key| (key, key.starts_with(keys::OURS)));
    let of_taints = spec
        .taints
        .iter()
        .map(|taint| (&taint.key, taint.key == crd::RETURNING));
    let wrong = |(key, ours): &(&String, bool)| *ours || !keys::is_key(key) || keys::is_reserved(key);
    let (key, _) = of_maps.chain(of_taints).find(wrong)?;
    Some(format!(
        "`{key}` is no key, or not for classes; take one with a prefix of your own"
    ))
}

fn values(spec: &NodeClassSpec) -> Option<String> {
    if let Some((key, value)) = spec.labels.iter().find(|(_, value)| !keys::is_value(value)) {
        return Some(format!(
            "labels: `{key}`: `{value}`: a value has at most 63 letters, digits, `-`, `_` and `.`, and begins and ends with a \
             letter or digit"
        ));
    }
    let (key, _) = spec
        .annotations
        .iter()
        .find(|(_, value)| value.chars().count() > ANNOTATION)?;
    Some(format!(
        "annotations: `{key}`: a value has at most {ANNOTATION} characters"
    ))
}

fn no_execute(spec: &NodeClassSpec) -> Option<String> {
    let evicts = spec.taints.iter().any(|taint| taint.effect == Effect::NoExecute);
    let text = "a NoExecute taint evicts at once what runs on the nodes; say acknowledge: [NoExecute] to want that";
    (evicts && !spec.acknowledge.contains(&Acknowledgement::NoExecute)).then(|| text.to_owned())
}

fn failover(spec: &NodeClassSpec) -> Option<String> {
    let after = spec.failover.as_ref()?.after.as_deref()?;
    match duration::parse(after) {
        Err(why) => Some(format!("failover.after: {why}")),
        Ok(wait) if (Duration::from_secs(1)..=FAILOVER).contains(&wait) => None,
        Ok(_) => Some(format!(
            "failover.after: `{after}`: at least 1s and at most 24h is possible"
        )),
    }
}
