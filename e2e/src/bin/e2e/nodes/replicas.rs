//! The machine that goes off is the one with the operator on it.
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hearth_e2e::install::NAMESPACE;
use hearth_e2e::objects::{apply, get, patch};
use hearth_e2e::wait::until;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::home::{AT_HOME, gamer, label, node, with_spec};
use super::{DOWN, LATER, SOON, Stage, VALUES};
use crate::Case;

/// Where the two replicas are.
const HOMES: [&str; 2] = ["mini-1", "mini-2"];
/// So long after the end of the lease the other has acted.
const ACTED: SignedDuration = SignedDuration::from_secs(20);

pub(crate) fn cases() -> Vec<Case<Stage>> {
    vec![Case {
        name: "the_operators_own_machine_goes_off_and_the_other_replica_acts",
        local: true,
        run: |stage| {
            Box::pin(async move {
                let seen = own_machine(stage).await;
                stage.switch("on", &HOMES).await?;
                stage.all_ready(LATER).await?;
                stage.reinstall(&[&VALUES[..], &[AT_HOME]].concat()).await?;
                stage.operator.ready(1, LATER).await?;
                seen
            })
        },
    }]
}

async fn own_machine(stage: &Stage) -> Result<()> {
    let client = &stage.client;
    apply(client, &gamer(json!({}))).await?;
    for name in HOMES {
        let ours = json!({"metadata": {"labels": {"example.org/operator": "here"}}});
        patch(client, &node(name), &ours).await?;
    }
    let two = ["replicaCount=2", "nodeSelector.example\\.org/operator=here"];
    stage.reinstall(&[&VALUES[..], &two].concat()).await?;
    stage.operator.ready(2, LATER).await?;
    let (pod, machine) = until("one of two replicas leads", LATER, || leader(stage)).await?;
    let others = stage
        .operator
        .pods()
        .await?
        .into_iter()
        .filter_map(|pod| pod.spec?.node_name);
    ensure!(
        others.filter(|name| *name == machine).count() == 1,
        "the chart puts both replicas on {machine}"
    );
    stage.sees(LATER).await?;
    let before = stage.transitions(&machine).await?.len();

    stage.switch("off", &[&machine]).await?;
    let lease = lease(stage).await?;
    ensure!(
        holder(&lease).starts_with(&pod),
        "{} took the lease before {pod} was gone",
        holder(&lease)
    );
    let renewed: Timestamp = lease["spec"]["renewTime"].as_str().unwrap_or_default().parse()?;
    let seconds = lease["spec"]["leaseDurationSeconds"].as_i64().context("no duration")?;
    let end = renewed.checked_add(SignedDuration::from_secs(seconds))?;
    // Nobody who is left has seen this class before.
    let class = json!({"match": {"hosts": ["gamer"]}, "labels": {"example.org/after": "yes"}});
    apply(client, &with_spec("NodeClass", "after", class)).await?;
    let marked = |node: &Value| label(node, "example.org/after") == Some("yes");
    stage
        .node_is("talos03", "is marked by the other replica", DOWN, marked)
        .await?;
    let late = Timestamp::now().duration_since(end);
    ensure!(
        late <= ACTED,
        "the other replica acted {late:#} after the end of the lease"
    );

    // What happened while nobody led is told, and once.
    let lost = |last: &Value| last["kind"] == "Lost" && last["backAt"].is_null();
    stage.history_is(&machine, "Down", before + 1, DOWN, lost).await?;
    stage.switch("on", &[&machine]).await?;
    let back = |last: &Value| last["backAt"].is_string();
    stage.history_is(&machine, "Up", before + 1, DOWN, back).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    stage.history_is(&machine, "Up", before + 1, SOON, back).await.map(drop)
}

async fn lease(stage: &Stage) -> Result<Value> {
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"namespace": NAMESPACE, "name": "node-class"}});
    get(&stage.client, &lease).await
}

fn holder(lease: &Value) -> &str {
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default()
}

/// The pod that holds the lease, and its machine.
async fn leader(stage: &Stage) -> Result<Option<(String, String)>> {
    let lease = lease(stage).await?;
    let pods = stage.operator.pods().await?;
    let leads = pods.into_iter().find(|pod| holder(&lease).starts_with(&pod.name_any()));
    Ok(leads.and_then(|pod| Some((pod.name_any(), pod.spec?.node_name?))))
}
