//! The operator is killed at every kind of write: once before the API server gets it, once when it is done and the response was
//! not delivered. The state at the end is the same as without kills.
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::{Duration, Instant};

use crate::api_proxy::ApiProxy;
use crate::install::sum_of;
use crate::local_operator::Program;
use crate::objects::{apply, delete, get, patch_status};
use crate::wait::until;
use anyhow::{Context, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::process::Child;

use crate::case::{Case, Exclusive};
use crate::namespaces::namespace;
use crate::node_class::env::{GAMER, LATER, NodeEnv, OUT_OF_SERVICE, chosen, gamer, label, ours, taint, with_spec};

pub(crate) fn cases() -> Vec<Case<NodeEnv>> {
    vec![
        Case::new("killed_at_every_write_it_reaches_the_same_state", |env| {
            Box::pin(killed_without_pod(env))
        })
        .local()
        .exclusive(&[Exclusive::Operator])
        .slow("a restart for every kind of write"),
    ]
}

async fn killed_without_pod(env: &NodeEnv) -> Result<()> {
    // The pod would do the work of the process that is killed.
    env.operator.scale(0, LATER).await?;
    let seen = killed(env).await;
    env.switch("on", &GAMER).await?;
    env.operator.scale(1, LATER).await?;
    seen
}

/// Shorter than the installed operator's, since they are waited for in each life.
const TIMES: [(&str, &str); 7] = [
    ("HEARTH_CLUSTER_NAME", "e2e"),
    ("HEARTH_LOG_FORMAT", "json"),
    ("HEARTH_GRACE", "5s"),
    ("HEARTH_BLIND_AFTER", "20s"),
    ("HEARTH_SETTLE", "2s"),
    ("HEARTH_CLEAN_OFF_AFTER", "20s"),
    // All that is killed meanwhile makes it long.
    ("HEARTH_REBOOT_WITHIN", "1h"),
];
/// So long without a write, seeing clearly, nothing is left to do: longer than any of those times.
const QUIET: Duration = Duration::from_secs(10);
/// A life without a write and without the end.
const STUCK: Duration = Duration::from_secs(90);

async fn killed(env: &NodeEnv) -> Result<()> {
    let mut undisturbed = Run::new(env, false).await?;
    let wanted = story(&mut undisturbed)
        .await
        .with_context(|| undisturbed.end("undisturbed"))?;
    undisturbed.life.kill().await?;
    let mut disturbed = Run::new(env, true).await?;
    let got = story(&mut disturbed).await.with_context(|| disturbed.end("killed"))?;
    let mut differences = Vec::new();
    for ((part, wanted), (_, got)) in wanted.iter().zip(&got) {
        compare(part, wanted, got, &mut differences);
    }
    ensure!(
        differences.is_empty(),
        "killed at every write it is otherwise than undisturbed:\n{}",
        differences.join("\n")
    );
    // An event may be lost with the process that was about to send it: it is sent after the work that it reports.
    let missed: Vec<_> = undisturbed
        .met
        .keys()
        .filter(|(_, write)| !write.contains("/events"))
        .map(|met| (met, disturbed.met.get(met).copied().unwrap_or_default()))
        .filter(|(_, kills)| *kills < 2)
        .collect();
    ensure!(
        missed.is_empty(),
        "these writes of the undisturbed run were not met by a kill before and by one after: {missed:?}"
    );
    Ok(())
}

/// What a home's evening writes: marks, a host that is emptied, goes and is proven to be off, comes back, and is forgotten.
/// What is there after each part.
async fn story(run: &mut Run<'_>) -> Result<Vec<(&'static str, Value)>> {
    let (env, client, begun) = (run.env, &run.env.client, run.begun);
    let mut seen = Vec::new();
    // Started and at rest: all that is new to it is written.
    run.part("the start", async { Ok(()) }, || async { Ok(true) }).await?;

    let declare = async {
        apply(client, &gamer(json!({"drain": {"deadline": "3m"}}))).await?;
        let class = json!({
            "match": {"hosts": ["gamer"]}, "labels": {"example.org/desktop": "yes"}, "annotations": {"example.org/desk": "left"},
            "taints": [{"key": "example.org/desktop", "effect": "PreferNoSchedule"}],
            "failover": {"evidence": ["PowerOff"], "after": "1s"},
        });
        apply(client, &with_spec("NodeClass", "desktop", class)).await?;
        namespace(client, "evening").await?;
        env.workload("Deployment", "evening", "web", &GAMER).await
    };
    let marked = || async {
        let mut all = env.host("gamer").await?["state"] == "On";
        for name in GAMER {
            let node = env.node(name).await?;
            all &= label(&node, "example.org/desktop").is_some() && taint(&node, "example.org/desktop").is_some();
        }
        all &= env
            .pods("evening", "web")
            .await?
            .iter()
            .any(|pod| pod["status"]["phase"] == "Running");
        Ok(all)
    };
    run.part("marks", declare, marked).await?;
    seen.push(("marks", snapshot(env, begun).await?));

    let drained = || async { Ok(env.host("gamer").await?["off"]["phase"] == "Drained") };
    run.part("emptying", env.ask("gamer", Some("tonight")), drained).await?;
    let left = env.pods("evening", "web").await?;
    ensure!(
        left.iter().all(|pod| pod["spec"]["nodeName"]
            .as_str()
            .is_some_and(|node| !GAMER.contains(&node))),
        "drained, and a pod is still there: {}",
        json!(left)
    );
    seen.push(("emptying", snapshot(env, begun).await?));

    let goes = env.switch("off", &GAMER);
    let proven = || async {
        // A new process trusts no evidence from before its first list: a plug reports again.
        plug(env, "Off").await?;
        let mut all = env.host("gamer").await?["state"] == "Off";
        for name in GAMER {
            all &= taint(&env.node(name).await?, OUT_OF_SERVICE).is_some();
        }
        Ok(all)
    };
    run.part("going off", goes, proven).await?;
    seen.push(("going off", snapshot(env, begun).await?));

    let comes = async {
        env.switch("on", &GAMER).await?;
        plug(env, "On").await
    };
    let back = || async {
        let host = env.host("gamer").await?;
        let mut all = host["state"] == "On" && host["off"].is_null();
        for name in GAMER {
            let node = env.node(name).await?;
            all &= taint(&node, OUT_OF_SERVICE).is_none() && taint(&node, "nodes.hearth.home.arpa/returning").is_none();
            all &= node["spec"]["unschedulable"] != true;
        }
        Ok(all)
    };
    run.part("coming back", comes, back).await?;
    seen.push(("coming back", snapshot(env, begun).await?));

    let forget = async {
        delete(client, &ours("NodeClass", "desktop")).await?;
        delete(client, &ours("NodeHost", "gamer")).await
    };
    let bare = || async {
        let mut all = true;
        for name in GAMER {
            let node = env.node(name).await?;
            all &= label(&node, "example.org/desktop").is_none() && taint(&node, "example.org/desktop").is_none();
            all &= label(&node, "nodes.hearth.home.arpa/host") == Some(name);
        }
        Ok(all)
    };
    run.part("forgetting", forget, bare).await?;
    seen.push(("forgetting", snapshot(env, begun).await?));
    crate::namespaces::remove_namespaces(client).await?;
    Ok(seen)
}

/// Nobody measures the power of a bundle of namespaces: this is the plug.
async fn plug(env: &NodeEnv, power: &str) -> Result<()> {
    let now = Timestamp::now();
    let measured = json!({"state": power, "source": "plug-3", "observedAt": now.to_string(),
        "expiresAt": now.checked_add(SignedDuration::from_hours(1))?.to_string()});
    patch_status(
        &env.client,
        &ours("NodeHost", "gamer"),
        &json!({"status": {"power": measured}}),
    )
    .await
}

/// One way through the story.
struct Run<'a> {
    env: &'a NodeEnv,
    gate: ApiProxy,
    program: Program,
    life: Child,
    begun: Timestamp,
    /// Whether it is killed.
    disturbed: bool,
    kills: usize,
    /// The writes that came, with the part that they came in; how often it was killed there.
    met: BTreeMap<(String, String), usize>,
}

