//! The environment of node-class' cases: machines that are switched off and on, the operator, and what it has written.
mod cleanup;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::case::{Exclusive, TestEnv};
use crate::environment::Environment;
use crate::install::{Installation, NAMESPACE};
use crate::namespaces::LABEL;
use crate::objects::{apply, get, merge, patch};
use crate::wait::until;

/// The release.
pub(crate) const NAME: &str = "node-class";
/// The chart's values for all cases, besides those that fit the short times.
pub(crate) const VALUES: [&str; 2] = ["clusterName=e2e", "logging.format=json"];

/// The nodes of a desktop. `cargo xtask` makes the cluster so, with others that stay on, `home-1` among them.
pub(crate) const GAMER: [&str; 2] = ["talos03", "talos08"];

/// What a case that uses the desktop needs for itself. The environment is restored as a whole after a case, so that all cases
/// on machines need it.
pub(crate) const GAMER_MACHINES: &[Exclusive] = &[Exclusive::Machine(GAMER[0]), Exclusive::Machine(GAMER[1])];

/// The chart's values for short times: as quick as the cluster's `--grace short`. Learning takes days, and stays so: no
/// availability must change in the middle of a case.
const TIMES: [&str; 5] = [
    "timing.grace=12s",
    "timing.blindAfter=20s",
    "timing.settle=30s",
    "timing.checkpoint=30s",
    "timing.cleanOffAfter=20s",
];
/// The operator runs where nothing is switched off.
pub(crate) const AT_HOME: &str = "nodeSelector.kubernetes\\.io/hostname=home-1";

/// A change in the cluster is on the nodes within this.
pub(crate) const SOON: Duration = Duration::from_secs(15);
/// A node that is switched off is known to be down within this: the grace, on Kubernetes' side and on ours.
pub(crate) const DOWN: Duration = Duration::from_mins(1);
/// After a start nothing is taken away for a while, and nothing at all is judged before the grace is over.
pub(crate) const LATER: Duration = Duration::from_mins(2);

/// Labels, annotations and taints of ours begin with this.
pub(crate) const OURS: &str = "nodes.hearth.home.arpa/";
/// Labels, annotations and taints of the cases begin with this.
pub(crate) const THEIRS: &str = "example.org/";
/// The label that takes a node out of Kubernetes' count.
pub(crate) const EXCLUDED: &str = "node.kubernetes.io/exclude-disruption";
/// The role of a member of etcd. This cluster's etcd runs beside its nodes; a case that needs it says where it is.
pub(crate) const MEMBER: &str = "node-role.kubernetes.io/etcd";
/// Kubernetes' taint that releases a node's pods and volumes.
pub(crate) const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// The environment.
#[derive(Clone)]
pub(crate) struct NodeEnv {
    /// Where we are.
    pub(crate) environment: Environment,
    /// The cluster.
    pub(crate) client: Client,
    /// node-class.
    pub(crate) operator: Installation,
    /// The names of all nodes.
    pub(crate) nodes: Vec<String>,
}

/// A Node, to get, patch or delete.
pub(crate) fn node(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
}

/// A `NodeHost`, `NodeClass` or `NodeHistory`, likewise.
pub(crate) fn ours(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "nodes.hearth.home.arpa/v1alpha1", "kind": kind, "metadata": {"name": name, "labels": {(LABEL): "e2e"}}})
}

/// One with this spec.
pub(crate) fn with_spec(kind: &str, name: &str, spec: Value) -> Value {
    let mut object = ours(kind, name);
    object["spec"] = spec;
    object
}

/// The desktop; `more` is merged over its spec.
pub(crate) fn gamer(more: Value) -> Value {
    let mut spec = json!({"nodes": GAMER, "formFactor": "Desktop", "availability": "Volatile"});
    merge(&mut spec, more);
    with_spec("NodeHost", "gamer", spec)
}

/// A label's value.
pub(crate) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["labels"][key].as_str()
}

/// An annotation's value.
pub(crate) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][key].as_str()
}

/// A node's taints.
pub(crate) fn taints(node: &Value) -> Vec<&Value> {
    node["spec"]["taints"].as_array().into_iter().flatten().collect()
}

/// The taint with this key.
pub(crate) fn taint<'a>(node: &'a Value, key: &str) -> Option<&'a Value> {
    taints(node).into_iter().find(|taint| taint["key"] == key)
}

/// Whether Kubernetes calls a node Ready.
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
        .filter(|taint| !taint["key"].as_str().is_some_and(of_kubernetes) || taint["key"] == OUT_OF_SERVICE)
        .collect();
    json!({
        "labels": keep(&node["metadata"]["labels"]),
        "annotations": keep(&node["metadata"]["annotations"]),
        "taints": taints,
        "unschedulable": node["spec"]["unschedulable"],
    })
}

