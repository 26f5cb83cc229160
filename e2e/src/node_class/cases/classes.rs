//! What classes write to nodes, and that they remove exactly that.
use crate::objects::{apply, delete, get, merge, object_condition, patch, rejection};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::case::Case;
use crate::node_class::env::{
    EXCLUDED, GAMER, GAMER_MACHINES, LATER, NodeEnv, SOON, annotation, chosen, gamer, label, node, taint, with_spec,
};

pub(crate) fn cases() -> Vec<Case<NodeEnv>> {
    vec![
        Case::new("a_class_sets_labels_and_taints_and_removes_exactly_its_own", |env| {
            Box::pin(marks(env))
        })
        .local()
        .exclusive(GAMER_MACHINES),
        Case::new("invalid_classes_are_rejected_and_a_disputed_node_gets_no_host", |env| {
            Box::pin(refused(env))
        })
        .local()
        .exclusive(GAMER_MACHINES),
    ]
}

const VOLATILE: &str = "nodes.hearth.home.arpa/volatile";
const MARK: &str = "nodes.hearth.home.arpa/owned-taints";

async fn marks(env: &NodeEnv) -> Result<()> {
    let client = &env.client;
    // What a person has set: other keys, and one that a class will want, too.
    let by_hand = json!({
        "metadata": {
            "labels": {"example.org/owner": "anna", "example.org/room": "kitchen"},
            "annotations": {"example.org/bought": "in 2024, \"used\""}
        },
        "spec": {"taints": [{"key": "example.org/loud", "value": "yes", "effect": "PreferNoSchedule"}]}
    });
    patch(client, &node("talos03"), &by_hand).await?;
    apply(client, &gamer(json!({}))).await?;
    let minis = json!({"nodes": ["mini-*"], "formFactor": "MiniPC", "availability": "AlwaysOn"});
    apply(client, &with_spec("NodeHost", "minis", minis)).await?;

    for name in GAMER {
        let so = |node: &Value| {
            label(node, "nodes.hearth.home.arpa/host") == Some("gamer")
                && label(node, "nodes.hearth.home.arpa/availability") == Some("Volatile")
                && label(node, EXCLUDED).is_some()
                && taint(node, VOLATILE).is_some_and(|taint| taint["effect"] == "PreferNoSchedule")
                && annotation(node, MARK).is_some_and(|mark| mark.contains(VOLATILE))
        };
        env.node_is(name, "is marked as volatile", LATER, so).await?;
    }
    for name in ["mini-1", "mini-2"] {
        let so = |node: &Value| {
            label(node, "nodes.hearth.home.arpa/host") == Some("minis")
                && label(node, "nodes.hearth.home.arpa/availability") == Some("AlwaysOn")
                && label(node, "hearth.home.arpa/steady") == Some("true")
                && label(node, EXCLUDED).is_none()
                && taint(node, VOLATILE).is_none()
        };
        env.node_is(name, "is marked as steady", LATER, so).await?;
    }
    object_condition(client, &gamer(json!({})), "Ready", "True", "Seen", LATER).await?;
    let before = env.node("talos03").await?;
    check_by_hand(&before)?;

    let class = json!({
        "match": {"hosts": ["gamer"]},
        "labels": {"example.org/room": "study", "example.org/tier": "desktop"},
        "annotations": {"example.org/note": "goes off at night"},
        "taints": [{"key": "example.org/desktop", "value": "big", "effect": "PreferNoSchedule"}]
    });
    let desktops = with_spec("NodeClass", "desktops", class);
    apply(client, &desktops).await?;
    for name in GAMER {
        let so = |node: &Value| {
            label(node, "example.org/tier") == Some("desktop")
                && annotation(node, "example.org/note").is_some()
                && taint(node, "example.org/desktop").is_some_and(|taint| taint["value"] == "big")
                && annotation(node, MARK).is_some_and(|mark| mark.contains("example.org/desktop=big:PreferNoSchedule"))
        };
        env.node_is(name, "has what the class says", SOON, so).await?;
    }
    env.node_is("talos08", "is in the study", SOON, |node| {
        label(node, "example.org/room") == Some("study")
    })
    .await?;
    let message = object_condition(client, &desktops, "Conflict", "True", "", SOON).await?;
    ensure!(
        message.contains("talos03") && message.contains("example.org/room") && !message.contains("talos08"),
        "the message of the conflict is: {message}"
    );
    check_by_hand(&env.node("talos03").await?)?;

    delete(client, &desktops).await?;
    for name in GAMER {
        let so = |node: &Value| {
            label(node, "example.org/tier").is_none()
                && annotation(node, "example.org/note").is_none()
                && taint(node, "example.org/desktop").is_none()
                && annotation(node, MARK) == Some("nodes.hearth.home.arpa/volatile:PreferNoSchedule")
        };
        env.node_is(name, "has lost what the class said", LATER, so).await?;
    }
    let after = env.node("talos03").await?;
    check_by_hand(&after)?;
    for what in ["labels", "annotations"] {
        let (before, after) = (&before["metadata"][what], &after["metadata"][what]);
        ensure!(before == after, "{what} were {before} and are {after}");
    }
    let room = env.node("talos08").await?;
    ensure!(label(&room, "example.org/room").is_none(), "the room of talos08 stayed");
    Ok(())
}

