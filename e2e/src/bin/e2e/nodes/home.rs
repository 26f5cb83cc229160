//! What the cases do with the home: declare its machines, press their buttons, read what became of them.
use anyhow::{Context, Result, bail, ensure};
use hearth_e2e::bed::{LABEL, merge, remove_namespaces};
use hearth_e2e::install::NAMESPACE;
use hearth_e2e::objects::{apply, delete, get, patch};
use hearth_e2e::wait::until;
use kube::api::{DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use std::time::Duration;

use super::{GAMER, LATER, Stage};

/// Labels, annotations and taints of ours begin with this.
pub(crate) const OURS: &str = "nodes.hearth.home.arpa/";
/// Labels, annotations and taints of the cases begin with this.
pub(crate) const THEIRS: &str = "example.org/";
/// The label that takes a node out of Kubernetes' count.
pub(crate) const EXCLUDED: &str = "node.kubernetes.io/exclude-disruption";

/// A Node, a NodeHost and so on, to get, patch or delete.
pub(crate) fn node(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
}

pub(crate) fn ours(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "nodes.hearth.home.arpa/v1alpha1", "kind": kind, "metadata": {"name": name, "labels": {(LABEL): "e2e"}}})
}

pub(crate) fn with_spec(kind: &str, name: &str, spec: Value) -> Value {
    let mut object = ours(kind, name);
    object["spec"] = spec;
    object
}

/// The desktop.
pub(crate) fn gamer(more: Value) -> Value {
    let mut spec = json!({"nodes": GAMER, "formFactor": "Desktop", "availability": "Volatile"});
    merge(&mut spec, more);
    with_spec("NodeHost", "gamer", spec)
}

pub(crate) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["labels"][key].as_str()
}

pub(crate) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][key].as_str()
}

pub(crate) fn taints(node: &Value) -> Vec<&Value> {
    node["spec"]["taints"].as_array().into_iter().flatten().collect()
}

pub(crate) fn taint<'a>(node: &'a Value, key: &str) -> Option<&'a Value> {
    taints(node).into_iter().find(|taint| taint["key"] == key)
}

