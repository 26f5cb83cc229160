//! The API server is stopped, stalled or empty; a leader is suspended.
use std::time::Duration;

use crate::fake_route53::{Fault, Rule};
use crate::install::Installation;
use crate::objects::{apply, load_balancer};
use crate::wait::until;
use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::zone_load::{complete, mass};
use crate::case::{Case, Exclusive};
use crate::dns_sync::env::{DnsEnv, LATER, NAME, VALUES};
use crate::namespaces::namespace;

pub(crate) fn cases() -> Vec<Case<DnsEnv>> {
    vec![
        Case::new("the_api_server_stops_for_a_minute", |env| {
            Box::pin(away(env, "stopped", Duration::from_mins(1)))
        })
        .local()
        .exclusive(&[Exclusive::ApiServer])
        .slow("the API server is away for that long"),
        Case::new("the_api_server_stalls_for_a_minute", |env| {
            Box::pin(away(env, "stalled", Duration::from_mins(1)))
        })
        .local()
        .exclusive(&[Exclusive::ApiServer])
        .slow("the API server is away for that long"),
        Case::new("the_api_server_is_down_for_five_minutes", |env| {
            Box::pin(away(env, "dead", Duration::from_mins(5)))
        })
        .local()
        .exclusive(&[Exclusive::ApiServer])
        .slow("the API server is away for that long"),
        Case::new("a_suspended_leader_writes_nothing_after_it_resumes", |env| {
            Box::pin(suspended(env))
        })
        .local()
        .exclusive(&[Exclusive::Operator])
        .slow("the leader is suspended for longer than its lease, then watched"),
        Case::new("a_recreated_cluster_keeps_its_records_without_a_write", |env| {
            Box::pin(wiped(env))
        })
        .local()
        .exclusive(&[Exclusive::ApiServer])
        .slow("the cluster starts again, and deletes wait for objects"),
    ]
}

/// Nothing is deleted, the process is not restarted over and over, and work goes on afterwards.
async fn away(env: &DnsEnv, how: &'static str, time: Duration) -> Result<()> {
    let (client, control, cluster) = (&env.client, &env.control, env.environment.control()?);
    namespace(client, how).await?;
    let zone = env.zone(how, json!({})).await?;
    mass(client, how, "b", &zone.domain, 0..20).await?;
    complete(&zone, 20, LATER).await?;
    let restarts = env.operator.restarts().await?;
    let mark = control.mark();
    if how == "stalled" {
        cluster.stall("apiserver").await?;
    } else {
        cluster.stop("apiserver").await?;
    }
    sleep(time).await;
    cluster.start("apiserver").await?;
    ensure!(
        control.writes_since(mark).is_empty(),
        "something was written while nothing could be known"
    );
    // It answers several times in a row before anything is judged.
    until("the API server is back", LATER, || async {
        Ok(env.operator.pods().await.map(Some).unwrap_or_default())
    })
    .await?;
    let web = load_balancer(how, "after", &zone.host("after"), &["192.0.2.130"]);
    until("the API server takes objects again", LATER, || async {
        apply(client, &web).await.map(Some)
    })
    .await?;
    zone.holds("after", "A", &["192.0.2.130"], LATER).await?;
    ensure!(zone.addresses()? == 21, "records were lost");
    let more = env.operator.restarts().await? - restarts;
    ensure!(more <= 1, "the operator was restarted {more} times");
    // Kubernetes took the node and its pods for lost; the kubelet corrects that in its own time.
    env.operator.ready(1, 2 * LATER).await
}

