//! A real Prometheus that scrapes the operator and evaluates the alerts of its chart.
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::install::{Installation, NAMESPACE as SYSTEM};
use crate::server::Server;
use crate::wait::until;
use anyhow::{Context, Result, bail, ensure};
use hearth_reconciler::metrics;
use http::Response;
use http::header::CONTENT_TYPE;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Longer than a scrape and an evaluation take.
const LIMIT: Duration = Duration::from_mins(1);
/// Names the Prometheus server's program.
const PROGRAM: &str = "HEARTH_PROMETHEUS";
/// How often it scrapes and evaluates: a minute in a home, which would make the story long.
const PACE: &str = "1s";

/// The server, with all that it stores. Dropping it ends it.
pub(crate) struct Prometheus {
    client: Client,
    /// The names of the alerts that it evaluates.
    pub(crate) alerts: Vec<String>,
    _server: Server,
    _proxy: JoinSet<()>,
    _place: tempfile::TempDir,
}

/// An alert that is pending or firing.
#[derive(Debug)]
pub(crate) struct Alert {
    pub(crate) name: String,
    state: String,
    labels: Value,
}

impl Alert {
    /// Whether it speaks of this node, or of this host.
    pub(crate) fn is_about(&self, name: &str) -> bool {
        self.labels["node"] == name || self.labels["host"] == name
    }

    /// As the reader sees it: `pending: HearthNodesFlapping (mini-1)`.
    pub(crate) fn line(&self) -> String {
        let about = ["node", "host"].iter().find_map(|label| self.labels[*label].as_str());
        let about = about.map(|about| format!(" ({about})")).unwrap_or_default();
        format!("{}: {}{about}", self.state, self.name)
    }
}

impl Prometheus {
    /// Starts it with the rules that the chart would give a cluster's own Prometheus.
    pub(crate) async fn start(operator: &Installation) -> Result<Self> {
        let program = std::env::var_os(PROGRAM).map(PathBuf::from);
        let program = program.with_context(|| format!("{PROGRAM} is not set: it names the Prometheus server"))?;
        let values = ["clusterName=demo", "metrics.prometheusRule.enabled=true"];
        let rules = operator.rendered("templates/prometheusrule.yaml", &values).await?;
        let groups = &rules["spec"]["groups"];
        let all = groups.as_array().into_iter().flatten();
        let names = all.flat_map(|group| group["rules"].as_array().into_iter().flatten());
        let alerts: Vec<String> = names
            .filter_map(|rule| rule["alert"].as_str().map(ToOwned::to_owned))
            .collect();
        ensure!(!alerts.is_empty(), "the chart renders no alert");

        let (port, proxy) = proxy(operator.clone()).await?;
        let place = tempfile::tempdir()?;
        // JSON is YAML.
        let file = |name: &str, content: &Value| std::fs::write(place.path().join(name), content.to_string());
        file("rules.json", &json!({"groups": groups}))?;
        file(
            "prometheus.json",
            &json!({
                "global": {"scrape_interval": PACE, "scrape_timeout": PACE, "evaluation_interval": PACE},
                "rule_files": ["rules.json"],
                "scrape_configs": [{"job_name": operator.name, "static_configs": [
                    // The label that a ServiceMonitor gives.
                    {"targets": [format!("127.0.0.1:{port}")], "labels": {"namespace": SYSTEM}}
                ]}]
            }),
        )?;
        let folder = place.path().to_path_buf();
        let server = Server::start(&program, move |port| {
            let option = |name: &str, value: String| format!("--{name}={value}").into();
            vec![
                option("config.file", folder.join("prometheus.json").display().to_string()),
                option("storage.tsdb.path", folder.join("data").display().to_string()),
                option("web.listen-address", format!("127.0.0.1:{port}")),
                option("log.level", "warn".to_owned()),
            ]
        })
        .await?;
        let mut config = kube::Config::new(server.uri());
        config.default_retry = false;
        Ok(Self {
            client: Client::try_from(config)?,
            alerts,
            _server: server,
            _proxy: proxy,
            _place: place,
        })
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let mut answer: Value = self.client.request(http::Request::get(path).body(Vec::new())?).await?;
        if answer["status"] != "success" {
            bail!("Prometheus answers {answer}");
        }
        Ok(answer["data"].take())
    }

    /// What is pending or firing, after a scrape and an evaluation of every alert that are younger than the question.
    pub(crate) async fn alerts_now(&self) -> Result<Vec<Alert>> {
        let asked = Timestamp::now();
        until("Prometheus has scraped the operator", LIMIT, || async {
            let targets = self.get("/api/v1/targets").await?;
            let target = &targets["activeTargets"][0];
            ensure!(target["health"] == "up", "the target is {target}");
            Ok((time(&target["lastScrape"])? > asked).then_some(()))
        })
        .await?;
        let scraped = Timestamp::now();
        until("Prometheus has evaluated every alert", LIMIT, || async {
            let evaluated = self.get("/api/v1/rules").await?;
            let groups = evaluated["groups"].as_array().into_iter().flatten();
            let rules: Vec<&Value> = groups
                .flat_map(|group| group["rules"].as_array().into_iter().flatten())
                .collect();
            ensure!(rules.len() == self.alerts.len(), "it has {} rules", rules.len());
            for rule in rules {
                ensure!(rule["health"] == "ok", "a rule is not evaluated: {rule}");
                if time(&rule["lastEvaluation"])? <= scraped {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await?;
        let mut answer = self.get("/api/v1/alerts").await?;
        let alerts = answer["alerts"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(alerts
            .into_iter()
            .map(|mut alert| Alert {
                name: text(&alert["labels"]["alertname"]),
                state: text(&alert["state"]),
                labels: alert["labels"].take(),
            })
            .collect())
    }
}

fn time(value: &Value) -> Result<Timestamp> {
    Ok(value.as_str().context("Prometheus gives no time")?.parse()?)
}

/// Serves the operator's metrics on a port of this machine: no pod can be reached from here but through the API server, with the
/// rights of the kubeconfig.
async fn proxy(operator: Installation) -> Result<(u16, JoinSet<()>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let (port, operator) = (listener.local_addr()?.port(), Arc::new(operator));
    let mut proxy = JoinSet::new();
    proxy.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            while connections.try_join_next().is_some() {}
            let operator = Arc::clone(&operator);
            let service = service_fn(move |_| {
                let operator = Arc::clone(&operator);
                async move {
                    let pod = operator.pod().await?;
                    let page = operator.page(&pod.name_any(), "metrics").await?;
                    // An error ends the connection, which Prometheus calls a target that is down.
                    let answer = Response::builder().header(CONTENT_TYPE, metrics::CONTENT_TYPE);
                    anyhow::Ok(answer.body(Full::new(Bytes::from(page)))?)
                }
            });
            connections.spawn(async move {
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    Ok((port, proxy))
}
