//! An application with a volume, as cases and the story back it up.
use anyhow::Result;
use serde_json::{Value, json};

use super::env::{BackupEnv, Home, LATER};
use crate::objects::get;
use crate::wait::until;

/// A manifest in the namespace of a case.
pub(super) fn object(home: &Home, version: &str, kind: &str, name: &str, rest: Value) -> Value {
    let mut object = rest;
    object["apiVersion"] = json!(version);
    object["kind"] = json!(kind);
    object["metadata"]["name"] = json!(name);
    object["metadata"]["namespace"] = json!(home.name);
    object
}

/// A Deployment with one pod that has a claim, as user 999.
pub(super) fn application(home: &Home) -> Value {
    let labels = json!({"app": "web"});
    let pod = json!({
        "securityContext": {"runAsUser": 999, "runAsGroup": 998, "runAsNonRoot": true},
        "terminationGracePeriodSeconds": 1,
        "containers": [{
            "name": "web", "image": "localhost/hearth/pause:dev", "imagePullPolicy": "IfNotPresent",
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    });
    let template = json!({"metadata": {"labels": labels}, "spec": pod});
    let spec = json!({"replicas": 1, "selector": {"matchLabels": labels}, "template": template});
    object(home, "apps/v1", "Deployment", "web", json!({"spec": spec}))
}

/// Waits until the pod of a Deployment runs.
pub(super) async fn available(env: &BackupEnv, deployment: &Value) -> Result<()> {
    until("the pod of the Deployment runs", LATER, || async {
        let found = get(&env.client, deployment).await?;
        Ok((found["status"]["availableReplicas"] == 1).then_some(()))
    })
    .await
}
