//! The chapters. Each acts, checks the result, and only then shows it.
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::fake_route53::{Action, Call, RecordSet, client};
use crate::namespaces;
use crate::objects::{apply, delete, load_balancer};
use crate::wait::until;
use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::expected::{FILE, ZONE, ZoneContent, host, manifest, manifests};
use super::record_table::RecordTable;
use crate::demo_install::NAMESPACE;
use crate::dns_sync::env::{DnsEnv, NAME, Zone};
use crate::screen::{Screen, commands_to_follow, good_bye};

/// Far longer than anything here takes; machines may be busy.
const LIMIT: Duration = Duration::from_mins(1);

/// The chapters on one environment.
pub(super) struct Chapters<'a> {
    env: &'a DnsEnv,
    screen: &'a mut Screen,
}

impl<'a> Chapters<'a> {
    pub(super) fn new(env: &'a DnsEnv, screen: &'a mut Screen) -> Self {
        Self { env, screen }
    }

    /// From the first screen to the last.
    pub(super) async fn run(&mut self) -> Result<()> {
        self.cluster().await.context("the cluster")?;
        let mut zone = self.observe().await.context("Observe")?;
        let mut expected = ZoneContent::wanted().with(ZoneContent::foreign());
        self.sync(&mut zone, &expected).await.context("Sync")?;
        self.table(&zone, &expected).await.context("the table")?;
        self.change(&zone, &mut expected).await.context("a live change")?;
        self.outage(&zone, &mut expected)
            .await
            .context("the provider cut off")?;
        self.removal(&zone, &mut expected).await.context("a removal")?;
        self.further()
    }

    async fn cluster(&mut self) -> Result<()> {
        let version = self.env.client.apiserver_version().await?;
        let pod = self.env.operator.pod().await?;
        self.env.operator.ready(1, LIMIT).await?;
        let screen = &mut *self.screen;
        screen.chapter("A cluster, an operator, a Route 53")?;
        screen
            .say("dns-sync publishes the names of a cluster's Services, Ingresses and DNSRecords at a DNS provider.")?;
        screen.checked(&format!("Kubernetes {} answers", version.git_version))?;
        screen.checked(&format!(
            "dns-sync is installed by its chart and ready: pod {}",
            pod.name_any()
        ))?;
        screen.checked(&format!(
            "moto plays Route 53 at {}, behind a layer that enforces Route 53's rules",
            self.env.provider.endpoint()
        ))?;
        commands_to_follow(screen, &self.env.environment, NAME)
    }

    async fn observe(&mut self) -> Result<Zone> {
        self.screen.chapter("Observe: what would happen")?;
        let sources = json!({"namespaces": [NAMESPACE]});
        let spec =
            json!({"policy": "Observe", "sources": {"services": sources, "ingresses": sources, "records": sources}});
        let zone = self.env.unapplied_zone(ZONE, spec).await?;
        for ((label, kind), set) in &ZoneContent::foreign().0 {
            let values: Vec<&str> = set.values.iter().map(String::as_str).collect();
            self.env
                .control
                .put(&zone.id, RecordSet::simple(&host(label), kind, 3600, &values))?;
        }
        namespaces::apply(&self.env.client, NAMESPACE, &[]).await?;
        let objects = manifests()?;
        for object in &objects {
            apply(&self.env.client, object).await?;
        }
        let mark = self.env.control.mark();
        apply(&self.env.client, &zone.object).await?;
        zone.condition("Ready", "True", "Observing", LIMIT).await?;
        let wanted = ZoneContent::wanted().plan();
        let plan = until("the plan has all lines and no others", LIMIT, || async {
            let now = zone.now().await?;
            let lines: Vec<String> = serde_json::from_value(now["status"]["plan"].clone())?;
            let sorted: BTreeSet<&String> = lines.iter().collect();
            ensure!(sorted.iter().copied().eq(&wanted), "it is {lines:#?}");
            Ok(Some(lines))
        })
        .await?;
        self.is(&zone, &ZoneContent::foreign()).await?;
        ensure!(
            self.env.control.writes_since(mark).is_empty(),
            "something was written under policy Observe"
        );
        let screen = &*self.screen;
        screen.say(&format!(
            "{} sample objects ({FILE}) and a DNSZone with policy Observe are applied. The zone's status has the plan:",
            objects.len()
        ))?;
        screen.command(&format!(
            "kubectl get dnszone {ZONE} --output jsonpath='{{range .status.plan[*]}}{{@}}{{\"\\n\"}}{{end}}'"
        ))?;
        screen.lines(&plan)?;
        screen.checked(
            "Route 53 got no write at all; what somebody else has in the zone (mail, and the name files) is as it was",
        )?;
        screen.checked(&format!(
            "{} is not in the plan: the Service files wants the name, but a record of somebody else's holds it",
            host("files")
        ))?;
        Ok(zone)
    }

