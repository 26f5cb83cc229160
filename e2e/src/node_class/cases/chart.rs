//! Installations, upgrades and rollbacks of the chart, and what they must leave alone.
use crate::demo_install::knows;
use crate::objects::{apply, get, patch};
use crate::wait::until;
use anyhow::{Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::case::{Case, Exclusive};
use crate::install::NAMESPACE;
use crate::node_class::env::{AT_HOME, GAMER, LATER, NAME, NodeEnv, SOON, VALUES, chosen, gamer, ours, taint};
use crate::node_class::story;

/// The classes that the operator creates.
const READY_MADE: [&str; 2] = ["steady", "volatile"];

pub(crate) fn cases() -> Vec<Case<NodeEnv>> {
    vec![
        Case::new("a_rollback_keeps_classes_labels_and_taints", |env| {
            Box::pin(rollback(env))
        })
        .local()
        .exclusive(&[Exclusive::Operator]),
        Case::new("it_installs_without_waiting_on_a_cluster_without_its_crds", |env| {
            Box::pin(first_install(env))
        })
        .local()
        .exclusive(&[Exclusive::Operator]),
    ]
}

/// As after an upgrade from a chart that had the classes as hooks: the revision before does not have them, so that Helm would
/// delete them in a rollback.
async fn rollback(env: &NodeEnv) -> Result<()> {
    let client = &env.client;
    apply(client, &gamer(json!({}))).await?;
    for name in GAMER {
        let so = |node: &Value| taint(node, "nodes.hearth.home.arpa/volatile").is_some();
        env.node_is(name, "is marked as volatile", LATER, so).await?;
    }
    let before = env.operator.revision().await?;
    let by_helm = json!({"metadata": {
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": NAME, "meta.helm.sh/release-namespace": NAMESPACE}
    }});
    for name in READY_MADE {
        patch(client, &ours("NodeClass", name), &by_helm).await?;
    }
    // What somebody has changed in them stays as well.
    let changed = json!({"spec": {"priority": -50}});
    patch(client, &ours("NodeClass", "volatile"), &changed).await?;
    env.reset_operator().await?;
    let adopted = classes(env).await?;
    for class in &adopted {
        let policy = &class["metadata"]["annotations"]["helm.sh/resource-policy"];
        ensure!(
            policy == "keep",
            "{} is not kept by policy: {policy}",
            class["metadata"]["name"]
        );
    }
    let nodes = chosen_of_all(env).await?;

    env.operator.rollback(before).await?;
    env.operator.ready(1, LATER).await?;
    env.sees(LATER).await?;
    let identity = |classes: &[Value]| -> Vec<Value> {
        let each = classes.iter();
        each.map(|class| json!([class["metadata"]["uid"], class["spec"]]))
            .collect()
    };
    let after = classes(env).await?;
    ensure!(
        identity(&adopted) == identity(&after),
        "the classes were {adopted:?} and are {after:?}"
    );
    let now = chosen_of_all(env).await?;
    ensure!(nodes == now, "the nodes had {nodes:?} and have {now:?}");
    Ok(())
}

/// Without `--wait` Helm ends before the API server serves the CRDs.
async fn first_install(env: &NodeEnv) -> Result<()> {
    let client = &env.client;
    env.operator.uninstall().await?;
    let crds = Api::<CustomResourceDefinition>::all(client.clone());
    for name in story::CHART.crds {
        crds.delete(name, &DeleteParams::default()).await?;
        until(&format!("{name} is removed"), LATER, || async {
            Ok(crds.get_opt(name).await?.is_none().then_some(()))
        })
        .await?;
    }

    env.operator.apply(&[&VALUES[..], &[AT_HOME]].concat(), false).await?;
    ensure!(knows(client, &story::CHART).await?, "not every CRD was installed");
    env.operator.ready(1, LATER).await?;
    until("the classes are created", SOON, || async {
        classes(env).await.map(Some)
    })
    .await?;
    env.reset_operator().await
}

/// The ready-made classes as they are now.
async fn classes(env: &NodeEnv) -> Result<Vec<Value>> {
    let mut classes = Vec::new();
    for name in READY_MADE {
        classes.push(get(&env.client, &ours("NodeClass", name)).await?);
    }
    Ok(classes)
}

/// What the operator and others have set on all nodes.
async fn chosen_of_all(env: &NodeEnv) -> Result<Vec<Value>> {
    let mut nodes = Vec::new();
    for name in &env.nodes {
        nodes.push(chosen(&env.node(name).await?));
    }
    Ok(nodes)
}
