//! Restarts: the pod deleted, and the process killed.
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hearth_e2e::bed::Zone;
use hearth_e2e::install::NAMESPACE;
use hearth_e2e::process::{Process, of_pod};
use hearth_e2e::route53::{Mark, Operation};
use hearth_e2e::wait::until;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};

use crate::Bench;
use crate::measure::{SETTLE, calls_of};

const LIMIT: Duration = Duration::from_mins(2);

/// What both restarts came to.
pub(crate) struct Restarts {
    /// From the new process' start to ready, after the pod was deleted.
    pub(crate) ready: Duration,
    /// From the end of the old and the start of the new process to the lease.
    pub(crate) leading_after_end: Duration,
    /// From SIGKILL to the lease.
    pub(crate) leading_after_kill: Duration,
    /// To the API server and the provider.
    pub(crate) writes: u64,
}

/// Deletes the pod, then kills the process of the new one.
pub(crate) async fn restarts(bench: &Bench, zone: &Zone) -> Result<Restarts> {
    // What the last change leaves to be told must not fall to the new process.
    tokio::time::sleep(SETTLE).await;
    zone.condition("InSync", "True", "", LIMIT).await?;
    let (ready, leading_after_end, first) = end(bench, zone).await?;
    let (leading_after_kill, second) = kill(bench, zone).await?;
    Ok(Restarts {
        ready,
        leading_after_end,
        leading_after_kill,
        writes: first + second,
    })
}

async fn end(bench: &Bench, zone: &Zone) -> Result<(Duration, Duration, u64)> {
    let old = bench.operator.pod().await?;
    let (old_process, old_holder) = (of_pod(&old, bench.operator.name)?, holder(bench).await?);
    let mark = bench.bed.control.mark();
    let pods: Api<Pod> = Api::namespaced(bench.bed.client.clone(), NAMESPACE);
    pods.delete(&old.name_any(), &DeleteParams::default()).await?;
    let pod = until("the new pod", LIMIT, || async {
        Ok(bench
            .operator
            .pods()
            .await?
            .into_iter()
            .find(|pod| pod.uid() != old.uid()))
    })
    .await?;
    let process = started(bench, &pod, None).await?;
    let both = async {
        until("the old process has ended", LIMIT, || async {
            Ok((!old_process.is_running()).then_some(()))
        })
        .await?;
        let begin = Instant::now();
        taken(bench, &old_holder).await?;
        anyhow::Ok(begin.elapsed())
    };
    let (ready, leading) = tokio::try_join!(ready(bench, &pod, &process), both)?;
    Ok((ready, leading, writes(bench, zone, &pod.name_any(), mark).await?))
}

async fn kill(bench: &Bench, zone: &Zone) -> Result<(Duration, u64)> {
    let pod = bench.operator.pod().await?;
    let (old, old_holder) = (of_pod(&pod, bench.operator.name)?, holder(bench).await?);
    let mark = bench.bed.control.mark();
    let begin = Instant::now();
    old.kill()?;
    let process = started(bench, &pod, Some(&old)).await?;
    taken(bench, &old_holder).await?;
    let leading = begin.elapsed();
    ready(bench, &pod, &process).await?;
    Ok((leading, writes(bench, zone, &pod.name_any(), mark).await?))
}

async fn started(bench: &Bench, pod: &Pod, old: Option<&Process>) -> Result<Process> {
    until("the new process has started", LIMIT, || async {
        let process = of_pod(pod, bench.operator.name)?;
        Ok((Some(&process) != old).then_some(process))
    })
    .await
}

/// The process' age when it is ready.
async fn ready(bench: &Bench, pod: &Pod, process: &Process) -> Result<Duration> {
    until("the new process is ready", LIMIT, || async {
        bench.operator.page(&pod.name_any(), "readyz").await?;
        Ok(Some(process.age()?))
    })
    .await
}

async fn holder(bench: &Bench) -> Result<String> {
    let leases: Api<Lease> = Api::namespaced(bench.bed.client.clone(), NAMESPACE);
    let lease = leases.get(bench.operator.name).await?;
    Ok(lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default())
}

async fn taken(bench: &Bench, before: &str) -> Result<()> {
    until("the new process holds the lease", LIMIT, || async {
        let now = holder(bench).await?;
        Ok((!now.is_empty() && now != before).then_some(()))
    })
    .await
}

/// What a process wrote from its beginning until it has looked at the zone and settled.
async fn writes(bench: &Bench, zone: &Zone, pod: &str, mark: Mark) -> Result<u64> {
    let control = &bench.bed.control;
    until("the zone has been looked at", LIMIT, || async {
        let calls = calls_of(zone, control.calls_since(mark));
        Ok(calls
            .iter()
            .any(|call| call.operation == Operation::ListResourceRecordSets && call.status == 200)
            .then_some(()))
    })
    .await?;
    tokio::time::sleep(SETTLE).await;
    zone.condition("InSync", "True", "", LIMIT).await?;
    let told = bench.told_writes(pod).await?;
    ensure!(told >= 0.0 && told.fract() == 0.0, "the operator counts {told} writes");
    let provider = control.writes_since(mark).len();
    if told > 0.0 || provider > 0 {
        let page = bench.operator.page(pod, "metrics").await?;
        let counted = page
            .lines()
            .filter(|line| line.starts_with("rest_client_requests_total{") && !line.ends_with(" 0"));
        eprintln!("writes of the new process: {told} to the API server, {provider} to the provider");
        counted.for_each(|line| eprintln!("  {line}"));
        eprintln!("  the zone's status: {}", zone.now().await?["status"]);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small whole number, as was made sure"
    )]
    Ok(told as u64 + u64::try_from(provider)?)
}
