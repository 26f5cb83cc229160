//! Objects as a user writes them, as JSON so that a test reads like a manifest.
use std::time::Duration;

use anyhow::{Context, Result};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::wait::until;

/// The field manager of the tests.
const MANAGER: &str = "hearth-e2e";

fn api(client: &Client, object: &Value) -> Result<(Api<DynamicObject>, String)> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let api_version = text("/apiVersion").context("no apiVersion")?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = text("/kind").context("no kind")?;
    let plural = match kind.to_lowercase() {
        kind if kind.ends_with('s') => format!("{kind}es"),
        kind if kind.ends_with('y') => format!("{}ies", kind.trim_end_matches('y')),
        kind => format!("{kind}s"),
    };
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), &plural);
    let name = text("/metadata/name").context("no name")?.to_owned();
    let api = match text("/metadata/namespace") {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    Ok((api, name))
}

/// Applies an object, and its status too if it has one: tests play the load balancer.
pub(crate) async fn apply(client: &Client, object: &Value) -> Result<()> {
    let (api, name) = api(client, object)?;
    let parameters = PatchParams::apply(MANAGER).force();
    api.patch(&name, &parameters, &Patch::Apply(object)).await?;
    if object.get("status").is_some() {
        api.patch_status(&name, &parameters, &Patch::Apply(object)).await?;
    }
    Ok(())
}

/// Lays a patch over an object (RFC 7386: null removes), as `kubectl edit` would: only what it names is touched.
pub(crate) async fn patch(client: &Client, object: &Value, patch: &Value) -> Result<()> {
    let (api, name) = api(client, object)?;
    let parameters = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api.patch(&name, &parameters, &Patch::Merge(patch)).await?;
    Ok(())
}

/// The same through the status subresource.
pub(crate) async fn patch_status(client: &Client, object: &Value, patch: &Value) -> Result<()> {
    let (api, name) = api(client, object)?;
    api.patch_status(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    Ok(())
}

/// Creates an object with the status of its body, in two requests and no third: what mass tests need.
pub(crate) async fn create(client: &Client, object: &Value) -> Result<()> {
    let (api, name) = api(client, object)?;
    let body: DynamicObject = serde_json::from_value(object.clone())?;
    api.create(&PostParams::default(), &body).await?;
    if let Some(status) = object.get("status") {
        api.patch_status(&name, &PatchParams::default(), &Patch::Merge(json!({"status": status})))
            .await?;
    }
    Ok(())
}

/// The message with which the API server refuses an object.
pub(crate) async fn rejection(client: &Client, object: &Value) -> Result<String> {
    match apply(client, object).await {
        Ok(()) => anyhow::bail!("the API server took it: {object}"),
        Err(error) => Ok(format!("{error:#}")),
    }
}

/// Deletes an object if it is there.
pub(crate) async fn delete(client: &Client, object: &Value) -> Result<()> {
    let (api, name) = api(client, object)?;
    match api.delete(&name, &kube::api::DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The object as it is now.
pub(crate) async fn get(client: &Client, object: &Value) -> Result<Value> {
    let (api, name) = api(client, object)?;
    Ok(serde_json::to_value(api.get(&name).await?)?)
}

/// A condition of an object: its status, reason and message.
pub(crate) fn condition(object: &Value, kind: &str) -> Option<(String, String, String)> {
    let all = object.pointer("/status/conditions")?.as_array()?;
    let found = all.iter().find(|condition| condition["type"] == kind)?;
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    Some((text("status"), text("reason"), text("message")))
}

/// A Service of type LoadBalancer with a hostname annotation and addresses.
pub(crate) fn load_balancer(namespace: &str, name: &str, hostname: &str, addresses: &[&str]) -> Value {
    let ingress: Vec<Value> = addresses
        .iter()
        .map(|address| json!({"ip": address, "ipMode": "VIP"}))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"namespace": namespace, "name": name, "annotations": {"external-dns.alpha.kubernetes.io/hostname": hostname}},
        "spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]},
        "status": {"loadBalancer": {"ingress": ingress}}
    })
}

/// An Ingress with one host and addresses.
pub(crate) fn ingress(namespace: &str, name: &str, class: &str, host: &str, addresses: &[&str]) -> Value {
    let balancers: Vec<Value> = addresses.iter().map(|address| json!({"ip": address})).collect();
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"ingressClassName": class, "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]},
        "status": {"loadBalancer": {"ingress": balancers}}
    })
}

/// A DNSRecord.
pub(crate) fn record(namespace: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "dns.hearth.home.arpa/v1alpha1", "kind": "DNSRecord", "metadata": {"namespace": namespace, "name": name}, "spec": spec})
}

/// Waits until an object's condition has this status and reason (empty: any); its message.
pub(crate) async fn object_condition(
    client: &Client,
    object: &Value,
    kind: &str,
    status: &str,
    reason: &str,
    limit: Duration,
) -> Result<String> {
    let what = format!(
        "{} {} has {kind}={status} {reason}",
        object["kind"], object["metadata"]["name"]
    );
    until(&what, limit, || async {
        let now = get(client, object).await?;
        let current = now.pointer("/metadata/generation") == now.pointer("/status/observedGeneration");
        match condition(&now, kind) {
            Some((value, why, message)) if current && value == status && (reason.is_empty() || why == reason) => {
                Ok(Some(message))
            }
            other => anyhow::bail!("generation seen: {current}, condition: {other:?}"),
        }
    })
    .await
}

/// Lays `patch` over `base`; null removes.
pub(crate) fn merge(base: &mut Value, patch: Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    base.remove(&key);
                } else {
                    merge(base.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (base, patch) => *base = patch,
    }
}
