//! Waiting until the cluster is ready. The error has the reason when it does not become ready.
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use crate::binaries::{Tools, kubectl};
use crate::control::Component;
use crate::node::Machine;
use crate::process::Condition;
use crate::state::{Home, Settings};

/// Generous: two cores may be busy compiling something else.
pub(crate) const READY_WITHIN: Duration = Duration::from_mins(4);

pub(crate) fn await_apiserver(home: &Home, tools: &Tools) -> Result<()> {
    let begin = Instant::now();
    loop {
        let Err(error) = kubectl(home, tools, &["get", "--raw=/readyz"]) else {
            return Ok(());
        };
        let etcd_and_server = [Component::Etcd, Component::Apiserver];
        let dead = etcd_and_server
            .iter()
            .find(|component| component.condition(home).is_none());
        if let Some(dead) = dead {
            bail!(
                "{} has ended:\n{}",
                dead.name(),
                tail(&home.logs().join(format!("{}.log", dead.name())))
            );
        }
        if begin.elapsed() > READY_WITHIN {
            return Err(error.context("the API server does not become ready"));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().take(15).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// Waits for the nodes that are switched on. Each must report its present boot: an old `Ready` is not enough.
pub(crate) fn await_nodes(home: &Home, settings: &Settings, tools: &Tools) -> Result<()> {
    let wanted: Vec<(&str, String)> = settings
        .nodes
        .iter()
        .filter_map(|node| {
            let machine = Machine { home, settings, node };
            (machine.condition()? == Condition::Running).then_some((node.name.as_str(), machine.boot_id()?))
        })
        .collect();
    let begin = Instant::now();
    loop {
        let nodes = kubectl(home, tools, &["get", "nodes", "-o=json"])?;
        let nodes: Value = serde_json::from_str(&nodes)?;
        let missing: Vec<&str> = wanted
            .iter()
            .filter(|(name, boot)| !is_ready(&nodes, name, boot))
            .map(|(name, _)| *name)
            .collect();
        let Some(first) = missing.first() else { return Ok(()) };
        if begin.elapsed() > READY_WITHIN {
            let log = home.node(first).join("logs/kubelet.log");
            bail!(
                "not ready: {}. The last lines of {}:\n{}",
                missing.join(", "),
                log.display(),
                tail(&log)
            );
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn is_ready(nodes: &Value, name: &str, boot: &str) -> bool {
    nodes["items"].as_array().into_iter().flatten().any(|node| {
        let conditions = node["status"]["conditions"].as_array();
        node["metadata"]["name"] == name
            && node["status"]["nodeInfo"]["bootID"] == boot
            && conditions
                .into_iter()
                .flatten()
                .any(|c| c["type"] == "Ready" && c["status"] == "True")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_is_ready_only_in_its_present_boot() {
        let conditions = json!([{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True"}]);
        let node =
            json!({"metadata": {"name": "a"}, "status": {"nodeInfo": {"bootID": "now"}, "conditions": conditions}});
        let nodes = json!({"items": [node]});
        assert!(is_ready(&nodes, "a", "now"));
        assert!(!is_ready(&nodes, "a", "before"));
        assert!(!is_ready(&nodes, "b", "now"));
        assert!(!is_ready(&json!({}), "a", "now"));
    }
}
