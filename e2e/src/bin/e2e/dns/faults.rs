//! A provider that is away, slow or busy, and an operator that is killed.
use std::time::Duration;

use anyhow::{Result, ensure};
use hearth_e2e::bed::Zone;
use hearth_e2e::objects::{apply, load_balancer};
use hearth_e2e::route53::{Fault, Rule};
use hearth_e2e::wait::until;
use serde_json::json;

use super::{LATER, SOON, mass};
use crate::{Case, Stage, namespace};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "one_bad_record_in_a_batch_holds_up_nobody",
            local: false,
            run: |stage| Box::pin(bad_record(stage)),
        },
        Case {
            name: "errors_throttling_and_lost_answers_of_the_provider",
            local: false,
            run: |stage| Box::pin(errors(stage)),
        },
        Case {
            name: "the_provider_is_down_and_comes_back",
            local: false,
            run: |stage| Box::pin(down(stage)),
        },
        Case {
            name: "killed_in_a_batch_of_five_hundred",
            local: true,
            run: |stage| Box::pin(killed(stage)),
        },
        Case {
            name: "a_restart_with_a_thousand_records_writes_nothing",
            local: true,
            run: |stage| Box::pin(restart(stage)),
        },
    ]
}

/// Waits until the zone has so many A records, each with its mark, and nothing else.
pub(crate) async fn complete(zone: &Zone, count: usize, limit: Duration) -> Result<()> {
    until(&format!("{count} records with their marks"), limit, || async {
        let sets = zone.sets()?;
        let of = |kind: &str| sets.iter().filter(|set| set.kind == kind).count();
        if of("A") == count && of("TXT") == count {
            Ok(Some(()))
        } else {
            anyhow::bail!("there are {} A and {} TXT", of("A"), of("TXT"))
        }
    })
    .await
}

async fn bad_record(stage: &Stage) -> Result<()> {
    let (client, control) = (&stage.bed.client, &stage.bed.control);
    namespace(client, "isolate").await?;
    let zone = stage.bed.zone("isolate", json!({"batchWindow": "2s"})).await?;
    zone.condition("Ready", "True", "Publishing", LATER).await?;
    let fault = control
        .fault(Rule::changes(Fault::invalid_batch("FATAL problem: refused for the test")).name(&zone.host("i-7")));
    mass(client, "isolate", "i", &zone.domain, 0..40).await?;
    complete(&zone, 39, LATER).await?;
    zone.condition("InSync", "False", "RecordsFailed", LATER).await?;
    zone.condition("Ready", "True", "Publishing", SOON).await?;
    control.clear(fault);
    // A change of the object asks again at once.
    apply(
        client,
        &load_balancer("isolate", "i-7", &zone.host("i-7"), &["192.0.2.7"]),
    )
    .await?;
    complete(&zone, 40, LATER).await
}

async fn errors(stage: &Stage) -> Result<()> {
    let (client, control) = (&stage.bed.client, &stage.bed.control);
    namespace(client, "errors").await?;
    let zone = stage.bed.zone("errors", json!({})).await?;
    zone.condition("Ready", "True", "Publishing", LATER).await?;
    let faults = [
        ("e500", Fault::status(500)),
        ("e503", Fault::status(503)),
        ("throttled", Fault::throttling()),
        ("busy", Fault::prior_request_not_complete()),
        ("lost", Fault::LoseAnswer),
        ("slow", Fault::DelayMs(2000)),
    ];
    for (name, fault) in faults {
        control.fault(Rule::changes(fault).zone(&zone.id).times(1));
        let mark = control.mark();
        apply(
            client,
            &load_balancer("errors", name, &zone.host(name), &["192.0.2.100"]),
        )
        .await?;
        zone.holds(name, "A", &["192.0.2.100"], LATER).await?;
        zone.condition("InSync", "True", "InSync", LATER).await?;
        let changed = control.writes_since(mark).iter().filter(|call| call.applied).count();
        ensure!(changed == 1, "{name}: the record was written {changed} times");
        control.clear_faults();
    }
    ensure!(
        stage
            .dns
            .metric(
                "hearth_dns_provider_calls_total",
                &["zone=\"errors\"", "result=\"throttled\""]
            )
            .await?
            >= 1.0,
        "throttling was not counted"
    );
    Ok(())
}

