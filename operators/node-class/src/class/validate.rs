//! What keeps a class from being used. Most of it the API server refuses already (CEL in the schema); this holds whatever
//! the schema said when the object was stored.
use std::time::Duration;

use hearth_reconciler::duration;

use super::{keys, matching};
use crate::crd;
use crate::crd::class::{Acknowledgement, ClassTaint, Effect, NodeClass, NodeClassSpec};
use crate::facts;

/// The bounds of dampening's durations; below a minute it would forget faster than a node can flap, and beyond a week a
/// mistake stays too long.
const DAMPENING: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(7 * 24));

/// The longest wait of a failover; who waits for longer does not need one.
const FAILOVER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));

/// The longest value of an annotation.
const ANNOTATION: usize = 1024;

/// The penalty of one unclean outage. A machine that is switched off every night must never come to `suppress`.
const ONE_FLAP: i64 = 1000;

/// What keeps a class from being used at all, the first thing found; the text says what to do.
pub fn validate(class: &NodeClass) -> Option<String> {
    let checks = [selector, memory, labels, annotations, taints, dampening, failover];
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
    if let Some(why) = matching::asked(selector).find_map(keys::key_problem) {
        return Some(at(why));
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
    let (least, below) = (
        spec.matches.memory_at_least.as_ref(),
        spec.matches.memory_below.as_ref(),
    );
    for (name, quantity) in [("memoryAtLeast", least), ("memoryBelow", below)] {
        if let Some(quantity) = quantity.filter(|quantity| facts::bytes(&quantity.0).is_none()) {
            return Some(format!(
                "match.{name}: `{}` is no amount of memory such as 4500Mi or 8Gi",
                quantity.0
            ));
        }
    }
    let (least, below) = (facts::bytes(&least?.0)?, facts::bytes(&below?.0)?);
    (least >= below).then(|| "match: memoryAtLeast must be less than memoryBelow, or no node can match".into())
}

fn labels(spec: &NodeClassSpec) -> Option<String> {
    spec.labels.iter().find_map(|(key, value)| {
        let why = map_key_problem(key).or_else(|| keys::value_problem(value).map(|why| format!("`{key}`: {why}")));
        why.map(|why| format!("labels: {why}"))
    })
}

fn annotations(spec: &NodeClassSpec) -> Option<String> {
    spec.annotations.iter().find_map(|(key, value)| {
        let long = value.chars().count() > ANNOTATION;
        let too_long = long.then(|| format!("`{key}`: a value has at most {ANNOTATION} characters"));
        map_key_problem(key)
            .or(too_long)
            .map(|why| format!("annotations: {why}"))
    })
}

fn map_key_problem(key: &str) -> Option<String> {
    let ours = key.starts_with(keys::OURS);
    let ours = ours.then(|| {
        format!(
            "`{key}`: keys under {} are the operator's; take a prefix of your own",
            keys::OURS
        )
    });
    keys::key_problem(key).or_else(|| keys::protected(key)).or(ours)
}

fn taints(spec: &NodeClassSpec) -> Option<String> {
    let wrong = |taint: &ClassTaint| {
        let (key, value) = (&taint.key, taint.value.as_deref().unwrap_or_default());
        let reserved = (key == crd::RETURNING)
            .then(|| format!("`{key}` is set by the operator; take {}volatile or another", keys::OURS));
        keys::key_problem(key)
            .or_else(|| keys::protected(key))
            .or(reserved)
            .or_else(|| keys::value_problem(value).map(|why| format!("`{key}`: {why}")))
    };
    if let Some(why) = spec.taints.iter().find_map(wrong) {
        return Some(format!("taints: {why}"));
    }
    for (at, taint) in spec.taints.iter().enumerate() {
        let same = |other: &ClassTaint| (&other.key, other.effect) == (&taint.key, taint.effect);
        if spec.taints[..at].iter().any(same) {
            return Some(format!(
                "taints: {}:{} stands twice; keep one",
                taint.key,
                taint.effect.as_str()
            ));
        }
    }
    let evicts = spec.taints.iter().find(|taint| taint.effect == Effect::NoExecute)?;
    let acknowledged = spec.acknowledge.contains(&Acknowledgement::NoExecute);
    (!acknowledged).then(|| {
        format!(
            "taints: {}:NoExecute evicts at once what runs on the nodes; say acknowledge: [NoExecute] to want that",
            evicts.key
        )
    })
}

fn dampening(spec: &NodeClassSpec) -> Option<String> {
    let params = spec.dampening.as_ref()?;
    let half_life = within("dampening.halfLife", params.half_life.as_deref(), DAMPENING);
    let max_suppress = within("dampening.maxSuppress", params.max_suppress.as_deref(), DAMPENING);
    if let Some(why) = half_life.err().or(max_suppress.err()) {
        return Some(why);
    }
    let (suppress, reuse) = (params.suppress.unwrap_or(2500), params.reuse.unwrap_or(750));
    if suppress <= ONE_FLAP {
        return Some(format!(
            "dampening.suppress: {suppress}: it must be more than {ONE_FLAP}, which one outage adds"
        ));
    }
    if reuse < 1 {
        return Some(format!("dampening.reuse: {reuse}: it must be at least 1"));
    }
    (reuse >= suppress).then(|| {
        format!(
            "dampening: reuse ({reuse}) must be less than suppress ({suppress}), or a node would never be calm again"
        )
    })
}

fn failover(spec: &NodeClassSpec) -> Option<String> {
    let failover = spec.failover.as_ref()?;
    if failover.evidence.is_empty() {
        return Some("failover.evidence: name at least one of PowerOff, CleanShutdown".into());
    }
    within("failover.after", failover.after.as_deref(), FAILOVER).err()
}

fn within(field: &str, text: Option<&str>, (least, most): (Duration, Duration)) -> Result<(), String> {
    let Some(text) = text else { return Ok(()) };
    let duration = duration::parse(text).map_err(|why| format!("{field}: {why}"))?;
    if (least..=most).contains(&duration) {
        return Ok(());
    }
    let hours = most.as_secs() / 3600;
    Err(format!(
        "{field}: `{text}`: at least {}s and at most {hours}h is possible",
        least.as_secs()
    ))
}
