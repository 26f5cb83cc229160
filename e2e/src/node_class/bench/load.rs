//! Makes the nodes with their leases and hosts, and removes them.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use crate::wait::until;
use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::api::{DeleteParams, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::fake_kubelets::{self, NAMESPACE};
use super::node::{MARK, Node, PER_HOST, PREFIX};
use crate::bench::mass::{PARALLEL, create, names};

/// The field manager of hosts.
const MANAGER: &str = "hearth-bench";

/// One of our kinds.
pub(crate) fn kind(client: &Client, kind: &str, plural: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("nodes.hearth.home.arpa", "v1alpha1", kind);
    Api::all_with(client.clone(), &ApiResource::from_gvk_with_plural(&kind, plural))
}

pub(crate) fn hosts(client: &Client) -> Api<DynamicObject> {
    kind(client, "NodeHost", "nodehosts")
}

pub(crate) fn histories(client: &Client) -> Api<DynamicObject> {
    kind(client, "NodeHistory", "nodehistories")
}

/// Makes so many nodes with their hosts; their leases.
pub(crate) async fn nodes(client: &Client, count: u32) -> Result<BTreeMap<u32, Lease>> {
    let api = &hosts(client);
    let objects = (0..count)
        .step_by(PER_HOST as usize)
        .filter_map(|number| Node(number).host().object());
    stream::iter(objects)
        .map(|object| async move { create(api, &object, MANAGER).await })
        .buffer_unordered(PARALLEL)
        .try_collect::<()>()
        .await
        .context("making the hosts")?;
    stream::iter(0..count)
        .map(|number| async move { Ok((number, node(client, Node(number)).await?)) })
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await
}

/// A Node, and its lease as its kubelet makes it.
async fn node(client: &Client, node: Node) -> Result<Lease> {
    let nodes: Api<NodeObject> = Api::all(client.clone());
    create(&nodes, &node.object(Timestamp::now()), fake_kubelets::MANAGER).await?;
    let name = node.name();
    let uid = nodes.get_metadata(&name).await?.metadata.uid;
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {(MARK): "bench"}, "ownerReferences": [
            {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}
        ]},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()}
    });
    let leases: Api<Lease> = Api::namespaced(client.clone(), NAMESPACE);
    create(&leases, &lease, fake_kubelets::MANAGER).await?;
    Ok(leases.get(&name).await?)
}

/// Removes what was made and the histories that belong to it, and waits until all is removed. Histories in `known` were there before.
/// Call it without an operator, which would create histories again.
pub(crate) async fn clear(client: &Client, known: &BTreeSet<String>) -> Result<()> {
    let made = ListParams::default().labels(MARK);
    let (nodes, leases) = (
        Api::<NodeObject>::all(client.clone()),
        Api::<Lease>::namespaced(client.clone(), NAMESPACE),
    );
    let (hosts, histories) = (hosts(client), histories(client));
    until(
        "what the measurement made is removed",
        Duration::from_mins(5),
        || async {
            let left = [
                left(&nodes, names(&nodes, &made).await?).await?,
                left(&leases, names(&leases, &made).await?).await?,
                left(&hosts, names(&hosts, &made).await?).await?,
                left(&histories, {
                    let mut all = names(&histories, &ListParams::default()).await?;
                    all.retain(|name| name.starts_with(PREFIX) || !known.contains(name));
                    all
                })
                .await?,
            ];
            Ok((left.iter().sum::<usize>() == 0).then_some(()))
        },
    )
    .await
    .context("cleaning up")
}

/// Deletes these; how many there were.
async fn left<K>(api: &Api<K>, names: Vec<String>) -> Result<usize>
where
    K: Clone + DeserializeOwned + Debug,
{
    let count = names.len();
    stream::iter(names)
        .map(|name| async move {
            match api.delete(&name, &DeleteParams::default()).await {
                Ok(_) => Ok(()),
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                Err(error) => Err(error),
            }
        })
        .buffer_unordered(PARALLEL)
        .try_collect::<()>()
        .await?;
    Ok(count)
}
