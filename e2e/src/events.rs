//! Kubernetes events of the operators.
use anyhow::Result;
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use kube::{Api, Client};

/// The events about an object, in no order. Those about cluster-scoped objects are in the namespace `default`.
pub(crate) async fn events(client: &Client, namespace: &str, kind: &str, name: &str) -> Result<Vec<Event>> {
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let mut events = api.list(&ListParams::default()).await?.items;
    events.retain(|event| {
        let regarding = event.regarding.as_ref();
        regarding.is_some_and(|object| object.kind.as_deref() == Some(kind) && object.name.as_deref() == Some(name))
    });
    Ok(events)
}
