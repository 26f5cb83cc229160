//! A provider that is down, slow or busy, and an operator that is killed.
use std::time::Duration;

use crate::fake_route53::{Fault, Rule};
use crate::objects::{apply, load_balancer};
use crate::wait::until;
use anyhow::{Result, ensure};
use serde_json::json;

use super::zone_load::{complete, mass};
use crate::case::{Case, Exclusive};
use crate::dns_sync::env::DnsEnv;
use crate::dns_sync::env::{LATER, SOON, Zone};
use crate::namespaces::namespace;

pub(crate) fn cases() -> Vec<Case<DnsEnv>> {
    vec![
        Case::new("one_rejected_record_does_not_block_its_batch", |env| {
            Box::pin(bad_record(env))
        }),
        Case::new("provider_errors_throttling_and_lost_responses_are_retried", |env| {
            Box::pin(errors(env))
        }),
        Case::new("the_provider_is_down_and_comes_back", |env| Box::pin(down(env))),
        Case::new("killed_in_a_batch_of_five_hundred", |env| Box::pin(killed(env)))
            .local()
            .exclusive(&[Exclusive::Operator]),
        Case::new("a_restart_with_a_thousand_records_writes_nothing", |env| {
            Box::pin(restart(env))
        })
        .local()
        .exclusive(&[Exclusive::Operator]),
    ]
}

async fn bad_record(env: &DnsEnv) -> Result<()> {
    let (client, control) = (&env.client, &env.control);
    namespace(client, "isolate").await?;
    let zone = env.zone("isolate", json!({"batchWindow": "2s"})).await?;
    zone.condition("Ready", "True", "Publishing", LATER).await?;
    let fault = control
        .fault(Rule::changes(Fault::invalid_batch("FATAL problem: refused for the test")).name(&zone.host("i-7")));
    mass(client, "isolate", "i", &zone.domain, 0..40).await?;
    complete(&zone, 39, LATER).await?;
    zone.condition("InSync", "False", "RecordsFailed", LATER).await?;
    zone.condition("Ready", "True", "Publishing", SOON).await?;
    control.clear(fault);
    // A change of the object is tried at once.
    apply(
        client,
        &load_balancer("isolate", "i-7", &zone.host("i-7"), &["192.0.2.7"]),
    )
    .await?;
    complete(&zone, 40, LATER).await
}

async fn errors(env: &DnsEnv) -> Result<()> {
    let (client, control) = (&env.client, &env.control);
    namespace(client, "errors").await?;
    let zone = env.zone("errors", json!({})).await?;
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
        let fault = control.fault(Rule::changes(fault).zone(&zone.id).times(1));
        let mark = control.mark();
        apply(
            client,
            &load_balancer("errors", name, &zone.host(name), &["192.0.2.100"]),
        )
        .await?;
        zone.holds(name, "A", &["192.0.2.100"], LATER).await?;
        zone.condition("InSync", "True", "InSync", LATER).await?;
        let changed = zone.writes_since(mark).iter().filter(|call| call.applied).count();
        ensure!(changed == 1, "{name}: the record was written {changed} times");
        control.clear(fault);
    }
    until("throttling is counted", SOON, || async {
        let labels = ["zone=\"errors\"", "result=\"throttled\""];
        let calls = env.operator.metric("hearth_dns_provider_calls_total", &labels).await?;
        Ok((calls >= 1.0).then_some(()))
    })
    .await
}

async fn down(env: &DnsEnv) -> Result<()> {
    // Its own, so that other cases keep theirs.
    let env = &env.with_own_provider().await?;
    let (client, control) = (&env.client, &env.control);
    namespace(client, "down").await?;
    let mut zone = env.zone("down", json!({})).await?;
    mass(client, "down", "d", &zone.domain, 0..5).await?;
    complete(&zone, 5, LATER).await?;
    let restarts = env.operator.restarts().await?;
    control.down().await;
    mass(client, "down", "d", &zone.domain, 5..10).await?;
    zone.condition("Reachable", "False", "Unreachable", LATER).await?;
    zone.condition("Ready", "True", "Publishing", SOON).await?;
    env.operator.ready(1, SOON).await?;
    control.up().await;
    // On request it retries at once instead of waiting for its backoff.
    zone.annotate("dns.hearth.home.arpa/reconcile-at", "now").await?;
    complete(&zone, 10, LATER).await?;
    zone.condition("Reachable", "True", "Reachable", LATER).await?;
    ensure!(env.operator.restarts().await? == restarts, "the operator was restarted");
    Ok(())
}

/// Waits until the zone's status says that it has so many records and nothing is left to do.
async fn owns(zone: &Zone, count: i64) -> Result<()> {
    until(&format!("the status counts {count} records"), LATER, || async {
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

async fn killed(env: &DnsEnv) -> Result<()> {
    let (client, control) = (&env.client, &env.control);
    namespace(client, "killed").await?;
    let zone = env.zone("killed", json!({"batchWindow": "10s"})).await?;
    zone.condition("Ready", "True", "Publishing", LATER).await?;
    // The batch is under way for two seconds, and in those the operator dies: once before, once after the provider acted.
    control.fault(Rule::changes(Fault::DelayMs(2000)).zone(&zone.id).times(4));
    let mark = control.mark();
    mass(client, "killed", "k", &zone.domain, 0..500).await?;
    until("a batch is under way or done", LATER, || async {
        Ok((!zone.writes_since(mark).is_empty()).then_some(()))
    })
    .await?;
    env.operator.kill().await?;
    complete(&zone, 500, Duration::from_mins(2)).await?;
    // The status from before the kill stays until the zone has been listed again.
    owns(&zone, 500).await?;
    Ok(())
}

async fn restart(env: &DnsEnv) -> Result<()> {
    let (client, control) = (&env.client, &env.control);
    namespace(client, "thousand").await?;
    let zone = env.zone("thousand", json!({})).await?;
    mass(client, "thousand", "t", &zone.domain, 0..1000).await?;
    complete(&zone, 1000, LATER).await?;
    owns(&zone, 1000).await?;
    let version = zone.now().await?["metadata"]["resourceVersion"].clone();
    let mark = control.mark();
    env.operator.kill_and_restart(LATER).await?;
    until("the new process has listed the zone", LATER, || async {
        Ok((env
            .operator
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
