//! The chapters up to the moment when the machine may be switched off. Each acts, checks the result, and only then shows it.
use anyhow::{Context, Result};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::kubectl_table::Table;
use super::narrator::{
    DB, HOSTS, LIMIT, MEMBER, NODES, Narrator, PHOTOS, POD_COLUMNS, has, lines, on_gamer, pods, shown,
};
use crate::demo_install::NAMESPACE;
use crate::namespaces::namespace;
use crate::node_class::env::{DOWN, GAMER, LATER, NAME, gamer, node, with_spec, workload};
use crate::objects::{apply, get, patch};
use crate::screen::commands_to_follow;
use crate::wait::until;

/// The machines with a member of etcd.
const MEMBERS: [&str; 3] = ["home-1", "mini-1", "talos03"];

impl Narrator<'_> {
    /// From the first screen to the last.
    pub(super) async fn chapters(&mut self) -> Result<()> {
        self.machines().await.context("the machines")?;
        self.question().await.context("the question")?;
        self.drain().await.context("the drain")?;
        self.off().await.context("switching it off")?;
        self.quiet().await.context("no page")?;
        self.without_request().await.context("without a request")?;
        self.back().await.context("back on")?;
        self.further()
    }

    async fn machines(&mut self) -> Result<()> {
        let client = &self.env.client;
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
        self.env.sees(LATER).await?;
        let pod = self.env.operator.pod().await?;
        let on: Vec<_> = ["home-1", "mini-1", "mini-2", "gamer"]
            .iter()
            .map(|name| (*name, "STATE", "On"))
            .collect();
        let hosts = Table::with(client, HOSTS, &[], &on).await?;
        let places = Table::read(client, &pods(), &POD_COLUMNS).await?;

        let screen = &mut *self.screen;
        screen.chapter("A home, and a machine that goes off at night")?;
        screen.say("node-class knows which nodes share a machine and which machines people switch off. Here gamer is a desktop with two nodes, talos03 and talos08; the others stay on.")?;
        screen.checked(&format!(
            "Kubernetes {} answers; its {} machines have kubelets of their own and can be switched off",
            version.git_version,
            NODES.len()
        ))?;
        screen.checked(&format!(
            "node-class is installed by its chart and ready: pod {}",
            pod.name_any()
        ))?;
        screen.say(&format!("(This cluster's etcd runs beside its machines. Role labels say that {} have its three members;  node-class goes by those.)", MEMBERS.join(", ")))?;
        screen.command("kubectl get nodehosts")?;
        screen.table(&hosts.0)?;
        screen.say("Two workloads would rather run on gamer: photos, a Deployment whose disruption budget wants one pod at all times, and db, a StatefulSet.")?;
        screen.command(&format!("kubectl --namespace {NAMESPACE} get pods --output wide"))?;
        screen.table(&places.0)?;
        commands_to_follow(screen, &self.env.environment, NAME)
    }

    /// Workloads that are on gamer.
    async fn move_in(&self) -> Result<()> {
        let client = &self.env.client;
        namespace(client, NAMESPACE).await?;
        let mut photos = workload("Deployment", NAMESPACE, PHOTOS, &GAMER);
        photos["spec"]["replicas"] = json!(2);
        let mut db = workload("StatefulSet", NAMESPACE, DB, &["talos08"]);
        // Its second choice is the machine that will fail later.
        let preferences = "/spec/template/spec/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution";
        let preferences = db
            .pointer_mut(preferences)
            .and_then(Value::as_array_mut)
            .context("no preferences")?;
        let mut second = preferences.first().cloned().context("no preference")?;
        second["weight"] = json!(50);
        second["preference"]["matchExpressions"][0]["values"] = json!(["mini-2"]);
        preferences.push(second);
        let budget = json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"namespace": NAMESPACE, "name": PHOTOS},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": PHOTOS}}}
        });
        for object in [&photos, &db, &budget] {
            apply(client, object).await?;
        }
        self.env.all_running(NAMESPACE, PHOTOS, 2, LIMIT, on_gamer).await?;
        self.env.running(NAMESPACE, DB, LIMIT, |node| node == "talos08").await?;
        until("the budget has counted", LIMIT, || async {
            let now = get(client, &budget).await?;
            Ok((now["status"]["currentHealthy"] == 2).then_some(()))
        })
        .await
    }

    async fn question(&mut self) -> Result<()> {
        self.screen.chapter("\"Can I switch gamer off?\" Not now")?;
        self.env.switch("off", &["mini-1"]).await?;
        self.screen
            .say("Somebody has unplugged mini-1 and told nobody. (The demo has cut its power.)")?;
        let refused = |host: &Value| {
            host["mayGoOff"]["answer"] == "No"
                && lines(&host["mayGoOff"]["because"])
                    .first()
                    .is_some_and(|line| line.contains("lose its quorum"))
        };
        let no = self.env.host_is("gamer", "may not go off", DOWN, refused).await?;
        let pending = self
            .alerts("etcd's and mini-1's alerts are pending", |alerts| {
                has(alerts, "HearthNodesNoEtcdHeadroom", None)
                    && has(alerts, "HearthNodesSteadyNodeDown", Some("mini-1"))
            })
            .await?;
        let screen = &*self.screen;
        screen.say("Now gamer's owner asks:")?;
        self.answer(&no)?;
        screen.checked(&format!(
            "a Prometheus with the {} alerts of the chart noticed, too:",
            self.prometheus.alerts.len()
        ))?;
        screen.lines(&shown(&pending))?;

        self.env.switch("on", &["mini-1"]).await?;
        self.screen.say("The fix: mini-1 first. It is plugged in again.")?;
        self.env
            .host_is("mini-1", "is on again", DOWN, |host| host["state"] == "On")
            .await?;
        let allowed = |host: &Value| {
            let because = host["mayGoOff"]["because"].to_string();
            host["mayGoOff"]["answer"] == "Yes"
                && because.contains("2 of 3 left")
                && because.contains(&format!("StatefulSet {NAMESPACE}/{DB}"))
        };
        let yes = self.env.host_is("gamer", "may go off", DOWN, allowed).await?;
        self.alerts("etcd's and mini-1's alerts are over", |alerts| {
            !has(alerts, "HearthNodesNoEtcdHeadroom", None) && !has(alerts, "HearthNodesSteadyNodeDown", None)
        })
        .await?;
        let screen = &*self.screen;
        screen.say("The same question has another answer now, which says what one gives up:")?;
        self.answer(&yes)?;
        screen.checked("both alerts are over")?;
        screen.say("The last line is what it would cost to switch it off just so: Kubernetes would start photos elsewhere after minutes, and db not at all while its node is silent. So gamer is emptied first.")
    }

    /// The answer of `status.mayGoOff`, as it came.
    fn answer(&self, host: &Value) -> Result<()> {
        self.screen.command("kubectl get nodehost gamer --output jsonpath='{.status.mayGoOff.answer}{\"\\n\"}{range .status.mayGoOff.because[*]}- {@}{\"\\n\"}{end}'")?;
        let mut answer = vec![host["mayGoOff"]["answer"].as_str().unwrap_or_default().to_owned()];
        answer.extend(
            lines(&host["mayGoOff"]["because"])
                .iter()
                .map(|line| format!("- {line}")),
        );
        self.screen.lines(&answer)
    }
}
