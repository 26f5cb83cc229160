//! What the status of each class says.
use std::collections::BTreeMap;

use hearth_reconciler::conditions::Conditions;

use super::Planner;
use super::nodes::View;
use super::types::{Plan, Step};
use crate::crd::{NodeClass, NodeClassStatus, RECONCILE_AT};

/// Present while another class or another writer has a key that the class wants.
pub(super) const CONFLICT: &str = "Conflict";
/// Present while another writer keeps removing what the class sets.
pub(super) const CONTENDED: &str = "Contended";

/// Lists in the status are cut here.
const SHOWN: usize = 20;
/// Node names in the status are cut here.
const NAMES: usize = 50;

impl Planner {
    pub(super) fn view_classes(step: &Step<'_>, views: &BTreeMap<String, View>, plan: &mut Plan) {
        for class in &step.observed.classes {
            let name = class.metadata.name.clone().unwrap_or_default();
            let status = Self::view_class(step, class, &name, views);
            plan.classes.insert(name, status);
        }
    }

    fn view_class(step: &Step<'_>, class: &NodeClass, name: &str, views: &BTreeMap<String, View>) -> NodeClassStatus {
        let old = class.status.clone().unwrap_or_default();
        let generation = class.metadata.generation;
        let has = |(_, view): &(&String, &View)| view.node_plan.wanted.classes.iter().any(|class| class == name);
        let matched: Vec<(&String, &View)> = views.iter().filter(has).collect();
        let conflicts = conflicts(name, views);
        let contended = matched.iter().filter(|(_, view)| !view.contended.is_empty());
        let contended: Vec<String> = contended
            .map(|(node, view)| format!("{node}: {}", view.contended.join(", ")))
            .collect();
        let plan = views.iter().flat_map(|(node, view)| {
            let of = view.node_plan.wanted.dry.iter().filter(|(class, _)| class == name);
            of.map(move |(_, line)| format!("{node}: {line}"))
        });
        let mut status = NodeClassStatus {
            observed_generation: generation,
            last_handled_reconcile_at: handled(class.metadata.annotations.as_ref()),
            matched: i64::try_from(matched.len()).ok(),
            nodes: matched.iter().take(NAMES).map(|(node, _)| (*node).clone()).collect(),
            conflicts: conflicts.iter().take(SHOWN).cloned().collect(),
            plan: plan.take(SHOWN).collect(),
            conditions: old.conditions,
        };
        let mut of = Conditions {
            list: &mut status.conditions,
            generation,
            now: step.now.wall,
        };
        flag(&mut of, CONFLICT, "KeysTaken", &conflicts);
        flag(&mut of, CONTENDED, "TakenAway", &contended);
        if class.spec.suspend {
            of.ready("Suspended", "suspended: its nodes keep what they have");
        } else if let Some((reason, text)) = step.unusable.get(name) {
            let text = format!("{text}. Until then its nodes keep what they have");
            of.stalled(reason, &text);
        } else if matched.is_empty() {
            let text = "no node matches. That is right if such nodes are still to come; else look at spec.match";
            of.ready("NoNodes", text);
        } else if !conflicts.is_empty() {
            let text = format!("{} keys are not set: {}", conflicts.len(), conflicts[0]);
            of.ready("Conflict", &text);
        } else if class.spec.dry_run {
            of.ready("DryRun", "a dry run: see status.plan; nothing is written");
        } else {
            let text = format!("{} nodes", matched.len());
            of.ready("Matched", &text);
        }
        status
    }
}

/// The value of the annotation that asks for a reconcile, for the status.
pub(super) fn handled(annotations: Option<&BTreeMap<String, String>>) -> Option<String> {
    annotations.and_then(|annotations| annotations.get(RECONCILE_AT).cloned())
}

/// A condition that is present while there is something to report.
pub(super) fn flag(of: &mut Conditions<'_>, type_: &str, reason: &str, lines: &[String]) {
    if lines.is_empty() {
        return of.list.retain(|condition| condition.type_ != type_);
    }
    let mut text = lines.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if lines.len() > SHOWN {
        text = format!("{text}; and {} more", lines.len() - SHOWN);
    }
    of.set(type_, true, reason, &text);
}

/// What a class does not get: `node: key: why`.
fn conflicts(name: &str, views: &BTreeMap<String, View>) -> Vec<String> {
    let lines = views.iter().flat_map(|(node, view)| {
        let all = view.refused.iter().chain(&view.node_plan.wanted.refused);
        let of = all.filter(|refused| refused.class.as_deref() == Some(name));
        of.map(move |refused| format!("{node}: {}: {}", refused.key, refused.why))
    });
    lines.collect()
}
