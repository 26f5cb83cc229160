//! The delete guard: deletes that look like an accident wait for a confirmation.
use std::time::Duration;

use crate::objects::{delete, load_balancer};
use crate::wait::until;
use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::zone_load::mass;
use crate::case::{Case, Exclusive};
use crate::dns_sync::env::{DnsEnv, LATER, Zone};
use crate::namespaces::namespace;

pub(crate) fn cases() -> Vec<Case<DnsEnv>> {
    vec![
        Case::new("sixty_percent_deleted_one_by_one_park", |env| Box::pin(trickle(env)))
            .exclusive(&[Exclusive::Operator]),
        Case::new("the_delete_guard_also_holds_in_a_zone_of_nine_records", |env| {
            Box::pin(nine(env))
        }),
    ]
}

async fn published(zone: &Zone, count: usize) -> Result<()> {
    until(&format!("{count} records are published"), LATER, || async {
        let now = zone.addresses()?;
        if now == count {
            Ok(Some(()))
        } else {
            anyhow::bail!("there are {now}")
        }
    })
    .await
}

async fn delete_slowly(env: &DnsEnv, namespace: &str, prefix: &str, count: usize) -> Result<()> {
    for number in 0..count {
        delete(
            &env.client,
            &load_balancer(namespace, &format!("{prefix}-{number}"), "", &[]),
        )
        .await?;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    Ok(())
}

async fn trickle(env: &DnsEnv) -> Result<()> {
    namespace(&env.client, "guard").await?;
    let mut zone = env.zone("guard", json!({})).await?;
    mass(&env.client, "guard", "g", &zone.domain, 0..30).await?;
    published(&zone, 30).await?;
    delete_slowly(env, "guard", "g", 18).await?;
    // 30 % of 30 went, 9 wait.
    published(&zone, 21).await?;
    let message = zone
        .condition("DeletesParked", "True", "ConfirmationNeeded", LATER)
        .await?;
    ensure!(
        message.contains("confirm-deletes"),
        "the message does not say what to do: {message}"
    );
    // A restart does not forget.
    env.operator.kill_and_restart(LATER).await?;
    let parked = until("nine deletes wait", LATER, || async {
        let parked = zone.now().await?["status"]["parked"].clone();
        Ok((parked["count"] == 9).then_some(parked))
    })
    .await?;
    published(&zone, 21).await?;
    // A wrong hash releases nothing, the right one releases exactly these.
    zone.annotate("dns.hearth.home.arpa/confirm-deletes", "000000000000")
        .await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    published(&zone, 21).await?;
    let hash = parked["hash"].as_str().context("no hash")?.to_owned();
    zone.annotate("dns.hearth.home.arpa/confirm-deletes", &hash).await?;
    published(&zone, 12).await?;
    zone.condition("DeletesParked", "False", "NothingParked", LATER)
        .await
        .map(drop)
}

async fn nine(env: &DnsEnv) -> Result<()> {
    namespace(&env.client, "nine").await?;
    let zone = env.zone("nine", json!({})).await?;
    mass(&env.client, "nine", "n", &zone.domain, 0..9).await?;
    published(&zone, 9).await?;
    delete_slowly(env, "nine", "n", 6).await?;
    zone.condition("DeletesParked", "True", "ConfirmationNeeded", LATER)
        .await?;
    published(&zone, 6).await
}