    async fn sync(&mut self, zone: &mut Zone, expected: &ZoneContent) -> Result<()> {
        self.screen.chapter("Sync: make it so")?;
        let mark = self.env.control.mark();
        let begin = Instant::now();
        zone.change(json!({"policy": "Sync"})).await?;
        self.becomes(zone, expected).await?;
        let calls = self.env.control.writes_since(mark);
        let took = calls
            .last()
            .map(|call| call.at + call.took - begin)
            .context("no call was made")?;
        ensure!(calls.iter().all(|call| call.applied), "Route 53 refused a batch");
        let records = ZoneContent::wanted().0.len();
        zone.condition("Ready", "True", "Publishing", LIMIT).await?;
        let screen = &*self.screen;
        screen.command(&format!(
            "kubectl patch dnszone {ZONE} --type merge --patch '{{\"spec\":{{\"policy\":\"Sync\"}}}}'"
        ))?;
        let batches = if calls.len() == 1 {
            "one call".to_owned()
        } else {
            format!("{} calls", calls.len())
        };
        screen.checked(&format!(
            "{records} records, each with its owner record, were written in {batches} within {} ms",
            took.as_millis()
        ))?;
        screen.checked("the records of somebody else are as they were")
    }

    async fn table(&mut self, zone: &Zone, expected: &ZoneContent) -> Result<()> {
        self.screen.chapter("Every record, its source, its state")?;
        let answers = self.answers(zone).await?;
        ensure!(
            answers == *expected,
            "Route 53 differs: {:?}",
            answers.difference(expected)
        );
        let states = RecordTable::read(&self.env.client, zone, &answers).await?;
        let mut rows = vec![
            ["NAME", "TYPE", "SOURCE", "STATE", "ROUTE 53 ANSWERS"]
                .map(str::to_owned)
                .to_vec(),
        ];
        for row in states.rows() {
            rows.push(row);
        }
        let screen = &*self.screen;
        screen.table(&rows)?;
        screen.say(
            "Conflicted is reported on the object itself, as an event, and nothing is taken over. See for yourself:",
        )?;
        screen.command("kubectl get dnszones,dnsrecords --all-namespaces")?;
        screen.command(&format!("kubectl --namespace {NAMESPACE} describe service files"))
    }

    async fn change(&mut self, zone: &Zone, expected: &mut ZoneContent) -> Result<()> {
        self.screen.chapter("One live change")?;
        let mut photos = manifest("Service", "photos")?;
        photos["status"]["loadBalancer"]["ingress"][0]["ip"] = json!("192.0.2.110");
        expected.set("photos", "A", Some("service/hearth-demo/photos"), &["192.0.2.110"]);
        let mark = self.env.control.mark();
        apply(&self.env.client, &photos).await?;
        let applied = Instant::now();
        self.becomes(zone, expected).await?;
        let calls = made_by(self.env.control.calls_since(mark));
        let [call] = calls.as_slice() else {
            anyhow::bail!("one call was expected, not {}", calls.len())
        };
        let took = call.at.saturating_duration_since(applied);
        let screen = &*self.screen;
        screen.say("The load balancer gives the Service photos another address, 192.0.2.110:")?;
        screen.checked(&format!("{} ms after the API server knew, the change was at Route 53 (a single change does not wait for batchWindow)", took.as_millis()))?;
        screen.checked(&format!(
            "it took one call, which listed nothing and named exactly what it replaced:{}",
            edits(call)
        ))
    }

