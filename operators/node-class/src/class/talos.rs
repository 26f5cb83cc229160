//! What Talos says it owns on a node. Its `NodeApplyController` keeps the keys of its machine configuration in three
//! annotations (JSON arrays), adopts a key that has its value already, and deletes a key that leaves the configuration.
use std::collections::BTreeSet;

use super::Refused;
use crate::facts::NodeFacts;

/// One of Talos' lists.
#[derive(Clone, Copy)]
pub(super) enum List {
    Labels,
    Annotations,
    /// By key alone: Talos does not use a taint's effect.
    Taints,
}

impl List {
    fn annotation(self) -> &'static str {
        match self {
            Self::Labels => "talos.dev/owned-labels",
            Self::Annotations => "talos.dev/owned-annotations",
            Self::Taints => "talos.dev/owned-taints",
        }
    }

    /// The keys in it. A list that cannot be read counts as empty and is mentioned.
    pub(super) fn keys(self, node: &NodeFacts, refused: &mut Vec<Refused>) -> BTreeSet<String> {
        let name = self.annotation();
        let Some(text) = node.annotations.get(name).filter(|text| !text.is_empty()) else {
            return BTreeSet::new();
        };
        serde_json::from_str(text).unwrap_or_else(|_| {
            let why = "Talos' list cannot be read, so that it is not known what Talos owns; it should be a JSON array of keys";
            refused.push(Refused::new(&format!("annotation {name}"), None, why));
            BTreeSet::new()
        })
    }

    /// Why a key of the list is not claimed.
    pub(super) fn why(self) -> String {
        let name = self.annotation();
        format!("Talos sets it from the machine configuration ({name}); remove it there, or take another key")
    }
}
