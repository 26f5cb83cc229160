//! What `kubectl get` prints: the API server lays it out, so that it is the same here.
use std::time::Duration;

use crate::wait::until;
use anyhow::{Context, Result};
use kube::Client;
use serde_json::Value;

/// Far longer than anything here takes; machines may be busy.
const LIMIT: Duration = Duration::from_mins(1);

/// Rows of cells, the first one the head.
pub(crate) struct Table(pub(crate) Vec<Vec<String>>);

impl Table {
    /// Reads it from a path of the API, with these columns only; all that `kubectl` shows unless any is given.
    pub(crate) async fn read(client: &Client, path: &str, columns: &[&str]) -> Result<Self> {
        let request = http::Request::get(path)
            .header(http::header::ACCEPT, "application/json;as=Table;g=meta.k8s.io;v=v1")
            .body(Vec::new())?;
        Self::of(&client.request::<Value>(request).await?, columns).context("the API server has sent no table")
    }

    fn of(answer: &Value, columns: &[&str]) -> Option<Self> {
        let heads: Vec<String> = answer["columnDefinitions"]
            .as_array()?
            .iter()
            .map(|column| column["name"].as_str().unwrap_or_default().to_uppercase())
            .collect();
        let wide = |at: usize| {
            answer["columnDefinitions"][at]["priority"]
                .as_i64()
                .is_some_and(|priority| priority > 0)
        };
        let wanted: Vec<usize> = if columns.is_empty() {
            (0..heads.len()).filter(|&at| !wide(at)).collect()
        } else {
            let place = |column: &&str| heads.iter().position(|head| head == column);
            columns.iter().map(place).collect::<Option<_>>()?
        };
        let shown = |cell: &Value| match cell {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut rows = vec![wanted.iter().map(|&at| heads[at].clone()).collect::<Vec<_>>()];
        // Without rows the list is null.
        for row in answer["rows"].as_array().into_iter().flatten() {
            rows.push(wanted.iter().map(|&at| shown(&row["cells"][at])).collect());
        }
        Some(Self(rows))
    }

    /// The cell of a row that begins with this name.
    pub(crate) fn cell(&self, name: &str, column: &str) -> Option<&str> {
        let (head, rows) = self.0.split_first()?;
        let at = head.iter().position(|head| head == column)?;
        let row = rows.iter().find(|row| row.first().is_some_and(|first| first == name))?;
        row.get(at).map(String::as_str)
    }

    /// Waits until it has these cells: name, column, content.
    pub(crate) async fn with(
        client: &Client,
        path: &str,
        columns: &[&str],
        cells: &[(&str, &str, &str)],
    ) -> Result<Self> {
        until(&format!("{path} shows {cells:?}"), LIMIT, || async {
            let table = Self::read(client, path, columns).await?;
            for (name, column, content) in cells {
                let now = table.cell(name, column);
                anyhow::ensure!(now == Some(content), "{name} has {column} {now:?}");
            }
            Ok(Some(table))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_those_of_kubectl_or_those_that_are_asked_for() {
        let answer = json!({
            "columnDefinitions": [{"name": "Name", "priority": 0}, {"name": "Node", "priority": 1}, {"name": "Ready"}],
            "rows": [{"cells": ["db-0", "mini-2", 1]}, {"cells": ["db-1", null, null]}]
        });
        let all = Table::of(&answer, &[]).unwrap();
        assert_eq!(all.0, [["NAME", "READY"], ["db-0", "1"], ["db-1", ""]]);
        let some = Table::of(&answer, &["NAME", "NODE"]).unwrap();
        assert_eq!(some.cell("db-0", "NODE"), Some("mini-2"));
        assert_eq!((some.cell("db-2", "NODE"), some.cell("db-0", "READY")), (None, None));
        assert!(Table::of(&answer, &["AGE"]).is_none());
        assert!(Table::of(&json!({"kind": "List"}), &[]).is_none());
    }
}
