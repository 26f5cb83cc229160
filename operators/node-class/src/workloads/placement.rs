//! Which nodes a node selector selects.
use k8s_openapi::api::core::v1::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};

use crate::facts::NodeFacts;

/// Whether one of the terms is met.
pub(crate) fn selects(selector: &NodeSelector, node: &NodeFacts) -> bool {
    selector.node_selector_terms.iter().any(|term| meets(term, node))
}

/// A term that demands nothing selects nothing.
fn meets(term: &NodeSelectorTerm, node: &NodeFacts) -> bool {
    let mut all = demanded(term).peekable();
    all.peek().is_some() && all.all(|(one, value)| satisfied(one, value(node, &one.key)))
}

type Value = for<'a> fn(&'a NodeFacts, &str) -> Option<&'a str>;

/// What a term demands, of labels and of fields; `metadata.name` is the only field.
fn demanded(term: &NodeSelectorTerm) -> impl Iterator<Item = (&NodeSelectorRequirement, Value)> {
    let labels = term.match_expressions.iter().flatten();
    let fields = term.match_fields.iter().flatten();
    let label: Value = |node, key| node.label(key);
    let field: Value = |node, key| (key == "metadata.name").then_some(node.name.as_str());
    labels
        .map(move |one| (one, label))
        .chain(fields.map(move |one| (one, field)))
}

fn satisfied(one: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let mut given = one.values.iter().flatten();
    let number = |text: Option<&str>| text?.parse::<i64>().ok();
    let numbers = || number(value).zip(number(one.values.iter().flatten().next().map(String::as_str)));
    match one.operator.as_str() {
        "In" => value.is_some_and(|value| given.any(|given| given == value)),
        "NotIn" => value.is_none_or(|value| given.all(|given| given != value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers().is_some_and(|(value, given)| value > given),
        "Lt" => numbers().is_some_and(|(value, given)| value < given),
        _ => false,
    }
}
