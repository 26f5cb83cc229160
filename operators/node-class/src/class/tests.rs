//! What the rules are shown with.
#![allow(clippy::needless_pass_by_value, reason = "`json!` is written in place")]
use k8s_openapi::api::core::v1::Taint;
use serde_json::{Value, json};

use super::*;
use crate::crd;
use crate::crd::class::NodeClass;
use crate::facts::{Text, intern, texts};

mod labels;
mod matching;
mod property;
mod resolve;
mod taints;
mod validate;

pub(super) fn class(name: &str, spec: Value) -> NodeClass {
    let mut spec = spec;
    spec.as_object_mut()
        .unwrap()
        .entry("match")
        .or_insert_with(|| json!({}));
    let mut class = NodeClass::new(name, serde_json::from_value(spec).unwrap());
    class.metadata.generation = Some(1);
    class
}

/// A bare node: `b` of the label map is what others have set.
pub(super) fn node(name: &str, labels: &[(&str, &str)]) -> NodeFacts {
    NodeFacts {
        name: name.into(),
        uid: format!("uid-{name}"),
        labels: texts(&map(labels)),
        architecture: "amd64".into(),
        memory: 8 << 30,
        ..NodeFacts::default()
    }
}

pub(super) fn map(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

pub(super) fn subject(node: &NodeFacts) -> Subject<'_> {
    Subject {
        node,
        host: None,
        form_factor: None,
        availability: Availability::Unproven,
        may_exclude: true,
    }
}

pub(super) fn merged(classes: &[NodeClass], subject: &Subject<'_>) -> Wanted {
    let classes: Vec<&NodeClass> = classes.iter().collect();
    resolve(&classes, subject)
}

/// `key=value:effect`, the value may be left out.
pub(super) fn taint(text: &str) -> Taint {
    let (left, effect) = text.rsplit_once(':').unwrap();
    let (key, value) = left
        .split_once('=')
        .map_or((left, None), |(key, value)| (key, Some(value.to_owned())));
    Taint {
        key: key.into(),
        value,
        effect: effect.into(),
        time_added: None,
    }
}

pub(super) fn taints(of: &[&str]) -> Vec<Taint> {
    of.iter().map(|text| taint(text)).collect()
}

/// What classes want, without classes: labels, annotations, taints of the class `c`.
pub(super) fn wanted(labels: &[(&str, &str)], annotations: &[(&str, &str)], taints: &[&str]) -> Wanted {
    let by_class = |of: &[(&str, &str)]| {
        map(of)
            .into_iter()
            .map(|(key, value)| (key.into(), (value.into(), Some("c".into()))))
            .collect()
    };
    let class_taint = |text: &&str| {
        let taint = taint(text);
        let effect = serde_json::from_value(json!(taint.effect)).unwrap();
        (
            ClassTaint {
                key: taint.key,
                value: taint.value,
                effect,
            },
            Some("c".to_owned()),
        )
    };
    Wanted {
        labels: by_class(labels),
        annotations: by_class(annotations),
        taints: taints.iter().map(class_taint).collect(),
        ..Wanted::default()
    }
}

pub(super) fn refusals(refused: &[Refused]) -> Vec<&str> {
    refused.iter().map(|refused| refused.key.as_str()).collect()
}

/// Puts onto a node what the API server makes of the writes: what was ours and is left out of the apply goes, unless
/// `others` says that others own it, too.
pub(super) fn write(node: &mut NodeFacts, diff: &NodeDiff, others: &BTreeSet<String>) {
    if let Some((labels, annotations)) = &diff.apply {
        let sides = [
            (&mut node.labels, &mut node.managers.our_labels, labels),
            (&mut node.annotations, &mut node.managers.our_annotations, annotations),
        ];
        for (there, ours, new) in sides {
            there.retain(|key, _| !ours.contains(key) || new.contains_key(&**key) || others.contains(&**key));
            there.extend(texts(new));
            *ours = new.keys().map(|key| intern(key)).collect();
        }
    }
    if let Some((taints, mark)) = &diff.taints {
        let ids: BTreeSet<_> = taints.iter().map(|taint| (&taint.key, &taint.effect)).collect();
        assert_eq!(ids.len(), taints.len(), "the API server refuses duplicates");
        node.taints.clone_from(taints);
        match mark {
            Some(mark) => node.annotations.insert(intern(crd::OWNED_TAINTS), intern(mark)),
            None => node.annotations.remove(crd::OWNED_TAINTS),
        };
    }
}