    async fn outage(&mut self, zone: &Zone, expected: &mut ZoneContent) -> Result<()> {
        self.screen.chapter("The provider is cut off")?;
        let before = expected.clone();
        let mark = self.env.control.mark();
        self.env.control.down().await;
        let mut films = manifest("Service", "films")?;
        films["status"]["loadBalancer"]["ingress"] =
            json!([{"ip": "192.0.2.111", "ipMode": "VIP"}, {"ip": "2001:db8::11", "ipMode": "VIP"}]);
        apply(&self.env.client, &films).await?;
        apply(&self.env.client, &music()).await?;
        expected.set("films", "A", Some("service/hearth-demo/films"), &["192.0.2.111"]);
        expected.set("music", "A", Some("service/hearth-demo/music"), &["192.0.2.13"]);
        let reason = zone.condition("Reachable", "False", "", LIMIT).await;
        let pending = until("two changes wait", LIMIT, || async {
            let count = zone.now().await?["status"]["records"]["pending"]
                .as_i64()
                .unwrap_or_default();
            Ok((count >= 2).then_some(count))
        })
        .await;
        let ready = zone.condition("Ready", "True", "Publishing", LIMIT).await;
        let held = ZoneContent::of(&self.env.control.records(&zone.id)?);
        let pod = self.env.operator.pod().await?;
        let restarts = self.env.operator.restarts().await?;
        self.env.operator.ready(1, LIMIT).await?;
        self.env.control.up().await;
        let back = Instant::now();
        let (reason, pending) = (reason?, pending?);
        ready?;
        ensure!(
            held == before,
            "the zone changed during the outage: {:?}",
            held.difference(&before)
        );
        self.becomes(zone, expected).await?;
        let took = back.elapsed();
        zone.condition("Reachable", "True", "Reachable", LIMIT).await?;
        ensure!(
            self.env.operator.pod().await?.uid() == pod.uid() && self.env.operator.restarts().await? == restarts,
            "the operator was restarted"
        );
        let lost = lost(&self.env.control.writes_since(mark));
        ensure!(lost.is_empty(), "records were deleted: {lost:?}");
        let screen = &*self.screen;
        screen.say(
            "Route 53 refused every connection. Meanwhile films got another address, and a new Service, music, came.",
        )?;
        screen.command(&format!("kubectl describe dnszone {ZONE}"))?;
        screen.checked(&format!("Reachable=False: {reason}"))?;
        screen.checked(&format!(
            "Ready stayed True, the operator kept running, {pending} changes waited; not one record was lost"
        ))?;
        screen.say("Then Route 53 came back:")?;
        screen.checked(&format!(
            "{:.1} s later both changes had arrived, and nothing was deleted on the way",
            took.as_secs_f64()
        ))
    }

    async fn removal(&mut self, zone: &Zone, expected: &mut ZoneContent) -> Result<()> {
        self.screen.chapter("A Service goes")?;
        let mark = self.env.control.mark();
        delete(&self.env.client, &music()).await?;
        let applied = Instant::now();
        expected.0.remove(&("music".to_owned(), "A".to_owned()));
        self.becomes(zone, expected).await?;
        let writes = self.env.control.writes_since(mark);
        let call = writes.last().context("no call was made")?;
        let took = call.at.saturating_duration_since(applied);
        let marks = zone.sets()?.iter().filter(|set| set.name.contains("music")).count();
        ensure!(marks == 0, "the owner record of music is still there");
        let screen = &*self.screen;
        screen.command(&format!("kubectl --namespace {NAMESPACE} delete service music"))?;
        screen.checked(&format!(
            "{} ms later its record and its owner record were removed, and nothing else:{}",
            took.as_millis(),
            edits(call)
        ))?;
        screen.say("Nothing without this cluster's owner mark was touched from beginning to end. What holds many deletes back:")?;
        screen.command("kubectl explain dnszone.spec.deleteGuard")
    }

