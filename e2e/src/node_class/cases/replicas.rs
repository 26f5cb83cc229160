//! The machine of the operator's leader goes off.
use std::time::Duration;

use crate::install::NAMESPACE;
use crate::objects::{apply, get, patch};
use crate::wait::until;
use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::case::{Case, Exclusive};
use crate::node_class::env::{DOWN, LATER, NodeEnv, SOON, VALUES, gamer, label, node, with_spec};

/// Where the two replicas are.
const HOMES: [&str; 2] = ["mini-1", "mini-2"];
/// So long after the end of the lease the other has acted.
const ACTED: SignedDuration = SignedDuration::from_secs(20);

pub(crate) fn cases() -> Vec<Case<NodeEnv>> {
    vec![
        Case::new(
            "the_other_replica_takes_over_when_the_leaders_machine_goes_off",
            |env| Box::pin(own_machine_then_reset(env)),
        )
        .local()
        .exclusive(&[Exclusive::Operator])
        .slow("a lease and a grace have to pass"),
    ]
}

async fn own_machine_then_reset(env: &NodeEnv) -> Result<()> {
    let seen = own_machine(env).await;
    env.switch("on", &HOMES).await?;
    env.all_ready(LATER).await?;
    env.reset_operator().await?;
    env.operator.ready(1, LATER).await?;
    seen
}

async fn own_machine(env: &NodeEnv) -> Result<()> {
    let client = &env.client;
    apply(client, &gamer(json!({}))).await?;
    for name in HOMES {
        let ours = json!({"metadata": {"labels": {"example.org/operator": "here"}}});
        patch(client, &node(name), &ours).await?;
    }
    let two = ["replicaCount=2", "nodeSelector.example\\.org/operator=here"];
    env.reinstall(&[&VALUES[..], &two].concat()).await?;
    env.operator.ready(2, LATER).await?;
    let (pod, machine) = until("one of two replicas leads", LATER, || leader(env)).await?;
    let others = env
        .operator
        .pods()
        .await?
        .into_iter()
        .filter_map(|pod| pod.spec?.node_name);
    ensure!(
        others.filter(|name| *name == machine).count() == 1,
        "the chart puts both replicas on {machine}"
    );
    env.sees(LATER).await?;
    let before = env.transitions_up_to_now(&machine).await?.len();

    env.switch("off", &[&machine]).await?;
    let lease = lease(env).await?;
    ensure!(
        holder(&lease).starts_with(&pod),
        "{} took the lease before {pod} was off",
        holder(&lease)
    );
    let renewed: Timestamp = lease["spec"]["renewTime"].as_str().unwrap_or_default().parse()?;
    let seconds = lease["spec"]["leaseDurationSeconds"].as_i64().context("no duration")?;
    let end = renewed.checked_add(SignedDuration::from_secs(seconds))?;
    // Nobody who is left has seen this class before.
    let class = json!({"match": {"hosts": ["gamer"]}, "labels": {"example.org/after": "yes"}});
    apply(client, &with_spec("NodeClass", "after", class)).await?;
    let marked = |node: &Value| label(node, "example.org/after") == Some("yes");
    env.node_is("talos03", "is marked by the other replica", DOWN, marked)
        .await?;
    let late = Timestamp::now().duration_since(end);
    ensure!(
        late <= ACTED,
        "the other replica acted {late:#} after the end of the lease"
    );

    // What happened while nobody led is recorded, and only once.
    let lost = |last: &Value| last["kind"] == "Lost" && last["backAt"].is_null();
    env.history_is(&machine, "Down", before + 1, DOWN, lost).await?;
    env.switch("on", &[&machine]).await?;
    let back = |last: &Value| last["backAt"].is_string();
    env.history_is(&machine, "Up", before + 1, DOWN, back).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    env.history_is(&machine, "Up", before + 1, SOON, back).await.map(drop)
}

async fn lease(env: &NodeEnv) -> Result<Value> {
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"namespace": NAMESPACE, "name": "node-class"}});
    get(&env.client, &lease).await
}

fn holder(lease: &Value) -> &str {
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default()
}

/// The pod that holds the lease, and its machine.
async fn leader(env: &NodeEnv) -> Result<Option<(String, String)>> {
    let lease = lease(env).await?;
    let pods = env.operator.pods().await?;
    let leads = pods.into_iter().find(|pod| holder(&lease).starts_with(&pod.name_any()));
    Ok(leads.and_then(|pod| Some((pod.name_any(), pod.spec?.node_name?))))
}
