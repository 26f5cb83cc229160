//! The chapters up to the moment when the machine may be switched off. Each acts, looks whether it is so, and only then
//! says it.
use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hearth_e2e::bed::LABEL;
use hearth_e2e::events::events;
use hearth_e2e::home::{DOWN, GAMER, LATER, annotation, gamer, node, with_spec, workload};
use hearth_e2e::install::namespace;
use hearth_e2e::objects::{apply, get, patch};
use hearth_e2e::wait::until;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::prometheus::Alert;
use super::table::Table;
use super::{CHART, MEMBER, NODES, Story};
use crate::install::NAMESPACE;
use crate::screen::look_along;

/// Far longer than anything here takes; machines may be busy.
pub(super) const LIMIT: Duration = Duration::from_mins(1);
/// The machines with a member of etcd.
const MEMBERS: [&str; 3] = ["home-1", "mini-1", "talos03"];
/// A Deployment with a budget, and a `StatefulSet`.
pub(super) const PHOTOS: &str = "photos";
pub(super) const DB: &str = "db";

/// Where the API server lays out the tables.
pub(super) const HOSTS: &str = "/apis/nodes.hearth.home.arpa/v1alpha1/nodehosts";
pub(super) const PLACES: [&str; 3] = ["NAME", "STATUS", "NODE"];

/// Where the pods are listed.
pub(super) fn pods() -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/pods")
}

/// Whether a node is one of the desktop's.
pub(super) fn on_gamer(node: &str) -> bool {
    GAMER.contains(&node)
}

/// The lines of a list in a status.
pub(super) fn lines(list: &Value) -> Vec<String> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(|line| line.as_str().map(ToOwned::to_owned)).collect()
}

impl Story {
    /// From the first screen to the last.
    pub(super) async fn chapters(&mut self) -> Result<()> {
        self.stage().await.context("the home")?;
        self.question().await.context("the question")?;
        self.emptied().await.context("emptying it")?;
        self.off().await.context("switching it off")?;
        self.quiet().await.context("no page")?;
        self.unannounced().await.context("without a word")?;
        self.back().await.context("back on")?;
        self.further()
    }

    async fn stage(&mut self) -> Result<()> {
        let client = &self.home.client;
        let version = client.apiserver_version().await?;
        for name in MEMBERS {
            let label = json!({"metadata": {"labels": {(MEMBER): ""}}});
            patch(client, &node(name), &label).await?;
        }
        for (name, form) in [("home-1", "Server"), ("mini-1", "MiniPC"), ("mini-2", "MiniPC")] {
            let spec = json!({"nodes": [name], "formFactor": form, "availability": "AlwaysOn"});
            apply(client, &with_spec("NodeHost", name, spec)).await?;
        }
        apply(client, &gamer(json!({}))).await?;
        self.move_in().await?;
        self.home.sees(LATER).await?;
        let pod = self.home.operator.pod().await?;
        let on: Vec<_> = ["home-1", "mini-1", "mini-2", "gamer"]
            .iter()
            .map(|name| (*name, "STATE", "On"))
            .collect();
        let hosts = Table::with(client, HOSTS, &[], &on).await?;
        let places = Table::read(client, &pods(), &PLACES).await?;

        let screen = &mut self.screen;
        screen.chapter("A home, and a machine that goes off at night")?;
        screen.say("node-class knows which nodes share a machine and which machines people switch off. Here gamer is a desktop with two nodes, talos03 and talos08; the others stay on.")?;
        screen.seen(&format!(
            "Kubernetes {} answers; its {} machines have kubelets of their own and can be switched off",
            version.git_version,
            NODES.len()
        ))?;
        screen.seen(&format!(
            "node-class is installed by its chart and ready: pod {}",
            pod.name_any()
        ))?;
        screen.say(&format!("(This cluster's etcd runs beside its machines. Role labels say that {} have its three members;  node-class goes by those.)", MEMBERS.join(", ")))?;
        screen.command("kubectl get nodehosts")?;
        screen.table(&hosts.0)?;
        screen.say("Two workloads would rather run on gamer: photos, a Deployment whose disruption budget wants one pod at all times, and db, a StatefulSet.")?;
        screen.command(&format!("kubectl --namespace {NAMESPACE} get pods --output wide"))?;
        screen.table(&places.0)?;
        look_along(screen, &self.home.surroundings, CHART.name)
    }

