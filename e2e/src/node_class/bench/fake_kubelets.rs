//! The signs of life of the nodes: what a kubelet writes while nothing happens.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node as NodeObject;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::node::Node;

/// The kubelet renews its lease every 10 s (a quarter of the lease's duration) …
const RENEW: Duration = Duration::from_secs(10);
/// … and posts its status every 5 minutes when nothing in it has changed.
const RENEWALS_PER_HEARTBEAT: u32 = 30;
/// A renewal that failed is tried again so soon.
const AGAIN: Duration = Duration::from_millis(200);
/// Renewals under way at once. When the API server is slow, more of them only make it slower: each needs a connection.
const AT_ONCE: usize = 16;
/// A longer pause than this between two renewals is no kubelet's: then the machine is too slow to measure what idling costs …
const SLOWEST: Duration = Duration::from_secs(15);
/// … and after this one nodes look as if they were down.
const SILENT: Duration = Duration::from_secs(35);

/// The namespace of kubelets' leases.
pub(crate) const NAMESPACE: &str = "kube-node-lease";

/// They live until this is dropped.
pub(crate) struct FakeKubelets {
    tasks: BTreeMap<u32, JoinHandle<()>>,
    /// The longest pause between two renewals since it was asked for, in milliseconds.
    longest: Arc<AtomicU64>,
    last: BTreeMap<u32, Arc<AtomicU64>>,
    begin: Instant,
}

impl FakeKubelets {
    /// One for each lease, each at its own place in the 10 s.
    pub(crate) fn start(client: &Client, leases: BTreeMap<u32, Lease>) -> Self {
        let (longest, begin) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let count = u32::try_from(leases.len()).unwrap_or(u32::MAX).max(1);
        let (mut tasks, mut last) = (BTreeMap::new(), BTreeMap::new());
        for (at, (number, lease)) in (0..).zip(leases) {
            let renewed = Arc::new(AtomicU64::new(0));
            let kubelet = Kubelet {
                node: Node(number),
                leases: Api::namespaced(client.clone(), NAMESPACE),
                nodes: Api::all(client.clone()),
                lease,
                longest: Arc::clone(&longest),
                renewed: Arc::clone(&renewed),
                begin,
                turns: Arc::clone(&turns),
            };
            tasks.insert(number, tokio::spawn(kubelet.live(RENEW * at / count)));
            last.insert(number, renewed);
        }
        Self {
            tasks,
            longest,
            last,
            begin,
        }
    }

    /// Forgets how long pauses were.
    pub(crate) fn watch(&self) {
        self.longest.store(0, Ordering::Relaxed);
    }

    /// Fails if leases were renewed more slowly than kubelets do it, since [`FakeKubelets::watch`]: what was measured would be something else.
    pub(crate) fn in_time(&self) -> Result<()> {
        self.within(SLOWEST)
    }

    /// Fails if a node may have listed as if it were down, since [`FakeKubelets::watch`].
    pub(crate) fn alive(&self) -> Result<()> {
        self.within(SILENT)
    }

    fn within(&self, most: Duration) -> Result<()> {
        let longest = Duration::from_millis(self.longest.load(Ordering::Relaxed));
        ensure!(
            longest <= most,
            "a lease was not renewed for {longest:?}: this machine is too slow, or too busy, for so many nodes"
        );
        Ok(())
    }

    /// Ends a node's signs of life; when the last one was.
    pub(crate) fn silence(&mut self, number: u32) -> Result<Instant> {
        self.tasks.remove(&number).context("there is no such node")?.abort();
        let last = self.last.get(&number).context("there is no such node")?;
        Ok(self.begin + Duration::from_millis(last.load(Ordering::Relaxed)))
    }
}

impl Drop for FakeKubelets {
    fn drop(&mut self) {
        for task in self.tasks.values() {
            task.abort();
        }
    }
}

struct Kubelet {
    node: Node,
    leases: Api<Lease>,
    nodes: Api<NodeObject>,
    lease: Lease,
    longest: Arc<AtomicU64>,
    /// Milliseconds after `begin`.
    renewed: Arc<AtomicU64>,
    begin: Instant,
    turns: Arc<Semaphore>,
}

impl Kubelet {
    async fn live(mut self, from: Duration) {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + from, RENEW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = self.node.0;
        loop {
            ticks.tick().await;
            let turns = Arc::clone(&self.turns);
            // It is never closed, and then nobody would wait.
            let turn = turns.acquire().await;
            while self.renew().await.is_err() {
                tokio::time::sleep(AGAIN).await;
                // Somebody else's write, or an answer that was lost: on from what is there.
                if let Ok(lease) = self.leases.get(&self.node.name()).await {
                    self.lease = lease;
                }
            }
            let now = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
            let before = self.renewed.swap(now, Ordering::Relaxed);
            self.longest.fetch_max(now - before, Ordering::Relaxed);
            count += 1;
            drop(turn);
            if count.is_multiple_of(RENEWALS_PER_HEARTBEAT) {
                let body = Node::heartbeat(Timestamp::now());
                // The next one follows anyway.
                drop(
                    self.nodes
                        .patch_status(&self.node.name(), &kubelet(), &Patch::Strategic(body))
                        .await,
                );
            }
        }
    }

    async fn renew(&mut self) -> Result<()> {
        if let Some(spec) = &mut self.lease.spec {
            spec.renew_time = Some(MicroTime(Timestamp::now()));
        }
        let parameters = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        self.lease = self.leases.replace(&self.node.name(), &parameters, &self.lease).await?;
        Ok(())
    }
}

/// Nodes' own fields are managed by this one.
pub(crate) const MANAGER: &str = "kubelet";

fn kubelet() -> PatchParams {
    PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    }
}