pub(crate) fn is_ready(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    let mut all = conditions.into_iter().flatten();
    all.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// What of a node is somebody's choice: all but what Kubernetes itself writes.
pub(crate) fn chosen(node: &Value) -> Value {
    let of_kubernetes = |key: &str| key.contains("kubernetes.io/") && key != EXCLUDED;
    let keep = |map: &Value| -> Value {
        let entries = map.as_object().into_iter().flatten();
        entries
            .filter(|(key, _)| !of_kubernetes(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let taints: Vec<&Value> = taints(node)
        .into_iter()
        .filter(|taint| !taint["key"].as_str().is_some_and(of_kubernetes) || taint["key"] == super::failover::TAINT)
        .collect();
    json!({
        "labels": keep(&node["metadata"]["labels"]),
        "annotations": keep(&node["metadata"]["annotations"]),
        "taints": taints,
        "unschedulable": node["spec"]["unschedulable"],
    })
}

/// What of ours is on a node beside its host and its availability, which each node has.
fn left_on(node: &Value) -> Vec<String> {
    let name = node["metadata"]["name"].as_str().unwrap_or_default();
    let mut left = Vec::new();
    for what in ["labels", "annotations"] {
        let all = node["metadata"][what].as_object().into_iter().flatten();
        for (key, value) in all {
            let each_has = match key.strip_prefix(OURS) {
                Some("host") => value == name,
                Some("availability") => value == "Unproven",
                Some(_) => false,
                None => key != EXCLUDED && !key.starts_with(THEIRS),
            };
            if !each_has {
                left.push(format!("{key}={value}"));
            }
        }
    }
    left.extend(taints(node).iter().map(|taint| format!("taint {taint}")));
    if node["spec"]["unschedulable"] == true {
        left.push("a cordon".to_owned());
    }
    left
}

impl Stage {
    /// Switches machines.
    pub(crate) async fn switch(&self, action: &str, names: &[&str]) -> Result<()> {
        self.surroundings.control()?.node(action, names).await
    }

    pub(crate) async fn node(&self, name: &str) -> Result<Value> {
        get(&self.client, &node(name)).await
    }

    /// Waits until a node is as it should be; fails with what of it somebody has chosen.
    pub(crate) async fn node_is(
        &self,
        name: &str,
        what: &str,
        limit: Duration,
        so: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        until(&format!("{name} {what}"), limit, || async {
            let now = self.node(name).await?;
            if so(&now) {
                return Ok(Some(now));
            }
            bail!("it has {}", chosen(&now))
        })
        .await
    }

    pub(crate) async fn all_ready(&self, limit: Duration) -> Result<()> {
        for name in &self.nodes {
            self.node_is(name, "is Ready", limit, is_ready).await?;
        }
        Ok(())
    }

    /// The status of a NodeHost.
    pub(crate) async fn host(&self, name: &str) -> Result<Value> {
        Ok(get(&self.client, &ours("NodeHost", name)).await?["status"].take())
    }

    /// Waits until the status of a NodeHost is as it should be.
    pub(crate) async fn host_is(
        &self,
        name: &str,
        what: &str,
        limit: Duration,
        so: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        until(&format!("NodeHost {name} {what}"), limit, || async {
            let now = self.host(name).await?;
            if so(&now) {
                return Ok(Some(now));
            }
            bail!("its status is {now}")
        })
        .await
    }

    /// The changes that a node's history tells.
    pub(crate) async fn transitions(&self, name: &str) -> Result<Vec<Value>> {
        let history = get(&self.client, &ours("NodeHistory", name)).await?;
        Ok(history["status"]["transitions"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until a node's history is in a state, with so many changes.
    pub(crate) async fn history_is(
        &self,
        name: &str,
        state: &str,
        changes: usize,
        limit: Duration,
        so: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let what = format!("the history of {name} says {state} and has {changes} changes");
        until(&what, limit, || async {
            let mut history = get(&self.client, &ours("NodeHistory", name)).await?;
            let last = history["status"]["transitions"].as_array_mut();
            let (count, last) = last.map_or((0, Value::Null), |all| (all.len(), all.pop().unwrap_or_default()));
            let now = &history["status"]["state"];
            if now == state && count == changes && so(&last) {
                return Ok(Some(last));
            }
            bail!("it says {now} and has {count}, the last {last}")
        })
        .await
    }

    /// Waits until the operator sees clearly: after a start, or after nobody could see.
    pub(crate) async fn sees(&self, limit: Duration) -> Result<()> {
        until("the operator sees clearly", limit, || async {
            let clear = self.operator.metric("hearth_nodes_sight", &["state=\"clear\""]).await?;
            Ok((clear >= 1.0).then_some(()))
        })
        .await
    }

    /// Writes to nodes so far: labels, taints, cordons.
    pub(crate) async fn writes(&self) -> Result<f64> {
        let mut sum = 0.0;
        for kind in ["labels", "taints", "cordon"] {
            let text = format!("kind=\"{kind}\"");
            sum += self.operator.metric("hearth_nodes_writes_total", &[&text]).await?;
        }
        Ok(sum)
    }

    /// Asks that a host be emptied, or takes that back.
    pub(crate) async fn ask(&self, host: &str, request: Option<&str>) -> Result<()> {
        let body = json!({"metadata": {"annotations": {"nodes.hearth.home.arpa/off": request}}});
        patch(&self.client, &ours("NodeHost", host), &body).await
    }

    /// Makes everything as it was before the first case: machines on, no hosts and classes of cases, nothing on nodes.
    pub(crate) async fn leave_nothing(&self) -> Result<()> {
        let all: Vec<&str> = self.nodes.iter().map(String::as_str).collect();
        self.switch("on", &all).await?;
        self.all_ready(LATER).await?;
        for kind in ["NodeHost", "NodeClass"] {
            self.delete_all(kind).await?;
        }
        // After an uninstall there is no ready-made class.
        let gone = self.operator.pods().await?.is_empty();
        if !gone {
            let volatile = json!({"spec": {"excludeFromDisruptionCount": true}});
            patch(&self.client, &ours("NodeClass", "volatile"), &volatile).await?;
        }
        for name in &self.nodes {
            self.clean_node(name).await?;
        }
        remove_namespaces(&self.client).await?;
        for name in &self.nodes {
            let what = "has nothing that is left of the case";
            until(&format!("{name} {what}"), LATER, || async {
                let left = left_on(&self.node(name).await?);
                ensure!(left.is_empty(), "there is {}", left.join(", "));
                Ok(Some(()))
            })
            .await?;
        }
        Ok(())
    }

    async fn delete_all(&self, kind: &str) -> Result<()> {
        let plural = if kind == "NodeClass" {
            "nodeclasses"
        } else {
            "nodehosts"
        };
        let resource = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("nodes.hearth.home.arpa", "v1alpha1", kind),
            plural,
        );
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let all = api
            .list(&ListParams::default().labels(&format!("{LABEL}=e2e")))
            .await
            .with_context(|| format!("listing each {kind}"))?;
        for object in all {
            delete(&self.client, &ours(kind, &object.name_any())).await?;
        }
        Ok(())
    }

    /// Takes what cases set by hand off a node.
    async fn clean_node(&self, name: &str) -> Result<()> {
        let now = self.node(name).await?;
        let mut body = json!({});
        for what in ["labels", "annotations"] {
            let all = now["metadata"][what].as_object().into_iter().flatten();
            for (key, _) in all.filter(|(key, _)| key.starts_with(THEIRS)) {
                body["metadata"][what][key] = Value::Null;
            }
        }
        let theirs = |taint: &&Value| taint["key"].as_str().is_some_and(|key| key.starts_with(THEIRS));
        if taints(&now).iter().any(theirs) {
            let others: Vec<&Value> = taints(&now).into_iter().filter(|taint| !theirs(taint)).collect();
            body["spec"]["taints"] = json!(others);
        }
        if now["spec"]["unschedulable"] == true && annotation(&now, "nodes.hearth.home.arpa/cordoned").is_none() {
            body["spec"]["unschedulable"] = Value::Null;
        }
        if body != json!({}) {
            // The list of taints is written as a whole: only on what was just read.
            body["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
            patch(&self.client, &node(name), &body).await?;
        }
        Ok(())
    }

    /// A Deployment or `StatefulSet` with one pod, which rather runs on these nodes than elsewhere.
    pub(crate) async fn workload(&self, kind: &str, namespace: &str, name: &str, nodes: &[&str]) -> Result<()> {
        let labels = json!({"app": name});
        let wish = json!([{"weight": 100, "preference": {"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": nodes}
        ]}}]);
        let spec = json!({
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {
                "terminationGracePeriodSeconds": 1,
                // Else the taint of volatile nodes would weigh more than the wish.
                "tolerations": [{"key": "nodes.hearth.home.arpa/volatile", "operator": "Exists"}],
                "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": wish}},
                "containers": [{"name": "pause", "image": "localhost/hearth/pause:dev", "imagePullPolicy": "IfNotPresent"}]
            }}
        });
        let metadata = json!({"name": name, "namespace": namespace});
        apply(
            &self.client,
            &json!({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}),
        )
        .await
    }

    /// Waits until an app has one running pod that is not ending; the pod.
    pub(crate) async fn running(
        &self,
        namespace: &str,
        app: &str,
        limit: Duration,
        on: impl Fn(&str) -> bool,
    ) -> Result<Value> {
        until(&format!("{namespace}/{app} runs where it should"), limit, || async {
            let pods = self.pods(namespace, app).await?;
            let runs = |pod: &&Value| {
                pod["status"]["phase"] == "Running"
                    && pod["metadata"]["deletionTimestamp"].is_null()
                    && pod["spec"]["nodeName"].as_str().is_some_and(&on)
            };
            if let Some(pod) = pods.iter().find(runs) {
                return Ok(Some(pod.clone()));
            }
            let shown = pods.iter().map(|pod| {
                let (node, phase) = (&pod["spec"]["nodeName"], &pod["status"]["phase"]);
                format!(
                    "{phase} on {node}, ending since {}",
                    pod["metadata"]["deletionTimestamp"]
                )
            });
            bail!("its pods are {:?}", shown.collect::<Vec<_>>())
        })
        .await
    }

    /// An app's pods.
    pub(crate) async fn pods(&self, namespace: &str, app: &str) -> Result<Vec<Value>> {
        let api: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(self.client.clone(), namespace);
        let pods = api.list(&ListParams::default().labels(&format!("app={app}"))).await?;
        pods.into_iter().map(|pod| Ok(serde_json::to_value(pod)?)).collect()
    }

    /// How often the operator's process has been started anew.
    pub(crate) async fn process(&self) -> Result<String> {
        let pod = self.operator.pod().await.with_context(|| format!("in {NAMESPACE}"))?;
        Ok(format!("{} {}", pod.name_any(), self.operator.restarts().await?))
    }
}
