//! Uninstalling the operator.
use crate::objects::{apply, get, patch};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::case::{Case, Exclusive};
use crate::node_class::env::{
    DOWN, EXCLUDED, GAMER, LATER, NodeEnv, OURS, SOON, annotation, gamer, label, node, ours, taint, taints, with_spec,
};

pub(crate) fn cases() -> Vec<Case<NodeEnv>> {
    vec![
        Case::new("uninstalling_removes_everything_from_the_nodes", |env| {
            Box::pin(release(env))
        })
        .local()
        .exclusive(&[Exclusive::Operator])
        .slow("a node is down only after a grace"),
    ]
}

async fn release(env: &NodeEnv) -> Result<()> {
    let client = &env.client;
    patch(
        client,
        &node("talos03"),
        &json!({"metadata": {"labels": {"example.org/owner": "anna"}}}),
    )
    .await?;
    apply(client, &gamer(json!({}))).await?;
    let class = json!({
        "match": {"hosts": ["gamer"]},
        "labels": {"example.org/tier": "desktop"},
        "annotations": {"example.org/note": "goes off at night"},
        "taints": [{"key": "example.org/desktop", "effect": "PreferNoSchedule"}]
    });
    apply(client, &with_spec("NodeClass", "desktops", class)).await?;
    env.sees(LATER).await?;
    env.host_is("gamer", "is on", LATER, |host| host["state"] == "On")
        .await?;
    env.ask("gamer", Some("for ever")).await?;
    for name in GAMER {
        let full = |node: &Value| {
            label(node, "example.org/tier").is_some()
                && label(node, EXCLUDED).is_some()
                && taint(node, "example.org/desktop").is_some()
                && annotation(node, "nodes.hearth.home.arpa/cordoned").is_some()
        };
        env.node_is(name, "has all that there is", SOON, full).await?;
    }
    // A node that is off must be freed as well.
    env.switch("off", &["talos08"]).await?;
    env.host_is("gamer", "is half off", DOWN, |host| host["state"] == "Partial")
        .await?;

    env.operator.uninstall().await?;
    for name in &env.nodes {
        let now = env.node(name).await?;
        let left = remains(&now);
        ensure!(left.is_empty(), "{name} still has {}", left.join(", "));
    }
    let node = env.node("talos03").await?;
    ensure!(
        label(&node, "example.org/owner") == Some("anna"),
        "what a user has set was removed"
    );
    // Hosts and histories are the user's.
    get(client, &ours("NodeHost", "gamer")).await?;
    get(client, &ours("NodeHistory", "talos08")).await?;
    Ok(())
}

/// What is there of ours.
fn remains(node: &Value) -> Vec<String> {
    let mut left = Vec::new();
    for what in ["labels", "annotations"] {
        let all = node["metadata"][what].as_object().into_iter().flatten();
        let of_ours = |key: &str| {
            key.starts_with(OURS) || key == EXCLUDED || ["example.org/tier", "example.org/note"].contains(&key)
        };
        left.extend(all.filter(|(key, _)| of_ours(key)).map(|(key, _)| key.clone()));
    }
    let of_kubernetes = |taint: &&&Value| taint["key"].as_str().is_some_and(|key| key.contains("kubernetes.io/"));
    let others = taints(node);
    left.extend(
        others
            .iter()
            .filter(|taint| !of_kubernetes(taint))
            .map(ToString::to_string),
    );
    if node["spec"]["unschedulable"] == true {
        left.push("a cordon".to_owned());
    }
    let managed = node["metadata"]["managedFields"].as_array().into_iter().flatten();
    let fields = managed.filter(|entry| entry["manager"] == "node-class" && entry["operation"] == "Apply");
    left.extend(fields.map(|entry| format!("fields of ours: {entry}")));
    left
}
