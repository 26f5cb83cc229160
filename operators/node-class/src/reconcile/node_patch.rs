//! How a node is written to: for the operator's own work and for its release.
use std::collections::BTreeMap;
use std::time::Duration;

use hearth_reconciler::error::RequestError;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::crd::{CORDONED, OWNED_TAINTS};
use crate::facts::{MANAGER, NodeFacts, SlimNode, slim};
use crate::planner::{Cordon, NodePlan, PendingWrite, pending_write};

/// The whole set of our labels and annotations, by server-side apply without force. Fails with a conflict where others manage
/// a key with another value.
async fn apply(
    api: &Api<SlimNode>,
    facts: &NodeFacts,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> kube::Result<NodeFacts> {
    // With the UID an apply never makes a Node, and never meets another one of the same name.
    let mut metadata = json!({ "name": facts.name, "uid": facts.uid });
    // Empty maps would leave us in the node's managedFields, as the manager of nothing.
    for (field, ours) in [("labels", labels), ("annotations", annotations)] {
        if !ours.is_empty() {
            metadata[field] = json!(ours);
        }
    }
    let body = json!({ "apiVersion": "v1", "kind": "Node", "metadata": metadata });
    let mut node = api
        .patch(&facts.name, &PatchParams::apply(MANAGER), &Patch::Apply(&body))
        .await?;
    slim(&mut node);
    Ok(NodeFacts::of(&node))
}

/// One patch on exactly the version that was compared: the list of taints can only be written as a whole.
async fn patch(api: &Api<SlimNode>, facts: &NodeFacts, pending: &PendingWrite) -> kube::Result<()> {
    let mut annotations = serde_json::Map::new();
    let mut spec = serde_json::Map::new();
    if let Some((taints, mark)) = &pending.diff.taints {
        spec.insert("taints".to_owned(), json!(taints));
        annotations.insert(OWNED_TAINTS.to_owned(), mark.clone().map_or(Value::Null, Value::String));
    }
    if let Some(cordon) = &pending.cordon {
        let (on, mark) = match cordon {
            Cordon::For(request) => (json!(true), json!(request)),
            Cordon::Lift => (Value::Null, Value::Null),
        };
        spec.insert("unschedulable".to_owned(), on);
        annotations.insert(CORDONED.to_owned(), mark);
    }
    let body = json!({
        "metadata": { "uid": facts.uid, "resourceVersion": facts.resource_version, "annotations": annotations },
        "spec": spec,
    });
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api.patch(&facts.name, &params, &Patch::Merge(&body)).await.map(drop)
}

/// How often a write is repeated in one pass, because another writer changed the node at the same time.
const TRIES: usize = 5;

/// A key that is managed by others, and the manager.
pub(crate) type Theirs = (String, String);

/// Brings a node to its plan: first what a server-side apply can do, then, on the very version that this returned, the taints
/// and the cordon; when another writer was quicker, on the next one, for which the rest is computed again. `written` is called
/// after each write. Returns the keys for which the apply was refused because others manage them; then nothing was written.
pub(crate) async fn write(
    api: &Api<SlimNode>,
    mut facts: NodeFacts,
    node_plan: &NodePlan,
    mut written: impl FnMut(&NodeFacts, &PendingWrite),
) -> Result<Vec<Theirs>, RequestError> {
    let mut pending = pending_write(&facts, node_plan);
    if let Some(write) = &mut pending
        && let Some((labels, annotations)) = &write.diff.apply
    {
        let fresh = match apply(api, &facts, labels, annotations).await {
            Ok(fresh) => fresh,
            Err(error) => {
                let theirs = theirs(&error);
                if theirs.is_empty() {
                    return Err(RequestError::when("applying labels and annotations")(error));
                }
                return Ok(theirs);
            }
        };
        (write.diff.taints, write.cordon) = (None, None);
        written(&facts, write);
        pending = pending_write(&fresh, node_plan);
        facts = fresh;
    }
    for left in (0..TRIES).rev() {
        let Some(mut write) = pending.filter(PendingWrite::patches) else {
            break;
        };
        write.diff.apply = None;
        match patch(api, &facts, &write).await {
            Ok(()) => {
                written(&facts, &write);
                break;
            }
            Err(kube::Error::Api(answer)) if answer.is_conflict() && left > 0 => {
                tokio::time::sleep(Duration::from_millis(fastrand::u64(50..250))).await;
                let read = api.get(&facts.name).await;
                let mut node = read.map_err(RequestError::when("reading the node again"))?;
                slim(&mut node);
                facts = NodeFacts::of(&node);
                pending = pending_write(&facts, node_plan);
            }
            Err(error) => return Err(RequestError::when("writing taints or the cordon")(error)),
        }
    }
    Ok(Vec::new())
}

/// The keys that others manage, and who: a refused apply names each as a cause, the field as `.metadata.labels.KEY`, the
/// manager in `conflict with "NAME" …`.
pub(super) fn theirs(error: &kube::Error) -> Vec<Theirs> {
    let kube::Error::Api(answer) = error else {
        return Vec::new();
    };
    let causes = answer.details.iter().flat_map(|details| &details.causes);
    causes
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .filter_map(|cause| {
            let (of, key) = cause.field.strip_prefix(".metadata.")?.split_once('.')?;
            let who = cause.message.split('"').nth(1).unwrap_or("another writer");
            Some((format!("{} {key}", of.strip_suffix('s')?), who.to_owned()))
        })
        .collect()
}