/// What the person has set is as it was set.
fn check_by_hand(node: &Value) -> Result<()> {
    ensure!(
        label(node, "example.org/owner") == Some("anna")
            && label(node, "example.org/room") == Some("kitchen")
            && annotation(node, "example.org/bought") == Some("in 2024, \"used\"")
            && taint(node, "example.org/loud").is_some_and(|taint| taint["value"] == "yes"),
        "what a person has set was changed: {}",
        chosen(node)
    );
    Ok(())
}

async fn refused(env: &NodeEnv) -> Result<()> {
    let client = &env.client;
    let taint = |effect: &str| json!({"key": "example.org/x", "effect": effect});
    let wrong = [
        (
            json!({"taints": [taint("NoExecute")]}),
            "a NoExecute taint evicts what runs there at once",
        ),
        (
            json!({"labels": {"kubernetes.io/os": "plan9"}}),
            "labels: keys of kubernetes.io",
        ),
        (
            json!({"labels": {"node.talos.dev/x": "mine"}}),
            "labels: keys of kubernetes.io, k8s.io, talos.dev",
        ),
        (
            json!({"labels": {"nodes.hearth.home.arpa/host": "mine"}}),
            "nodes.hearth.home.arpa are not for classes",
        ),
        (
            json!({"labels": {"not a key": "x"}}),
            "a key is an optional DNS prefix and a name",
        ),
        (
            json!({"taints": [taint("NoSchedule"), taint("NoSchedule")]}),
            "each key and effect may stand once",
        ),
        (
            json!({"taints": [{"key": "nodes.hearth.home.arpa/returning", "effect": "NoSchedule"}]}),
            "this key is not for classes",
        ),
        (
            json!({"failover": {"evidence": []}}),
            "name at least one of PowerOff, CleanShutdown",
        ),
    ];
    for (more, message) in wrong {
        let mut spec = json!({"match": {}});
        merge(&mut spec, more);
        let rejected = rejection(client, &with_spec("NodeClass", "wrong", spec)).await?;
        ensure!(
            rejected.contains(message),
            "the message is not `{message}` but: {rejected}"
        );
    }
    // Only the operator can see that a selector is none: the class is kept, and says what is wrong with it.
    let odd = json!({"match": {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}}});
    let odd = with_spec("NodeClass", "odd", odd);
    apply(client, &odd).await?;
    object_condition(client, &odd, "Stalled", "True", "InvalidClass", SOON).await?;

    let hosts = [
        gamer(json!({})),
        with_spec("NodeHost", "rival", json!({"nodes": ["talos03"]})),
    ];
    apply(client, &hosts[0]).await?;
    object_condition(client, &hosts[0], "Ready", "True", "Seen", LATER).await?;
    apply(client, &hosts[1]).await?;
    for host in &hosts {
        let message = object_condition(client, host, "Ready", "False", "NodesDisputed", SOON).await?;
        ensure!(message.contains("talos03"), "the message of the dispute is: {message}");
    }
    let disputed = get(client, &node("talos03")).await?;
    ensure!(
        label(&disputed, "nodes.hearth.home.arpa/host") != Some("rival"),
        "the disputed node was given to the rival"
    );
    delete(client, &hosts[1]).await?;
    object_condition(client, &hosts[0], "Ready", "True", "Seen", SOON).await?;
    env.node_is("talos03", "is gamer's again", LATER, |node| {
        label(node, "nodes.hearth.home.arpa/host") == Some("gamer")
    })
    .await?;
    Ok(())
}
