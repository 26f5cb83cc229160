//! Which nodes a node selector selects.
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

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

/// Names of nodes by a value.
type ByValue<'a> = HashMap<&'a str, Vec<&'a NodeFacts>>;

/// The nodes by the labels that volumes ask for, so that not every volume has to be compared with every node.
pub(crate) struct NodeIndex<'a> {
    nodes: &'a BTreeMap<String, Arc<NodeFacts>>,
    by_label: RefCell<HashMap<String, ByValue<'a>>>,
}

impl<'a> NodeIndex<'a> {
    pub(crate) fn new(nodes: &'a BTreeMap<String, Arc<NodeFacts>>) -> Self {
        Self {
            nodes,
            by_label: RefCell::default(),
        }
    }

    /// The names of the nodes that are selected.
    pub(crate) fn selected(&self, selector: &NodeSelector) -> impl Iterator<Item = &'a str> {
        let mut found: Vec<&str> = Vec::new();
        for term in &selector.node_selector_terms {
            let nodes = self.candidates(term).into_iter().filter(|node| meets(term, node));
            found.extend(nodes.map(|node| node.name.as_str()));
        }
        found.into_iter()
    }

    /// Nodes that may meet a term: those of the first list of values in it, or all.
    fn candidates(&self, term: &NodeSelectorTerm) -> Vec<&'a NodeFacts> {
        let listed = |one: &(&NodeSelectorRequirement, Value)| one.0.operator == "In";
        let Some((one, value)) = demanded(term).find(listed) else {
            return self.nodes.values().map(|node| &**node).collect();
        };
        let mut by_label = self.by_label.borrow_mut();
        let by_value = by_label.entry(one.key.clone()).or_insert_with(|| {
            let mut by_value = ByValue::new();
            for node in self.nodes.values() {
                if let Some(found) = value(node, &one.key) {
                    by_value.entry(found).or_default().push(node);
                }
            }
            by_value
        });
        let of = |value: &String| by_value.get(value.as_str()).into_iter().flatten().copied();
        one.values.iter().flatten().flat_map(of).collect()
    }
}
