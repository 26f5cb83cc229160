//! What has to be written to a node so that it carries what is wanted, without touching what others have.
use k8s_openapi::api::core::v1::Taint;

use super::{NodeDiff, Wanted};
use crate::facts::NodeFacts;

mod labels;
mod owned_taints;
mod taints;

pub(crate) use owned_taints::{OwnedTaints, UNREADABLE, id, is_out_of_service};

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
