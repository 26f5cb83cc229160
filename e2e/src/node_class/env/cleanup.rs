//! Restores the environment after a case: machines on, and nothing of the case on nodes.
use anyhow::{Context, Result, ensure};
use kube::api::DynamicObject;
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::{EXCLUDED, LATER, MEMBER, NodeEnv, OURS, THEIRS, annotation, node, ours, taints};
use crate::namespaces::{labelled, remove_namespaces};
use crate::objects::{delete, patch};
use crate::wait::until;

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

impl NodeEnv {
    /// Makes everything as it was before the first case: machines on, no hosts and classes of cases, nothing on nodes.
    pub(crate) async fn restore(&self) -> Result<()> {
        let all: Vec<&str> = self.nodes.iter().map(String::as_str).collect();
        self.switch("on", &all).await?;
        self.all_ready(LATER).await?;
        for kind in ["NodeHost", "NodeClass"] {
            self.delete_all(kind).await?;
        }
        // The operator creates it when it starts for the first time.
        until("the class `volatile` is there", LATER, || async {
            let volatile = json!({"spec": {"excludeFromDisruptionCount": true, "priority": -100}});
            patch(&self.client, &ours("NodeClass", "volatile"), &volatile)
                .await
                .map(Some)
        })
        .await?;
        for name in &self.nodes {
            // Others write nodes too: a conflict is retried on what the node has then.
            let what = format!("what a case set by hand on {name} is removed");
            until(&what, LATER, || async { self.clean_node(name).await.map(Some) }).await?;
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
            .list(&labelled())
            .await
            .with_context(|| format!("listing each {kind}"))?;
        for object in all {
            delete(&self.client, &ours(kind, &object.name_any())).await?;
        }
        Ok(())
    }

    /// Removes what cases set by hand on a node.
    async fn clean_node(&self, name: &str) -> Result<()> {
        let now = self.node(name).await?;
        let mut body = json!({});
        for what in ["labels", "annotations"] {
            let all = now["metadata"][what].as_object().into_iter().flatten();
            for (key, _) in all.filter(|(key, _)| key.starts_with(THEIRS) || *key == MEMBER) {
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
}
