//! The chapter in which the desktop is drained.
use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep};

use super::kubectl_table::Table;
use super::narrator::{DB, LIMIT, Narrator, PHOTOS, POD_COLUMNS, lines, on_gamer, pods};
use crate::demo_install::NAMESPACE;
use crate::node_class::env::{GAMER, LATER, annotation};

impl Narrator<'_> {
    pub(super) async fn drain(&mut self) -> Result<()> {
        self.screen.chapter("Empty it, then switch it off")?;
        let request = format!("{:.0}", Timestamp::now());
        let begin = Instant::now();
        self.env.ask("gamer", Some(&request)).await?;
        self.screen.command(&format!(
            "kubectl annotate nodehost gamer --overwrite nodes.hearth.home.arpa/off={request}"
        ))?;
        let (waited, fewest) = self.watch_the_drain().await?;
        let took = begin.elapsed();
        ensure!(fewest > 0, "for a moment no pod of {PHOTOS} was ready");
        ensure!(
            waited.iter().any(|line| line.contains("PodDisruptionBudget")),
            "no eviction waited for the budget: {waited:?}"
        );
        for name in GAMER {
            let now = self.env.node(name).await?;
            let mark = annotation(&now, "nodes.hearth.home.arpa/cordoned");
            ensure!(
                now["spec"]["unschedulable"] == true && mark == Some(&request),
                "{name} is not cordoned for the request"
            );
        }
        let left = self.left_on_gamer().await?;
        ensure!(left.is_empty(), "still on gamer: {}", left.join(", "));
        let elsewhere = |node: &str| !on_gamer(node);
        self.env.all_running(NAMESPACE, PHOTOS, 2, LIMIT, elsewhere).await?;
        self.env.running(NAMESPACE, DB, LIMIT, |node| node == "mini-2").await?;
        let places = Table::with(&self.env.client, &pods(), &POD_COLUMNS, &[("db-0", "NODE", "mini-2")]).await?;
        let note = self.event("NodeHost", "gamer", "MaySwitchOff").await?;

        let screen = &*self.screen;
        screen.checked("talos03 and talos08 are cordoned, and marked as cordoned for this request")?;
        screen.checked("pods were evicted under their budgets; meanwhile the status listed what it waited for:")?;
        screen.lines(&waited)?;
        screen.checked(&format!("at every check photos had a ready pod, at least {fewest}"))?;
        screen.command("kubectl wait nodehost/gamer --for=jsonpath='{.status.off.phase}'=Drained")?;
        screen.checked(&format!(
            "after {:.0} s nothing but DaemonSets is left on gamer, and an event says so: MaySwitchOff, {note}",
            took.as_secs_f64()
        ))?;
        screen.command(&format!("kubectl --namespace {NAMESPACE} get pods --output wide"))?;
        screen.table(&places.0)
    }

    /// Looks until gamer is empty: what it waited for, and the smallest number of ready pods of photos.
    async fn watch_the_drain(&self) -> Result<(Vec<String>, usize)> {
        let (mut waited, mut fewest) = (BTreeSet::new(), usize::MAX);
        let end = Instant::now() + LATER;
        loop {
            let ready = |pod: &&Value| {
                let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
                let mut all = conditions.filter(|condition| condition["type"] == "Ready");
                pod["metadata"]["deletionTimestamp"].is_null() && all.any(|condition| condition["status"] == "True")
            };
            let pods = self.env.pods(NAMESPACE, PHOTOS).await?;
            fewest = fewest.min(pods.iter().filter(ready).count());
            let host = self.env.host("gamer").await?;
            let going = &host["off"];
            waited.extend(lines(&going["waiting"]));
            if going["phase"] == "Drained" {
                return Ok((waited.into_iter().collect(), fewest));
            }
            ensure!(Instant::now() < end, "gamer is not empty after {LATER:?}: {going}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Pods on gamer's nodes that no DaemonSet has put there and that have not ended.
    async fn left_on_gamer(&self) -> Result<Vec<String>> {
        let api: Api<Pod> = Api::all(self.env.client.clone());
        let pods = api.list(&ListParams::default()).await?;
        let here = |pod: &&Pod| {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            node.is_some_and(on_gamer)
                && !matches!(phase, Some("Succeeded" | "Failed"))
                && !pod.owner_references().iter().any(|owner| owner.kind == "DaemonSet")
        };
        Ok(pods.iter().filter(here).map(ResourceExt::name_any).collect())
    }
}