/// A Deployment or `StatefulSet` with one pod, which rather runs on these nodes than elsewhere.
pub(crate) fn workload(kind: &str, namespace: &str, name: &str, nodes: &[&str]) -> Value {
    let labels = json!({"app": name});
    let preference = json!([{"weight": 100, "preference": {"matchExpressions": [
        {"key": "kubernetes.io/hostname", "operator": "In", "values": nodes}
    ]}}]);
    let spec = json!({
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {
            "terminationGracePeriodSeconds": 1,
            // Else the taint of volatile nodes would weigh more than the preference.
            "tolerations": [{"key": "nodes.hearth.home.arpa/volatile", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preference}},
            "containers": [{"name": "pause", "image": "localhost/hearth/pause:dev", "imagePullPolicy": "IfNotPresent"}]
        }}
    });
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec})
}

impl TestEnv for NodeEnv {
    async fn setup(environment: Environment) -> Result<Self> {
        let env = Self::install(environment, &VALUES).await?;
        env.restore().await?;
        Ok(env)
    }

    async fn cleanup(&self) -> Result<()> {
        self.restore().await
    }

    fn operator(&self) -> &Installation {
        &self.operator
    }
}

impl NodeEnv {
    /// Installs node-class on `home-1`, with these values besides those that fit the short times.
    pub(crate) async fn install(environment: Environment, values: &[&str]) -> Result<Self> {
        let client = environment.client().await?;
        let values = [&TIMES[..], &[AT_HOME], values].concat();
        let operator = Installation::install(&environment, &client, NAME, &values).await?;
        let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await?;
        Ok(Self {
            environment,
            client,
            operator,
            nodes: nodes.iter().map(ResourceExt::name_any).collect(),
        })
    }

    /// Installs it as it is for all cases.
    pub(crate) async fn reset_operator(&self) -> Result<()> {
        self.reinstall(&[&VALUES[..], &[AT_HOME]].concat()).await
    }

    /// Installs it again with these values, on any machine.
    pub(crate) async fn reinstall(&self, values: &[&str]) -> Result<()> {
        self.operator.upgrade(&[&TIMES[..], values].concat()).await
    }

    /// Switches machines.
    pub(crate) async fn switch(&self, action: &str, names: &[&str]) -> Result<()> {
        self.environment.control()?.node(action, names).await
    }

    /// A Node as it is now.
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

    /// Waits until all nodes are Ready.
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

    /// The transitions in a node's history.
    pub(crate) async fn transitions(&self, name: &str) -> Result<Vec<Value>> {
        let history = get(&self.client, &ours("NodeHistory", name)).await?;
        Ok(history["status"]["transitions"].as_array().cloned().unwrap_or_default())
    }

    /// The transitions in the history of a node that is on, once the history says so: its last transition may be written a moment
    /// after the node is seen.
    pub(crate) async fn transitions_up_to_now(&self, name: &str) -> Result<Vec<Value>> {
        until(&format!("the history of {name} says Up"), LATER, || async {
            let history = get(&self.client, &ours("NodeHistory", name)).await?;
            let state = &history["status"]["state"];
            anyhow::ensure!(state == "Up", "it says {state}");
            Ok(Some(
                history["status"]["transitions"].as_array().cloned().unwrap_or_default(),
            ))
        })
        .await
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

    /// Waits until the operator sees all nodes: after a start, or after the API server did not answer.
    pub(crate) async fn sees(&self, limit: Duration) -> Result<()> {
        until("the operator sees all nodes", limit, || async {
            let clear = self
                .operator
                .metric("hearth_nodes_visibility", &["state=\"clear\""])
                .await?;
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

    /// Makes a [`workload`].
    pub(crate) async fn workload(&self, kind: &str, namespace: &str, name: &str, nodes: &[&str]) -> Result<()> {
        apply(&self.client, &workload(kind, namespace, name, nodes)).await
    }

    /// Waits until an app has a running pod that is not ending; the pod.
    pub(crate) async fn running(
        &self,
        namespace: &str,
        app: &str,
        limit: Duration,
        on: impl Fn(&str) -> bool,
    ) -> Result<Value> {
        let mut pods = self.all_running(namespace, app, 1, limit, on).await?;
        pods.pop().context("no pod")
    }

    /// Waits until an app has so many such pods; the pods.
    pub(crate) async fn all_running(
        &self,
        namespace: &str,
        app: &str,
        count: usize,
        limit: Duration,
        on: impl Fn(&str) -> bool,
    ) -> Result<Vec<Value>> {
        until(&format!("{namespace}/{app} runs where it should"), limit, || async {
            let pods = self.pods(namespace, app).await?;
            let runs = |pod: &&Value| {
                pod["status"]["phase"] == "Running"
                    && pod["metadata"]["deletionTimestamp"].is_null()
                    && pod["spec"]["nodeName"].as_str().is_some_and(&on)
            };
            let running: Vec<Value> = pods.iter().filter(runs).cloned().collect();
            if running.len() >= count {
                return Ok(Some(running));
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

    /// The operator's pod, and how often its container was restarted.
    pub(crate) async fn process(&self) -> Result<String> {
        let pod = self.operator.pod().await.with_context(|| format!("in {NAMESPACE}"))?;
        Ok(format!("{} {}", pod.name_any(), self.operator.restarts().await?))
    }
}
