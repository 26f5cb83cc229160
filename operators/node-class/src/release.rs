//! Takes everything off the nodes that this operator put there, before an uninstall. The API objects are edited, so that a
//! node that is off is freed as well. Nothing of others is touched; histories stay.
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Taint;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::args::Release;
use crate::class::{is_out_of_service, taint};
use crate::crd::{CORDONED, OUT_OF_SERVICE, OWNED_TAINTS};
use crate::facts::{MANAGER, NodeFacts, SlimNode, slim};
use crate::planner::NodePlan;
use crate::reconcile::node_patch::write;

/// Does it and says what it did, a line for each node that had something of ours. Fails if a node could not be freed, after
/// the others have been.
pub async fn release(settings: Release) -> anyhow::Result<()> {
    let client = Client::try_default()
        .await
        .context("no way to the Kubernetes API is configured")?;
    if let (Some(deployment), Some(namespace)) = (&settings.deployment, &settings.namespace)
        && !settings.dry_run
    {
        stop(&client, namespace, deployment).await?;
    }
    let api = Api::<SlimNode>::all(client);
    let all = api.list(&ListParams::default()).await.context("listing nodes")?;
    let mut failed = 0;
    for mut node in all {
        slim(&mut node);
        let facts = NodeFacts::of(&node);
        let name = node.name_any();
        let Some(lines) = described(&facts) else { continue };
        println!("{name}: {}", lines.join(", "));
        if settings.dry_run {
            continue;
        }
        if let Err(error) = free(&api, facts).await {
            eprintln!("{name}: {error:#}");
            failed += 1;
        }
    }
    anyhow::ensure!(failed == 0, "{failed} nodes could not be freed; run it again");
    Ok(())
}

/// Ends the operator and waits until it has given its lease back; after a minute the lease has run out anyway.
async fn stop(client: &Client, namespace: &str, deployment: &str) -> anyhow::Result<()> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), namespace);
    let none = json!({ "spec": { "replicas": 0 } });
    let answer = deployments
        .patch_scale(deployment, &PatchParams::default(), &Patch::Merge(&none))
        .await;
    match answer {
        Ok(_) => println!("the operator ({namespace}/{deployment}) is ended"),
        Err(kube::Error::Api(answer)) if answer.is_not_found() => return Ok(()),
        Err(error) => return Err(error).context("scaling the operator to nothing"),
    }
    let leases = Api::<Lease>::namespaced(client.clone(), namespace);
    for _ in 0..60 {
        let lease = leases.get_opt(MANAGER).await.context("reading the lease")?;
        let holder = lease.and_then(|lease| lease.spec?.holder_identity).unwrap_or_default();
        if holder.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// What of ours is on a node.
fn described(facts: &NodeFacts) -> Option<Vec<String>> {
    let mut lines: Vec<String> = facts.managers.ours().collect();
    if let Some(mark) = facts.annotations.get(OWNED_TAINTS) {
        lines.push(format!("taints {mark}"));
        if is_out_of_service(facts) && !facts.is_ready() {
            lines.push(format!(
                "({OUT_OF_SERVICE} stays while the node is down: take it off by hand when it is back)"
            ));
        }
    }
    if facts.annotations.contains_key(CORDONED) {
        lines.push("cordon".to_owned());
    }
    (!lines.is_empty()).then_some(lines)
}

async fn free(api: &Api<SlimNode>, facts: NodeFacts) -> anyhow::Result<()> {
    let node_plan = NodePlan {
        extra: staying(&facts),
        ..NodePlan::default()
    };
    let theirs = write(api, facts, &node_plan, |_, _| ()).await?;
    anyhow::ensure!(theirs.is_empty(), "others manage {theirs:?}");
    Ok(())
}

/// The out-of-service taint of a node that is down stays, with its mark: what it released must not come back there.
fn staying(facts: &NodeFacts) -> Vec<Taint> {
    let down = !facts.is_ready();
    let kept = facts.taints.iter().filter(|found| down && found.key == OUT_OF_SERVICE);
    kept.map(|found| taint(&found.key, found.value.as_deref(), &found.effect))
        .collect()
}

#[cfg(test)]
mod tests;
