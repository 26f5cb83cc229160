//! Installing, upgrading, losing rights, uninstalling.
use std::time::Duration;

use anyhow::{Result, ensure};
use hearth_e2e::install::Operator;
use hearth_e2e::objects::{apply, get, ingress, load_balancer};
use hearth_e2e::wait::never;
use serde_json::json;

use super::faults::complete;
use super::{LATER, SOON, VALUES, mass};
use crate::{Case, Stage, namespace};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "rights_on_ingresses_revoked_delete_nothing",
            local: false,
            run: |stage| Box::pin(revoked(stage)),
        },
        Case {
            name: "an_upgrade_under_load_loses_nothing",
            local: false,
            run: |stage| Box::pin(upgrade(stage)),
        },
        Case {
            name: "uninstalling_keeps_records_and_kinds",
            local: false,
            run: |stage| Box::pin(uninstall(stage)),
        },
    ]
}

async fn revoked(stage: &Stage) -> Result<()> {
    let client = &stage.bed.client;
    namespace(client, "rights").await?;
    let zone = stage
        .bed
        .zone("rights", json!({"sources": {"ingresses": {"classes": ["public"]}}}))
        .await?;
    for number in 0..3 {
        let name = format!("r-{number}");
        apply(
            client,
            &ingress("rights", &name, "public", &zone.host(&name), &["192.0.2.110"]),
        )
        .await?;
    }
    complete(&zone, 3, LATER).await?;
    let mark = stage.bed.control.mark();
    // Somebody takes the right to read Ingresses away, but not the operator's order to watch them.
    let role = format!("{}-ingresses-gone", stage.dns.name);
    let roles: kube::Api<k8s_openapi::api::rbac::v1::ClusterRole> = kube::Api::all(client.clone());
    let mut stripped = roles.get(stage.dns.name).await?;
    let kept = stripped.clone();
    if let Some(rules) = &mut stripped.rules {
        rules.retain(|rule| !rule.resources.iter().flatten().any(|resource| resource == "ingresses"));
    }
    stripped.metadata.managed_fields = None;
    roles
        .replace(stage.dns.name, &kube::api::PostParams::default(), &stripped)
        .await?;
    stage.dns.kill().await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    stage.dns.ready(1, LATER).await?;
    let message = zone.condition("SourcesComplete", "False", "Incomplete", LATER).await?;
    ensure!(
        message.contains("ingresses") && message.contains("Forbidden"),
        "{role}: the message is {message}"
    );
    never(
        "a delete while Ingresses cannot be read",
        Duration::from_secs(5),
        || async {
            let writes = stage.bed.control.writes_since(mark);
            Ok((!writes.is_empty()).then(|| format!("{writes:?}")))
        },
    )
    .await?;
    // Other sources go on.
    apply(
        client,
        &load_balancer("rights", "svc", &zone.host("svc"), &["192.0.2.111"]),
    )
    .await?;
    zone.holds("svc", "A", &["192.0.2.111"], LATER).await?;
    let mut back = roles.get(stage.dns.name).await?;
    back.rules = kept.rules;
    back.metadata.managed_fields = None;
    roles
        .replace(stage.dns.name, &kube::api::PostParams::default(), &back)
        .await?;
    zone.condition("SourcesComplete", "True", "Complete", LATER).await?;
    ensure!(
        zone.sets()?.iter().filter(|set| set.kind == "A").count() == 4,
        "records were lost"
    );
    Ok(())
}

async fn upgrade(stage: &Stage) -> Result<()> {
    let client = &stage.bed.client;
    namespace(client, "upgrade").await?;
    let zone = stage.bed.zone("upgrade", json!({})).await?;
    let load = mass(client, "upgrade", "u", &zone.domain, 0..300);
    let rollout = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let values: Vec<&str> = VALUES
            .into_iter()
            .chain(["podAnnotations.e2e/round=second", "replicaCount=2"])
            .collect();
        stage.dns.upgrade(&values).await
    };
    let (made, upgraded) = tokio::join!(load, rollout);
    made?;
    upgraded?;
    complete(&zone, 300, LATER).await?;
    stage.dns.ready(2, LATER).await?;
    let leaders = stage.dns.metric("leader_election_master_status", &[]).await?;
    ensure!((leaders - 1.0).abs() < 0.1, "there are {leaders} leaders");
    stage.dns.upgrade(&VALUES).await?;
    stage.dns.ready(1, LATER).await
}

async fn uninstall(stage: &Stage) -> Result<()> {
    let client = &stage.bed.client;
    namespace(client, "leave").await?;
    let zone = stage.bed.zone("leave", json!({})).await?;
    mass(client, "leave", "l", &zone.domain, 0..5).await?;
    complete(&zone, 5, LATER).await?;
    let mark = stage.bed.control.mark();
    stage.dns.uninstall().await?;
    ensure!(
        stage.bed.control.writes_since(mark).is_empty(),
        "uninstalling wrote to the provider"
    );
    ensure!(
        get(client, &zone.object).await?["spec"]["domain"] == zone.domain.as_str(),
        "the DNSZone went with the release"
    );
    Operator::install(&stage.bed.surroundings, client, "dns-sync", &VALUES).await?;
    apply(
        client,
        &load_balancer("leave", "again", &zone.host("again"), &["192.0.2.120"]),
    )
    .await?;
    zone.holds("again", "A", &["192.0.2.120"], LATER).await?;
    zone.condition("Ready", "True", "Publishing", SOON).await?;
    ensure!(
        zone.sets()?.iter().filter(|set| set.kind == "A").count() == 6,
        "records were lost"
    );
    Ok(())
}