    /// Workloads that are on gamer.
    async fn move_in(&self) -> Result<()> {
        let client = &self.home.client;
        namespace(client, NAMESPACE, &[(LABEL, "e2e")]).await?;
        let mut photos = workload("Deployment", NAMESPACE, PHOTOS, &GAMER);
        photos["spec"]["replicas"] = json!(2);
        let mut db = workload("StatefulSet", NAMESPACE, DB, &["talos08"]);
        // Its second choice is the machine that will fail later.
        let wishes = "/spec/template/spec/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution";
        let wishes = db
            .pointer_mut(wishes)
            .and_then(Value::as_array_mut)
            .context("no wishes")?;
        let mut second = wishes.first().cloned().context("no wish")?;
        second["weight"] = json!(50);
        second["preference"]["matchExpressions"][0]["values"] = json!(["mini-2"]);
        wishes.push(second);
        let budget = json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"namespace": NAMESPACE, "name": PHOTOS},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": PHOTOS}}}
        });
        for object in [&photos, &db, &budget] {
            apply(client, object).await?;
        }
        self.home.all_running(NAMESPACE, PHOTOS, 2, LIMIT, on_gamer).await?;
        self.home
            .running(NAMESPACE, DB, LIMIT, |node| node == "talos08")
            .await?;
        until("the budget has counted", LIMIT, || async {
            let now = get(client, &budget).await?;
            Ok((now["status"]["currentHealthy"] == 2).then_some(()))
        })
        .await
    }

    async fn question(&mut self) -> Result<()> {
        self.screen.chapter("\"Can I switch gamer off?\" Not now")?;
        self.home.switch("off", &["mini-1"]).await?;
        self.screen
            .say("Somebody has pulled the plug of mini-1 to dust it, and told nobody. (The demo has cut its power.)")?;
        let refused = |host: &Value| {
            host["mayGoOff"]["answer"] == "No"
                && lines(&host["mayGoOff"]["because"])
                    .first()
                    .is_some_and(|line| line.contains("lose its quorum"))
        };
        let no = self.home.host_is("gamer", "may not go off", DOWN, refused).await?;
        let pending = self
            .alerts("etcd's and mini-1's alerts are pending", |alerts| {
                has(alerts, "HearthNodesNoEtcdHeadroom", None)
                    && has(alerts, "HearthNodesSteadyNodeDown", Some("mini-1"))
            })
            .await?;
        let screen = &self.screen;
        screen.say("Now gamer's owner asks:")?;
        self.answer(&no)?;
        screen.seen(&format!(
            "a Prometheus with the {} alerts of the chart noticed, too:",
            self.prometheus.alerts.len()
        ))?;
        screen.lines(&shown(&pending))?;

        self.home.switch("on", &["mini-1"]).await?;
        self.screen
            .say("What mends it: mini-1 first. It is plugged in again.")?;
        self.home
            .host_is("mini-1", "is on again", DOWN, |host| host["state"] == "On")
            .await?;
        let allowed = |host: &Value| {
            let because = host["mayGoOff"]["because"].to_string();
            host["mayGoOff"]["answer"] == "Yes"
                && because.contains("2 of 3 left")
                && because.contains(&format!("StatefulSet {NAMESPACE}/{DB}"))
        };
        let yes = self.home.host_is("gamer", "may go off", DOWN, allowed).await?;
        self.alerts("etcd's and mini-1's alerts are over", |alerts| {
            !has(alerts, "HearthNodesNoEtcdHeadroom", None) && !has(alerts, "HearthNodesSteadyNodeDown", None)
        })
        .await?;
        let screen = &self.screen;
        screen.say("The same question has another answer now, which says what one gives up:")?;
        self.answer(&yes)?;
        screen.seen("both alerts are over")?;
        screen.say("The last line is what it would cost to switch it off just so: Kubernetes would start photos elsewhere after minutes, and db not at all while its node is silent. So gamer is emptied first.")
    }

    /// The answer of `status.mayGoOff`, as it came.
    fn answer(&self, host: &Value) -> Result<()> {
        self.screen.command("kubectl get nodehost gamer --output jsonpath='{.status.mayGoOff.answer}{\"\\n\"}{range .status.mayGoOff.because[*]}- {@}{\"\\n\"}{end}'")?;
        let mut told = vec![host["mayGoOff"]["answer"].as_str().unwrap_or_default().to_owned()];
        told.extend(
            lines(&host["mayGoOff"]["because"])
                .iter()
                .map(|line| format!("- {line}")),
        );
        self.screen.lines(&told)
    }

    async fn emptied(&mut self) -> Result<()> {
        self.screen.chapter("Empty it, then switch it off")?;
        let request = format!("{:.0}", Timestamp::now());
        let begin = Instant::now();
        self.home.ask("gamer", Some(&request)).await?;
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
            let now = self.home.node(name).await?;
            let mark = annotation(&now, "nodes.hearth.home.arpa/cordoned");
            ensure!(
                now["spec"]["unschedulable"] == true && mark == Some(&request),
                "{name} is not cordoned for the request"
            );
        }
        let left = self.left_on_gamer().await?;
        ensure!(left.is_empty(), "still on gamer: {}", left.join(", "));
        let elsewhere = |node: &str| !on_gamer(node);
        self.home.all_running(NAMESPACE, PHOTOS, 2, LIMIT, elsewhere).await?;
        self.home.running(NAMESPACE, DB, LIMIT, |node| node == "mini-2").await?;
        let places = Table::with(&self.home.client, &pods(), &PLACES, &[("db-0", "NODE", "mini-2")]).await?;
        let note = self.told("NodeHost", "gamer", "MaySwitchOff").await?;

        let screen = &self.screen;
        screen.seen("talos03 and talos08 are cordoned, and marked as cordoned for this request")?;
        screen.seen("pods were evicted under their budgets; meanwhile the status told what it waited for:")?;
        screen.lines(&waited)?;
        screen.seen(&format!("at every look photos had a ready pod, at the fewest {fewest}"))?;
        screen.command("kubectl wait nodehost/gamer --for=jsonpath='{.status.off.phase}'=Drained")?;
        screen.seen(&format!(
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
            let pods = self.home.pods(NAMESPACE, PHOTOS).await?;
            fewest = fewest.min(pods.iter().filter(ready).count());
            let host = self.home.host("gamer").await?;
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
        let api: Api<Pod> = Api::all(self.home.client.clone());
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

    /// The note of an event of this telling.
    pub(super) async fn told(&self, kind: &str, name: &str, reason: &str) -> Result<String> {
        until(&format!("{kind} {name} has the event {reason}"), LIMIT, || async {
            let mut events = events(&self.home.client, "default", kind, name).await?;
            events.retain(|event| {
                let at = event.event_time.as_ref().map(|time| time.0);
                event.reason.as_deref() == Some(reason) && at >= Some(self.began)
            });
            events.sort_by_key(|event| event.event_time.as_ref().map(|time| time.0));
            Ok(events.pop().map(|event| event.note.unwrap_or_default()))
        })
        .await
    }

    /// Waits until Prometheus' alerts are as they should be.
    pub(super) async fn alerts(&self, what: &str, so: impl Fn(&[Alert]) -> bool) -> Result<Vec<Alert>> {
        until(what, LIMIT, || async {
            let alerts = self.prometheus.look().await?;
            ensure!(so(&alerts), "there are {:?}", shown(&alerts));
            Ok(Some(alerts))
        })
        .await
    }
}

/// Whether this alert is among them, about this node if one is given.
pub(super) fn has(alerts: &[Alert], name: &str, about: Option<&str>) -> bool {
    let so = |alert: &Alert| alert.name == name && about.is_none_or(|about| alert.is_about(about));
    alerts.iter().any(so)
}

/// A line for each.
pub(super) fn shown(alerts: &[Alert]) -> Vec<String> {
    alerts.iter().map(Alert::line).collect()
}
