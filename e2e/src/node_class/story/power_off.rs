//! The chapters while machines are off: one with a request, one without.
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::kubectl_table::Table;
use super::narrator::{DB, HOSTS, LIMIT, Narrator, POD_COLUMNS, has, on_gamer, pods, shown};
use crate::demo_install::NAMESPACE;
use crate::node_class::env::{DOWN, GAMER, LATER, OUT_OF_SERVICE, SOON, annotation, is_ready, ours, taint, with_spec};
use crate::objects::{apply, patch_status};
use crate::screen::good_bye;
use crate::wait::{never, until};

/// So many times in a row nothing may be pending.
const READS: usize = 5;
/// Longer than Kubernetes waits here before it evicts, and than the class waits for.
const SILENCE: Duration = Duration::from_secs(15);
const HISTORIES: &str = "/apis/nodes.hearth.home.arpa/v1alpha1/nodehistories";

impl Narrator<'_> {
    pub(super) async fn off(&mut self) -> Result<()> {
        self.screen.chapter("It goes off")?;
        let mut before = Vec::new();
        for name in GAMER {
            before.push(self.env.transitions_up_to_now(name).await?.len());
        }
        let begin = Instant::now();
        self.env.switch("off", &GAMER).await?;
        self.screen
            .say("The demo has pressed the button: gamer has no power, and both its nodes are off at once.")?;
        let off = |host: &Value| host["state"] == "Off" && host["off"]["phase"] == "Off" && host["expectedOff"] == true;
        let host = self.env.host_is("gamer", "is off as asked", DOWN, off).await?;
        let took = begin.elapsed();
        for (name, before) in GAMER.iter().zip(&before) {
            let planned = |last: &Value| last["kind"] == "Lost" && last["planned"] == true && last["backAt"].is_null();
            self.env.history_is(name, "Down", before + 1, SOON, planned).await?;
        }
        let last = self.last_of(&GAMER).await?;
        let note = self.event("NodeHost", "gamer", "HostWentOff").await?;
        let evidence = host["evidence"].as_str().context("no evidence")?;

        let screen = &*self.screen;
        screen.checked(&format!(
            "{:.0} s later node-class knows: {evidence}",
            took.as_secs_f64()
        ))?;
        screen.checked(&format!("event HostWentOff: {note}"))?;
        screen.say("What the history keeps: the nodes said nothing when they went, so they were lost; but that was asked for, so it is planned, and does not count against them.")?;
        screen.command("kubectl get nodehistory talos03 --output jsonpath='{.status.transitions}'")?;
        screen.table(&last)
    }

    pub(super) async fn quiet(&mut self) -> Result<()> {
        self.screen.chapter("Nobody is paged")?;
        for _ in 0..READS {
            let alerts = self.prometheus.alerts_now().await?;
            ensure!(alerts.is_empty(), "there are {:?}", shown(&alerts));
            sleep(Duration::from_secs(1)).await;
        }
        let operator = &self.env.operator;
        let (spare, expected) = until(
            "etcd has no spare member, and gamer is expected to be off",
            LIMIT,
            || async {
                let spare = operator.metric("hearth_nodes_etcd_spare_members", &[]).await?;
                let members = operator.metric("hearth_nodes_etcd_members", &[]).await?;
                let expected = operator
                    .metric("hearth_nodes_expected_off", &["host=\"gamer\""])
                    .await?;
                ensure!(
                    spare.abs() < 0.5 && members > 2.5 && expected > 0.5,
                    "spare members {spare} of {members}, expected off {expected}"
                );
                Ok(Some((spare, expected)))
            },
        )
        .await?;
        let cells = [
            ("gamer", "STATE", "Off"),
            ("mini-1", "MAYGOOFF", "No"),
            ("home-1", "MAYGOOFF", "No"),
        ];
        let hosts = Table::with(&self.env.client, HOSTS, &[], &cells).await?;

        let screen = &*self.screen;
        screen.checked(&format!(
            "{READS} times in a row Prometheus has scraped node-class and evaluated its {} alerts: none is pending, none fires",
            self.prometheus.alerts.len()
        ))?;
        screen.say("That is not because the alerts do not work. etcd has as little to spare as when mini-1 was off, and then HearthNodesNoEtcdHeadroom was pending. Now it is known that gamer is expected to be off:")?;
        screen.lines(&[
            format!("hearth_nodes_etcd_spare_members {spare}"),
            format!("hearth_nodes_expected_off{{host=\"gamer\"}} {expected}"),
        ])?;
        screen.say("The other machines of etcd now answer No:")?;
        screen.command("kubectl get nodehosts")?;
        screen.table(&hosts.0)
    }

    pub(super) async fn without_request(&mut self) -> Result<()> {
        self.screen.chapter("Another goes without a word")?;
        let client = &self.env.client;
        let class = json!({"match": {"hosts": ["mini-*"]}, "failover": {"evidence": ["PowerOff"], "after": "5s"}});
        apply(client, &with_spec("NodeClass", "minis", class)).await?;
        let first = self.env.running(NAMESPACE, DB, LIMIT, |node| node == "mini-2").await?;
        let uid = &first["metadata"]["uid"];
        let before = self.env.transitions_up_to_now("mini-2").await?.len();
        self.env.switch("off", &["mini-2"]).await?;
        self.screen
            .say("mini-2 should always be on. Now it has no power, and nobody has announced it.")?;
        let silent = |host: &Value| {
            host["state"] == "Off"
                && host["evidence"]
                    .as_str()
                    .is_some_and(|text| text.contains("without a word"))
        };
        let host = self.env.host_is("mini-2", "is silent", DOWN, silent).await?;
        let lost = |last: &Value| last["kind"] == "Lost" && last["planned"] != true;
        self.env.history_is("mini-2", "Down", before + 1, SOON, lost).await?;
        let alerts = self
            .alerts("mini-2's alert is pending", |alerts| {
                has(alerts, "HearthNodesSteadyNodeDown", Some("mini-2"))
            })
            .await?;
        for name in ["gamer", "talos03", "talos08"] {
            ensure!(
                !alerts.iter().any(|alert| alert.is_about(name)),
                "there are {:?}",
                shown(&alerts)
            );
        }
        let held = self.event("Node", "mini-2", "FailoverHeld").await?;
        let places = Table::with(client, &pods(), &POD_COLUMNS, &[("db-0", "STATUS", "Terminating")]).await?;
        never("something is done on silence", SILENCE, || async {
            let node = self.env.node("mini-2").await?;
            let pods = self.env.pods(NAMESPACE, DB).await?;
            let same = pods.len() == 1 && pods[0]["metadata"]["uid"] == *uid;
            Ok((!same || taint(&node, OUT_OF_SERVICE).is_some()).then(|| format!("the pods are {}", json!(pods))))
        })
        .await?;
        let screen = &*self.screen;
        screen.checked(host["evidence"].as_str().context("no evidence")?)?;
        screen.checked("its alert is pending, and still none speaks of gamer:")?;
        screen.lines(&shown(&alerts))?;
        screen.say("db is on mini-2 now. Kubernetes has evicted its pod, but will not start another: the node might be alive and only cut off. node-class may fail over here (NodeClass minis), and still does nothing on silence:")?;
        screen.command(&format!("kubectl --namespace {NAMESPACE} get pods --output wide"))?;
        screen.table(&places.0)?;
        screen.checked("event FailoverHeld:")?;
        screen.say(&held)?;
        screen.checked(&format!(
            "for {} s more db had no other pod, and the node no taint",
            SILENCE.as_secs()
        ))?;
        self.power_evidence(uid).await
    }

    /// Evidence comes: a plug measures no power.
    async fn power_evidence(&self, uid: &Value) -> Result<()> {
        let now = Timestamp::now();
        let expires = now.checked_add(SignedDuration::from_mins(10))?;
        let power = json!({"state": "Off", "source": "plug-2", "observedAt": now.to_string(), "expiresAt": expires.to_string()});
        let begin = Instant::now();
        patch_status(
            &self.env.client,
            &ours("NodeHost", "mini-2"),
            &json!({"status": {"power": power}}),
        )
        .await
        .context("telling that the power is off")?;
        let second = self.env.running(NAMESPACE, DB, DOWN, |node| node != "mini-2").await?;
        let took = begin.elapsed();
        ensure!(second["metadata"]["uid"] != *uid, "it is the same pod");
        let marked = |node: &Value| {
            taint(node, OUT_OF_SERVICE).is_some()
                && annotation(node, "nodes.hearth.home.arpa/owned-taints")
                    .is_some_and(|mark| mark.contains(OUT_OF_SERVICE))
        };
        self.env
            .node_is("mini-2", "is out of service, by us", SOON, marked)
            .await?;
        let note = self.event("Node", "mini-2", "OutOfServiceApplied").await?;
        let screen = &*self.screen;
        screen.say("Then the plug in front of it says that it draws nothing. (Nobody measures power here; the demo writes what Home Assistant would.)")?;
        screen.command("kubectl patch nodehost mini-2 --subresource=status --type=merge --patch '{\"status\":{\"power\":{\"state\":\"Off\",\"source\":\"plug-2\",…}}}'")?;
        screen.checked(&format!("event OutOfServiceApplied: {note}"))?;
        screen.checked(&format!(
            "{:.0} s after the proof db runs again, on {}",
            took.as_secs_f64(),
            second["spec"]["nodeName"].as_str().unwrap_or_default()
        ))
    }

    pub(super) async fn back(&mut self) -> Result<()> {
        self.screen.chapter("Back on")?;
        let request = self.env.host("gamer").await?["off"]["request"].take();
        let all = ["talos03", "talos08", "mini-2"];
        self.env.switch("on", &all).await?;
        self.screen.say("Power returns, to gamer and to mini-2.")?;
        let handled = |host: &Value| {
            host["state"] == "On"
                && host["off"].is_null()
                && host["lastHandledOff"] == request
                && host["expectedOff"] != true
        };
        self.env.host_is("gamer", "is back", DOWN, handled).await?;
        self.env
            .host_is("mini-2", "is back", DOWN, |host| host["state"] == "On")
            .await?;
        let trusted = |node: &Value| {
            node["spec"]["unschedulable"] != true
                && annotation(node, "nodes.hearth.home.arpa/cordoned").is_none()
                && taint(node, OUT_OF_SERVICE).is_none()
                && taint(node, "nodes.hearth.home.arpa/returning").is_none()
                && is_ready(node)
        };
        for name in all {
            self.env.node_is(name, "may be used again", LATER, trusted).await?;
            // It is written a moment after the node is seen.
            let changes = self.env.transitions(name).await?.len();
            let back = |last: &Value| last["backAt"].is_string() && (last["planned"] == true) == on_gamer(name);
            self.env.history_is(name, "Up", changes, SOON, back).await?;
        }
        let returned = self.event("NodeHost", "gamer", "HostReturned").await?;
        self.alerts("no alert is left", <[_]>::is_empty).await?;
        let last = self.last_of(&all).await?;
        let client = &self.env.client;
        let cells: Vec<_> = all.iter().map(|name| (*name, "STATE", "Up")).collect();
        let histories = Table::with(client, HISTORIES, &[], &cells).await?;

        let screen = &*self.screen;
        screen.checked(&format!("event HostReturned: {returned}"))?;
        screen.checked("the cordons and taints of node-class are removed, and the request has ended")?;
        screen.checked("no alert is pending")?;
        screen.say(
            "Nothing is moved back. The histories have one more line each, which says whether the outage was planned:",
        )?;
        screen.table(&last)?;
        screen.say("From such lines it learns, over days, how dependable each node is (MONTH: per mille of the known time that a node was up). What a NodeHost declares holds at once.")?;
        screen.command("kubectl get nodehistories")?;
        screen.table(&histories.0)
    }

    /// The last change of each of these nodes.
    async fn last_of(&self, nodes: &[&str]) -> Result<Vec<Vec<String>>> {
        let mut rows = vec![
            ["NODE", "AT", "KIND", "PLANNED", "BACK AT", "EVIDENCE"]
                .map(str::to_owned)
                .to_vec(),
        ];
        for name in nodes {
            let transitions = self.env.transitions(name).await?;
            let last = transitions.last().with_context(|| format!("{name} has no history"))?;
            let text = |field: &str| last[field].as_str().unwrap_or("-").to_owned();
            let planned = if last["planned"] == true { "yes" } else { "no" };
            let cells = [
                text("at"),
                text("kind"),
                planned.to_owned(),
                text("backAt"),
                text("evidence"),
            ];
            rows.push([vec![(*name).to_owned()], cells.to_vec()].concat());
        }
        Ok(rows)
    }

    pub(super) fn further(&mut self) -> Result<()> {
        let screen = &mut *self.screen;
        screen.chapter("How to go on")?;
        screen.say("On your own cluster: install it, name the machines that have more than one node or are switched off regularly, and watch for a while. `dryRun` of a NodeClass shows what it would write.")?;
        screen.command("helm dependency build charts/node-class")?;
        screen.command("helm install node-class charts/node-class --namespace hearth-system --create-namespace --set clusterName=home")?;
        screen.command("kubectl apply --filename charts/node-class/examples/hosts.yaml")?;
        screen.say("docs/node-class.md has the guide, with a unit that asks when a desktop is shut down, and what Home Assistant must send. README.md, Install, says how the image gets to your nodes.")?;
        good_bye(screen, true, "The machines stay as long as you need them")
    }
}