    fn further(&mut self) -> Result<()> {
        let local = self.env.environment.control.is_some();
        let screen = &mut *self.screen;
        screen.chapter("How to go on")?;
        screen.say("On your own cluster, with your own zone: begin with Observe, read the plan, then Sync.")?;
        screen.command("helm dependency build charts/dns-sync")?;
        screen.command(
            "helm install dns-sync charts/dns-sync --namespace hearth-system --create-namespace --set clusterName=home",
        )?;
        screen.command("kubectl apply --filename charts/dns-sync/examples/observe.yaml")?;
        screen.say("README.md, Install, says how the image gets to your nodes. The chart's values are in charts/dns-sync/README.md, metrics and alerts in docs/observability.md, and docs/ has the rest.")?;
        good_bye(screen, local, "Route 53 stays as long as you need it")
    }

    /// What Route 53 answers to its own API.
    async fn answers(&self, zone: &Zone) -> Result<ZoneContent> {
        let api = client(&self.env.provider.endpoint(), "AKIACREATOR");
        let listed = api.list_resource_record_sets().hosted_zone_id(&zone.id).send().await?;
        ensure!(!listed.is_truncated(), "the zone has more than a page of records");
        let sets: Vec<RecordSet> = listed
            .resource_record_sets()
            .iter()
            .map(|set| {
                let values: Vec<&str> = set
                    .resource_records()
                    .iter()
                    .map(aws_sdk_route53::types::ResourceRecord::value)
                    .collect();
                RecordSet::simple(
                    set.name(),
                    set.r#type().as_str(),
                    set.ttl().unwrap_or_default(),
                    &values,
                )
            })
            .collect();
        Ok(ZoneContent::of(&sets))
    }

    async fn is(&self, zone: &Zone, expected: &ZoneContent) -> Result<()> {
        let difference = self.answers(zone).await?.difference(expected);
        ensure!(difference.is_empty(), "Route 53 differs: {}", difference.join("; "));
        Ok(())
    }

    /// Waits until Route 53 answers exactly this.
    async fn becomes(&self, zone: &Zone, expected: &ZoneContent) -> Result<()> {
        until("Route 53 answers as it should", LIMIT, || async {
            self.is(zone, expected).await.map(Some)
        })
        .await
    }
}

/// The calls that the demo did not make itself.
fn made_by(mut calls: Vec<Call>) -> Vec<Call> {
    calls.retain(|call| call.key != "AKIACREATOR");
    calls
}

/// The edits of a call in words, a line each.
fn edits(call: &Call) -> String {
    call.edits.iter().fold(String::new(), |mut text, edit| {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n       {} {} {}",
            edit.action.as_str(),
            edit.name.trim_end_matches('.'),
            edit.kind
        );
        text
    })
}

/// What was deleted and not made again by the same call.
fn lost(calls: &[Call]) -> Vec<String> {
    let made = |call: &Call, name: &str, kind: &str| {
        call.edits
            .iter()
            .any(|edit| edit.action != Action::Delete && edit.name == name && edit.kind == kind)
    };
    let deleted = calls
        .iter()
        .filter(|call| call.applied)
        .flat_map(|call| call.edits.iter().map(move |edit| (call, edit)));
    deleted
        .filter(|(call, edit)| edit.action == Action::Delete && !made(call, &edit.name, &edit.kind))
        .map(|(_, edit)| format!("{} {}", edit.name, edit.kind))
        .collect()
}

/// A Service that is not in the sample manifests.
fn music() -> Value {
    let mut music = load_balancer(NAMESPACE, "music", &host("music"), &["192.0.2.13"]);
    music["spec"]["loadBalancerClass"] = json!("demo.hearth.home.arpa/none");
    music
}