impl<'a> Run<'a> {
    async fn new(env: &'a NodeEnv, disturbed: bool) -> Result<Self> {
        let gate = ApiProxy::open(env.operator.operator_client().await?).await?;
        let program = Program::new(env.environment.program.clone(), &gate.endpoint(), &TIMES)?;
        let life = program.start()?;
        Ok(Self {
            env,
            gate,
            program,
            life,
            begun: Timestamp::now(),
            disturbed,
            kills: 0,
            met: BTreeMap::new(),
        })
    }

    /// Begins a part before the eyes of an operator that sees clearly, and kills it at each write from then on.
    async fn part<Fut: Future<Output = Result<bool>>>(
        &mut self,
        name: &str,
        begin: impl Future<Output = Result<()>>,
        reached: impl Fn() -> Fut,
    ) -> Result<()> {
        until("the process sees all nodes", LATER, || async {
            Ok(self.sees().await?.then_some(()))
        })
        .await
        .context(name.to_owned())?;
        self.gate.begin(self.disturbed);
        begin.await.with_context(|| format!("beginning with {name}"))?;
        let since = Instant::now();
        // Since when it sees clearly, and when it last did, or began.
        let (mut clear, mut saw) = (None, since);
        loop {
            tokio::select! {
                write = self.gate.held() => {
                    self.life.kill().await?;
                    self.kills += 1;
                    *self.met.entry((name.to_owned(), write)).or_default() += 1;
                    self.gate.go_on();
                    (self.life, clear, saw) = (self.program.start()?, None, Instant::now());
                }
                () = tokio::time::sleep(Duration::from_millis(250)) => {
                    ensure!(self.life.try_wait()?.is_none(), "the process ended by itself in {name}");
                    if !self.sees().await.unwrap_or(false) {
                        ensure!(saw.elapsed() <= STUCK, "the process does not see in {name}");
                        clear = None;
                        continue;
                    }
                    saw = Instant::now();
                    // It waits for its lease, then it watches, and then it only adds for a while: that is no rest.
                    let clear = *clear.get_or_insert_with(Instant::now);
                    let last = self.gate.last().unwrap_or(since).max(clear).max(since);
                    if last.elapsed() < QUIET {
                        continue;
                    }
                    if reached().await? {
                        if !self.disturbed {
                            self.met.extend(self.gate.writes().into_iter().map(|write| ((name.to_owned(), write), 0)));
                        }
                        return Ok(());
                    }
                    if last.elapsed() > STUCK {
                        bail!("{name} does not come to its end: {}", snapshot(self.env, self.begun).await?);
                    }
                }
            }
        }
    }

