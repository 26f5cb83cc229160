//! Labels and annotations: one server-side apply with the whole set of ours. What an apply leaves out the API server
//! removes, if no one else owns it.
use std::collections::{BTreeMap, BTreeSet};

use super::super::talos::List;
use super::super::{Refused, Sourced, Wanted};
use crate::facts::{NodeFacts, Text, Texts};

type Map = BTreeMap<String, String>;

/// Labels or annotations, as they are and as they are wanted.
struct Side<'a> {
    /// `label` or `annotation`.
    kind: &'static str,
    present: &'a Texts,
    ours: &'a BTreeSet<Text>,
    wanted: &'a Sourced,
    talos: List,
}

pub(super) fn apply(
    node: &NodeFacts,
    wanted: &Wanted,
    only_add: bool,
    refused: &mut Vec<Refused>,
) -> Option<(Map, Map)> {
    let labels = Side {
        kind: "label",
        present: &node.labels,
        ours: &node.managers.our_labels,
        wanted: &wanted.labels,
        talos: List::Labels,
    };
    let annotations = Side {
        kind: "annotation",
        present: &node.annotations,
        ours: &node.managers.our_annotations,
        wanted: &wanted.annotations,
        talos: List::Annotations,
    };
    let mut set = |side: &Side<'_>| side.set(node, wanted, only_add, refused);
    let (new_labels, new_annotations) = (set(&labels), set(&annotations));
    let same = new_labels == labels.owned() && new_annotations == annotations.owned();
    (!same).then_some((new_labels, new_annotations))
}

impl Side<'_> {
    /// What is ours and there.
    fn owned(&self) -> Map {
        let ours = self.present.iter().filter(|(key, _)| self.ours.contains(*key));
        ours.map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    fn set(&self, node: &NodeFacts, all: &Wanted, only_add: bool, refused: &mut Vec<Refused>) -> Map {
        let talos = self.talos.keys(node, refused);
        let owned = self.owned();
        // What stays whatever is wanted. A key that Talos adopted is not dropped either: leaving it out would delete it, and
        // Talos would put it back.
        let frozen = |key: &String| all.frozen.contains(&format!("{} {key}", self.kind));
        let stays = |key: &String| only_add || frozen(key) || talos.contains(key);
        let mut set = owned.clone();
        set.retain(|key, _| stays(key));
        for (key, (value, class)) in self.wanted {
            let shown = format!("{} {key}", self.kind);
            let mut refuse = |why: String| refused.push(Refused::new(&shown, class.as_deref(), why));
            if talos.contains(&**key) {
                refuse(self.talos.why());
                continue;
            }
            let there = self.present.get(&**key);
            let manager = all.theirs.iter().find(|(theirs, _)| *theirs == shown);
            if let Some((_, manager)) = manager.filter(|_| there != Some(value)) {
                refuse(format!(
                    "`{manager}` manages it with another value; remove it there, or from the class"
                ));
                set.remove(&**key);
                continue;
            }
            match there {
                Some(there) if !owned.contains_key(&**key) && there != value => refuse(format!(
                    "another writer set it to `{there}`; remove it from the node (`kubectl {} node {} {key}-`), or from the class",
                    self.kind, node.name
                )),
                None if all.held.contains(&shown) => {}
                // The same value is owned together: it stays when one of the owners lets it go.
                _ => {
                    set.entry(key.to_string()).or_insert_with(|| value.to_string());
                }
            }
        }
        set
    }
}
