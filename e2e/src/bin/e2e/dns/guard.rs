//! The delete guard: what looks like an accident waits for a person.
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hearth_e2e::bed::Zone;
use hearth_e2e::objects::{delete, load_balancer};
use hearth_e2e::wait::until;
use serde_json::json;

use super::{LATER, mass};
use crate::{Case, Stage, namespace};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "sixty_percent_deleted_one_by_one_park",
            local: false,
            run: |stage| Box::pin(trickle(stage)),
        },
        Case {
            name: "nine_records_are_guarded_too",
            local: false,
            run: |stage| Box::pin(nine(stage)),
        },
    ]
}

async fn published(zone: &Zone, count: usize) -> Result<()> {
    until(&format!("{count} records are published"), LATER, || async {
        let now = zone.sets()?.iter().filter(|set| set.kind == "A").count();
        if now == count {
            Ok(Some(()))
        } else {
            anyhow::bail!("there are {now}")
        }
    })
    .await
}

async fn delete_slowly(stage: &Stage, namespace: &str, prefix: &str, count: usize) -> Result<()> {
    for number in 0..count {
        delete(
            &stage.bed.client,
            &load_balancer(namespace, &format!("{prefix}-{number}"), "", &[]),
        )
        .await?;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    Ok(())
}

async fn trickle(stage: &Stage) -> Result<()> {
    namespace(&stage.bed.client, "guard").await?;
    let mut zone = stage.bed.zone("guard", json!({})).await?;
    mass(&stage.bed.client, "guard", "g", &zone.domain, 0..30).await?;
    published(&zone, 30).await?;
    delete_slowly(stage, "guard", "g", 18).await?;
    // 30 % of 30 went, 9 wait.
    published(&zone, 21).await?;
    let message = zone
        .condition("DeletesParked", "True", "ConfirmationNeeded", LATER)
        .await?;
    ensure!(
        message.contains("confirm-deletes"),
        "the message does not tell what to do: {message}"
    );
    // A restart does not forget.
    stage.dns.kill().await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    stage.dns.ready(1, LATER).await?;
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

async fn nine(stage: &Stage) -> Result<()> {
    namespace(&stage.bed.client, "nine").await?;
    let zone = stage.bed.zone("nine", json!({})).await?;
    mass(&stage.bed.client, "nine", "n", &zone.domain, 0..9).await?;
    published(&zone, 9).await?;
    delete_slowly(stage, "nine", "n", 6).await?;
    zone.condition("DeletesParked", "True", "ConfirmationNeeded", LATER)
        .await?;
    published(&zone, 6).await
}
