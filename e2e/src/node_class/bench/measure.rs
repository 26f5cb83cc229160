//! The measurements on a running operator: first pass, idling, single changes, a node that falls silent.
use std::time::{Duration, Instant};

use crate::pod_process::{Process, of_pod};
use crate::wait::until;
use anyhow::{Context, Result, bail, ensure};
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use super::Scale;
use super::fake_kubelets::FakeKubelets;
use super::load::{histories, hosts};
use super::node::{Declared, Host, Node, PER_HOST};
use super::watched_objects::{Seen, WatchedNodes};
use crate::bench::figures::First;
use crate::bench::idle::{self, Idle};
use crate::bench::{replicas, restart, writes};

/// After its start the operator watches for 40 s before it judges anything; the rest is for the writes.
const FIRST: Duration = Duration::from_mins(10);
/// What was done is reported within this.
const SETTLE: Duration = Duration::from_secs(10);
/// How many hosts are declared otherwise, at most.
const CHANGES: usize = 40;

/// Waits until Kubernetes takes the nodes for ones that work.
pub(crate) async fn accepted(watched: &WatchedNodes, objects: u32) -> Result<()> {
    let limit = Duration::from_mins(5);
    let so = |_: Node, seen: &Seen| seen.is_accepted();
    watched
        .until(
            "Kubernetes takes the nodes for Ready",
            (0..objects).map(Node),
            limit,
            so,
        )
        .await
}

/// The first pass.
pub(crate) struct FirstPass {
    pub(crate) first: First,
    pub(crate) writes: f64,
}

/// Asks for one replica and waits until everything is on the nodes and each has its history.
pub(crate) async fn first_pass(scale: &Scale<'_>) -> Result<FirstPass> {
    let operator = &scale.bench.operator;
    let begin = Instant::now();
    replicas::set(operator, 1).await?;
    operator.ready(1, Duration::from_mins(2)).await?;
    let pod = operator.pod().await?;
    let process = restart::started(operator, &pod, None).await?;
    scale
        .watched
        .until(
            "each node has its labels and taints",
            scale.nodes(),
            FIRST,
            |node, seen| seen.is_classified(node),
        )
        .await?;
    // The cluster's own nodes are not watched: without nodes of ours their histories show it.
    let took = begin.elapsed();
    until("each node has its history", FIRST, || async {
        let all = histories(&scale.bench.client).list(&ListParams::default()).await?;
        let stored = all
            .iter()
            .filter(|history| history.data["status"]["state"] == "Up")
            .count();
        ensure!(stored >= scale.all as usize, "{stored} of {} have", scale.all);
        Ok(Some(()))
    })
    .await?;
    Ok(FirstPass {
        first: First {
            took: if scale.objects == 0 { begin.elapsed() } else { took },
            cpu_seconds: process.cpu_seconds()?,
            process,
        },
        writes: writes::reported(operator, &pod.name_any()).await?,
    })
}

/// Watches the operator do nothing but see that all are alive.
pub(crate) async fn idle(scale: &Scale<'_>, kubelets: &FakeKubelets, process: &Process) -> Result<Idle> {
    // For a minute after it sees, it only adds; what it takes away follows, and is no idling either.
    tokio::time::sleep(Duration::from_mins(1) + SETTLE).await;
    kubelets.watch();
    let bench = scale.bench;
    let idle = idle::minute(&bench.operator, process, async || bench.counted_writes().await).await?;
    kubelets.in_time()?;
    Ok(idle)
}

/// Declares one host after another otherwise, and takes the time until the last of its nodes bears it.
pub(crate) async fn changes(scale: &Scale<'_>) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let declared = (0..scale.objects / PER_HOST)
        .map(Host)
        .filter(|host| host.declared() != Declared::Undeclared);
    for host in declared.take(CHANGES) {
        let now = if host.declared() == Declared::AlwaysOn {
            "Volatile"
        } else {
            "AlwaysOn"
        };
        let body = Patch::Merge(json!({"spec": {"availability": now}}));
        hosts(&scale.bench.client)
            .patch(&host.name(), &PatchParams::default(), &body)
            .await?;
        let applied = Instant::now();
        let so = |_: Node, seen: &Seen| seen.availability() == Some(now);
        let limit = Duration::from_mins(1);
        scale
            .watched
            .until(&format!("its nodes are {now}"), host.nodes(), limit, so)
            .await?;
        latencies.push(applied.elapsed());
        // Out of step with the operator's.
        tokio::time::sleep(Duration::from_millis(u64::from(host.0) * 37 % 500)).await;
    }
    Ok(latencies)
}

/// Lets one node fall silent; the time from its last sign of life until its history says that it is down.
pub(crate) async fn down(scale: &Scale<'_>, kubelets: &mut FakeKubelets) -> Result<Option<Duration>> {
    let Some(last) = scale.objects.checked_sub(1) else {
        return Ok(None);
    };
    let (node, history) = (Node(last).name(), histories(&scale.bench.client));
    let renewed = kubelets.silence(last)?;
    until(
        &format!("{node} is known to be down"),
        Duration::from_mins(3),
        || async {
            let now = history.get(&node).await?.data["status"]["state"].take();
            if now == "Down" {
                return Ok(Some(()));
            }
            bail!("its history says {now}")
        },
    )
    .await
    .context("a node fell silent")?;
    Ok(Some(renewed.elapsed()))
}

/// Waits until the operator sees, and returns what its process is.
pub(crate) async fn sees(scale: &Scale<'_>) -> Result<Process> {
    let operator = &scale.bench.operator;
    until("the operator sees all nodes", Duration::from_mins(3), || async {
        let clear = operator.metric("hearth_nodes_visibility", &["state=\"clear\""]).await?;
        if clear >= 1.0 {
            return Ok(Some(()));
        }
        // At a thousand nodes each scrape costs it something.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(None)
    })
    .await?;
    of_pod(&operator.pod().await?, operator.name)
}
