//! What has to be written to a node so that it carries what is wanted, without touching what others have.
use k8s_openapi::api::core::v1::Taint;

use super::{NodeDiff, Refused, Wanted};
use crate::facts::NodeFacts;

mod labels;
mod owned_taints;
mod taints;

pub(crate) use owned_taints::{OwnedTaints, UNREADABLE, is_out_of_service};

/// Compares what is wanted with what is there. `only_add`: nothing of ours is taken away or changed (the first pass after a
/// start). `extra` are taints that are put beside those of classes (out of service, returning), ours as well; a taint that is
/// ours by the mark and neither wanted nor extra nor frozen is taken away.
///
/// What [`Wanted::refused`] says is not repeated here.
pub fn node_diff(node: &NodeFacts, wanted: &Wanted, extra: &[Taint], only_add: bool) -> NodeDiff {
    let mut refused = Vec::new();
    let apply = labels::apply(node, wanted, only_add, &mut refused);
    let taints = taints::patch(node, wanted, extra, only_add, &mut refused);
    refused.sort();
    refused.dedup();
    NodeDiff { apply, taints, refused }
}

/// Gives way after the API server refused an apply with a conflict: `theirs` are the keys (`label x`, `annotation x`) that
/// others manage, with the manager. What is left can be applied without them. It is needed for annotations: of those that
/// others own the watch keeps nothing, so that [`node_diff`] does not know them.
pub fn yielded(mut diff: NodeDiff, wanted: &Wanted, theirs: &[(String, String)]) -> NodeDiff {
    for (key, manager) in theirs {
        let Some((labels, annotations)) = &mut diff.apply else {
            break;
        };
        let class = match key.split_once(' ') {
            Some(("label", key)) if labels.remove(key).is_some() => wanted.labels.get(key),
            Some(("annotation", key)) if annotations.remove(key).is_some() => wanted.annotations.get(key),
            _ => continue,
        };
        let why = format!("`{manager}` manages it with another value; remove it there, or from the class");
        let class = class.and_then(|(_, class)| class.as_deref().map(str::to_owned));
        diff.refused.push(Refused {
            key: key.clone(),
            class,
            why,
        });
    }
    diff.refused.sort();
    diff.refused.dedup();
    diff
}
