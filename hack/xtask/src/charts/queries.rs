//! The metrics in the queries of alerts and dashboards.
use std::collections::BTreeSet;

use serde_json::Value;

/// The metrics that docs/observability.md lists: the first cells of its tables.
pub(super) fn known_metrics(observability: &str) -> BTreeSet<&str> {
    let cells = observability.lines().filter_map(|line| line.strip_prefix("| `"));
    cells.filter_map(|cell| cell.split('`').next()).collect()
}

/// What is wrong with metrics that are read but not listed.
pub(super) fn unknown_metrics(metrics: &BTreeSet<String>, known: &BTreeSet<&str>) -> Vec<String> {
    let unknown = metrics.iter().filter(|name| !is_known(name, known));
    unknown
        .map(|name| format!("metric {name} is in a query, but not in docs/observability.md"))
        .collect()
}

/// Whether a metric is listed. A histogram is listed once and queried by its parts.
fn is_known(metric: &str, known: &BTreeSet<&str>) -> bool {
    let parts = ["_bucket", "_count", "_sum"]
        .iter()
        .filter_map(|part| metric.strip_suffix(part));
    parts.chain([metric]).any(|name| known.contains(name))
}

/// Every expression of a dashboard; those of its variables without the label.
pub(super) fn dashboard_queries(value: &Value) -> Vec<String> {
    let mut queries = Vec::new();
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                match field {
                    Value::String(text) if key == "expr" => queries.push(text.clone()),
                    Value::String(text) if text.starts_with("label_values(") => {
                        let end = text.rfind(',').unwrap_or(text.len());
                        queries.push(text["label_values(".len()..end].to_owned());
                    }
                    field => queries.extend(dashboard_queries(field)),
                }
            }
        }
        Value::Array(items) => queries.extend(items.iter().flat_map(dashboard_queries)),
        _ => {}
    }
    queries
}

/// The operators whose series a query selects by name.
pub(super) fn operators_of(query: &str) -> impl Iterator<Item = &str> {
    let selectors = query.split("operator=\"").skip(1);
    selectors.filter_map(|after| after.split('"').next())
}

/// Whether the word before this text is a function or an aggregation.
fn is_called(after: &str) -> bool {
    let after = after.trim_start();
    ["(", "by ", "by(", "without ", "without("]
        .iter()
        .any(|next| after.starts_with(next))
}

/// The names of metrics in a `PromQL` expression: the words that are neither keywords nor called, outside of selectors,
/// strings, ranges and lists of labels.
pub(super) fn metrics_of(query: &str) -> BTreeSet<String> {
    const WORDS: [&str; 8] = ["and", "or", "unless", "bool", "offset", "inf", "nan", "atan2"];
    const LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
    let mut found = BTreeSet::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let closing = match first {
            '{' => Some('}'),
            '[' => Some(']'),
            '"' => Some('"'),
            _ => None,
        };
        if let Some(closing) = closing {
            rest = rest[1..].split_once(closing).map_or("", |(_, after)| after);
        } else if first.is_ascii_alphanumeric() || first == '_' {
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':')
                .unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after;
            if LABELS.contains(&word) {
                let list = after.trim_start();
                rest = if list.starts_with('(') {
                    list.split_once(')').map_or("", |(_, after)| after)
                } else {
                    after
                };
            } else if !WORDS.contains(&word) && !first.is_ascii_digit() && !is_called(after) {
                found.insert(word.to_owned());
            }
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_metrics_are_found_in_a_query() {
        let query = r#"histogram_quantile(0.99, sum by (le) (rate(a_bucket{x="b_total", y=~"c"}[$__rate_interval])))
            > 6 * 3600 and on (job, instance) d_info{operator="e"} unless ignoring(zone) f:rate5m or 0"#;
        let found: Vec<String> = metrics_of(query).into_iter().collect();
        assert_eq!(found, ["a_bucket", "d_info", "f:rate5m"]);
    }

    #[test]
    fn a_metric_that_is_not_listed_is_found_and_a_histogram_is_listed_once() {
        let known = known_metrics("| metric |\n| --- |\n| `a_seconds` | `x` | |\n| `b_total` | |\n");
        let read = ["a_seconds_bucket", "b_total", "c"].map(str::to_owned).into();
        assert_eq!(
            unknown_metrics(&read, &known),
            ["metric c is in a query, but not in docs/observability.md"]
        );
    }

    #[test]
    fn a_dashboards_variables_are_queries_too() {
        let dashboard = json!({"panels": [{"targets": [{"expr": "up"}]}], "list": [{"query": {"query": "label_values(a_info{b=\"c\"}, d)"}}]});
        assert_eq!(dashboard_queries(&dashboard), ["a_info{b=\"c\"}", "up"]);
    }

    #[test]
    fn the_operators_that_a_query_selects_are_found() {
        let query = r#"up and on (job) a_info{operator="b",c="d"} or absent(a_info{operator="e"})"#;
        assert_eq!(operators_of(query).collect::<Vec<_>>(), ["b", "e"]);
        assert_eq!(operators_of("up{a=\"b\"}").count(), 0);
    }
}
