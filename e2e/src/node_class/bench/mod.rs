//! Measures node-class. There are no machines, but Nodes and leases that look to everybody like those of machines: the harness
//! renews the leases and posts the heartbeats, and Kubernetes calls them Ready.
//!
//! A scale: the operator has no replica; so many nodes are made, four to a host, and their leases are renewed; one replica is asked
//! for (first pass); a minute passes before any checkpoint (memory, processor, writes); hosts are declared otherwise one after
//! another (changes); the pod is deleted and then the process killed (restarts); one node falls silent (down); at last the operator
//! is given a checkpoint a minute, and two minutes are counted (checkpoints).
mod budget;
mod checkpoint;
mod fake_kubelets;
mod figures;
mod load;
mod measure;
mod node;
mod restart;
mod watched_objects;

use std::collections::BTreeSet;

use crate::environment::Environment;
use crate::install::Installation;
use crate::node_class::env::NAME;
use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::api::ListParams;
use kube::{Api, Client};

use self::fake_kubelets::FakeKubelets;
use self::figures::{Beside, Figures};
use self::node::Node;
use self::watched_objects::WatchedNodes;
use crate::bench::figures::{Common, Subject};
use crate::bench::mass::names;
use crate::bench::steps::Steps;
use crate::bench::{Measured, Measurement, alone, replicas, writes};

/// The chart's values: its defaults, so that the first checkpoint is a quarter of an hour after the start at the earliest.
const VALUES: [&str; 3] = ["clusterName=bench", "replicaCount=0", "logging.format=json"];

/// What every measurement needs.
pub(crate) struct Bench {
    pub(crate) client: Client,
    pub(crate) operator: Installation,
    image_bytes: u64,
    /// Histories that were there before.
    known: BTreeSet<String>,
}

impl Bench {
    async fn measure(&self, objects: u32) -> Result<Figures> {
        let steps = Steps::begin(objects);
        install(&self.operator, &VALUES).await?;
        let leases = load::nodes(&self.client, objects).await?;
        let watched = WatchedNodes::start(&self.client);
        let mut kubelets = FakeKubelets::start(&self.client, leases);
        measure::accepted(&watched, objects).await?;
        let all = names(&Api::<NodeObject>::all(self.client.clone()), &ListParams::default()).await?;
        let scale = Scale {
            bench: self,
            watched: &watched,
            objects,
            all: u32::try_from(all.len())?,
        };
        steps.done("the nodes are there and Ready");
        let first = measure::first_pass(&scale).await?;
        steps.done("the first pass is done");
        let idle = measure::idle(&scale, &kubelets, &first.first.process).await?;
        steps.done(&format!(
            "a minute of nothing has passed: {} kB, {:.1} thousandths of a core",
            idle.rss / 1024,
            idle.millicores
        ));
        let changes = measure::changes(&scale).await?;
        steps.done("the changes are made");
        ensure!(
            self.operator.restarts().await? == 0,
            "the operator was restarted by Kubernetes"
        );
        kubelets.watch();
        let (restarts, written) = restart::restarts(&scale).await?;
        steps.done("the restarts are done");
        let down = measure::down(&scale, &mut kubelets).await?;
        steps.done("a node has fallen silent");
        let checkpoint = checkpoint::round(&scale, &idle).await?;
        kubelets.alive()?;
        steps.done("the checkpoints are counted");
        let subject = Subject {
            operator: NAME,
            objects,
            image_bytes: self.image_bytes,
        };
        Ok(Figures {
            common: Common::new(&subject, &first.first, &idle, &changes, &restarts),
            down_seconds: down.map(|down| down.as_secs_f64()),
            idle_millicores: idle.millicores,
            idle_api_writes_per_minute: idle.api_writes,
            writes_per_node_and_day: checkpoint.writes_per_node_and_day,
            restart_writes: written.to_nodes,
            beside: Beside {
                peak_bytes: idle.peak,
                first_writes: first.writes,
                nodes: scale.all,
                takeover: restarts.takeover,
                restart_other_writes: written.others,
                changes: changes.len(),
                checkpoint_cpu_seconds: checkpoint.cpu_seconds,
                day_millicores: checkpoint.day_millicores,
            },
        })
    }

    /// Writes that the API server counts since its start: to our API group, and to Nodes but for their status. Beside the operator
    /// only Kubernetes' own controllers write there, and not while nothing happens.
    async fn counted_writes(&self) -> Result<f64> {
        let ours = |line: &str| line.contains("group=\"nodes.hearth.home.arpa\"");
        let nodes = |line: &str| line.contains("resource=\"nodes\"") && line.contains("subresource=\"\"");
        writes::counted(&self.client, |line| ours(line) || nodes(line)).await
    }

    /// Work for other hosts and classes would be measured too.
    async fn alone(&self) -> Result<()> {
        let mut others = names(&load::hosts(&self.client), &ListParams::default()).await?;
        let classes = names(
            &load::kind(&self.client, "NodeClass", "nodeclasses"),
            &ListParams::default(),
        )
        .await?;
        others.extend(
            classes
                .into_iter()
                .filter(|name| !["volatile", "steady"].contains(&name.as_str())),
        );
        alone("NodeHosts or NodeClasses", &others)
    }
}

/// Installs or upgrades without waiting: Helm would wait for the classes' status, which nobody writes without a replica.
async fn install(operator: &Installation, values: &[&str]) -> Result<()> {
    operator.apply(values, false).await
}

/// One scale.
pub(crate) struct Scale<'a> {
    bench: &'a Bench,
    watched: &'a WatchedNodes,
    /// Nodes that were made.
    objects: u32,
    /// With those of the cluster.
    all: u32,
}

impl Scale<'_> {
    fn nodes(&self) -> impl Iterator<Item = Node> + use<> {
        (0..self.objects).map(Node)
    }
}

impl Measurement for Bench {
    async fn new(environment: Environment, image_bytes: u64) -> Result<Self> {
        let client = environment.client().await?;
        let operator = Installation::prepare(&environment, &client, NAME).await?;
        replicas::set(&operator, 0).await?;
        install(&operator, &VALUES).await?;
        let histories = names(&load::histories(&client), &ListParams::default()).await?;
        Ok(Self {
            client,
            operator,
            image_bytes,
            known: histories.into_iter().collect(),
        })
    }

    const SCALES: &[u32] = &[0, 20, 1_000];
    const LARGEST: u32 = 5_000;

    async fn scale(&self, objects: u32) -> Result<Measured> {
        self.alone().await?;
        let figures = self.measure(objects).await?;
        Measured::new(&figures, budget::lines(&figures))
    }

    async fn clear(&self) -> Result<()> {
        replicas::set(&self.operator, 0).await?;
        replicas::ended(&self.operator).await?;
        load::clear(&self.client, &self.known).await
    }

    fn operator(&self) -> &Installation {
        &self.operator
    }
}
