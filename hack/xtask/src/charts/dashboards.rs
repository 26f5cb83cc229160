//! Dashboards: the overview of all operators, and whether Prometheus understands queries.
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hearth_cluster::workspace;
use serde_json::json;

use super::queries::{dashboard_queries, known_metrics, metrics_of, operators_of, unknown_metrics};
use super::{Suite, output, read};

impl Suite {
    /// The overview of all operators reads only metrics that are listed, and selects no operator by name: another operator is in
    /// it at once.
    pub(super) fn overview(&self) -> Result<()> {
        let text = read(&workspace::root().join("charts/common/files/overview.json"))?;
        let queries = dashboard_queries(&serde_json::from_str(&text)?);
        let observability = read(&workspace::root().join("docs/observability.md"))?;
        let metrics: BTreeSet<String> = queries.iter().flat_map(|query| metrics_of(query)).collect();
        let mut wrong = unknown_metrics(&metrics, &known_metrics(&observability));
        let selected: BTreeSet<&str> = queries.iter().flat_map(|query| operators_of(query)).collect();
        wrong.extend(
            selected
                .iter()
                .map(|name| format!("a query selects operator=\"{name}\"; use operator=~\"$operator\"")),
        );
        ensure!(
            wrong.is_empty(),
            "charts/common/files/overview.json: {}",
            wrong.join("\n")
        );
        self.understood(&queries).context("charts/common/files/overview.json")
    }

    /// Prometheus understands the queries of a dashboard.
    pub(super) fn understood(&self, queries: &[String]) -> Result<()> {
        let rules: Vec<_> = queries
            .iter()
            .enumerate()
            // Grafana replaces this variable; others are in quotes.
            .map(|(number, query)| json!({"record": format!("query{number}"), "expr": query.replace("$__rate_interval", "5m")}))
            .collect();
        // JSON is YAML.
        let file = self.work.path().join("queries.yaml");
        fs::write(
            &file,
            json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string(),
        )?;
        output(Command::new(&self.promtool).args(["check", "rules"]).arg(&file)).map(drop)
    }
}