    async fn sees(&self) -> Result<bool> {
        let page = self.program.metrics().await?;
        Ok(sum_of(&page, "hearth_nodes_visibility", &["state=\"clear\""]) >= 1.0)
    }

    fn end(&self, how: &str) -> String {
        format!(
            "{how}, after {} kills; its log ends with\n{}\n",
            self.kills,
            self.program.log(15)
        )
    }
}

/// All that the operator answers for, without times. Of histories what has happened since the story began.
async fn snapshot(env: &NodeEnv, begun: Timestamp) -> Result<Value> {
    let mut all = json!({});
    for name in &env.nodes {
        all["nodes"][name] = chosen(&env.node(name).await?);
        let history = get(&env.client, &ours("NodeHistory", name)).await?;
        let new = |one: &&Value| {
            let at: Option<Timestamp> = one["at"].as_str().and_then(|at| at.parse().ok());
            // No process watched in that time.
            at.is_some_and(|at| at >= begun)
        };
        let transitions = history["status"]["transitions"].as_array();
        let happened: Vec<Value> = transitions
            .into_iter()
            .flatten()
            .filter(new)
            .map(|one| json!({"kind": one["kind"], "planned": one["planned"], "back": one["backAt"].is_string()}))
            .collect();
        all["histories"][name] = json!({"state": history["status"]["state"], "happened": happened});
    }
    for (kind, name) in [
        ("NodeHost", "gamer"),
        ("NodeClass", "desktop"),
        ("NodeClass", "volatile"),
    ] {
        all[kind][name] = get(&env.client, &ours(kind, name))
            .await
            .map_or(Value::Null, |mut object| object["status"].take());
    }
    // Its machines have booted in between.
    if let Some(off) = all["NodeHost"]["gamer"]["off"].as_object_mut() {
        off.remove("boots");
    }
    timeless(&mut all);
    Ok(all)
}

/// Where two snapshots differ, and how.
fn compare(path: &str, wanted: &Value, got: &Value, differences: &mut Vec<String>) {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            let keys: BTreeSet<&String> = wanted.keys().chain(got.keys()).collect();
            for key in keys {
                let of = |object: &serde_json::Map<String, Value>| object.get(key).cloned().unwrap_or_default();
                compare(&format!("{path}.{key}"), &of(wanted), &of(got), differences);
            }
        }
        _ if wanted != got => differences.push(format!("{path}: {got} instead of {wanted}")),
        _ => {}
    }
}

/// Times and ages are other ones each time.
fn timeless(value: &mut Value) {
    match value {
        Value::String(text) => {
            let word = |word: &str| match word.trim_end_matches([',', ';']).parse::<Timestamp>() {
                Ok(_) => "a-time".to_owned(),
                Err(_) => word.to_owned(),
            };
            *text = text.split(' ').map(word).collect::<Vec<_>>().join(" ");
        }
        Value::Array(all) => all.iter_mut().for_each(timeless),
        Value::Object(all) => all.values_mut().for_each(timeless),
        _ => {}
    }
}