async fn down(stage: &Stage) -> Result<()> {
    let (client, control) = (&stage.bed.client, &stage.bed.control);
    namespace(client, "down").await?;
    let mut zone = stage.bed.zone("down", json!({})).await?;
    mass(client, "down", "d", &zone.domain, 0..5).await?;
    complete(&zone, 5, LATER).await?;
    let restarts = stage.dns.restarts().await?;
    control.down().await;
    mass(client, "down", "d", &zone.domain, 5..10).await?;
    zone.condition("Reachable", "False", "Unreachable", LATER).await?;
    zone.condition("Ready", "True", "Publishing", SOON).await?;
    stage.dns.ready(1, SOON).await?;
    control.up().await;
    // Asked to, it looks at once instead of waiting for its backoff.
    zone.annotate("dns.hearth.home.arpa/reconcile-at", "now").await?;
    complete(&zone, 10, LATER).await?;
    zone.condition("Reachable", "True", "Reachable", LATER).await?;
    ensure!(stage.dns.restarts().await? == restarts, "the operator was restarted");
    Ok(())
}

/// Waits until the zone's status says that it has so many records and nothing is left to do.
async fn owns(zone: &Zone, count: i64) -> Result<()> {
    until(&format!("the status tells of {count} records"), LATER, || async {
        let counts = zone.now().await?["status"]["records"].clone();
        ensure!(
            counts["owned"] == count && counts["pending"] == 0 && counts["failed"] == 0,
            "counts are {counts}"
        );
        Ok(Some(()))
    })
    .await?;
    zone.condition("InSync", "True", "InSync", LATER).await.map(drop)
}

async fn killed(stage: &Stage) -> Result<()> {
    let (client, control) = (&stage.bed.client, &stage.bed.control);
    namespace(client, "killed").await?;
    let zone = stage.bed.zone("killed", json!({"batchWindow": "10s"})).await?;
    zone.condition("Ready", "True", "Publishing", LATER).await?;
    // The batch is under way for two seconds, and in those the operator dies: once before, once after the provider acted.
    control.fault(Rule::changes(Fault::DelayMs(2000)).zone(&zone.id).times(4));
    let mark = control.mark();
    mass(client, "killed", "k", &zone.domain, 0..500).await?;
    until("a batch is under way or done", LATER, || async {
        Ok((!control.writes_since(mark).is_empty()).then_some(()))
    })
    .await?;
    stage.dns.kill().await?;
    complete(&zone, 500, Duration::from_mins(2)).await?;
    // The status of before the kill stays until the zone has been looked at again.
    owns(&zone, 500).await?;
    Ok(())
}

async fn restart(stage: &Stage) -> Result<()> {
    let (client, control) = (&stage.bed.client, &stage.bed.control);
    namespace(client, "thousand").await?;
    let zone = stage.bed.zone("thousand", json!({})).await?;
    mass(client, "thousand", "t", &zone.domain, 0..1000).await?;
    complete(&zone, 1000, LATER).await?;
    owns(&zone, 1000).await?;
    let version = zone.now().await?["metadata"]["resourceVersion"].clone();
    let mark = control.mark();
    stage.dns.kill().await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    stage.dns.ready(1, LATER).await?;
    until("the new process has looked at the zone", LATER, || async {
        Ok((stage
            .dns
            .metric("hearth_dns_records", &["zone=\"thousand\"", "state=\"owned\""])
            .await?
            >= 1000.0)
            .then_some(()))
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let writes: Vec<_> = control.writes_since(mark);
    ensure!(writes.is_empty(), "the restart wrote {} times", writes.len());
    ensure!(
        zone.now().await?["metadata"]["resourceVersion"] == version,
        "the restart wrote the status"
    );
    Ok(())
}
