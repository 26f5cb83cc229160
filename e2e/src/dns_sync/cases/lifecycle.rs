//! Installing, upgrading, losing rights, uninstalling.
use std::time::Duration;

use crate::objects::{apply, get, ingress, load_balancer};
use crate::wait::{never, until};
use anyhow::{Result, ensure};
use serde_json::json;

use super::zone_load::{complete, mass};
use crate::case::{Case, Exclusive};
use crate::dns_sync::env::{DnsEnv, LATER, SOON, VALUES};
use crate::namespaces::namespace;

pub(crate) fn cases() -> Vec<Case<DnsEnv>> {
    vec![
        Case::new("an_upgrade_under_load_loses_nothing", |env| Box::pin(upgrade(env)))
            .exclusive(&[Exclusive::Operator]),
        Case::new("revoked_rights_on_ingresses_delete_nothing", |env| {
            Box::pin(revoked(env))
        })
        .exclusive(&[Exclusive::Operator]),
        Case::new("uninstalling_keeps_records_and_crds", |env| Box::pin(uninstall(env)))
            .exclusive(&[Exclusive::Operator]),
    ]
}

async fn revoked(env: &DnsEnv) -> Result<()> {
    let client = &env.client;
    namespace(client, "rights").await?;
    let zone = env
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
    let mark = env.control.mark();
    // Somebody takes the right to read Ingresses away, but not the operator's order to watch them.
    let roles: kube::Api<k8s_openapi::api::rbac::v1::ClusterRole> = kube::Api::all(client.clone());
    let mut stripped = roles.get(env.operator.name).await?;
    let kept = stripped.clone();
    if let Some(rules) = &mut stripped.rules {
        rules.retain(|rule| !rule.resources.iter().flatten().any(|resource| resource == "ingresses"));
    }
    stripped.metadata.managed_fields = None;
    roles
        .replace(env.operator.name, &kube::api::PostParams::default(), &stripped)
        .await?;
    env.operator.kill_and_restart(LATER).await?;
    let message = zone.condition("SourcesComplete", "False", "Incomplete", LATER).await?;
    ensure!(
        message.contains("ingresses") && message.contains("Forbidden"),
        "the message is {message}"
    );
    never(
        "a delete while Ingresses cannot be read",
        Duration::from_secs(5),
        || async {
            let writes = zone.writes_since(mark);
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
    let mut back = roles.get(env.operator.name).await?;
    back.rules = kept.rules;
    back.metadata.managed_fields = None;
    roles
        .replace(env.operator.name, &kube::api::PostParams::default(), &back)
        .await?;
    zone.condition("SourcesComplete", "True", "Complete", LATER).await?;
    ensure!(zone.addresses()? == 4, "records were lost");
    Ok(())
}

async fn upgrade(env: &DnsEnv) -> Result<()> {
    let client = &env.client;
    namespace(client, "upgrade").await?;
    let zone = env.zone("upgrade", json!({})).await?;
    let load = mass(client, "upgrade", "u", &zone.domain, 0..300);
    let rollout = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let values: Vec<&str> = VALUES
            .into_iter()
            .chain(["podAnnotations.e2e/round=second", "replicaCount=2"])
            .collect();
        env.operator.upgrade(&values).await
    };
    let (made, upgraded) = tokio::join!(load, rollout);
    made?;
    upgraded?;
    complete(&zone, 300, LATER).await?;
    env.operator.ready(2, LATER).await?;
    // A standby is ready while nobody leads yet.
    until("one of the replicas leads", LATER, || async {
        let leaders = env.operator.metric("leader_election_master_status", &[]).await?;
        ensure!((leaders - 1.0).abs() < 0.1, "there are {leaders} leaders");
        Ok(Some(()))
    })
    .await?;
    env.operator.upgrade(&VALUES).await?;
    env.operator.ready(1, LATER).await
}

async fn uninstall(env: &DnsEnv) -> Result<()> {
    let client = &env.client;
    namespace(client, "leave").await?;
    let zone = env.zone("leave", json!({})).await?;
    mass(client, "leave", "l", &zone.domain, 0..5).await?;
    complete(&zone, 5, LATER).await?;
    let mark = env.control.mark();
    env.operator.uninstall().await?;
    ensure!(
        env.control.writes_since(mark).is_empty(),
        "uninstalling wrote to the provider"
    );
    ensure!(
        get(client, &zone.object).await?["spec"]["domain"] == zone.domain.as_str(),
        "the DNSZone went with the release"
    );
    env.operator.upgrade(&VALUES).await?;
    apply(
        client,
        &load_balancer("leave", "again", &zone.host("again"), &["192.0.2.120"]),
    )
    .await?;
    zone.holds("again", "A", &["192.0.2.120"], LATER).await?;
    zone.condition("Ready", "True", "Publishing", SOON).await?;
    ensure!(zone.addresses()? == 6, "records were lost");
    Ok(())
}