/// The leader is suspended in the middle of a batch. Another replica takes over; the former leader is resumed and writes nothing.
async fn suspended(env: &DnsEnv) -> Result<()> {
    let (client, control) = (&env.client, &env.control);
    let values: Vec<&str> = VALUES.into_iter().chain(["replicaCount=2"]).collect();
    env.operator.upgrade(&values).await?;
    env.operator.ready(2, LATER).await?;
    namespace(client, "suspended").await?;
    let zone = env.zone("suspended", json!({"batchWindow": "1s"})).await?;
    zone.condition("Ready", "True", "Publishing", LATER).await?;
    let leader = until("a leader", LATER, || async {
        for pod in env.operator.pods().await? {
            let page = env.operator.page(&pod.name_any(), "metrics").await?;
            if page
                .lines()
                .any(|line| line.starts_with("leader_election_master_status") && line.ends_with(" 1"))
            {
                return Ok(Some(pod));
            }
        }
        Ok(None)
    })
    .await?;
    let process = crate::pod_process::of_pod(&leader, env.operator.name)?;
    // Its batch is answered slowly, so that it is suspended with the batch under way and more to send. The batch has arrived as a
    // whole: of one that is still in the sender's socket, the rest would arrive when it is resumed (and be refused).
    let delay = control.fault(Rule::changes(Fault::DelayMs(3000)).zone(&zone.id).times(2));
    mass(client, "suspended", "s", &zone.domain, 0..200).await?;
    until("a batch is under way", LATER, || async {
        Ok((control.hits(delay) > 0).then_some(()))
    })
    .await?;
    process.suspend()?;
    let slept = Instant::now();
    complete(&zone, 200, Duration::from_secs(50))
        .await
        .context("the standby did not take over")?;
    let took = slept.elapsed();
    apply(
        client,
        &load_balancer("suspended", "meanwhile", &zone.host("meanwhile"), &["192.0.2.140"]),
    )
    .await?;
    zone.holds("meanwhile", "A", &["192.0.2.140"], LATER).await?;
    sleep(Duration::from_mins(1).saturating_sub(slept.elapsed())).await;
    let before = control.mark();
    process.resume()?;
    sleep(Duration::from_secs(8)).await;
    let writes = control.writes_since(before);
    ensure!(
        writes.is_empty(),
        "the former leader wrote after it was resumed: {writes:?}"
    );
    ensure!(took < Duration::from_secs(30), "taking over took {took:?}");
    env.operator.upgrade(&VALUES).await?;
    env.operator.ready(1, LATER).await
}

/// etcd is empty; the same manifests are applied again. The provider sees no write, and the records are still ours.
async fn wiped(env: &DnsEnv) -> Result<()> {
    let (client, control, cluster) = (&env.client, &env.control, env.environment.control()?);
    namespace(client, "wiped").await?;
    let zone = env.zone("wiped", json!({})).await?;
    mass(client, "wiped", "w", &zone.domain, 0..20).await?;
    complete(&zone, 20, LATER).await?;
    let mark = control.mark();
    cluster.wipe_etcd().await?;
    until(
        "the empty cluster takes the operator",
        Duration::from_mins(2),
        || async {
            // The namespace went with the cluster.
            Installation::install(&env.environment, client, NAME, &VALUES)
                .await
                .map(Some)
        },
    )
    .await?;
    // The zone comes first, and it finds records that nothing in the cluster wants yet.
    apply(client, &zone.secret).await?;
    apply(client, &zone.object).await?;
    zone.condition("DeletesParked", "True", "ObjectsAwaited", LATER).await?;
    namespace(client, "wiped").await?;
    mass(client, "wiped", "w", &zone.domain, 0..10).await?;
    // A restart in the middle of it forgets nothing.
    env.operator.kill().await?;
    sleep(Duration::from_secs(20)).await;
    mass(client, "wiped", "w", &zone.domain, 10..20).await?;
    zone.condition("InSync", "True", "InSync", LATER).await?;
    zone.condition("DeletesParked", "False", "NothingParked", LATER).await?;
    let counts = zone.now().await?["status"]["records"].clone();
    ensure!(
        counts["owned"] == 20 && counts["failed"] == 0 && counts["parked"] == 0,
        "counts are {counts}"
    );
    let writes = control.writes_since(mark);
    ensure!(
        writes.is_empty(),
        "the rebuilt cluster wrote {} times: {writes:?}",
        writes.len()
    );
    Ok(())
}
