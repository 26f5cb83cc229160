//! Which nodes a node selector selects.
use hearth_reconciler::labels;
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
    let given = one.values.as_deref().unwrap_or_default();
    let number = |text: Option<&str>| text?.parse::<i64>().ok();
    let numbers = || number(value).zip(number(given.first().map(String::as_str)));
    match one.operator.as_str() {
        "Gt" => numbers().is_some_and(|(value, given)| value > given),
        "Lt" => numbers().is_some_and(|(value, given)| value < given),
        operator => labels::satisfies(operator, given, value),
    }
}
